//! Copies by relaxed atomics: bytes up to the first aligned word of the shared side, then words.
#![expect(unsafe_code, reason = "atomics at raw addresses")]

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicUsize};

const WORD: usize = size_of::<usize>();

/// How many of `len` bytes at `address` stand before the first aligned word.
fn head(address: *const u8, len: usize) -> usize {
    (address.addr().wrapping_neg() % WORD).min(len)
}

/// Copies `len` bytes out of shared memory.
///
/// # Safety
/// `len` bytes are readable at `src`, writable at `dst`, and nobody else accesses those at `dst`.
#[inline]
pub(in super::super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) {
    let byte = |at: usize| {
        // SAFETY: `at` is below `len`, and a byte is always aligned.
        let shared = unsafe { AtomicU8::from_ptr(src.wrapping_add(at).cast_mut()) };
        // SAFETY: as above, and `dst` is the caller's own.
        unsafe { dst.wrapping_add(at).write(shared.load(Relaxed)) };
    };
    let head = head(src, len);
    let words = (len - head) / WORD;
    (0..head).for_each(byte);
    for at in (head..).step_by(WORD).take(words) {
        // SAFETY: the word ends within `len`, and `head` made its address a multiple of its size.
        let shared = unsafe { AtomicUsize::from_ptr(src.wrapping_add(at).cast_mut().cast()) };
        // SAFETY: in bounds as above, and `dst` is the caller's own.
        unsafe {
            dst.wrapping_add(at)
                .cast::<usize>()
                .write_unaligned(shared.load(Relaxed))
        };
    }
    (head + words * WORD..len).for_each(byte);
}

/// Copies `len` bytes into shared memory.
///
/// # Safety
/// `len` bytes are readable at `src`, writable at `dst`, and nobody else writes those at `src`.
#[inline]
pub(in super::super) unsafe fn write(src: *const u8, dst: *mut u8, len: usize) {
    let byte = |at: usize| {
        // SAFETY: `at` is below `len`, and a byte is always aligned.
        let shared = unsafe { AtomicU8::from_ptr(dst.wrapping_add(at)) };
        // SAFETY: as above, and nobody writes to `src`.
        shared.store(unsafe { src.wrapping_add(at).read() }, Relaxed);
    };
    let head = head(dst, len);
    let words = (len - head) / WORD;
    (0..head).for_each(byte);
    for at in (head..).step_by(WORD).take(words) {
        // SAFETY: the word ends within `len`, and `head` made its address a multiple of its size.
        let shared = unsafe { AtomicUsize::from_ptr(dst.wrapping_add(at).cast()) };
        // SAFETY: in bounds as above, and nobody writes to `src`.
        shared.store(
            unsafe { src.wrapping_add(at).cast::<usize>().read_unaligned() },
            Relaxed,
        );
    }
    (head + words * WORD..len).for_each(byte);
}

/// Copies `len` bytes within shared memory; the ranges may overlap.
///
/// # Safety
/// `len` bytes are readable at `src` and writable at `dst`.
#[inline]
pub(in super::super) unsafe fn shift(src: *const u8, dst: *mut u8, len: usize) {
    const PIECE: usize = 512;
    let mut piece = [0; PIECE];
    let pieces = len.div_ceil(PIECE);
    for n in 0..pieces {
        // From the end that the destination reaches last, so that no piece is lost before its turn.
        let at = PIECE
            * if dst.cast_const() <= src {
                n
            } else {
                pieces - 1 - n
            };
        let len = PIECE.min(len - at);
        // SAFETY: `at + len` is within the range, and `piece` is this function's own.
        unsafe { read(src.wrapping_add(at), piece.as_mut_ptr(), len) };
        // SAFETY: as above.
        unsafe { write(piece.as_ptr(), dst.wrapping_add(at), len) };
    }
}

/// Sets `len` bytes of shared memory.
///
/// # Safety
/// `len` bytes are writable at `dst`.
#[inline]
pub(in super::super) unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    let store = |at: usize| {
        // SAFETY: `at` is below `len`, and a byte is always aligned.
        unsafe { AtomicU8::from_ptr(dst.wrapping_add(at)) }.store(byte, Relaxed);
    };
    let word = usize::from_ne_bytes([byte; WORD]);
    let head = head(dst, len);
    let words = (len - head) / WORD;
    (0..head).for_each(store);
    for at in (head..).step_by(WORD).take(words) {
        // SAFETY: the word ends within `len`, and `head` made its address a multiple of its size.
        unsafe { AtomicUsize::from_ptr(dst.wrapping_add(at).cast()) }.store(word, Relaxed);
    }
    (head + words * WORD..len).for_each(store);
}
