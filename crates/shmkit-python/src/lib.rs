//! The Python package of shmkit: conversions of what the library does, and nothing of its own.
//!
//! What is exported here is the private module `shmkit._shmkit`; the package in `python/` gives it the
//! faces that people import.

mod arguments;
mod buffer;
mod directory;
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

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// The core of the package `shmkit`: private, and without promises.
#[pymodule]
mod _shmkit {
    use super::*;

    #[pymodule_export]
    use super::buffer::Buffer;
    #[pymodule_export]
    use super::directory::{choose_directory, directory_candidates, examine_directory};
    #[pymodule_export]
    use super::handover::{
        Parcel, Published, Rendezvous, Server, fetch, from_process, inherited, publish, receive,
        send,
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

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::refuse_subinterpreters(module.py())
    }
}

/// Types and what else is made once belong to the interpreter that made them, and would be used by
/// another one after that is gone.
#[expect(unsafe_code, reason = "PyO3 has no name for interpreters")]
fn refuse_subinterpreters(_: Python<'_>) -> PyResult<()> {
    // SAFETY: the interpreter is this thread's, which is attached to it.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: as above.
    match unsafe { ffi::PyInterpreterState_GetID(interpreter) } {
        0 => Ok(()),
        _ => Err(PyImportError::new_err(
            "shmkit works in the main interpreter only; for sub-interpreters use processes, or threads",
        )),
    }
}
