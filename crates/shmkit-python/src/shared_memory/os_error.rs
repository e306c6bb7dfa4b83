//! The library's errors as `multiprocessing.shared_memory` has them: number, text and file name.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use shmkit::ErrorKind;

/// Python makes `FileNotFoundError` and so on of the number. What shmkit has to say is its note.
pub(crate) fn os_error(py: Python<'_>, error: &shmkit::Error, name: &str) -> PyErr {
    let made = match error.kind() {
        ErrorKind::NotASegment => {
            PyValueError::new_err(format!("cannot map what is called {name:?}"))
        }
        kind => {
            let number = number(kind, error.raw_os_error());
            let text = std::io::Error::from_raw_os_error(number).to_string();
            // Rust adds the number in brackets, and so does Python.
            let text = text.split(" (os error").next().unwrap_or_default();
            PyOSError::new_err((number, text.to_owned(), name.to_owned()))
        }
    };
    let note = PyString::new(py, &error.to_string());
    // Without its note the error is still the error.
    let _ = made.value(py).call_method1("add_note", (note,));
    made
}

fn number(kind: ErrorKind, said: Option<i32>) -> i32 {
    match kind {
        ErrorKind::NotFound => libc::ENOENT,
        ErrorKind::AlreadyExists => libc::EEXIST,
        ErrorKind::PermissionDenied | ErrorKind::ForeignOwner => said.unwrap_or(libc::EACCES),
        ErrorKind::InUse => libc::EBUSY,
        ErrorKind::InvalidKey | ErrorKind::InvalidSize => libc::EINVAL,
        ErrorKind::OutOfSpace => said.unwrap_or(libc::ENOSPC),
        ErrorKind::OutOfResources => said.unwrap_or(libc::EMFILE),
        ErrorKind::Interrupted => libc::EINTR,
        ErrorKind::Unsupported => libc::ENOSYS,
        _ => said.unwrap_or(libc::EIO),
    }
}
