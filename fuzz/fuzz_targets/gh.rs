//! Any words to gh.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::command_line(argv::Tool::Gh, data));
