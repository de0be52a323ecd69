//! The allocator of the static build. What is small comes one behind the other out of a space that lies in the program, where most of a
//! governed call's few hundred blocks are never given back; the rest, and all when that space is full, from dlmalloc. Before them is a lock
//! of one flag: a governed call has one thread, so the flag is always free, and taking and giving back the C library's mutex, as
//! dlmalloc's own global allocator does, was a tenth of all that the call executes.

#![allow(
    unsafe_code,
    reason = "an allocator is `unsafe` by its trait; every block says why it is sound"
)]

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of the space.
const SPACE: usize = 128 << 10;
/// A longer block comes from dlmalloc.
const SMALL: usize = 32 << 10;

/// Where small blocks lie. A static of its own, or its zeros would be in the program's file.
#[repr(C, align(4096))]
pub struct Space(UnsafeCell<MaybeUninit<[u8; SPACE]>>);

// SAFETY: only the one allocator to which it is given gives out parts of it, each once.
unsafe impl Sync for Space {}

impl Space {
    /// With nothing in it.
    pub const fn empty() -> Space {
        Space(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    /// Its first byte.
    pub const fn begin(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

/// A space and dlmalloc for all threads, one at a time.
pub struct Allocator {
    is_taken: AtomicBool,
    parts: UnsafeCell<Parts>,
}

struct Parts {
    space: &'static Space,
    /// Bytes of the space that are given out.
    used: usize,
    heap: Dlmalloc,
}

// SAFETY: `parts` is only reached through `with`, which lets one thread at a time through.
unsafe impl Sync for Allocator {}

impl Allocator {
    /// With this space for itself alone, and without any other memory yet.
    ///
    /// # Safety
    /// Nobody else uses the space.
    pub const unsafe fn new(space: &'static Space) -> Allocator {
        Allocator {
            is_taken: AtomicBool::new(false),
            parts: UnsafeCell::new(Parts {
                space,
                used: 0,
                heap: Dlmalloc::new(),
            }),
        }
    }

    #[inline]
    fn with<T>(&self, work: impl FnOnce(&mut Parts) -> T) -> T {
        while self
            .is_taken
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            // Whoever has it may have been put aside by the kernel.
            std::thread::yield_now();
        }
        // SAFETY: the flag was free and is ours until it is given back, so there is no other reference. Nothing here calls back or
        // unwinds (the program aborts on a panic).
        let done = work(unsafe { &mut *self.parts.get() });
        self.is_taken.store(false, Ordering::Release);
        done
    }
}

impl Parts {
    /// A part of the space, if there is room in it.
    #[inline]
    fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        if layout.size() > SMALL {
            return None;
        }
        let begin = self.space.begin();
        let from = begin.addr().checked_add(self.used)?;
        let start = from
            .checked_next_multiple_of(layout.align())?
            .checked_sub(begin.addr())?;
        let end = start.checked_add(layout.size())?;
        if end > SPACE {
            return None;
        }
        self.used = end;
        Some(begin.wrapping_add(start))
    }

    /// Where a block begins that is a part of the space.
    #[inline]
    fn place(&self, block: *mut u8) -> Option<usize> {
        let place = block.addr().checked_sub(self.space.begin().addr())?;
        (place < SPACE).then_some(place)
    }

    /// Gives the last part of the space another length, if this is the last one and there is room.
    #[inline]
    fn resize(&mut self, place: usize, old: usize, new: usize) -> bool {
        let (Some(is), Some(will_be)) = (place.checked_add(old), place.checked_add(new)) else {
            return false;
        };
        let may = self.used == is && will_be <= SPACE;
        if may {
            self.used = will_be;
        }
        may
    }

    /// # Safety
    /// As [`GlobalAlloc::alloc`].
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => block,
            // SAFETY: as the caller promises.
            None => unsafe { self.heap.malloc(layout.size(), layout.align()) },
        }
    }

    /// # Safety
    /// As [`GlobalAlloc::dealloc`].
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        match self.place(block) {
            // What is not the last stays taken.
            Some(place) => {
                self.resize(place, layout.size(), 0);
            }
            // SAFETY: as the caller promises; what is not of the space came from here.
            None => unsafe { self.heap.free(block, layout.size(), layout.align()) },
        }
    }

    /// # Safety
    /// As [`GlobalAlloc::realloc`].
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(place) = self.place(block) else {
            // SAFETY: as the caller promises; what is not of the space came from here.
            return unsafe { self.heap.realloc(block, layout.size(), layout.align(), size) };
        };
        if self.resize(place, layout.size(), size) {
            return block;
        }
        // SAFETY: the caller promises that the new size is one for this alignment. The blocks are two, both at least as long as
        // what is copied; and the old one is given back as it was got.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

// SAFETY: memory of the size and alignment that is asked for is given out, once, until it is given back: parts of the space do not
// overlap, for each begins where those before it end; and what the trait asks of callers is what dlmalloc asks of them.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|parts| unsafe { parts.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        self.with(|parts| unsafe { parts.dealloc(block, layout) });
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.with(|parts| match parts.take(layout) {
            Some(block) => {
                // Another block may have been there before.
                // SAFETY: the block is ours, and of this size.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: as the caller promises.
            None => unsafe { parts.heap.calloc(layout.size(), layout.align()) },
        })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|parts| unsafe { parts.realloc(block, layout, size) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_block_has_its_own_bytes_whether_it_is_of_the_space_or_not() {
        static SPACE_OF_ONE: Space = Space::empty();
        // SAFETY: this test alone uses it.
        static ALLOCATOR: Allocator = unsafe { Allocator::new(&SPACE_OF_ONE) };
        let inside = |block: *mut u8| block.addr().wrapping_sub(SPACE_OF_ONE.begin().addr()) < SPACE;
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        // SAFETY: as in the test below.
        unsafe {
            let one = ALLOCATOR.alloc(layout(10));
            let last = ALLOCATOR.alloc(layout(10));
            last.write_bytes(7, 10);
            assert!(inside(one) && inside(last) && last.addr() >= one.addr() + 10);
            assert_eq!(
                ALLOCATOR.realloc(last, layout(10), 500),
                last,
                "the last one grows where it is"
            );
            let moved = ALLOCATOR.realloc(one, layout(10), 500);
            assert!(moved.addr() >= last.addr() + 500, "another one does not");
            let far = ALLOCATOR.realloc(moved, layout(500), SPACE);
            assert!(!inside(far));
            ALLOCATOR.dealloc(last, layout(500)); // stays taken: `moved` was the last, and is given back
            let again = ALLOCATOR.alloc_zeroed(layout(400));
            assert!(
                again == moved
                    && std::slice::from_raw_parts(again, 400)
                        .iter()
                        .all(|byte| *byte == 0)
            );
            let mut blocks = vec![again];
            while blocks.last().is_some_and(|block| inside(*block)) {
                blocks.push(ALLOCATOR.alloc(layout(400)));
            }
            let full: BTreeSet<usize> = blocks.iter().map(|block| block.addr()).collect();
            assert!(full.len() == blocks.len() && full.len() > SPACE / 400 - 5);
            assert!(
                full.iter()
                    .zip(full.iter().skip(1))
                    .all(|(one, next)| next - one >= 400)
            );
        }
    }

    #[test]
    fn threads_get_memory_that_is_theirs_alone() {
        static SPACE: Space = Space::empty();
        // SAFETY: this test alone uses it.
        static ALLOCATOR: Allocator = unsafe { Allocator::new(&SPACE) };
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
