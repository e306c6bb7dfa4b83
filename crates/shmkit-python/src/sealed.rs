//! `shmkit.Sealed`: memory that nobody can change any more.

use std::os::fd::IntoRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyTuple};

use crate::arguments::{Bytes, Given, descriptor};
use crate::buffer::{Buffer, Region, Uses};
use crate::error::{Failure, of_kind};
use crate::segment::options::names_of_seals;
use crate::wait::wait;

/// Memory that nobody can change, cut or make larger any more, also whoever made it: constants, even
/// from a stranger.
#[pyclass(module = "shmkit", frozen, weakref)]
pub(crate) struct Sealed {
    memory: Mutex<Option<Arc<shmkit::Sealed>>>,
    name: String,
    uses: Arc<Uses>,
}

impl Sealed {
    pub(crate) fn of(memory: shmkit::Sealed) -> Self {
        Self {
            name: memory.name(),
            memory: Mutex::new(Some(Arc::new(memory))),
            uses: Arc::default(),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<shmkit::Sealed>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn memory(&self) -> PyResult<Arc<shmkit::Sealed>> {
        let memory = self.slot().clone();
        memory.ok_or_else(|| PyValueError::new_err(format!("{} is closed", self.name)))
    }

    fn bytes_from(&self, offset: usize, what: &str) -> PyResult<Buffer> {
        let memory = self.memory()?;
        let bytes = memory.as_slice();
        let all = Region {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
            is_read_only: true,
        };
        let used = self.uses.begin(what);
        Ok(Buffer::bytes(memory, all.part(offset, None)?, used))
    }
}

#[pymethods]
impl Sealed {
    /// Makes sealed memory with these bytes; ``name`` is for people.
    #[new]
    #[pyo3(signature = (name, contents, /))]
    fn new(py: Python<'_>, name: &str, contents: Given) -> PyResult<Self> {
        let bytes = contents.view();
        wait(py, || shmkit::Sealed::new(name, bytes.cursor())).map(Self::of)
    }

    /// Takes what a descriptor leads to as sealed memory; a ``SealedError`` if it is not. The descriptor
    /// stays the caller's.
    #[staticmethod]
    #[pyo3(signature = (fd, /))]
    fn from_fd(fd: &Bound<'_, PyAny>) -> PyResult<Self> {
        let memory = shmkit::Sealed::from_fd(descriptor(fd)?);
        Ok(Self::of(memory.map_err(Failure::from)?))
    }

    /// What messages call it.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The size in bytes.
    #[getter]
    fn size(&self) -> PyResult<usize> {
        Ok(self.memory()?.len())
    }

    fn __len__(&self) -> PyResult<usize> {
        self.size()
    }

    /// The names of its seals.
    #[getter]
    fn seals(&self) -> PyResult<Vec<&'static str>> {
        let seals = self.memory()?.seals().map_err(Failure::from)?;
        Ok(names_of_seals(seals))
    }

    /// Whether it has been closed.
    #[getter]
    fn closed(&self) -> bool {
        self.slot().is_none()
    }

    /// The bytes, as a memoryview that is read-only.
    #[getter]
    fn buf<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        let what = format!("a memoryview of {} bytes", self.memory()?.len());
        self.bytes_from(0, &what)?.into_memoryview(py)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.memory()?.as_slice()))
    }

    /// An array of NumPy's that lies in the memory, and is read-only.
    #[pyo3(signature = (shape, dtype=None, offset=Bytes(0)))]
    fn ndarray<'py>(
        &self,
        py: Python<'py>,
        shape: Bound<'py, PyAny>,
        dtype: Option<Bound<'py, PyAny>>,
        offset: Bytes,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.bytes_from(offset.0, "a numpy.ndarray")?;
        bytes.into_ndarray(py, &shape, dtype)
    }

    /// Elements in the memory, for whoever understands the buffer protocol, NumPy's array interface or
    /// DLPack.
    #[pyo3(signature = (shape=None, dtype="uint8", offset=Bytes(0)))]
    fn buffer(
        &self,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: &str,
        offset: Bytes,
    ) -> PyResult<Buffer> {
        self.bytes_from(offset.0, "a shmkit.Buffer")?
            .shaped(shape, dtype)
    }

    /// A descriptor of it. It is the caller's to close, and not inherited by children.
    fn to_fd(&self) -> PyResult<i32> {
        let fd = self.memory()?.to_fd().map_err(Failure::from)?;
        Ok(fd.into_raw_fd())
    }

    /// Lets go of it. If anything still looks at the bytes, that is a ``StillInUseError``, which names
    /// them.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.uses.are_none() && !self.closed() {
            py.import("gc")?.call_method0("collect")?;
        }
        if !self.uses.are_none() && !self.closed() {
            let (name, uses) = (&self.name, self.uses.in_words());
            let why = format!("cannot close {name}: in use by {uses}");
            return Err(of_kind("StillInUseError", why));
        }
        drop(self.slot().take());
        Ok(())
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        match exception.get_item(0)?.is_none() {
            true => self.close(py),
            false => {
                drop(self.slot().take());
                Ok(())
            }
        }
    }

    fn __repr__(&self) -> String {
        let state = match self.memory() {
            Ok(memory) => format!("{} bytes", memory.len()),
            Err(_) => "closed".to_owned(),
        };
        format!("<shmkit.Sealed {}, {state}>", self.name)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let pickle = slf.py().import("shmkit._pickle")?;
        pickle.call_method1("reduce_sealed", (slf,))
    }
}
