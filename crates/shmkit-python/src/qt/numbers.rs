//! Qt's enumerations: Python's classes of them, and their numbers.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use shmkit::Access;
use shmkit::qt::{AccessMode, TypeNumber};

/// Which class of `shmkit.qt._enums`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    KeyType,
    MemoryMode,
    MemoryError,
    SemaphoreMode,
    SemaphoreError,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::KeyType => "KeyType",
            Self::MemoryMode => "MemoryMode",
            Self::MemoryError => "MemoryError",
            Self::SemaphoreMode => "SemaphoreMode",
            Self::SemaphoreError => "SemaphoreError",
        }
    }

    pub(super) fn of(self, py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
        static CLASSES: [PyOnceLock<Py<PyType>>; 5] = [const { PyOnceLock::new() }; 5];
        CLASSES[self as usize].import(py, "shmkit.qt._enums", self.name())
    }

    /// The member of this number.
    pub(super) fn member(self, py: Python<'_>, number: i32) -> PyResult<Bound<'_, PyAny>> {
        self.of(py)?.call1((number,))
    }
}

/// The number of a member.
fn number(member: &Bound<'_, PyAny>) -> PyResult<i64> {
    let number = member.getattr("value")?;
    number
        .extract()
        .map_err(|_| PyTypeError::new_err(format!("{member} has no number")))
}

/// As in C++, where a type has 16 bits.
pub(super) fn key_type(member: &Bound<'_, PyAny>) -> PyResult<TypeNumber> {
    let low = number(member)?.rem_euclid(1 << 16);
    Ok(TypeNumber(u16::try_from(low)?))
}

pub(super) fn access(member: &Bound<'_, PyAny>) -> PyResult<Access> {
    Ok(match number(member)? {
        0 => Access::ReadOnly,
        _ => Access::ReadWrite,
    })
}

pub(super) fn semaphore_mode(member: &Bound<'_, PyAny>) -> PyResult<AccessMode> {
    Ok(match number(member)? {
        1 => AccessMode::Create,
        _ => AccessMode::Open,
    })
}
