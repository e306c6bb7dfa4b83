//! `shmkit.qt`: Qt's three classes as Python knows them from PyQt6. All that they do is the library's
//! `shmkit::qt`; what is here are PyQt's manners of taking arguments and of handing out memory.

mod arguments;
mod key;
mod memory;
mod numbers;
mod pointer;
mod semaphore;
mod shared;
mod window;

use pyo3::pymodule;

/// The classes that `shmkit.qt` makes its own of.
#[pymodule(name = "qt")]
pub(crate) mod module {
    #[pymodule_export]
    use super::key::QNativeIpcKey;
    #[pymodule_export]
    use super::memory::QSharedMemory;
    #[pymodule_export]
    use super::pointer::{Array, VoidPtr};
    #[pymodule_export]
    use super::semaphore::QSystemSemaphore;
}
