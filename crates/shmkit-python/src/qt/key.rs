//! `QNativeIpcKey`.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use shmkit::qt::{self, TypeNumber};

use super::arguments::{Callable, Kind, Overload, optional, required};
use super::numbers::Class;

const TYPE: Kind = Kind::Enum(Class::KeyType);

const NEW: Callable = Callable {
    name: "QNativeIpcKey",
    is_constructor: true,
    overloads: &[
        Overload {
            text: "QNativeIpcKey()",
            parameters: &[],
        },
        Overload {
            text: "QNativeIpcKey(type: QNativeIpcKey.Type)",
            parameters: &[required("type", TYPE)],
        },
        Overload {
            text: "QNativeIpcKey(k: str|None, type: QNativeIpcKey.Type = QNativeIpcKey.DefaultTypeForOs)",
            parameters: &[required("k", Kind::Text), optional("type", TYPE)],
        },
        Overload {
            text: "QNativeIpcKey(other: QNativeIpcKey)",
            parameters: &[required("other", Kind::Key)],
        },
    ],
};

const FROM_STRING: Callable = Callable {
    name: "fromString",
    is_constructor: false,
    overloads: &[Overload {
        text: "fromString(string: str|None)",
        parameters: &[required("string", Kind::Text)],
    }],
};

const SET_NATIVE_KEY: Callable = Callable {
    name: "setNativeKey",
    is_constructor: false,
    overloads: &[Overload {
        text: "setNativeKey(self, newKey: str|None)",
        parameters: &[required("newKey", Kind::Text)],
    }],
};

const SET_TYPE: Callable = Callable {
    name: "setType",
    is_constructor: false,
    overloads: &[Overload {
        text: "setType(self, type: QNativeIpcKey.Type)",
        parameters: &[required("type", TYPE)],
    }],
};

const SWAP: Callable = Callable {
    name: "swap",
    is_constructor: false,
    overloads: &[Overload {
        text: "swap(self, other: QNativeIpcKey)",
        parameters: &[required("other", Kind::Key)],
    }],
};

/// A key: its type, a native key, and perhaps the name that it was made from.
#[pyclass(
    name = "QNativeIpcKey",
    module = "shmkit.qt",
    subclass,
    frozen,
    dict,
    weakref
)]
#[derive(Debug, Default)]
pub(crate) struct QNativeIpcKey {
    key: Mutex<qt::QNativeIpcKey>,
}

impl From<qt::QNativeIpcKey> for QNativeIpcKey {
    fn from(key: qt::QNativeIpcKey) -> Self {
        let key = key.into();
        Self { key }
    }
}

impl QNativeIpcKey {
    fn locked(&self) -> MutexGuard<'_, qt::QNativeIpcKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self) -> qt::QNativeIpcKey {
        self.locked().clone()
    }
}

#[pymethods]
impl QNativeIpcKey {
    #[new]
    #[pyo3(signature = (*_args, **_keywords), text_signature = None)]
    fn new(_args: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[pyo3(signature = (*args, **keywords))]
    fn __init__(
        &self,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = NEW.parse(args, keywords)?;
        let key = match args.overload {
            0 => qt::QNativeIpcKey::default(),
            1 => qt::QNativeIpcKey::of_type(args.key_type(0)?.unwrap_or(TypeNumber::INVALID)),
            2 => {
                let default = TypeNumber::default_for_os;
                let key_type = args.key_type(1)?.unwrap_or_else(default);
                qt::QNativeIpcKey::with_type(args.text(0)?, key_type)
            }
            _ => args.key(0)?.unwrap_or_default(),
        };
        *self.locked() = key;
        Ok(())
    }

    /// The key of a text form; an invalid and empty one if it is none.
    #[staticmethod]
    #[pyo3(name = "fromString", signature = (*args, **keywords), text_signature = None)]
    fn from_string(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let args = FROM_STRING.parse(args, keywords)?;
        Ok(qt::QNativeIpcKey::from_string(&args.text(0)?).into())
    }

    /// The type of keys that are made of a name alone.
    #[staticmethod]
    #[pyo3(name = "legacyDefaultTypeForOs")]
    fn legacy_default_type_for_os(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        type_of(py, TypeNumber::legacy_default_for_os())
    }

    /// The text form, which other programs can be given; empty for a type without a name.
    #[pyo3(name = "toString")]
    fn to_text(&self) -> String {
        self.locked().to_string()
    }

    /// Whether the native key is empty.
    #[pyo3(name = "isEmpty")]
    fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    /// Whether it has a type; nothing else is checked.
    #[pyo3(name = "isValid")]
    fn is_valid(&self) -> bool {
        self.locked().is_valid()
    }

    /// The type.
    #[pyo3(name = "type")]
    fn key_type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let key_type = self.locked().key_type();
        type_of(py, key_type)
    }

    /// Sets the type, and nothing else.
    #[pyo3(name = "setType", signature = (*args, **keywords), text_signature = None)]
    fn set_type(
        &self,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = SET_TYPE.parse(args, keywords)?;
        if let Some(key_type) = args.key_type(0)? {
            self.locked().set_type(key_type);
        }
        Ok(())
    }

    /// The native key.
    #[pyo3(name = "nativeKey")]
    fn native_key(&self) -> String {
        self.locked().native_key().to_owned()
    }

    /// Sets the native key, and forgets the name that the key was made from.
    #[pyo3(name = "setNativeKey", signature = (*args, **keywords), text_signature = None)]
    fn set_native_key(
        &self,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let native = SET_NATIVE_KEY.parse(args, keywords)?.text(0)?;
        self.locked().set_native_key(native);
        Ok(())
    }

    /// Exchanges everything with another key.
    #[pyo3(signature = (*args, **keywords), text_signature = None)]
    fn swap(
        &self,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = SWAP.parse(args, keywords)?;
        let Some(other) = args.get(0).map(Bound::cast::<Self>).transpose()? else {
            return Ok(());
        };
        // One after the other, so that two threads that swap the same two keys do not wait for ever.
        let ours = self.key();
        let theirs = mem::replace(&mut *other.get().locked(), ours);
        *self.locked() = theirs;
        Ok(())
    }

    fn __richcmp__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        operator: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let is_equal = match other.cast::<Self>() {
            Ok(other) => self.key() == other.get().key(),
            Err(_) => return Ok(py.NotImplemented().into_bound(py)),
        };
        Ok(match operator {
            CompareOp::Eq => is_equal.into_pyobject(py)?.to_owned().into_any(),
            CompareOp::Ne => (!is_equal).into_pyobject(py)?.to_owned().into_any(),
            _ => py.NotImplemented().into_bound(py),
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.locked().hash(&mut hasher);
        hasher.finish()
    }

    fn __copy__(&self) -> Self {
        self.key().into()
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        self.key().into()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let of_text = slf.get_type().getattr("fromString")?;
        Ok((of_text, (slf.get().to_text(),)))
    }
}

pub(super) fn type_of(py: Python<'_>, key_type: TypeNumber) -> PyResult<Bound<'_, PyAny>> {
    Class::KeyType.member(py, key_type.0.into())
}
