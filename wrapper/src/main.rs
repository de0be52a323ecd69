//! The process's entry. It is C's `main` and not Rust's: the Rust runtime would set SIGPIPE to ignored and open
//! `/dev/null` on closed standard descriptors before we could see how they were, and a tool behind the gate must
//! inherit both exactly as it would without us.

#![no_main]

use std::ffi::{c_char, c_int};

// musl's own asks the kernel for memory again and again, which is a tenth of a governed call.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: reeve::Allocator = reeve::Allocator::empty();

/// C's `main`.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    reeve::make_room();
    // SAFETY: the C runtime passes `count` pointers to NUL-terminated strings that live as long as the process.
    reeve::start(unsafe { reeve::arguments(count, words) })
}
