//! `QSystemSemaphore`.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use shmkit::qt::{self, TypeNumber};

use super::arguments::{Arguments, Callable, Kind, Overload, optional, required};
use super::key::QNativeIpcKey;
use super::memory::{self, limit, method};
use super::numbers::Class;
use super::shared::Shared;

const TYPE: Kind = Kind::Enum(Class::KeyType);
const MODE: Kind = Kind::Enum(Class::SemaphoreMode);

const NEW: Callable = Callable {
    name: "QSystemSemaphore",
    is_constructor: true,
    overloads: &[
        Overload {
            text: "QSystemSemaphore(key: QNativeIpcKey, initialValue: int = 0, mode: QSystemSemaphore.AccessMode = QSystemSemaphore.Open)",
            parameters: &[
                required("key", Kind::Key),
                optional("initialValue", Kind::Int),
                optional("mode", MODE),
            ],
        },
        Overload {
            text: "QSystemSemaphore(key: str|None, initialValue: int = 0, mode: QSystemSemaphore.AccessMode = QSystemSemaphore.Open)",
            parameters: &[
                required("key", Kind::Text),
                optional("initialValue", Kind::Int),
                optional("mode", MODE),
            ],
        },
    ],
};

const SET_KEY: Callable = method(
    "setKey",
    &[Overload {
        text: "setKey(self, key: str|None, initialValue: int = 0, mode: QSystemSemaphore.AccessMode = QSystemSemaphore.Open)",
        parameters: &[
            required("key", Kind::Text),
            optional("initialValue", Kind::Int),
            optional("mode", MODE),
        ],
    }],
);

const SET_NATIVE_KEY: Callable = method(
    "setNativeKey",
    &[
        Overload {
            text: "setNativeKey(self, key: QNativeIpcKey, initialValue: int = 0, mode: QSystemSemaphore.AccessMode = QSystemSemaphore.Open)",
            parameters: &[
                required("key", Kind::Key),
                optional("initialValue", Kind::Int),
                optional("mode", MODE),
            ],
        },
        Overload {
            text: "setNativeKey(self, key: str|None, initialValue: int = 0, mode: QSystemSemaphore.AccessMode = QSystemSemaphore.Open, type: QNativeIpcKey.Type = QNativeIpcKey.legacyDefaultTypeForOs())",
            parameters: &[
                required("key", Kind::Text),
                optional("initialValue", Kind::Int),
                optional("mode", MODE),
                optional("type", TYPE),
            ],
        },
    ],
);

const RELEASE: Callable = method(
    "release",
    &[Overload {
        text: "release(self, n: int = 1)",
        parameters: &[optional("n", Kind::Int)],
    }],
);

/// A counting semaphore between processes, as Qt has it.
#[pyclass(
    name = "QSystemSemaphore",
    module = "shmkit.qt",
    subclass,
    frozen,
    dict,
    weakref
)]
#[derive(Debug, Default)]
pub(crate) struct QSystemSemaphore {
    semaphore: Shared<qt::QSystemSemaphore>,
}

/// The key of a name, or of a native key with a type at `at`.
fn key_of(args: &Arguments<'_>, is_native: bool) -> PyResult<qt::QNativeIpcKey> {
    if let Some(key) = args.key(0).ok().flatten() {
        return Ok(key);
    }
    let text = args.text(0)?;
    let key_type = args
        .key_type(3)?
        .unwrap_or_else(TypeNumber::legacy_default_for_os);
    Ok(match is_native {
        true => qt::QNativeIpcKey::with_type(text, key_type),
        false => qt::QSystemSemaphore::legacy_native_key(&text, key_type),
    })
}

#[pymethods]
impl QSystemSemaphore {
    #[new]
    #[pyo3(signature = (*_args, **_keywords), text_signature = None)]
    fn new(_args: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    #[pyo3(signature = (*args, **keywords))]
    fn __init__(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let args = NEW.parse(args, keywords)?;
        let key = key_of(&args, false)?;
        let (initial, mode) = (args.int(1, 0)?, args.semaphore_mode(2)?);
        let opened = move |semaphore: &mut qt::QSystemSemaphore| {
            *semaphore = qt::QSystemSemaphore::with_native_key(&key, initial, mode);
        };
        self.semaphore.change(py, opened)
    }

    /// Whether semaphores of this type work here.
    #[staticmethod]
    #[pyo3(name = "isKeyTypeSupported", signature = (*args, **keywords), text_signature = None)]
    fn is_key_type_supported(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let args = memory::IS_KEY_TYPE_SUPPORTED.parse(args, keywords)?;
        let key_type = args.key_type(0)?;
        Ok(key_type.is_some_and(qt::QSystemSemaphore::is_key_type_supported))
    }

    /// The key that Qt 6.6 and later make of a name.
    #[staticmethod]
    #[pyo3(name = "platformSafeKey", signature = (*args, **keywords), text_signature = None)]
    fn platform_safe_key(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<QNativeIpcKey> {
        let args = memory::PLATFORM_SAFE_KEY.parse(args, keywords)?;
        let key_type = args.key_type(1)?.unwrap_or_else(TypeNumber::default_for_os);
        Ok(qt::QSystemSemaphore::platform_safe_key(&args.text(0)?, key_type).into())
    }

    /// The key that every version of Qt makes of a name.
    #[staticmethod]
    #[pyo3(name = "legacyNativeKey", signature = (*args, **keywords), text_signature = None)]
    fn legacy_native_key(
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<QNativeIpcKey> {
        let args = memory::LEGACY_NATIVE_KEY.parse(args, keywords)?;
        let key_type = args
            .key_type(1)?
            .unwrap_or_else(TypeNumber::legacy_default_for_os);
        Ok(qt::QSystemSemaphore::legacy_native_key(&args.text(0)?, key_type).into())
    }

    /// Leaves the semaphore of the old key, and opens that of a name or makes it.
    #[pyo3(name = "setKey", signature = (*args, **keywords), text_signature = None)]
    fn set_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.set(py, &SET_KEY.parse(args, keywords)?, false)
    }

    /// Leaves the semaphore of the old key, and opens that of another key or makes it.
    #[pyo3(name = "setNativeKey", signature = (*args, **keywords), text_signature = None)]
    fn set_native_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.set(py, &SET_NATIVE_KEY.parse(args, keywords)?, true)
    }

    /// The name that the key was made from; empty for other keys.
    fn key(&self, py: Python<'_>) -> String {
        self.semaphore
            .look(py, |semaphore| semaphore.key().to_owned())
    }

    /// The whole key.
    #[pyo3(name = "nativeIpcKey")]
    fn native_ipc_key(&self, py: Python<'_>) -> QNativeIpcKey {
        self.semaphore
            .look(py, |semaphore| semaphore.native_ipc_key().clone())
            .into()
    }

    /// Takes one of the value, waiting as long as it is 0. Other threads run meanwhile, and signals
    /// are handled: `KeyboardInterrupt` ends the wait.
    fn acquire(&self, py: Python<'_>) -> PyResult<bool> {
        self.acquire_within(py, Duration::MAX)
    }

    /// Takes one of the value, waiting at most about `timeout` milliseconds; a negative number means
    /// as long as it takes. Not in Qt.
    #[pyo3(name = "tryAcquire", signature = (timeout = 0))]
    fn try_acquire(&self, py: Python<'_>, timeout: i64) -> PyResult<bool> {
        self.acquire_within(py, limit(timeout))
    }

    /// Adds `n` to the value, all or nothing.
    #[pyo3(signature = (*args, **keywords), text_signature = None)]
    fn release(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let n = RELEASE.parse(args, keywords)?.int(0, 1)?;
        Ok(self.semaphore.look(py, |semaphore| semaphore.release(n)))
    }

    /// The last error.
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let error = self.semaphore.look(py, qt::QSystemSemaphore::error);
        Class::SemaphoreError.member(py, error.number())
    }

    /// The last error's text, in Qt's words; empty if there is none.
    #[pyo3(name = "errorString")]
    fn error_string(&self, py: Python<'_>) -> String {
        self.semaphore.look(py, qt::QSystemSemaphore::error_string)
    }
}

impl QSystemSemaphore {
    fn set(&self, py: Python<'_>, args: &Arguments<'_>, is_native: bool) -> PyResult<()> {
        let key = key_of(args, is_native)?;
        let (initial, mode) = (args.int(1, 0)?, args.semaphore_mode(2)?);
        self.semaphore.change(py, move |semaphore| {
            semaphore.set_native_key(&key, initial, mode)
        })
    }

    fn acquire_within(&self, py: Python<'_>, limit: Duration) -> PyResult<bool> {
        // Mostly there is something, and then nothing needs to be prepared for waiting.
        if self.semaphore.look(py, qt::QSystemSemaphore::try_acquire) {
            return Ok(true);
        }
        let take = |semaphore: &qt::QSystemSemaphore| semaphore.acquire_for(limit);
        self.semaphore
            .take(py, take, |semaphore| _ = semaphore.release(1))
    }
}
