//! Python's buffer protocol over memory that shmkit has mapped.
#![expect(unsafe_code, reason = "Python's buffer protocol is one of pointers")]

use std::ffi::c_int;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Bytes that stay mapped for as long as their owner, a Python object, lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
    pub(crate) is_read_only: bool,
}

/// Fills in `view`, which keeps `owner` alive, as Python asks for it by `flags`.
///
/// # Safety
/// `view` is null or may be written to. The bytes of `region` are mapped, with the access that it
/// says, until `owner` is gone or has seen its `__releasebuffer__`.
pub(crate) unsafe fn export(
    owner: Bound<'_, PyAny>,
    region: Region,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("there is no buffer to fill in"));
    }
    let py = owner.py();
    let len = ffi::Py_ssize_t::try_from(region.len)?;
    let is_read_only = c_int::from(region.is_read_only);
    let start = region.start.cast();
    // SAFETY: the caller vouches for `view` and the bytes; `owner` is a living object, of which a
    // new reference goes into the view.
    let status =
        unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start, len, is_read_only, flags) };
    match status {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}
