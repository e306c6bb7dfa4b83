//! What the workers share, and what the director sees of them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use shmkit::sync::{Condvar, Mutex, RwLock, Semaphore};
use shmkit::typed::ShmSafe;

use crate::record::Record;

/// How many workers there can be.
pub(crate) const SEATS: usize = 64;

/// What can be held by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Lock {
    Ledger,
    Table,
    Queue,
}

const LOCKS: usize = 3;

/// The segment.
#[derive(ShmSafe)]
#[repr(C)]
pub(crate) struct Ground {
    pub(crate) ledger: Mutex<Record>,
    pub(crate) table: RwLock<Record>,
    pub(crate) queue: Mutex<u64>,
    pub(crate) filled: Condvar,
    pub(crate) items: Semaphore,
    /// The highest numbers of records that were written and unlocked.
    pub(crate) ledger_reached: AtomicU64,
    pub(crate) table_reached: AtomicU64,
    /// For each [`Lock`]: how many deaths of its holders were told of, and when the last time.
    pub(crate) deaths: [AtomicU64; LOCKS],
    pub(crate) last_death: [AtomicU64; LOCKS],
    /// How many records were found torn after a death, and how often the poison was found.
    pub(crate) torn: AtomicU64,
    pub(crate) poisoned: AtomicU64,
    /// The longest wait, in nanoseconds.
    pub(crate) longest: AtomicU64,
    /// How many times somebody was through with something.
    pub(crate) turns: AtomicU64,
    pub(crate) stop: AtomicU32,
    reserved: AtomicU32,
    pub(crate) seats: [Seat; SEATS],
}

/// What the director sees of one worker.
#[derive(ShmSafe)]
#[repr(C, align(64))]
pub(crate) struct Seat {
    /// Not 0 once it works.
    pub(crate) works: AtomicU32,
    /// 1 and the number of the lock that it has to itself for certain; else 0.
    pub(crate) holds: AtomicU32,
    /// Since when it waits for a lock, in nanoseconds; 0 if it does not.
    pub(crate) waits_since: AtomicU64,
    reserved: [AtomicU64; 6],
}

impl Seat {
    const fn new() -> Self {
        Self {
            works: AtomicU32::new(0),
            holds: AtomicU32::new(0),
            waits_since: AtomicU64::new(0),
            reserved: [const { AtomicU64::new(0) }; 6],
        }
    }

    /// Makes it ready for the next worker.
    pub(crate) fn clear(&self) {
        self.works.store(0, Relaxed);
        self.holds.store(0, Relaxed);
        self.waits_since.store(0, Relaxed);
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Mutex::new(Record::new()),
            table: RwLock::new(Record::new()),
            queue: Mutex::new(0),
            filled: Condvar::new(),
            items: Semaphore::new(0),
            ledger_reached: AtomicU64::new(0),
            table_reached: AtomicU64::new(0),
            deaths: [const { AtomicU64::new(0) }; LOCKS],
            last_death: [const { AtomicU64::new(0) }; LOCKS],
            torn: AtomicU64::new(0),
            poisoned: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            stop: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            seats: [const { Seat::new() }; SEATS],
        }
    }
}

/// Nanoseconds of a clock that all processes share.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Between two of them.
pub(crate) fn between(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}
