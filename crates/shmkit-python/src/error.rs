//! The library's errors as Python's exceptions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use shmkit::ErrorKind;

/// A failed operation, on its way to Python.
#[derive(Debug)]
pub(crate) struct Failure(shmkit::Error);

/// What the functions of this package return.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<shmkit::Error> for Failure {
    fn from(error: shmkit::Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for PyErr {
    fn from(Failure(error): Failure) -> Self {
        Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed))
    }
}

/// The exception, of the class in `_errors.py` that has the name of the error's kind.
fn exception(py: Python<'_>, error: &shmkit::Error) -> PyResult<PyErr> {
    let value = class(py, &class_of(error.kind()))?.call1((error.to_string(),))?;
    value.setattr("operation", error.op().to_string())?;
    value.setattr("key", error.key())?;
    value.setattr("help", error.help())?;
    if let Some(number) = error.raw_os_error() {
        value.setattr("errno", number)?;
    }
    Ok(PyErr::from_value(value))
}

/// An exception of a class in `_errors.py`, for what goes wrong here and not in the library.
pub(crate) fn of_kind(class_name: &str, text: String) -> PyErr {
    Python::attach(|py| match class(py, class_name) {
        Ok(class) => PyErr::from_type(class, text),
        Err(error) => error,
    })
}

/// One that this package does not know yet is an `Error` all the same.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors = ERRORS.get_or_try_init(py, || {
        PyModule::import(py, "shmkit._errors").map(Bound::unbind)
    })?;
    let errors = errors.bind(py);
    let class = errors.getattr(name).or_else(|_| errors.getattr("Error"))?;
    Ok(class.cast_into()?)
}

fn class_of(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::Os => "OsError".to_owned(),
        kind => format!("{kind:?}Error"),
    }
}
