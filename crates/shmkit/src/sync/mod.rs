//! Locks and signals that live inside a segment, between all processes that have it attached.
//!
//! They are placed in a [`Shared<T>`](crate::typed::Shared), as fields of a type or alone:
//!
//! | what for | type |
//! |---|---|
//! | one at a time | [`Mutex`], [`RecursiveMutex`] |
//! | many readers or one writer | [`RwLock`] |
//! | until something has changed | [`Condvar`] |
//! | until something has happened | [`Event`] |
//! | counting | [`Semaphore`] |
//! | nobody before all have come | [`Barrier`] |
//! | exactly once | [`Once`], [`OnceCell`] |
//!
//! # Rules
//!
//! - **Nobody waits for the dead.** A lock's word names its holder by a *lease*, which the kernel
//!   ends with the process and which never comes back. A pid would lie: in another PID namespace, and
//!   after it was given to another process.
//! - **Every wait has an end.** `try_` does not wait, `_timeout` and `_deadline` wait as long as they
//!   are told, and the plain form of a lock waits [`DEFAULT_TIMEOUT`]. What waits for an event or a
//!   permit waits for as long as it takes.
//! - **Waiting is sleeping**, after less spinning than a sleep costs.
//! - **The bytes are the same** for 32- and 64-bit programs, each C library and each language;
//!   `docs/FORMAT.md` has them. All zeros is the initial state of each.
//!
//! # Platform-specific behavior
//! On Linux sleepers use `futex(2)`, and leases are locks of open file descriptions (`fcntl(2)`);
//! System V segments have no file, so locks in them are
//! [`Unsupported`](crate::ErrorKind::Unsupported).

mod blame;
mod limit;
#[cfg(all(loom, test))]
mod models;
mod park;
mod peers;
mod readers;
mod recursive_state;
mod rw_state;
mod signal;
mod sleep;
mod word;

#[cfg(all(feature = "async", not(loom)))]
mod asynchronous;
#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod condvar;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod holder;
#[cfg(not(loom))]
mod layouts;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
mod mutex;
#[cfg(not(loom))]
mod once;
#[cfg(all(feature = "async", not(loom)))]
mod reactor;
#[cfg(not(loom))]
mod recursive;
#[cfg(not(loom))]
mod rwlock;
#[cfg(not(loom))]
mod schemas;
#[cfg(not(loom))]
mod semaphore;
#[cfg(not(loom))]
mod thread;

#[cfg(not(loom))]
pub use self::{
    barrier::{Barrier, BarrierWaitResult},
    condvar::{Condvar, WaitTimeoutResult},
    event::Event,
    holder::LockHolder,
    lock::DEFAULT_TIMEOUT,
    mutex::{Mutex, MutexGuard},
    once::{Once, OnceCell},
    recursive::{RecursiveMutex, RecursiveMutexGuard},
    rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    semaphore::Semaphore,
};

#[cfg(not(loom))]
pub(crate) use self::{
    blame::held_for, holder::of_lease as holder_of, limit::Limit, lock::BLAMED, once::Undone,
    word::peek,
};
