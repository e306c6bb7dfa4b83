//! `shmkit.SharedMemory`: a segment, attached.

mod bytes;
mod extent;
mod files;
mod handing;
mod lock;
pub(crate) mod options;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use shmkit::{Access, Detached, InUse, Lifetime, Origin};

pub(crate) use self::extent::medium;
pub(crate) use self::lock::Held;
use crate::arguments::{Bytes, one_of};
use crate::buffer::{Region, Use, Uses};
use crate::error::Failure;
use crate::key::{Key, KeyArg};
use crate::wait::wait;

/// A segment of shared memory, attached until it is closed or forgotten.
///
/// The last one to leave removes it, whichever process that is and however it ends; one whose lifetime
/// is ``"kept"`` stays. Whatever was made of its bytes keeps them mapped: nothing here ends in a
/// segmentation fault.
#[pyclass(module = "shmkit", frozen, weakref)]
pub(crate) struct SharedMemory {
    segment: Mutex<Option<Arc<shmkit::SharedMemory>>>,
    /// How messages call it, also when it is closed.
    name: String,
    uses: Arc<Uses>,
}

impl SharedMemory {
    pub(crate) fn of(segment: shmkit::SharedMemory) -> Self {
        Self {
            name: segment.name(),
            segment: Mutex::new(Some(Arc::new(segment))),
            uses: Arc::default(),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<shmkit::SharedMemory>>> {
        self.segment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment, which stays attached for as long as somebody has this.
    pub(crate) fn segment(&self) -> PyResult<Arc<shmkit::SharedMemory>> {
        let segment = self.slot().clone();
        segment.ok_or_else(|| PyValueError::new_err(format!("{} is closed", self.name)))
    }

    /// Says that something looks at the bytes: then it cannot be closed.
    pub(crate) fn begin_use(&self, what: impl Into<String>) -> Use {
        self.uses.begin(what)
    }

    /// The segment alone, for what needs it so: closing, shrinking, sealing.
    fn take_alone(&self, py: Python<'_>, why: &str) -> PyResult<shmkit::SharedMemory> {
        self.check_unused(py, why)?;
        let segment = self.slot().take();
        let segment =
            segment.ok_or_else(|| PyValueError::new_err(format!("{} is closed", self.name)))?;
        Arc::try_unwrap(segment).map_err(|segment| {
            *self.slot() = Some(segment);
            let name = &self.name;
            PyBufferError::new_err(format!("cannot {why} {name}: another thread is at it"))
        })
    }

    /// An error that names what looks at the bytes.
    fn check_unused(&self, py: Python<'_>, why: &str) -> PyResult<()> {
        if self.uses.are_none() {
            return Ok(());
        }
        // What only waits for the collector does not count.
        py.import("gc")?.call_method0("collect")?;
        match self.uses.are_none() {
            true => Ok(()),
            false => Err(crate::error::of_kind(
                "StillInUseError",
                format!(
                    "cannot {why} {}: in use by {}; delete or release what was made of it first",
                    self.name,
                    self.uses.in_words(),
                ),
            )),
        }
    }

    /// Lets go of it; what looks at the bytes keeps them, and the last of those detaches.
    fn abandon(&self, py: Python<'_>) {
        let segment = self.slot().take();
        py.detach(|| drop(segment));
    }
}

#[pymethods]
impl SharedMemory {
    /// There is more than one way to a segment.
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn new(
        _arguments: &Bound<'_, PyTuple>,
        _options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Err(PyTypeError::new_err(
            "say which: SharedMemory.create(key, size), .attach(key) or .create_or_attach(key, size)",
        ))
    }

    /// Creates a segment of ``size`` zero bytes.
    ///
    /// Options, as for all ways to a segment: ``mode=0o600``, ``readonly=False``,
    /// ``lifetime="ephemeral"`` or ``"kept"``, ``reserve=True``, ``owners="mine"``,
    /// ``lock_timeout=30.0``, ``capacity`` to grow up to, ``offset`` and ``length``,
    /// ``copy_on_write``, ``demand_seals``, ``ram_backed``, ``populate``, ``lock_in_memory``,
    /// ``huge_pages``, ``nodes``; docs/PYTHON.md explains them.
    #[staticmethod]
    #[pyo3(signature = (key, /, size, **options))]
    fn create(
        py: Python<'_>,
        key: KeyArg,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let key = key.key()?;
        let mut options = options::read(options)?;
        let made = wait(py, || options.size(size.0).create(&key))?;
        Ok(Self::of(made))
    }

    /// Attaches to a segment that exists.
    #[staticmethod]
    #[pyo3(signature = (key, /, **options))]
    fn attach(py: Python<'_>, key: KeyArg, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let key = key.key()?;
        let options = options::read(options)?;
        let found = wait(py, || options.attach(&key))?;
        Ok(Self::of(found))
    }

    /// Attaches to the segment that somebody uses, or creates it.
    #[staticmethod]
    #[pyo3(signature = (key, /, size, **options))]
    fn create_or_attach(
        py: Python<'_>,
        key: KeyArg,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let key = key.key()?;
        let mut options = options::read(options)?;
        let found = wait(py, || options.size(size.0).create_or_attach(&key))?;
        Ok(Self::of(found))
    }

    /// Removes a segment by its key. ``in_use`` says what if somebody is attached: ``"refuse"``, or
    /// ``"remove_anyway"``; then it goes with its last user.
    #[staticmethod]
    #[pyo3(signature = (key, /, *, in_use=None))]
    fn remove(py: Python<'_>, key: KeyArg, in_use: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let key = key.key()?;
        let in_use = in_use_of(in_use)?;
        wait(py, || shmkit::SharedMemory::remove(&key, in_use))
    }

    /// Its key, if it has one.
    #[getter]
    fn key(&self) -> PyResult<Option<Key>> {
        Ok(self.segment()?.key().cloned().map(Key))
    }

    /// Its path, if it is a file.
    #[getter]
    fn path(&self) -> PyResult<Option<std::path::PathBuf>> {
        Ok(self.segment()?.path().map(Into::into))
    }

    /// What messages call it.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The size in bytes.
    #[getter]
    fn size(&self) -> PyResult<usize> {
        Ok(self.segment()?.size())
    }

    fn __len__(&self) -> PyResult<usize> {
        self.size()
    }

    /// How far it can grow in place, in bytes.
    #[getter]
    fn capacity(&self) -> PyResult<usize> {
        Ok(self.segment()?.capacity())
    }

    /// The permissions: ``0o600``.
    #[getter]
    fn mode(&self) -> PyResult<u32> {
        Ok(self.segment()?.mode())
    }

    /// ``"ephemeral"`` or ``"kept"``.
    #[getter]
    fn lifetime(&self) -> PyResult<&'static str> {
        Ok(match self.segment()?.lifetime() {
            Lifetime::Ephemeral => "ephemeral",
            Lifetime::Kept => "kept",
        })
    }

    /// Whether it can only be read here.
    #[getter]
    fn readonly(&self) -> PyResult<bool> {
        Ok(self.segment()?.access() == Access::ReadOnly)
    }

    /// How this handle came by it: ``"created"``, ``"reclaimed"`` (created, after an orphan was
    /// removed), ``"attached"`` or ``"adopted"`` (attached, and nobody else was).
    #[getter]
    fn origin(&self) -> PyResult<&'static str> {
        Ok(match self.segment()?.origin() {
            Origin::Created => "created",
            Origin::Reclaimed => "reclaimed",
            Origin::Attached => "attached",
            Origin::Adopted => "adopted",
        })
    }

    /// What could not be done as it was wished for, in words.
    #[getter]
    fn warnings(&self) -> PyResult<Vec<String>> {
        Ok(self.segment()?.warnings().to_vec())
    }

    /// Whether it has been closed.
    #[getter]
    fn closed(&self) -> bool {
        self.slot().is_none()
    }

    /// Detaches; says whether the segment is gone. Once is enough.
    ///
    /// If anything still looks at the bytes, or has the lock, that is a ``StillInUseError``, which is
    /// a ``BufferError`` and names them; then it stays attached.
    fn close(&self, py: Python<'_>) -> PyResult<bool> {
        if self.closed() {
            return Ok(false);
        }
        self.check_unused(py, "close")?;
        let segment = self.slot().take().and_then(Arc::into_inner);
        let Some(segment) = segment else {
            // Another thread is at it, and detaches when it is done.
            return Ok(false);
        };
        let detached = py.detach(|| segment.detach()).map_err(Failure::from)?;
        Ok(detached == Detached::Removed)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Closes it. When an exception is on its way, that is not hidden: what still looks at the bytes
    /// keeps them mapped, and the last of those detaches.
    fn __exit__(
        &self,
        py: Python<'_>,
        class: Option<&Bound<'_, PyType>>,
        _value: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        match class {
            None => self.close(py).map(drop),
            Some(_) => {
                self.abandon(py);
                Ok(())
            }
        }
    }

    fn __repr__(&self) -> String {
        let segment = self.slot().clone();
        let state = match segment {
            None => "closed".to_owned(),
            Some(segment) => {
                let access = match segment.access() {
                    Access::ReadOnly => ", read-only",
                    Access::ReadWrite => "",
                };
                format!("{} bytes{access}", segment.size())
            }
        };
        format!("<shmkit.SharedMemory {}, {state}>", self.name)
    }
}

pub(crate) fn in_use_of(word: Option<&Bound<'_, PyAny>>) -> PyResult<InUse> {
    let words = [
        ("refuse", InUse::Refuse),
        ("remove_anyway", InUse::RemoveAnyway),
    ];
    word.map_or(Ok(InUse::Refuse), |word| one_of("in_use", word, &words))
}

/// All bytes of a segment, and what keeps them.
fn region(segment: &Arc<shmkit::SharedMemory>) -> Region {
    Region::of(segment)
}
