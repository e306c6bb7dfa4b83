//! What `shmkit.shared_memory` is made of: POSIX segments that stay until they are unlinked.
#![expect(unsafe_code, reason = "Python's buffer protocol")]

mod os_error;

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::{ErrorKind, InUse, Lifetime, Options, Owners};

use crate::buffer::{self, Region};
use os_error::os_error;

/// A segment, mapped for as long as this lives: `multiprocessing.shared_memory` knows no locks, no
/// owners and no last user, so it has none of them either.
#[pyclass(module = "shmkit._shmkit", frozen)]
pub(crate) struct Block {
    segment: shmkit::SharedMemory,
    /// How many buffers of Python's look at the bytes.
    exports: AtomicUsize,
}

impl Block {
    fn of(segment: shmkit::SharedMemory) -> Self {
        Self {
            segment,
            exports: AtomicUsize::new(0),
        }
    }
}

#[pymethods]
impl Block {
    /// Creates a segment of `size` zero bytes, all of which are there.
    #[staticmethod]
    fn create(py: Python<'_>, name: &str, size: usize) -> PyResult<Self> {
        let key = key(name)?;
        let mut options = Options::new();
        options.size(size).lifetime(Lifetime::Kept);
        let made = py.detach(|| options.create(&key));
        made.map(Self::of)
            .map_err(|error| os_error(py, &error, name))
    }

    #[staticmethod]
    fn attach(py: Python<'_>, name: &str) -> PyResult<Self> {
        let key = key(name)?;
        let mut options = Options::new();
        options.owners(Owners::Anyone);
        let found = py.detach(|| options.attach(&key));
        found
            .map(Self::of)
            .map_err(|error| os_error(py, &error, name))
    }

    #[getter]
    fn size(&self) -> usize {
        self.segment.size()
    }

    /// How many buffers of Python's look at the bytes.
    #[getter]
    fn exports(&self) -> usize {
        self.exports.load(Ordering::Acquire)
    }

    // SAFETY: `export` is given what Python gave; the segment is mapped as long as `slf` lives.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().segment.view();
        let region = Region {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
            is_read_only: false,
        };
        let owner = slf.clone().into_any();
        // SAFETY: Python owns `view`, which keeps `slf` and so the mapping, which is read-write.
        unsafe { buffer::export(owner, region, view, flags)? };
        slf.get().exports.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    // SAFETY: nothing is done with the buffer.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Takes the name away; whoever has the segment mapped keeps it.
#[pyfunction]
pub(crate) fn unlink(py: Python<'_>, name: &str) -> PyResult<()> {
    remove(py, name, InUse::RemoveAnyway).map_err(|error| os_error(py, &error, name))
}

/// Removes the segment if no other process has it mapped; whether it is gone.
#[pyfunction]
pub(crate) fn unlink_unused(py: Python<'_>, name: &str) -> PyResult<bool> {
    let result = match remove(py, name, InUse::Refuse) {
        Err(error) if error.kind() == ErrorKind::InUse && is_only_ours(py, name) => {
            remove(py, name, InUse::RemoveAnyway)
        }
        result => result,
    };
    match result {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(true),
            ErrorKind::InUse => Ok(false),
            _ => Err(os_error(py, &error, name)),
        },
    }
}

/// Whether all who have it mapped are this process: at its end that is as good as nobody.
fn is_only_ours(py: Python<'_>, name: &str) -> bool {
    let key = posix(name);
    let found = py.detach(|| shmkit::inspect::info(&key));
    found.is_ok_and(|info| {
        let is_ours = |holder: &shmkit::inspect::Holder| holder.pid == std::process::id();
        info.complete && info.holders.iter().all(is_ours)
    })
}

fn remove(py: Python<'_>, name: &str, in_use: InUse) -> shmkit::Result<()> {
    let key = posix(name);
    py.detach(|| Options::new().owners(Owners::Anyone).remove(&key, in_use))
}

fn key(name: &str) -> PyResult<NativeIpcKey> {
    match name.contains('\0') {
        true => Err(PyValueError::new_err("embedded null character in the name")),
        false => Ok(posix(name)),
    }
}

/// The key of a name, however many slashes it begins with: to the C library they are the same.
fn posix(name: &str) -> NativeIpcKey {
    let name = name.trim_start_matches('/');
    NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime)
}
