//! Where files are in memory: as dictionaries, of which the package makes objects.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use shmkit::directory::{self, Candidate};

use crate::arguments::Bytes;
use crate::error::Result;
use crate::segment::medium;

fn dict<'py>(py: Python<'py>, candidate: &Candidate) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("path", &candidate.path)?;
    dict.set_item(
        "medium",
        candidate.kind.as_ref().map(|kind| medium(kind.medium)),
    )?;
    dict.set_item(
        "file_system",
        candidate.kind.as_ref().map(|kind| &*kind.name),
    )?;
    dict.set_item("available", candidate.available)?;
    dict.set_item("merits", candidate.merits)?;
    dict.set_item("objection", candidate.objection.as_deref())?;
    Ok(dict)
}

/// The usual directories for a file that is to be in memory, the best first.
#[pyfunction]
#[pyo3(signature = (size, /))]
pub(crate) fn directory_candidates(
    py: Python<'_>,
    size: Bytes,
) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| directory::candidates(size.0 as u64));
    found.iter().map(|candidate| dict(py, candidate)).collect()
}

/// What speaks for and against a directory.
#[pyfunction]
#[pyo3(signature = (path, size, /))]
pub(crate) fn examine_directory(
    py: Python<'_>,
    path: PathBuf,
    size: Bytes,
) -> PyResult<Bound<'_, PyDict>> {
    let found = py.detach(|| directory::examine(path, size.0 as u64));
    dict(py, &found)
}

/// The best of the usual directories.
#[pyfunction]
#[pyo3(signature = (size, /))]
pub(crate) fn choose_directory(py: Python<'_>, size: Bytes) -> Result<PathBuf> {
    Ok(py.detach(|| directory::choose(size.0 as u64))?)
}
