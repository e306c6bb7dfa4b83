//! `shmkit.SharedMemory`: a segment, attached.
#![expect(unsafe_code, reason = "Python's buffer protocol")]

use std::ffi::c_int;
use std::sync::Arc;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use shmkit::{Access, Options};

use crate::buffer::{self, Region};
use crate::key;
use crate::wait::wait;

/// A segment of shared memory, attached until it is closed or forgotten.
///
/// The last one to leave removes it, whichever process that is and however it ends. Whatever was
/// made of its bytes keeps it mapped: nothing here can end in a segmentation fault.
#[pyclass(module = "shmkit", frozen, weakref)]
pub(crate) struct SharedMemory {
    attached: std::sync::Mutex<Attached>,
}

struct Attached {
    segment: Option<Arc<shmkit::SharedMemory>>,
    /// How many buffers of Python's look at the bytes.
    exports: usize,
}

impl SharedMemory {
    fn of(segment: shmkit::SharedMemory) -> Self {
        let attached = Attached {
            segment: Some(Arc::new(segment)),
            exports: 0,
        };
        Self {
            attached: std::sync::Mutex::new(attached),
        }
    }

    fn attached(&self) -> std::sync::MutexGuard<'_, Attached> {
        let attached = self.attached.lock();
        attached.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn segment(&self) -> PyResult<Arc<shmkit::SharedMemory>> {
        let segment = self.attached().segment.clone();
        segment.ok_or_else(|| PyValueError::new_err("the segment is closed"))
    }
}

#[pymethods]
impl SharedMemory {
    /// Creates a segment of `size` zero bytes.
    #[staticmethod]
    #[pyo3(signature = (key, /, size, *, mode=0o600))]
    fn create(py: Python<'_>, key: &str, size: usize, mode: u32) -> PyResult<Self> {
        let key = key::parse(key)?;
        let made = wait(py, || Options::new().size(size).mode(mode).create(&key))?;
        Ok(Self::of(made))
    }

    /// Attaches to a segment that exists.
    #[staticmethod]
    #[pyo3(signature = (key, /, *, read_only=false))]
    fn attach(py: Python<'_>, key: &str, read_only: bool) -> PyResult<Self> {
        let key = key::parse(key)?;
        let access = match read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        };
        let found = wait(py, || Options::new().access(access).attach(&key))?;
        Ok(Self::of(found))
    }

    /// Attaches to the segment that somebody uses, or creates it.
    #[staticmethod]
    #[pyo3(signature = (key, /, size, *, mode=0o600))]
    fn create_or_attach(py: Python<'_>, key: &str, size: usize, mode: u32) -> PyResult<Self> {
        let key = key::parse(key)?;
        let mut options = Options::new();
        options.size(size).mode(mode);
        let found = wait(py, || options.create_or_attach(&key))?;
        Ok(Self::of(found))
    }

    /// The size in bytes.
    #[getter]
    fn size(&self) -> PyResult<usize> {
        Ok(self.segment()?.size())
    }

    /// The bytes, as a memoryview.
    #[getter]
    fn buf<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, pyo3::types::PyMemoryView>> {
        pyo3::types::PyMemoryView::from(slf.as_any())
    }

    /// Detaches. What still looks at the bytes is an error, and keeps it attached.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let mut attached = self.attached();
        if attached.exports > 0 {
            return Err(PyBufferError::new_err(format!(
                "cannot close the segment: {} views of it are alive",
                attached.exports
            )));
        }
        let segment = attached.segment.take();
        drop(attached);
        py.detach(|| drop(segment));
        Ok(())
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _class: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    // SAFETY: `export` is given what Python gave; `exports` keeps the segment until the release.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let segment = this.segment()?;
        let bytes = segment.view();
        let region = Region {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
            is_read_only: segment.access() == Access::ReadOnly,
        };
        let owner = slf.clone().into_any();
        // SAFETY: Python owns `view`; the segment is not closed while `exports` counts this view.
        unsafe { buffer::export(owner, region, view, flags)? };
        this.attached().exports += 1;
        Ok(())
    }

    // SAFETY: nothing is done with the buffer.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.attached().exports -= 1;
    }
}
