//! Any words to aws.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::command_line(argv::Tool::Aws, data));
