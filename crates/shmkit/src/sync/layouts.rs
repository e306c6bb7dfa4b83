//! What the primitives are, for the description of typed segments.
#![expect(
    unsafe_code,
    reason = "the promise that a type may lie in shared memory"
)]

use super::*;
use crate::layout::{Field, Layout, Scalar, ShmSafe};

const WORD: &Layout = &Layout::atomic(Scalar::U32);
const LONG: &Layout = &Layout::atomic(Scalar::U64);

/// The words of a `Lock`, with which the larger primitives begin.
const LOCK: [Field; 3] = [
    Field::new("word", 0, WORD),
    Field::new("turns", 4, WORD),
    Field::new("blamed", 8, LONG),
];

/// The alignment of a primitive around data.
const fn align_around(data: &Layout) -> u32 {
    if data.align() > 8 { data.align() } else { 8 }
}

macro_rules! primitives {
    ($($type:ident: $first:literal, $second:literal;)*) => {$(
        // SAFETY: `repr(C)`, two words that are only used as atomics and mean the same in every
        // process; any bits are values. No pointers, no `Drop`.
        #[diagnostic::do_not_recommend]
        unsafe impl ShmSafe for $type {
            const LAYOUT: &'static Layout = &Layout::sync(
                stringify!($type),
                1,
                8,
                8,
                &[Field::new($first, 0, WORD), Field::new($second, 4, WORD)],
            );
        }

        const _: () = Layout::assert_describes::<$type>();
    )*};
}

primitives! {
    Once: "word", "reserved";
    Event: "flag", "is_auto";
    Semaphore: "permits", "reserved";
    Barrier: "round", "parties";
    Condvar: "sequence", "reserved";
}

// SAFETY: `repr(C)`: atomics that mean the same in every process (a lease is of the segment), and
// data that are `ShmSafe`, which only the holder of the lock changes. Any bits of the words are
// values. No pointers, no `Drop`.
unsafe impl<T: ShmSafe> ShmSafe for Mutex<T> {
    const LAYOUT: &'static Layout = &Layout::sync(
        "Mutex",
        1,
        size_of::<Self>() as u64,
        align_around(T::LAYOUT),
        &[
            LOCK[0],
            LOCK[1],
            LOCK[2],
            Field::new("data", Self::DATA, T::LAYOUT),
        ],
    );
    const WRITES_UNCHECKED: bool = false; // No guard comes of read-only memory.
}

// SAFETY: as for `Mutex`; a thread's number is only compared by the process that has the lease
// beside it.
unsafe impl<T: ShmSafe> ShmSafe for RecursiveMutex<T> {
    const LAYOUT: &'static Layout = &Layout::sync(
        "RecursiveMutex",
        1,
        size_of::<Self>() as u64,
        align_around(T::LAYOUT),
        &[
            LOCK[0],
            LOCK[1],
            LOCK[2],
            Field::new("owner", 16, LONG),
            Field::new("depth", 24, WORD),
            Field::new("reserved", 28, WORD),
            Field::new("data", Self::DATA, T::LAYOUT),
        ],
    );
    const WRITES_UNCHECKED: bool = false; // No guard comes of read-only memory.
}

/// One line of slots for readers.
const LINE: &Layout = &Layout::array(LONG, 8);

// SAFETY: as for `Mutex`; the readers' slots are atomics, too.
unsafe impl<T: ShmSafe, const LINES: usize> ShmSafe for RwLock<T, LINES> {
    const LAYOUT: &'static Layout = &Layout::sync(
        "RwLock",
        1,
        size_of::<Self>() as u64,
        align_around(T::LAYOUT),
        &[
            LOCK[0],
            LOCK[1],
            LOCK[2],
            Field::new("inside", 16, WORD),
            Field::new("reserved", 20, WORD),
            Field::new("left", 24, WORD),
            Field::new("awaited", 28, WORD),
            Field::new("slots", 32, &Layout::array(LINE, LINES as u64)),
            Field::new("data", Self::DATA, T::LAYOUT),
        ],
    );
    const WRITES_UNCHECKED: bool = false; // No guard comes of read-only memory.
}

// SAFETY: `repr(C)`: a `Once`, and a value that is written once by the one whose turn it is. Until
// then its bytes are whatever they were, and not read.
unsafe impl<T: ShmSafe> ShmSafe for OnceCell<T> {
    const LAYOUT: &'static Layout = &Layout::sync(
        "OnceCell",
        1,
        size_of::<Self>() as u64,
        align_around(T::LAYOUT),
        &[
            Field::new("once", 0, Once::LAYOUT),
            Field::new("value", Self::VALUE, T::LAYOUT),
        ],
    );
}

const _: () = {
    Layout::assert_describes::<Mutex<u8>>();
    Layout::assert_describes::<RecursiveMutex<u64>>();
    Layout::assert_describes::<RwLock<u16>>();
    Layout::assert_describes::<RwLock<u64, 1>>();
    Layout::assert_describes::<OnceCell<[u8; 3]>>();
    assert!(Mutex::<u64>::DATA == 16 && size_of::<Mutex<u8>>() == 24);
    assert!(RecursiveMutex::<u64>::DATA == 32);
    assert!(RwLock::<u64>::DATA == 32 + 4 * 64);
    assert!(OnceCell::<u64>::VALUE == 8);
    // What a cell holds is given out from read-only memory, too.
    assert!(!OnceCell::<u64>::WRITES_UNCHECKED);
    assert!(OnceCell::<std::sync::atomic::AtomicU64>::WRITES_UNCHECKED);
    assert!(!Mutex::<std::sync::atomic::AtomicU64>::WRITES_UNCHECKED);
};
