//! Every part in the battery of transparency, by the name it is called: the tool (`kubectl`), `with`, and the runner.
//!
//! It has C's `main` and not Rust's, whose start-up would change SIGPIPE and open what is closed before anybody can look.

#![no_main]

use acceptance::transparency::{odd, probe, run, situations};
use std::ffi::{OsString, c_char, c_int};
use std::path::Path;

/// C's `main`.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    let words: Vec<OsString> = std::env::args_os().collect();
    let name = words.first().map(Path::new).and_then(Path::file_name);
    match name.and_then(|name| name.to_str()) {
        Some("with") => odd::run(&words),
        Some("runner") => {
            let group = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
            let observed = run::all(&situations::group(group));
            println!("{}", serde_json::json!(observed));
            0
        }
        // Whatever else: some situations call the tool by odd names.
        _ => probe::run(&words),
    }
}
