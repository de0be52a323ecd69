//! The process's entry. It is C's `main` and not Rust's: the Rust runtime would set SIGPIPE to ignored and open
//! `/dev/null` on closed standard descriptors before we could see how they were, and a tool behind the gate must
//! inherit both exactly as it would without us.

#![no_main]

use std::ffi::{c_char, c_int};

#[cfg(target_env = "musl")]
static SPACE: reeve::Space = reeve::Space::empty();

// musl's own asks the kernel for memory again and again, which is a tenth of a governed call.
// SAFETY: nobody else uses the space.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: reeve::Allocator = unsafe { reeve::Allocator::new(&SPACE) };

/// C's `main`.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    #[cfg(target_env = "musl")]
    reeve::make_room(SPACE.begin());
    #[cfg(not(target_env = "musl"))]
    reeve::make_room(Vec::<u8>::with_capacity(reeve::ROOM).as_ptr());
    // SAFETY: the C runtime passes `count` pointers to NUL-terminated strings that live as long as the process.
    reeve::start(unsafe { reeve::arguments(count, words) })
}

/// musl's functions for memory, which the compiler calls by these names. Where it does not optimise, it calls them in these very ones,
/// without end.
#[cfg(all(target_env = "musl", target_arch = "x86_64", not(debug_assertions)))]
mod memory {
    use reeve::memory::{compare, copy};
    use std::ffi::c_int;

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: what C asks of the caller is more than this.
        unsafe { memmove(to, from, count) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: C asks the same of the caller.
        unsafe { copy(to, from, count) };
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> c_int {
        // SAFETY: C asks the same of the caller.
        c_int::from(unsafe { compare(one, other, count) } as i8)
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> c_int {
        // SAFETY: C asks the same of the caller.
        c_int::from(unsafe { compare(one, other, count) }.is_ne())
    }
}

/// musl's way to the clock goes through pages of the kernel's, far from our own. A process that maps nothing else there and asks a dozen
/// times has the time sooner by a system call: the first touch of such pages takes page tables, and so does their end.
#[cfg(all(target_env = "musl", target_pointer_width = "64"))]
mod clock {
    use nix::libc::{SYS_clock_gettime, c_int, clockid_t, syscall, timespec};

    #[unsafe(no_mangle)]
    unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
        // SAFETY: the kernel asks the same of the caller as C does. It is 0 or -1.
        unsafe { syscall(SYS_clock_gettime, clock, time) as c_int }
    }
}
