//! `QSharedMemory`.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use shmkit::qt::{self, TypeNumber};

use super::arguments::{Callable, Kind, Overload, optional, required};
use super::key::QNativeIpcKey;
use super::numbers::Class;
use super::pointer::VoidPtr;
use super::shared::Shared;
use super::window::Window;

const TYPE: Kind = Kind::Enum(Class::KeyType);
const MODE: Kind = Kind::Enum(Class::MemoryMode);

const NEW: Callable = Callable {
    name: "QSharedMemory",
    is_constructor: true,
    overloads: &[
        Overload {
            text: "QSharedMemory(parent: QObject|None = None)",
            parameters: &[optional("parent", Kind::Parent)],
        },
        Overload {
            text: "QSharedMemory(key: QNativeIpcKey, parent: QObject|None = None)",
            parameters: &[required("key", Kind::Key), optional("parent", Kind::Parent)],
        },
        Overload {
            text: "QSharedMemory(key: str|None, parent: QObject|None = None)",
            parameters: &[
                required("key", Kind::Text),
                optional("parent", Kind::Parent),
            ],
        },
    ],
};

const CREATE: Callable = method(
    "create",
    &[Overload {
        text: "create(self, size: int, mode: QSharedMemory.AccessMode = QSharedMemory.ReadWrite)",
        parameters: &[required("size", Kind::Int), optional("mode", MODE)],
    }],
);

const ATTACH: Callable = method(
    "attach",
    &[Overload {
        text: "attach(self, mode: QSharedMemory.AccessMode = QSharedMemory.ReadWrite)",
        parameters: &[optional("mode", MODE)],
    }],
);

const SET_KEY: Callable = method(
    "setKey",
    &[Overload {
        text: "setKey(self, key: str|None)",
        parameters: &[required("key", Kind::Text)],
    }],
);

const SET_NATIVE_KEY: Callable = method(
    "setNativeKey",
    &[
        Overload {
            text: "setNativeKey(self, key: QNativeIpcKey)",
            parameters: &[required("key", Kind::Key)],
        },
        Overload {
            text: "setNativeKey(self, key: str|None, type: QNativeIpcKey.Type = QNativeIpcKey.legacyDefaultTypeForOs())",
            parameters: &[required("key", Kind::Text), optional("type", TYPE)],
        },
    ],
);

pub(super) const IS_KEY_TYPE_SUPPORTED: Callable = method(
    "isKeyTypeSupported",
    &[Overload {
        text: "isKeyTypeSupported(type: QNativeIpcKey.Type)",
        parameters: &[required("type", TYPE)],
    }],
);

pub(super) const PLATFORM_SAFE_KEY: Callable = method(
    "platformSafeKey",
    &[Overload {
        text: "platformSafeKey(key: str|None, type: QNativeIpcKey.Type = QNativeIpcKey.DefaultTypeForOs)",
        parameters: &[required("key", Kind::Text), optional("type", TYPE)],
    }],
);

pub(super) const LEGACY_NATIVE_KEY: Callable = method(
    "legacyNativeKey",
    &[Overload {
        text: "legacyNativeKey(key: str|None, type: QNativeIpcKey.Type = QNativeIpcKey.legacyDefaultTypeForOs())",
        parameters: &[required("key", Kind::Text), optional("type", TYPE)],
    }],
);

pub(super) const fn method(name: &'static str, overloads: &'static [Overload]) -> Callable {
    let is_constructor = false;
    Callable {
        name,
        is_constructor,
        overloads,
    }
}

/// A segment as Qt has it. `shmkit.qt` adds what a QObject has.
#[pyclass(
    name = "QSharedMemory",
    module = "shmkit.qt",
    subclass,
    frozen,
    dict,
    weakref
)]
#[derive(Debug, Default)]
pub(crate) struct QSharedMemory {
    memory: Shared<qt::QSharedMemory>,
}

impl QSharedMemory {
    fn pointer(&self, py: Python<'_>, is_writable: bool) -> Option<VoidPtr> {
        let segment = self.memory.look(py, qt::QSharedMemory::segment)?;
        Some(VoidPtr::of(Window::of(&segment, is_writable)))
    }
}

#[pymethods]
impl QSharedMemory {
    #[new]
    #[pyo3(signature = (*_args, **_keywords), text_signature = None)]
    fn new(_args: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[pyo3(signature = (*args, **keywords))]
    fn __init__(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = NEW.parse(args, keywords)?;
        let (memory, parent) = match args.overload {
            0 => (qt::QSharedMemory::new(), args.get(0)),
            1 => {
                let key = args.key(0)?.unwrap_or_default();
                (qt::QSharedMemory::with_native_key(&key), args.get(1))
            }
            _ => (qt::QSharedMemory::with_key(&args.text(0)?), args.get(1)),
        };
        // The one before, if there is one, leaves its segment.
        drop(
            slf.get()
                .memory
                .change(slf.py(), |old| std::mem::replace(old, memory))?,
        );
        match parent.filter(|parent| !parent.is_none()) {
            Some(parent) => slf.call_method1("setParent", (parent,)).map(drop),
            None => Ok(()),
        }
    }

    /// Whether segments of this type work here.
    #[staticmethod]
    #[pyo3(name = "isKeyTypeSupported", signature = (*args, **keywords), text_signature = None)]
    fn is_key_type_supported(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let key_type = IS_KEY_TYPE_SUPPORTED.parse(args, keywords)?.key_type(0)?;
        Ok(key_type.is_some_and(qt::QSharedMemory::is_key_type_supported))
    }

    /// The key that Qt 6.6 and later make of a name.
    #[staticmethod]
    #[pyo3(name = "platformSafeKey", signature = (*args, **keywords), text_signature = None)]
    fn platform_safe_key(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<QNativeIpcKey> {
        let args = PLATFORM_SAFE_KEY.parse(args, keywords)?;
        let key_type = args.key_type(1)?.unwrap_or_else(TypeNumber::default_for_os);
        Ok(qt::QSharedMemory::platform_safe_key(&args.text(0)?, key_type).into())
    }

    /// The key that every version of Qt makes of a name.
    #[staticmethod]
    #[pyo3(name = "legacyNativeKey", signature = (*args, **keywords), text_signature = None)]
    fn legacy_native_key(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<QNativeIpcKey> {
        let args = LEGACY_NATIVE_KEY.parse(args, keywords)?;
        let key_type = args
            .key_type(1)?
            .unwrap_or_else(TypeNumber::legacy_default_for_os);
        Ok(qt::QSharedMemory::legacy_native_key(&args.text(0)?, key_type).into())
    }

    /// Sets the legacy key of a name, and detaches from the segment of another key.
    #[pyo3(name = "setKey", signature = (*args, **keywords), text_signature = None)]
    fn set_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let name = SET_KEY.parse(args, keywords)?.text(0)?;
        self.memory.change(py, |memory| memory.set_key(&name))
    }

    /// Sets the key, and detaches from the segment of another key.
    #[pyo3(name = "setNativeKey", signature = (*args, **keywords), text_signature = None)]
    fn set_native_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = SET_NATIVE_KEY.parse(args, keywords)?;
        let key = match args.overload {
            0 => args.key(0)?.unwrap_or_default(),
            _ => {
                let default = TypeNumber::legacy_default_for_os;
                let key_type = args.key_type(1)?.unwrap_or_else(default);
                qt::QNativeIpcKey::with_type(args.text(0)?, key_type)
            }
        };
        self.memory.change(py, |memory| memory.set_native_key(&key))
    }

    /// The name that the key was made from; empty for other keys.
    fn key(&self, py: Python<'_>) -> String {
        self.memory.look(py, |memory| memory.key().to_owned())
    }

    /// The native key.
    #[pyo3(name = "nativeKey")]
    fn native_key(&self, py: Python<'_>) -> String {
        self.memory
            .look(py, |memory| memory.native_key().to_owned())
    }

    /// The whole key.
    #[pyo3(name = "nativeIpcKey")]
    fn native_ipc_key(&self, py: Python<'_>) -> QNativeIpcKey {
        self.memory
            .look(py, |memory| memory.native_ipc_key().clone())
            .into()
    }

    /// Creates a segment of `size` zero bytes and attaches to it.
    #[pyo3(signature = (*args, **keywords), text_signature = None)]
    fn create(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let args = CREATE.parse(args, keywords)?;
        let (size, mode) = (args.long(0)?, args.access(1)?);
        self.memory.change(py, |memory| memory.create(size, mode))
    }

    /// Attaches to the segment of the key.
    #[pyo3(signature = (*args, **keywords), text_signature = None)]
    fn attach(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let mode = ATTACH.parse(args, keywords)?.access(0)?;
        self.memory.change(py, |memory| memory.attach(mode))
    }

    /// Whether the object is attached to a segment.
    #[pyo3(name = "isAttached")]
    fn is_attached(&self, py: Python<'_>) -> bool {
        self.memory.look(py, qt::QSharedMemory::is_attached)
    }

    /// Detaches; the last one out removes the segment.
    fn detach(&self, py: Python<'_>) -> PyResult<bool> {
        self.memory.change(py, qt::QSharedMemory::detach)
    }

    /// The bytes, to read and write; `None` if the object is not attached. Of a segment that is
    /// attached read-only they can only be read.
    fn data(&self, py: Python<'_>) -> Option<VoidPtr> {
        self.pointer(py, true)
    }

    /// The bytes, to read; `None` if the object is not attached.
    #[pyo3(name = "constData")]
    fn const_data(&self, py: Python<'_>) -> Option<VoidPtr> {
        self.pointer(py, false)
    }

    /// The size of the segment in bytes; 0 if the object is not attached.
    fn size(&self, py: Python<'_>) -> usize {
        self.memory.look(py, qt::QSharedMemory::size)
    }

    /// Takes the segment's lock, waiting as long as it takes. Other threads run meanwhile, and
    /// signals are handled: `KeyboardInterrupt` ends the wait.
    fn lock(&self, py: Python<'_>) -> PyResult<bool> {
        self.lock_within(py, Duration::MAX)
    }

    /// Takes the segment's lock, waiting at most about `timeout` milliseconds; a negative number means
    /// as long as it takes. Not in Qt. If the time was too short, `errorString()` says who has the
    /// lock.
    #[pyo3(name = "tryLock", signature = (timeout = 0))]
    fn try_lock(&self, py: Python<'_>, timeout: i64) -> PyResult<bool> {
        self.lock_within(py, limit(timeout))
    }

    /// Gives the lock back, however often and by whichever thread it was taken. `False` if the object
    /// does not have it.
    fn unlock(&self, py: Python<'_>) -> bool {
        self.memory.look(py, qt::QSharedMemory::unlock)
    }

    /// Whether the one that had the lock before died with it: the data may be half-written. Not in
    /// Qt. Only while the object has the lock.
    #[pyo3(name = "ownerDied")]
    fn owner_died(&self, py: Python<'_>) -> bool {
        self.memory.look(py, qt::QSharedMemory::owner_died)
    }

    /// Says that the data are right again after an owner's death. Not in Qt. `False` if the object
    /// does not have the lock.
    #[pyo3(name = "markRecovered")]
    fn mark_recovered(&self, py: Python<'_>) -> bool {
        self.memory.look(py, qt::QSharedMemory::mark_recovered)
    }

    /// The last error.
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let error = self.memory.look(py, qt::QSharedMemory::error);
        Class::MemoryError.member(py, error.number())
    }

    /// The last error's text, in Qt's words; empty if there is none.
    #[pyo3(name = "errorString")]
    fn error_string(&self, py: Python<'_>) -> String {
        self.memory.look(py, qt::QSharedMemory::error_string)
    }
}

impl QSharedMemory {
    fn lock_within(&self, py: Python<'_>, limit: Duration) -> PyResult<bool> {
        // Mostly it is free, and then nothing needs to be prepared for waiting.
        if self.memory.look(py, qt::QSharedMemory::try_lock) {
            return Ok(true);
        }
        let take = |memory: &qt::QSharedMemory| memory.lock_for(limit);
        self.memory.take(py, take, |memory| _ = memory.unlock())
    }
}

/// Milliseconds as Qt has them, where a negative number means without an end.
pub(super) fn limit(milliseconds: i64) -> Duration {
    u64::try_from(milliseconds).map_or(Duration::MAX, Duration::from_millis)
}
