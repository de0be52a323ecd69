//! Copying and comparing memory in the static build. musl's own are made for size: a governed call copies some seven hundred times,
//! hardly ever more than a few dozen bytes, and half of the time of each was the start of `rep movs`.

#![allow(
    unsafe_code,
    reason = "these are C's memcpy, memmove and memcmp, in terms of addresses"
)]

use std::arch::asm;
use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
use std::cmp::Ordering;

/// Bytes of a register.
const BLOCK: usize = 16;
/// What is no longer is loaded whole before any of it is stored.
const SHORT: usize = 8 * BLOCK;
/// The processor copies byte by byte to a place that lies less before the old one.
const CLOSE: usize = 64;

/// Copies `count` bytes; the two places may overlap.
///
/// # Safety
/// `from` is readable and `to` writable for `count` bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: as the caller promises. Where the two ends of a piece overlap in the middle, both were loaded before.
    unsafe {
        match count {
            0 => {}
            1 => to.write(from.read()),
            2..=3 => ends::<u16>(to, from, count),
            4..=7 => ends::<u32>(to, from, count),
            8..=15 => ends::<u64>(to, from, count),
            16..=32 => blocks::<1>(to, from, count),
            33..=64 => blocks::<2>(to, from, count),
            65..=SHORT => blocks::<4>(to, from, count),
            _ if to.addr().wrapping_sub(from.addr()) < count => backwards(to, from, count),
            _ if from.addr().wrapping_sub(to.addr()) < CLOSE => forwards(to, from, count),
            _ => whole(to, from, count),
        }
    }
}

/// The first and the last of `count` bytes, as many as a `T` has of each.
#[inline(always)]
unsafe fn ends<T>(to: *mut u8, from: *const u8, count: usize) {
    let last = count.wrapping_sub(size_of::<T>());
    // SAFETY: as the caller of `copy` promises, for `count` is not less than a `T`'s size.
    unsafe {
        let first = from.cast::<T>().read_unaligned();
        let end = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(last).cast::<T>().write_unaligned(end);
    }
}

/// The same with `HALF` blocks for each end.
#[inline(always)]
unsafe fn blocks<const HALF: usize>(to: *mut u8, from: *const u8, count: usize) {
    let last = count.wrapping_sub(HALF.wrapping_mul(BLOCK));
    // SAFETY: as above; SSE2 is part of x86-64, and needs no alignment here.
    unsafe {
        let at = |start: usize, block: usize| start.wrapping_add(block.wrapping_mul(BLOCK));
        let load = |start| -> [__m128i; HALF] {
            std::array::from_fn(|block| _mm_loadu_si128(from.add(at(start, block)).cast()))
        };
        let store = |start, loaded: [__m128i; HALF]| {
            for (block, value) in loaded.into_iter().enumerate() {
                _mm_storeu_si128(to.add(at(start, block)).cast(), value);
            }
        };
        let (first, end) = (load(0), load(last));
        store(0, first);
        store(last, end);
    }
}

// What is long is copied by instructions that the compiler does not see through: it would make a call of `memcpy` of a loop.

/// By the processor's own instruction, so the places must not overlap, or `to` lie before `from`.
#[inline(always)]
unsafe fn whole(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: as the caller of `copy` promises; the direction is up whenever C's functions are called.
    unsafe {
        asm!(
            "rep movsb",
            inout("rdi") to => _, inout("rsi") from => _, inout("rcx") count => _,
            options(nostack, preserves_flags),
        );
    }
}

/// From the first byte on, so `to` must not lie within `from`; more than one block.
#[inline(always)]
unsafe fn forwards(to: *mut u8, from: *const u8, count: usize) {
    let last = count.wrapping_sub(BLOCK);
    // SAFETY: as the caller of `copy` promises. What is left at the end is loaded before it is stored over.
    unsafe {
        let end = _mm_loadu_si128(from.add(last).cast());
        asm!(
            "2:",
            "movdqu {block}, [{from} + {done}]",
            "movdqu [{to} + {done}], {block}",
            "add {done}, 16",
            "cmp {done}, {last}",
            "jb 2b",
            block = out(xmm_reg) _, from = in(reg) from, to = in(reg) to, last = in(reg) last,
            done = inout(reg) 0_usize => _,
            options(nostack),
        );
        _mm_storeu_si128(to.add(last).cast(), end);
    }
}

/// From the last byte on, so `from` must not lie within `to`; more than one block.
#[inline(always)]
unsafe fn backwards(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: as the caller of `copy` promises. What is left at the end is loaded before it is stored over.
    unsafe {
        let first = _mm_loadu_si128(from.cast());
        asm!(
            "2:",
            "movdqu {block}, [{from} + {left} - 16]",
            "movdqu [{to} + {left} - 16], {block}",
            "sub {left}, 16",
            "cmp {left}, 16",
            "ja 2b",
            block = out(xmm_reg) _, from = in(reg) from, to = in(reg) to, left = inout(reg) count => _,
            options(nostack),
        );
        _mm_storeu_si128(to.cast(), first);
    }
}

/// Compares `count` bytes, the first ones first.
///
/// # Safety
/// Both are readable for `count` bytes.
#[inline(always)]
pub unsafe fn compare(one: *const u8, other: *const u8, count: usize) -> Ordering {
    const WORD: usize = size_of::<u64>();
    let mut at = 0_usize;
    while at < count {
        let left = count.wrapping_sub(at);
        // A rest is compared with bytes before it, which are alike; where there are none, byte by byte.
        let (begin, step) = match (left < WORD, count < WORD) {
            (false, _) => (at, WORD),
            (true, false) => (count.wrapping_sub(WORD), left),
            (true, true) => (at, 1),
        };
        // SAFETY: `begin` and what is read from there on lie within `count`.
        let ordering = unsafe {
            let (one, other) = (one.add(begin), other.add(begin));
            if step == 1 && count < WORD {
                one.read().cmp(&other.read())
            } else {
                let word = |place: *const u8| u64::from_be(place.cast::<u64>().read_unaligned());
                word(one).cmp(&word(other))
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
        at = at.wrapping_add(step);
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copied(bytes: &[u8], from: usize, to: usize, count: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        assert!(from + count <= bytes.len() && to + count <= bytes.len());
        let begin = bytes.as_mut_ptr();
        // SAFETY: both places lie within the vector.
        unsafe { copy(begin.add(to), begin.add(from), count) };
        bytes
    }

    fn expected(bytes: &[u8], from: usize, to: usize, count: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes.copy_within(from..from + count, to);
        bytes
    }

    #[test]
    fn every_short_length_is_copied_over_every_short_distance() {
        let bytes: Vec<u8> = (0..=255).chain(0..=255).chain(0..=255).collect();
        for count in 0..=300 {
            for distance in (0..20).chain([31, 64, 127, 128, 129, 200, 299, 300, 301, 400]) {
                for (from, to) in [(3, 3 + distance), (3 + distance, 3)] {
                    let (is, should) = (copied(&bytes, from, to, count), expected(&bytes, from, to, count));
                    assert!(is == should, "{count} bytes from {from} to {to}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_copied_is_all_and_nothing_else(
            bytes in proptest::collection::vec(any::<u8>(), 1..5000),
            places in any::<[prop::sample::Index; 3]>(),
        ) {
            let [from, to] = [places[0].index(bytes.len()), places[1].index(bytes.len())];
            let count = places[2].index(bytes.len() - from.max(to) + 1);
            prop_assert!(copied(&bytes, from, to, count) == expected(&bytes, from, to, count));
        }

        #[test]
        fn the_first_difference_decides(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut other = bytes.clone();
            for (place, byte) in changes.iter().filter(|_| !bytes.is_empty()) {
                other[place.index(bytes.len())] = *byte;
            }
            // SAFETY: both have this length.
            let is = unsafe { compare(bytes.as_ptr(), other.as_ptr(), bytes.len()) };
            prop_assert_eq!(is, bytes.cmp(&other));
        }
    }
}
