//! Arguments in Python's manner, as the library has them.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use pyo3::{Borrowed, buffer::PyUntypedBuffer};
use shmkit::mapping::{Ro, Rw, View};

/// A number of bytes, or an offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes(pub(crate) usize);

impl<'py> FromPyObject<'_, 'py> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<usize>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                let why = format!("{} is no number of bytes", object.repr()?);
                Err(PyValueError::new_err(why))
            }
            number => number.map(Self),
        }
    }
}

/// A time in seconds, or `None` for as long as it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeout(pub(crate) Duration);

impl Timeout {
    pub(crate) const EVER: Self = Self(Duration::MAX);
    pub(crate) const THIRTY_SECONDS: Self = Self(Duration::from_secs(30));

    /// As a limit that may be none.
    pub(crate) fn limit(self) -> Option<Duration> {
        Some(self.0).filter(|&time| time != Duration::MAX)
    }
}

impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.is_none() {
            true => Ok(Self::EVER),
            false => seconds("timeout", &object).map(Self),
        }
    }
}

pub(crate) fn seconds(what: &str, object: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = object.extract()?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => Ok(time),
        // Longer than any program runs.
        Err(_) if seconds > 0.0 => Ok(Duration::MAX),
        Err(_) => Err(PyValueError::new_err(format!(
            "{what}={seconds} is no time in seconds: it is 0 or more"
        ))),
    }
}

/// One of several words, or an error that has them all.
pub(crate) fn one_of<T: Copy>(
    what: &str,
    object: &Bound<'_, PyAny>,
    words: &[(&str, T)],
) -> PyResult<T> {
    let word: Option<String> = object.extract().ok();
    let found = words
        .iter()
        .find(|(known, _)| word.as_deref() == Some(*known));
    found.map(|&(_, meaning)| meaning).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let (known, given) = (known.join(", "), object.repr().map(|text| text.to_string()));
        PyValueError::new_err(format!(
            "{what} is one of {known}, not {}",
            given.unwrap_or_default()
        ))
    })
}

/// A descriptor of its own of what has one: a number, or an object with `fileno()`.
pub(crate) fn descriptor(object: &Bound<'_, PyAny>) -> PyResult<OwnedFd> {
    let number: RawFd = match object.extract() {
        Ok(number) => number,
        Err(_) => object.call_method0("fileno")?.extract()?,
    };
    if number < 0 {
        return Err(PyValueError::new_err(format!(
            "{number} is no descriptor that is open"
        )));
    }
    borrow(number).try_clone_to_owned().map_err(PyErr::from)
}

#[expect(unsafe_code, reason = "Python has descriptors as numbers")]
fn borrow<'a>(number: RawFd) -> BorrowedFd<'a> {
    // SAFETY: it is not negative, and only duplicated: if it is not open that is an error.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// What somebody gives as bytes.
pub(crate) enum Given {
    /// Nobody can change these.
    Bytes(PyBackedBytes),
    /// Others may, while they are looked at.
    Buffer(PyUntypedBuffer),
}

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.to_owned().into()));
        }
        let buffer = PyUntypedBuffer::get(&object)?;
        match buffer.is_c_contiguous() {
            true => Ok(Self::Buffer(buffer)),
            false => Err(PyTypeError::new_err(
                "the elements of the buffer must lie one after the other",
            )),
        }
    }
}

impl Given {
    #[expect(unsafe_code, reason = "the bytes of an object of Python's")]
    pub(crate) fn view(&self) -> View<'_, Ro> {
        let (start, len) = match self {
            Self::Bytes(bytes) => (bytes.as_ptr().cast_mut(), bytes.len()),
            Self::Buffer(buffer) => (buffer.buf_ptr().cast(), buffer.len_bytes()),
        };
        // SAFETY: the buffer, or the object, keeps so many bytes there for as long as `self` lives.
        // No Rust code has a reference to what can be changed.
        unsafe { View::from_raw_parts(start, len) }
    }
}

/// What is to be filled with bytes.
pub(crate) struct Target(PyUntypedBuffer);

impl<'py> FromPyObject<'_, 'py> for Target {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(&object)?;
        match (buffer.readonly(), buffer.is_c_contiguous()) {
            (true, _) => Err(PyTypeError::new_err("the buffer is read-only")),
            (_, false) => Err(PyTypeError::new_err(
                "the elements of the buffer must lie one after the other",
            )),
            (false, true) => Ok(Self(buffer)),
        }
    }
}

impl Target {
    #[expect(unsafe_code, reason = "the bytes of an object of Python's")]
    pub(crate) fn view(&self) -> View<'_, Rw> {
        // SAFETY: as for `Given`; it is not read-only.
        unsafe { View::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}
