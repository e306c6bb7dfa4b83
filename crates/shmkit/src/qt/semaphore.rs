//! `QSystemSemaphore`.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::error::{LastError, Report, SystemSemaphoreError};
use super::key::{QNativeIpcKey, TypeNumber};
use super::text::{self, SemaphoreReport, system_text};
use crate::backend::{self, Owners, Presence, Semaphore};
use crate::error::{ErrorKind, Op};
use crate::interrupt;
use crate::key::{NativeIpcKey, Role};

/// For this user only, as Qt makes it.
const MODE: u32 = 0o600;

/// What becomes of the value of a semaphore that exists.
///
/// ```
/// # use shmkit::qt::AccessMode;
/// assert_eq!(AccessMode::default(), AccessMode::Open);
/// assert_eq!(AccessMode::Create as i32, 1);
/// ```
#[doc(alias = "QSystemSemaphore::AccessMode")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum AccessMode {
    /// It stays.
    #[default]
    Open = 0,
    /// It is set to the initial value, for all who use the semaphore: the way to begin again after
    /// a crash. (Qt makes a new POSIX semaphore instead, and leaves the others with the old one.)
    Create = 1,
}

/// A counting semaphore between processes, as Qt's class of that name has it.
///
/// What fails says `false` and sets [`error`](Self::error) and
/// [`error_string`](Self::error_string); what succeeds clears them.
///
/// The last user of shmkit removes a semaphore that shmkit made. System V: what a process has
/// acquired and not released, and what it has released and not acquired, is undone when it ends,
/// as in Qt. POSIX: nothing is undone.
///
/// See the [module](super) for what differs from Qt.
///
/// ```
/// use shmkit::qt::{AccessMode, QSystemSemaphore};
/// # use shmkit::qt::TypeNumber;
///
/// # if !QSystemSemaphore::is_key_type_supported(TypeNumber::legacy_default_for_os()) { return }
/// # let name = format!("shmkit-doc-semaphore-{}", std::process::id());
/// let slots = QSystemSemaphore::new(&name, 3, AccessMode::Create);
/// assert!(slots.acquire(), "{}", slots.error_string());
/// assert!(slots.release(1));
/// ```
#[doc(alias = "sem_open")]
#[derive(Debug, Default)]
pub struct QSystemSemaphore {
    key: QNativeIpcKey,
    initial: i32,
    open: OnceLock<Opened>,
    error: LastError<SystemSemaphoreError>,
}

/// A semaphore, with this user's share in it.
#[derive(Debug)]
struct Opened {
    /// `None` only while it is dropped.
    semaphore: Option<Semaphore>,
    key: NativeIpcKey,
    presence: Mutex<Option<Presence>>,
    /// It was opened with `Create`, and so is this user's to remove.
    owns: bool,
}

impl Opened {
    fn new(semaphore: Semaphore, key: &NativeIpcKey, owns: bool) -> Self {
        Self {
            semaphore: Some(semaphore),
            key: key.clone(),
            presence: Presence::announce(key).into(),
            owns,
        }
    }

    fn semaphore(&self) -> &Semaphore {
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        if presence.as_ref().is_some_and(|presence| !presence.is_own()) {
            // A forked child counts for itself.
            *presence = Presence::announce(&self.key);
        }
        self.semaphore
            .as_ref()
            .expect("only taken out when it is dropped")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let presence = self
            .presence
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = self.semaphore.take() {
            semaphore.leave_counting(&self.key, presence.take(), self.owns);
        }
    }
}

impl QSystemSemaphore {
    /// Opens the semaphore that `QSystemSemaphore("name")` means in every version of Qt, or makes
    /// it with the initial value.
    ///
    /// ```
    /// # use shmkit::qt::{AccessMode, QSystemSemaphore, SystemSemaphoreError};
    /// let none = QSystemSemaphore::new("", 0, AccessMode::Open);
    /// assert_eq!(none.error(), SystemSemaphoreError::NoError); // not before it is used
    /// assert!(!none.acquire());
    /// ```
    pub fn new(name: &str, initial: i32, mode: AccessMode) -> Self {
        let key = Self::legacy_native_key(name, TypeNumber::legacy_default_for_os());
        Self::with_native_key(&key, initial, mode)
    }

    /// Opens the semaphore of a key, or makes it with the initial value.
    ///
    /// ```
    /// # use shmkit::qt::{AccessMode, QNativeIpcKey, QSystemSemaphore, SystemSemaphoreError};
    /// let key = QNativeIpcKey::from_string("no key");
    /// let none = QSystemSemaphore::with_native_key(&key, 0, AccessMode::Create);
    /// assert_eq!(none.error(), SystemSemaphoreError::KeyError);
    /// ```
    pub fn with_native_key(key: &QNativeIpcKey, initial: i32, mode: AccessMode) -> Self {
        let mut semaphore = Self {
            key: QNativeIpcKey::of_type(key.key_type()),
            ..Self::default()
        };
        semaphore.set_native_key(key, initial, mode);
        semaphore
    }

    /// Whether semaphores of this type work here.
    ///
    /// ```
    /// # use shmkit::qt::{QSystemSemaphore, TypeNumber};
    /// assert!(!QSystemSemaphore::is_key_type_supported(TypeNumber::INVALID));
    /// ```
    #[doc(alias = "isKeyTypeSupported")]
    pub fn is_key_type_supported(key_type: TypeNumber) -> bool {
        key_type.is_supported()
    }

    /// The key that Qt 6.6 and later make of a name; see
    /// [`KeyRules::platform_safe_key`](crate::key::KeyRules::platform_safe_key).
    ///
    /// ```
    /// # use shmkit::qt::{QSystemSemaphore, TypeNumber};
    /// # if cfg!(target_os = "linux") {
    /// let key = QSystemSemaphore::platform_safe_key("cam0", TypeNumber::POSIX_REALTIME);
    /// assert_eq!(key.to_string(), "posix:/cam0");
    /// # }
    /// ```
    #[doc(alias = "platformSafeKey")]
    pub fn platform_safe_key(name: &str, key_type: TypeNumber) -> QNativeIpcKey {
        key_type.platform_safe(Role::Semaphore, name)
    }

    /// The key that every version of Qt makes of a name; see
    /// [`KeyRules::legacy_key`](crate::key::KeyRules::legacy_key).
    ///
    /// ```
    /// # use shmkit::qt::{QSystemSemaphore, TypeNumber};
    /// # if cfg!(target_os = "linux") {
    /// let key = QSystemSemaphore::legacy_native_key("cam0", TypeNumber::SYSTEM_V);
    /// assert!(key.native_key().contains("qipc_systemsem_cam"));
    /// # }
    /// ```
    #[doc(alias = "legacyNativeKey")]
    pub fn legacy_native_key(name: &str, key_type: TypeNumber) -> QNativeIpcKey {
        key_type.legacy(Role::Semaphore, name)
    }

    /// Sets the legacy key of a name; see [`set_native_key`](Self::set_native_key).
    ///
    /// ```
    /// # use shmkit::qt::{AccessMode, QSystemSemaphore};
    /// let mut semaphore = QSystemSemaphore::default();
    /// semaphore.set_key("", 0, AccessMode::Open);
    /// assert_eq!(semaphore.key(), "");
    /// ```
    #[doc(alias = "setKey")]
    pub fn set_key(&mut self, name: &str, initial: i32, mode: AccessMode) {
        let key = Self::legacy_native_key(name, TypeNumber::legacy_default_for_os());
        self.set_native_key(&key, initial, mode);
    }

    /// Leaves the semaphore of the old key, and opens that of the new one or makes it with the
    /// initial value. The same key again changes nothing, except with [`AccessMode::Create`]: then
    /// the value is set. If the type does not work here the old key stays, and the error is set.
    ///
    /// ```
    /// # use shmkit::qt::{AccessMode, QNativeIpcKey, QSystemSemaphore};
    /// let mut semaphore = QSystemSemaphore::default();
    /// semaphore.set_native_key(&QNativeIpcKey::default(), 3, AccessMode::Open);
    /// assert_eq!(semaphore.error_string(), "");
    /// ```
    #[doc(alias = "setNativeKey")]
    pub fn set_native_key(&mut self, key: &QNativeIpcKey, initial: i32, mode: AccessMode) {
        let is_same = *key == self.key;
        if is_same && mode == AccessMode::Open {
            return;
        }
        if !key.key_type().is_supported() {
            let text = "QSystemSemaphore::setNativeKey: unsupported key type";
            self.fail(Report::new(SystemSemaphoreError::KeyError, text));
            return;
        }
        self.error.clear();
        self.initial = initial;
        if !is_same {
            self.open.take();
            self.key = key.clone();
        }
        if let Err(report) = self.opened(mode) {
            self.fail(report);
        }
    }

    /// The legacy key: the name that the key was made from; empty for other keys.
    ///
    /// ```
    /// # use shmkit::qt::QSystemSemaphore;
    /// assert_eq!(QSystemSemaphore::default().key(), "");
    /// ```
    pub fn key(&self) -> &str {
        self.key.legacy_key()
    }

    /// The whole key.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, QSystemSemaphore};
    /// assert_eq!(*QSystemSemaphore::default().native_ipc_key(), QNativeIpcKey::default());
    /// ```
    #[doc(alias = "nativeIpcKey")]
    pub fn native_ipc_key(&self) -> &QNativeIpcKey {
        &self.key
    }

    /// Takes one of the value, waiting as long as it is 0.
    ///
    /// ```
    /// # use shmkit::qt::{QSystemSemaphore, SystemSemaphoreError};
    /// let none = QSystemSemaphore::default();
    /// assert!(!none.acquire());
    /// assert_eq!(none.error(), SystemSemaphoreError::KeyError);
    /// ```
    pub fn acquire(&self) -> bool {
        self.acquire_for(Duration::MAX)
    }

    /// As [`acquire`](Self::acquire), but waits at most about `limit`, and zero is a way to try.
    /// Not in Qt. If the time was too short the error is
    /// [`UnknownError`](SystemSemaphoreError::UnknownError), and its text says so. A wait that is
    /// [interrupted](crate::interrupt) says `false` and leaves the error as it was.
    ///
    /// ```
    /// # use shmkit::qt::QSystemSemaphore;
    /// assert!(!QSystemSemaphore::default().acquire_for(std::time::Duration::ZERO));
    /// ```
    pub fn acquire_for(&self, limit: Duration) -> bool {
        let opened = match self.opened(AccessMode::Open) {
            Ok(opened) => opened,
            Err(report) => return self.fail(report),
        };
        match opened.semaphore().acquire_within(limit) {
            Ok(true) => self.succeed(),
            Ok(false) if interrupt::has_come() => false,
            Ok(false) => self.fail(Report::new(
                SystemSemaphoreError::UnknownError,
                format!("QSystemSemaphore::acquire: timed out after {limit:?}"),
            )),
            Err(cause) => self.fail(self.explain(cause, "sem_wait")),
        }
    }

    /// Takes one of the value if it is above 0. Not in Qt. `false`, without an error, if it is 0, or if
    /// nothing can be taken at all.
    ///
    /// ```
    /// # use shmkit::qt::QSystemSemaphore;
    /// assert!(!QSystemSemaphore::default().try_acquire());
    /// ```
    pub fn try_acquire(&self) -> bool {
        let Ok(opened) = self.opened(AccessMode::Open) else {
            return false;
        };
        matches!(opened.semaphore().acquire_within(Duration::ZERO), Ok(true)) && self.succeed()
    }

    /// Adds `n` to the value, all or nothing. `true` for 0; `false`, without an error, for less.
    ///
    /// ```
    /// # use shmkit::qt::QSystemSemaphore;
    /// assert!(QSystemSemaphore::default().release(0));
    /// assert!(!QSystemSemaphore::default().release(-1));
    /// ```
    pub fn release(&self, n: i32) -> bool {
        let by = match u32::try_from(n) {
            Ok(0) => return true,
            Ok(by) => by,
            Err(_) => return false,
        };
        let opened = match self.opened(AccessMode::Open) {
            Ok(opened) => opened,
            Err(report) => return self.fail(report),
        };
        match opened.semaphore().release(by) {
            Ok(()) => self.succeed(),
            Err(cause) => self.fail(self.explain(cause, "sem_post")),
        }
    }

    /// The last error.
    ///
    /// ```
    /// # use shmkit::qt::{QSystemSemaphore, SystemSemaphoreError};
    /// assert_eq!(QSystemSemaphore::default().error(), SystemSemaphoreError::NoError);
    /// ```
    pub fn error(&self) -> SystemSemaphoreError {
        self.error.error()
    }

    /// The last error's text, in Qt's words; empty if there is none.
    ///
    /// ```
    /// # use shmkit::qt::QSystemSemaphore;
    /// assert_eq!(QSystemSemaphore::default().error_string(), "");
    /// ```
    #[doc(alias = "errorString")]
    pub fn error_string(&self) -> String {
        self.error.text()
    }

    fn is_posix(&self) -> bool {
        self.key.key_type() == TypeNumber::POSIX_REALTIME
    }

    /// The semaphore, which is opened now if it is not yet; with `Create` its value is set.
    fn opened(&self, mode: AccessMode) -> Result<&Opened, SemaphoreReport> {
        let renews = mode == AccessMode::Create;
        if let Some(opened) = self.open.get().filter(|_| !renews) {
            return Ok(opened);
        }
        let key = self.key.to_key().filter(|key| !key.is_empty());
        let Some(key) = key else {
            return Err(text::no_lock_key(true, self.is_posix()));
        };
        if let Some(report) = text::bad_semaphore_key(&key) {
            return Err(report);
        }
        let initial = match u32::try_from(self.initial) {
            Ok(initial) => initial,
            // The one refuses, the other one leaves the value of a new semaphore as it is.
            Err(_) if self.is_posix() => {
                let text = "QSystemSemaphore::handle: unknown error: Invalid argument";
                return Err(Report::new(SystemSemaphoreError::UnknownError, text));
            }
            Err(_) => 0,
        };
        let failed = |error| text::semaphore(&key, &error);
        let opened = match self.open.get() {
            Some(opened) => opened,
            None => {
                let semaphore = Semaphore::open(&key, initial, MODE, Owners::Anyone, Op::Lock)
                    .map_err(failed)?;
                // Another thread may have been faster.
                self.open
                    .get_or_init(|| Opened::new(semaphore, &key, renews))
            }
        };
        if renews {
            let set = opened.semaphore().set_value(initial);
            set.map_err(|cause| failed(backend::explain(cause, Op::Lock)))?;
        }
        Ok(opened)
    }

    fn succeed(&self) -> bool {
        self.error.clear();
        true
    }

    fn fail(&self, report: SemaphoreReport) -> bool {
        self.error.set(report);
        false
    }

    fn explain(&self, cause: std::io::Error, call: &str) -> SemaphoreReport {
        let at = match self.is_posix() {
            true => format!("QSystemSemaphore::modifySemaphore ({call})"),
            false => "QSystemSemaphore::modifySemaphore".to_owned(),
        };
        let (error, text) = match backend::explain(cause, Op::Lock) {
            error if error.kind() == ErrorKind::OutOfResources => (
                SystemSemaphoreError::OutOfResources,
                "out of resources".to_owned(),
            ),
            error if error.kind() == ErrorKind::PermissionDenied => (
                SystemSemaphoreError::PermissionDenied,
                "permission denied".to_owned(),
            ),
            error => {
                let cause = std::io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0));
                (
                    SystemSemaphoreError::UnknownError,
                    format!("unknown error: {}", system_text(&cause)),
                )
            }
        };
        Report::new(error, format!("{at}: {text}"))
    }
}
