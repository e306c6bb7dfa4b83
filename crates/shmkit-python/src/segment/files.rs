//! Segments without a key: files, memfds, descriptors.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{SharedMemory, in_use_of, options};
use crate::arguments::{Bytes, Given, descriptor};
use crate::wait::wait;

#[pymethods]
impl SharedMemory {
    /// Creates a segment with these bytes in it: nobody ever sees it without.
    #[staticmethod]
    #[pyo3(signature = (key, contents, /, **options))]
    fn create_from(
        py: Python<'_>,
        key: crate::key::KeyArg,
        contents: Given,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let key = key.key()?;
        let options = options::read(options)?;
        let bytes = contents.view();
        wait(py, || options.create_from(&key, bytes.cursor())).map(Self::of)
    }

    /// Creates a file of this size and attaches to it. It is kept, unless ``lifetime`` says otherwise.
    #[staticmethod]
    #[pyo3(signature = (path, /, size, **options))]
    fn create_file(
        py: Python<'_>,
        path: PathBuf,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = options::read(options)?;
        wait(py, || options.size(size.0).create_file(&path)).map(Self::of)
    }

    /// Attaches to a file that exists: ``offset`` and ``length`` choose a part of it, and
    /// ``copy_on_write=True`` keeps what is written to oneself.
    #[staticmethod]
    #[pyo3(signature = (path, /, **options))]
    fn attach_file(
        py: Python<'_>,
        path: PathBuf,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let options = options::read(options)?;
        wait(py, || options.attach_file(&path)).map(Self::of)
    }

    /// Attaches to the file that there is, or creates it.
    #[staticmethod]
    #[pyo3(signature = (path, /, size, **options))]
    fn create_or_attach_file(
        py: Python<'_>,
        path: PathBuf,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = options::read(options)?;
        wait(py, || options.size(size.0).create_or_attach_file(&path)).map(Self::of)
    }

    /// Creates a file with a name of its own in a directory; it goes with its last user.
    #[staticmethod]
    #[pyo3(signature = (directory, /, size, **options))]
    fn temporary_file(
        py: Python<'_>,
        directory: PathBuf,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = options::read(options)?;
        wait(py, || options.size(size.0).temporary_file(&directory)).map(Self::of)
    }

    /// Creates a file without a name on the file system of a directory.
    #[staticmethod]
    #[pyo3(signature = (directory, /, size, **options))]
    fn unnamed_file(
        py: Python<'_>,
        directory: PathBuf,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = options::read(options)?;
        wait(py, || options.size(size.0).unnamed_file(&directory)).map(Self::of)
    }

    /// Removes a file; ``in_use`` as for ``remove``.
    #[staticmethod]
    #[pyo3(signature = (path, /, *, in_use=None))]
    fn remove_file(
        py: Python<'_>,
        path: PathBuf,
        in_use: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let in_use = in_use_of(in_use)?;
        wait(py, || shmkit::Options::new().remove_file(&path, in_use))
    }

    /// Creates memory without a name, which is handed over by its descriptor; ``name`` is for people.
    #[staticmethod]
    #[pyo3(signature = (name, /, size, **options))]
    fn memfd(
        py: Python<'_>,
        name: &str,
        size: Bytes,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut options = options::read(options)?;
        wait(py, || options.size(size.0).memfd(name)).map(Self::of)
    }

    /// The same with these bytes in it.
    #[staticmethod]
    #[pyo3(signature = (name, contents, /, **options))]
    fn memfd_from(
        py: Python<'_>,
        name: &str,
        contents: Given,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let options = options::read(options)?;
        let bytes = contents.view();
        wait(py, || options.memfd_from(name, bytes.cursor())).map(Self::of)
    }

    /// Attaches to what a descriptor leads to: a memfd, a file, a segment of another program's. The
    /// descriptor, a number or an object with ``fileno()``, stays the caller's.
    #[staticmethod]
    #[pyo3(signature = (fd, /, **options))]
    fn attach_fd(
        py: Python<'_>,
        fd: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let options = options::read(options)?;
        let fd = descriptor(fd)?;
        wait(py, || options.attach_fd(fd)).map(Self::of)
    }
}
