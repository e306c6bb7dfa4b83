//! Keys as Qt holds them: changeable, with a type that may be none.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::backend;
use crate::key::{KeyRules, KeyType, NativeIpcKey, Role};

/// The type of a [`QNativeIpcKey`]: any number from 0 to 65535, as in Qt. 0 stands for an invalid
/// key, 1 to 255 are System V, 256 is POSIX, 257 is Windows, and the others mean nothing.
///
/// ```
/// use shmkit::key::KeyType;
/// use shmkit::qt::TypeNumber;
///
/// assert_eq!(TypeNumber::SYSTEM_V.0, 81);
/// assert_eq!(TypeNumber(256).key_type(), Some(KeyType::PosixRealtime));
/// assert_eq!(TypeNumber(0).key_type(), None);
/// assert_eq!(TypeNumber::from(KeyType::Windows), TypeNumber::WINDOWS);
/// ```
#[doc(alias = "QNativeIpcKey::Type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeNumber(pub u16);

impl TypeNumber {
    /// No type: the key is invalid.
    pub const INVALID: Self = Self(0);
    /// System V with Qt's project id.
    #[doc(alias = "SystemV")]
    pub const SYSTEM_V: Self = Self(KeyType::SYSTEM_V.number());
    /// POSIX.
    #[doc(alias = "PosixRealtime")]
    pub const POSIX_REALTIME: Self = Self(KeyType::PosixRealtime.number());
    /// Windows.
    #[doc(alias = "Windows")]
    pub const WINDOWS: Self = Self(KeyType::Windows.number());

    /// The type of new keys: see [`KeyRules::default_type`].
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// assert_eq!(QNativeIpcKey::new("/x").key_type(), TypeNumber::default_for_os());
    /// ```
    #[doc(alias = "DefaultTypeForOs")]
    pub fn default_for_os() -> Self {
        KeyRules::of_this_process().default_type().into()
    }

    /// The type of keys that are made of a name alone: see [`KeyRules::legacy_default_type`].
    ///
    /// ```
    /// # use shmkit::qt::{QSharedMemory, TypeNumber};
    /// let memory = QSharedMemory::with_key("name");
    /// assert_eq!(memory.native_ipc_key().key_type(), TypeNumber::legacy_default_for_os());
    /// ```
    #[doc(alias = "legacyDefaultTypeForOs")]
    pub fn legacy_default_for_os() -> Self {
        KeyRules::of_this_process().legacy_default_type().into()
    }

    /// The type of this number, if it is one.
    ///
    /// ```
    /// # use shmkit::{key::KeyType, qt::TypeNumber};
    /// assert_eq!(TypeNumber(81).key_type(), Some(KeyType::SYSTEM_V));
    /// assert_eq!(TypeNumber(258).key_type(), None);
    /// ```
    pub fn key_type(self) -> Option<KeyType> {
        KeyType::from_number(self.0)
    }

    /// Whether segments and semaphores of this type work here.
    pub(super) fn is_supported(self) -> bool {
        self.key_type().is_some_and(backend::is_supported)
    }

    pub(super) fn make(
        self,
        key: impl FnOnce(&KeyRules, KeyType) -> NativeIpcKey,
    ) -> QNativeIpcKey {
        match self.key_type() {
            Some(key_type) => key(&KeyRules::of_this_process(), key_type).into(),
            None => QNativeIpcKey::of_type(self),
        }
    }

    pub(super) fn platform_safe(self, role: Role, name: &str) -> QNativeIpcKey {
        self.make(|rules, key_type| rules.platform_safe_key(role, name, key_type))
    }

    pub(super) fn legacy(self, role: Role, name: &str) -> QNativeIpcKey {
        self.make(|rules, key_type| rules.legacy_key(role, name, key_type))
    }
}

impl From<KeyType> for TypeNumber {
    fn from(key_type: KeyType) -> Self {
        Self(key_type.number())
    }
}

/// Qt's name of the type, or the number if it has none.
impl fmt::Display for TypeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_type() {
            Some(key_type) => key_type.fmt(f),
            None => self.0.fmt(f),
        }
    }
}

/// A key as Qt's class of that name holds it: a type that may be invalid, a native key, and a
/// legacy key; all of it can be set.
///
/// Equality and hashing are Qt's: type, native key and legacy key must be equal, and the legacy
/// key is not hashed. Copies are independent, and `std::mem::swap` exchanges everything.
///
/// ```
/// use shmkit::qt::{QNativeIpcKey, TypeNumber};
///
/// let mut key = QNativeIpcKey::from_string("posix:/cam0");
/// assert!(key.is_valid());
/// assert_eq!(key.native_key(), "/cam0");
/// key.set_native_key("/cam1");
/// assert_eq!(key.to_string(), "posix:/cam1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QNativeIpcKey {
    number: TypeNumber,
    native: String,
    legacy: String,
}

impl QNativeIpcKey {
    /// The native key `native` of the default type.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// assert_eq!(QNativeIpcKey::new("x"), QNativeIpcKey::with_type("x", TypeNumber::default_for_os()));
    /// ```
    pub fn new(native: impl Into<String>) -> Self {
        Self::with_type(native, TypeNumber::default_for_os())
    }

    /// The native key `native` of this type.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// let key = QNativeIpcKey::with_type("/tmp/key", TypeNumber(84));
    /// assert_eq!(key.to_string(), "systemv-84:/tmp/key");
    /// ```
    pub fn with_type(native: impl Into<String>, key_type: TypeNumber) -> Self {
        Self {
            number: key_type,
            native: native.into(),
            legacy: String::new(),
        }
    }

    /// An empty key of this type.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// assert!(QNativeIpcKey::of_type(TypeNumber::SYSTEM_V).is_empty());
    /// ```
    pub fn of_type(key_type: TypeNumber) -> Self {
        Self::with_type("", key_type)
    }

    /// The key of a text form; an invalid and empty one if it is none.
    /// [`NativeIpcKey::parse`] reads the same texts, and says what is wrong.
    ///
    /// ```
    /// # use shmkit::qt::QNativeIpcKey;
    /// assert_eq!(QNativeIpcKey::from_string("SystemV:/tmp/k").to_string(), "systemv:/tmp/k");
    /// assert!(!QNativeIpcKey::from_string("no key").is_valid());
    /// ```
    #[doc(alias = "fromString")]
    pub fn from_string(text: &str) -> Self {
        match NativeIpcKey::parse(text) {
            Ok(key) => key.into(),
            Err(_) => Self::of_type(TypeNumber::INVALID),
        }
    }

    /// Whether the native key is empty.
    ///
    /// ```
    /// # use shmkit::qt::QNativeIpcKey;
    /// assert!(QNativeIpcKey::default().is_empty());
    /// ```
    #[doc(alias = "isEmpty")]
    pub fn is_empty(&self) -> bool {
        self.native.is_empty()
    }

    /// Whether it has a type; nothing else is checked.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// assert!(QNativeIpcKey::default().is_valid());
    /// assert!(!QNativeIpcKey::with_type("/x", TypeNumber::INVALID).is_valid());
    /// ```
    #[doc(alias = "isValid")]
    pub fn is_valid(&self) -> bool {
        self.number != TypeNumber::INVALID
    }

    /// The type.
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// let key = QNativeIpcKey::from_string("systemv:/tmp/k");
    /// assert_eq!(key.key_type(), TypeNumber::SYSTEM_V);
    /// ```
    #[doc(alias = "type")]
    pub fn key_type(&self) -> TypeNumber {
        self.number
    }

    /// Sets the type, and nothing else. (Qt ignores the call if there is a legacy key.)
    ///
    /// ```
    /// # use shmkit::qt::{QNativeIpcKey, TypeNumber};
    /// let mut key = QNativeIpcKey::from_string("systemv:/k?legacyKey=cam0");
    /// key.set_type(TypeNumber::POSIX_REALTIME);
    /// assert_eq!(key.to_string(), "posix:/k?legacyKey=cam0");
    /// ```
    #[doc(alias = "setType")]
    pub fn set_type(&mut self, key_type: TypeNumber) {
        self.number = key_type;
    }

    /// The native key.
    ///
    /// ```
    /// # use shmkit::qt::QNativeIpcKey;
    /// assert_eq!(QNativeIpcKey::from_string("posix:/a%20b").native_key(), "/a b");
    /// ```
    #[doc(alias = "nativeKey")]
    pub fn native_key(&self) -> &str {
        &self.native
    }

    /// Sets the native key, and forgets the legacy key.
    ///
    /// ```
    /// # use shmkit::qt::QNativeIpcKey;
    /// let mut key = QNativeIpcKey::from_string("posix:/k?legacyKey=cam0");
    /// key.set_native_key("/k");
    /// assert_eq!(key.to_string(), "posix:/k");
    /// ```
    #[doc(alias = "setNativeKey")]
    pub fn set_native_key(&mut self, native: impl Into<String>) {
        self.native = native.into();
        self.legacy.clear();
    }

    /// The name that the legacy rule made it from; empty if none.
    ///
    /// ```
    /// # use shmkit::qt::QNativeIpcKey;
    /// assert_eq!(QNativeIpcKey::from_string("posix:/k?legacyKey=cam0").legacy_key(), "cam0");
    /// ```
    pub fn legacy_key(&self) -> &str {
        &self.legacy
    }

    /// The same key for the rest of shmkit; `None` if the type is no type.
    ///
    /// ```
    /// # use shmkit::{key::NativeIpcKey, qt::QNativeIpcKey};
    /// let key = QNativeIpcKey::from_string("posix:/cam0");
    /// assert_eq!(key.to_key(), Some(NativeIpcKey::parse("posix:/cam0")?));
    /// assert_eq!(QNativeIpcKey::from_string("no key").to_key(), None);
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn to_key(&self) -> Option<NativeIpcKey> {
        let key_type = self.number.key_type()?;
        Some(NativeIpcKey::with_legacy(
            self.native.clone(),
            self.legacy.clone(),
            key_type,
        ))
    }
}

/// An empty key of the default type.
impl Default for QNativeIpcKey {
    fn default() -> Self {
        Self::new("")
    }
}

impl From<NativeIpcKey> for QNativeIpcKey {
    fn from(key: NativeIpcKey) -> Self {
        Self {
            number: key.key_type().into(),
            native: key.native_key().to_owned(),
            legacy: key.legacy_key().unwrap_or_default().to_owned(),
        }
    }
}

/// The text form, Qt's `toString()`; empty for a type without a name.
impl fmt::Display for QNativeIpcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_key() {
            Some(key) => key.fmt(f),
            None => Ok(()),
        }
    }
}

/// As in Qt, over the native key and the type only.
impl Hash for QNativeIpcKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.native.hash(state);
        self.number.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn a_legacy_key_counts_for_equality_and_not_for_the_hash() {
        let legacy = QNativeIpcKey::from_string("posix:/k?legacyKey=cam0");
        let mut plain = legacy.clone();
        plain.set_native_key("/k");
        assert_ne!(legacy, plain);
        let state = RandomState::new();
        assert_eq!(state.hash_one(&legacy), state.hash_one(&plain));
        assert_eq!(plain, QNativeIpcKey::from_string("posix:/k"));
    }

    #[test]
    fn numbers_without_a_name_have_no_text() {
        for number in [0, 258, 65535] {
            let key = QNativeIpcKey::with_type("/k", TypeNumber(number));
            assert_eq!(key.to_string(), "");
            assert_eq!(key.is_valid(), number != 0);
            assert_eq!(key.to_key(), None);
        }
        for number in 1..=257 {
            let key = QNativeIpcKey::with_type("/k", TypeNumber(number));
            assert_eq!(QNativeIpcKey::from_string(&key.to_string()), key);
        }
    }

    #[test]
    fn what_is_no_key_is_invalid_and_empty() {
        let key = QNativeIpcKey::from_string("posix:/k?other=1");
        assert_eq!(key, QNativeIpcKey::of_type(TypeNumber::INVALID));
        assert!(key.is_empty() && !key.is_valid());
    }

    #[test]
    fn defaults_are_the_platforms() {
        let rules = KeyRules::of_this_process();
        assert_eq!(
            QNativeIpcKey::default().key_type().key_type(),
            Some(rules.default_type())
        );
        assert_eq!(
            TypeNumber::legacy_default_for_os().key_type(),
            Some(rules.legacy_default_type())
        );
    }
}
