//! Keys: how a segment is called, in every program that meets in it.
//!
//! A [`NativeIpcKey`] is a *type* (which of the operating system's facilities holds the segment:
//! POSIX, System V, Windows) and a *native key* (the name that facility knows it by). Its text
//! form, `posix:/cam0`, is what programs hand to each other, and is Qt's: a key printed by
//! `QNativeIpcKey::toString()` parses here, and the other way round.
//!
//! Nobody has to make up native keys. [`KeyRules`] turns any name into one, by Qt's two rules:
//!
//! | rule | made from `cam0` on Linux | use it |
//! |---|---|---|
//! | platform-safe | `posix:/cam0` | for new programs |
//! | legacy | `systemv:/tmp/qipc_sharedmemory_camdd33…` | to meet `QSharedMemory("cam0")` |
//!
//! This module is pure: it asks the operating system nothing. What the rules depend on (the
//! platform, its directories) are values, so a key for any platform can be made and printed on
//! every platform. `KeyRules::of_this_process` fills those values in from the process.
//!
//! What Qt does was taken from its documentation and measured on Qt 6.11.

mod error;
mod kind;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::hash::{Hash, Hasher};

pub use error::{ParseKeyError, ParseKeyErrorKind};
pub use kind::{KeyType, ProjectId};
pub use rules::{KeyRules, Platform, Role};

/// The key of a segment or of a system semaphore: a type, a native key and, for keys made by the
/// legacy rule, the name they were made from.
///
/// Make one from a name with [`NativeIpcKey::platform_safe`] or [`NativeIpcKey::legacy`], from
/// text with [`parse`](Self::parse) or [`str::parse`], or from a native key that somebody else
/// chose with [`new`](Self::new). Any text is a native key here, as it is in Qt: what the
/// operating system refuses (an empty one, a NUL, a name too long) is reported when the key is
/// used.
///
/// Two keys are equal if type, native key and legacy key are. The legacy key counts because it
/// decides which lock guards the segment (see [`KeyRules::semaphore_key`]): hand the whole text
/// form to a peer, not the native key alone.
///
/// ```
/// use shmkit::key::{KeyType, NativeIpcKey};
///
/// let key: NativeIpcKey = "posix:/cam0".parse()?;
/// assert_eq!(key.native_key(), "/cam0");
/// assert_eq!(key.key_type(), KeyType::PosixRealtime);
/// assert_eq!(key, NativeIpcKey::new("/cam0", KeyType::PosixRealtime));
/// assert_eq!(key.to_string(), "posix:/cam0");
/// # Ok::<(), shmkit::key::ParseKeyError>(())
/// ```
#[doc(alias = "QNativeIpcKey")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeIpcKey {
    key_type: KeyType,
    native: String,
    /// Empty stands for none, as in Qt.
    legacy: String,
}

impl NativeIpcKey {
    /// The key of this type that the operating system knows as `native`, taken as it is.
    ///
    /// There is no legacy key; see [`KeyRules::legacy_key`] for one that has it.
    ///
    /// ```
    /// use shmkit::key::{KeyType, NativeIpcKey};
    ///
    /// let key = NativeIpcKey::new("/srv/cams/key", KeyType::SYSTEM_V);
    /// assert_eq!(key.to_string(), "systemv:/srv/cams/key");
    /// ```
    pub fn new(native: impl Into<String>, key_type: KeyType) -> Self {
        Self {
            key_type,
            native: native.into(),
            legacy: String::new(),
        }
    }

    pub(crate) fn with_legacy(native: String, legacy: String, key_type: KeyType) -> Self {
        Self {
            key_type,
            native,
            legacy,
        }
    }

    /// The name by which the operating system knows it: of a shared-memory object (POSIX,
    /// Windows), or the path given to `ftok` (System V).
    ///
    /// ```
    /// # use shmkit::key::NativeIpcKey;
    /// assert_eq!(NativeIpcKey::parse("windows:Local%5Cshm_cam0")?.native_key(), r"Local\shm_cam0");
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn native_key(&self) -> &str {
        &self.native
    }

    /// Which of the operating system's facilities it belongs to.
    ///
    /// ```
    /// # use shmkit::key::{KeyType, NativeIpcKey};
    /// assert_eq!(NativeIpcKey::parse("systemv:/tmp/k")?.key_type(), KeyType::SYSTEM_V);
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The name that the legacy rule made it from; `None` for every other key.
    ///
    /// ```
    /// # use shmkit::key::NativeIpcKey;
    /// let key = NativeIpcKey::parse("posix:/x?legacyKey=cam0")?;
    /// assert_eq!(key.legacy_key(), Some("cam0"));
    /// assert_eq!(NativeIpcKey::parse("posix:/x")?.legacy_key(), None);
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn legacy_key(&self) -> Option<&str> {
        Some(self.legacy.as_str()).filter(|name| !name.is_empty())
    }

    /// Whether the native key is empty, so that nothing can be opened by it.
    ///
    /// The rules answer an empty key for an empty name and for a type that the platform lacks.
    ///
    /// ```
    /// # use shmkit::key::NativeIpcKey;
    /// assert!(NativeIpcKey::parse("posix:")?.is_empty());
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.native.is_empty()
    }
}

/// As in Qt, over the native key and the type only.
impl Hash for NativeIpcKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.native.hash(state);
        self.key_type.hash(state);
    }
}
