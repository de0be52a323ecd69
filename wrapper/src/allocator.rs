//! The allocator of the static build: dlmalloc behind a lock of one flag. A governed call has one thread, so the flag is always
//! free; taking and giving back the C library's mutex, as the crate's own global allocator does, was a tenth of all that the call
//! executes.

#![allow(
    unsafe_code,
    reason = "an allocator is `unsafe` by its trait; every block says why it is sound"
)]

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// dlmalloc for all threads, one at a time.
pub struct Allocator {
    is_taken: AtomicBool,
    heap: UnsafeCell<Dlmalloc>,
}

// SAFETY: `heap` is only reached through `with`, which lets one thread at a time through.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// Without any memory yet.
    pub const fn empty() -> Allocator {
        Allocator {
            is_taken: AtomicBool::new(false),
            heap: UnsafeCell::new(Dlmalloc::new()),
        }
    }

    #[inline]
    fn with<T>(&self, work: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        while self
            .is_taken
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            // Whoever has it may have been put aside by the kernel.
            std::thread::yield_now();
        }
        // SAFETY: the flag was free and is ours until it is given back, so there is no other reference. dlmalloc neither calls
        // back nor unwinds (the program aborts on a panic).
        let done = work(unsafe { &mut *self.heap.get() });
        self.is_taken.store(false, Ordering::Release);
        done
    }
}

// SAFETY: dlmalloc gives out memory of the size and alignment that it is asked for, once, until it is given back; what the trait
// asks of callers is what dlmalloc asks of them.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), size) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_get_memory_that_is_theirs_alone() {
        static ALLOCATOR: Allocator = Allocator::empty();
        std::thread::scope(|scope| {
            for mark in 1..=4_u8 {
                scope.spawn(move || {
                    for round in 0..2_000_usize {
                        let size = 1 + round % 700;
                        let layout = Layout::from_size_align(size, 1 << (round % 5)).unwrap();
                        let grown = Layout::from_size_align(size * 2, layout.align()).unwrap();
                        // SAFETY: the layouts have a size, the block is used within it, and given back once with its last layout.
                        unsafe {
                            let block = ALLOCATOR.alloc(layout);
                            assert_eq!(block.addr() % layout.align(), 0);
                            block.write_bytes(mark, size);
                            let block = ALLOCATOR.realloc(block, layout, size * 2);
                            let kept = std::slice::from_raw_parts(block, size);
                            assert!(kept.iter().all(|byte| *byte == mark));
                            ALLOCATOR.dealloc(block, grown);
                            let zeros = ALLOCATOR.alloc_zeroed(layout);
                            let found = std::slice::from_raw_parts(zeros, size);
                            assert!(found.iter().all(|byte| *byte == 0));
                            ALLOCATOR.dealloc(zeros, layout);
                        }
                    }
                });
            }
        });
    }
}
