//! `shmkit.Key`, and the texts that stand for keys everywhere.

use pyo3::prelude::*;
use pyo3::types::PyString;
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};

use crate::error::Result;

/// How a segment is called, in every program that meets in it.
///
/// ``Key("posix:/cam0")`` is a key in its text form, which is Qt's; ``Key("cam0")`` is the
/// platform-safe key of a name. Wherever a key is wanted, such a text will do.
#[pyclass(module = "shmkit", frozen, eq, hash, from_py_object)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(crate) NativeIpcKey);

#[pymethods]
impl Key {
    #[new]
    #[pyo3(signature = (text, /))]
    fn new(text: &str) -> Result<Self> {
        parse(text).map(Self)
    }

    /// The key that Qt 6.6 and later make of a name, by default of the platform's own type.
    #[staticmethod]
    #[pyo3(signature = (name, /, *, r#type=None))]
    fn platform_safe(name: &str, r#type: Option<&str>) -> Result<Self> {
        let rules = KeyRules::of_this_process();
        let key_type = named(r#type)?.unwrap_or(rules.default_type());
        Ok(Self(rules.platform_safe_key(Role::Segment, name, key_type)))
    }

    /// The key that every version of Qt makes of a name that is given to ``QSharedMemory``.
    #[staticmethod]
    #[pyo3(signature = (name, /, *, r#type=None))]
    fn legacy(name: &str, r#type: Option<&str>) -> Result<Self> {
        let rules = KeyRules::of_this_process();
        let key_type = named(r#type)?.unwrap_or(rules.legacy_default_type());
        Ok(Self(rules.legacy_key(Role::Segment, name, key_type)))
    }

    /// A key in its text form, and nothing else.
    #[staticmethod]
    #[pyo3(signature = (text, /))]
    fn parse(text: &str) -> Result<Self> {
        Ok(Self(
            NativeIpcKey::parse(text).map_err(shmkit::Error::from)?,
        ))
    }

    /// ``"posix"``, ``"systemv"``, ``"systemv-N"`` or ``"windows"``.
    #[getter]
    fn r#type(&self) -> String {
        self.0.key_type().to_string()
    }

    /// What the operating system calls it: ``"/cam0"``, a path.
    #[getter]
    fn native_key(&self) -> &str {
        self.0.native_key()
    }

    /// The name that a legacy key was made of.
    #[getter]
    fn legacy_key(&self) -> Option<&str> {
        self.0.legacy_key()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = PyString::new(py, &self.0.to_string()).repr()?;
        Ok(format!("shmkit.Key({text})"))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let parse = py.get_type::<Self>().getattr("parse")?;
        Ok((parse, (self.0.to_string(),)))
    }
}

fn named(key_type: Option<&str>) -> Result<Option<KeyType>> {
    let parsed = key_type.map(str::parse).transpose();
    Ok(parsed.map_err(shmkit::Error::from)?)
}

/// The key that a text stands for, by the rule of the command `shmkit`: a key in its text form, or
/// a name.
pub(crate) fn parse(text: &str) -> Result<NativeIpcKey> {
    Ok(NativeIpcKey::parse_or_name(text).map_err(shmkit::Error::from)?)
}

/// A key as an argument: a `Key`, or a text that stands for one.
#[derive(FromPyObject)]
pub(crate) enum KeyArg {
    #[pyo3(annotation = "Key")]
    Key(Key),
    #[pyo3(annotation = "str")]
    Text(String),
}

impl KeyArg {
    pub(crate) fn key(self) -> Result<NativeIpcKey> {
        match self {
            Self::Key(Key(key)) => Ok(key),
            Self::Text(text) => parse(&text),
        }
    }
}
