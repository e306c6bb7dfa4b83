//! The Python package of shmkit: conversions of what the library does, and nothing of its own.
//!
//! What is exported here is the private module `shmkit._shmkit`; the package in `python/` gives it the
//! faces that people import.

mod arguments;
mod buffer;
mod error;
mod handover;
mod inspect;
mod key;
mod qt;
mod sealed;
mod segment;
mod shared_memory;
mod typed;
mod wait;

use pyo3::pymodule;

/// The core of the package `shmkit`: private, and without promises.
#[pymodule]
mod _shmkit {
    #[pymodule_export]
    use super::buffer::Buffer;
    #[pymodule_export]
    use super::handover::{
        Parcel, Published, Rendezvous, Server, fetch, inherited, publish, receive, send,
    };
    #[pymodule_export]
    use super::inspect::{
        EventStream, list_segments, lock_info, reap, segment_holders, segment_info, wait_for,
    };
    #[pymodule_export]
    use super::key::Key;
    #[pymodule_export]
    use super::qt::{Array, QNativeIpcKey, QSharedMemory, QSystemSemaphore, VoidPtr};
    #[pymodule_export]
    use super::sealed::Sealed;
    #[pymodule_export]
    use super::segment::{Held, SharedMemory};
    #[pymodule_export]
    use super::shared_memory::{Block, unlink, unlink_unused};
    #[pymodule_export]
    use super::typed::{
        Barrier, Condvar, Event, Guard, Layout, Mutex, Once, Place, RecursiveMutex, RwLock,
        Semaphore, TypedSegment, Waiting,
    };
    #[pymodule_export]
    use super::wait::Cancellation;
}
