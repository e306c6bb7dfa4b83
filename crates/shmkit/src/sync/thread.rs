//! The number of a thread in its process, which no other thread of the process ever has.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// This thread's number, counted from 1.
#[inline]
pub(super) fn number() -> u32 {
    thread_local! {
        static NUMBER: Cell<u32> = const { Cell::new(0) };
    }
    match NUMBER.get() {
        0 => {
            static LAST: AtomicU32 = AtomicU32::new(0);
            NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
            NUMBER.get()
        }
        number => number,
    }
}
