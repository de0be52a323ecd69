//! psql command lines; see [`fuzz::command_line`].
#![no_main]

use argv::Tool;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::command_line(Tool::Psql, data));
