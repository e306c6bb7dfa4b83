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

pub(crate) use key::QNativeIpcKey;
pub(crate) use memory::QSharedMemory;
pub(crate) use pointer::{Array, VoidPtr};
pub(crate) use semaphore::QSystemSemaphore;
