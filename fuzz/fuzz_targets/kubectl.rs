//! Any words to kubectl.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::command_line(argv::Tool::Kubectl, data));
