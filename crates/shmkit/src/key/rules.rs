//! The rules by which names become keys, for every platform on every platform.

use std::fmt;

use sha1::{Digest, Sha1};

use super::{KeyType, NativeIpcKey};

/// Longest name of a POSIX object on Apple systems, with its slash.
const APPLE_NAME_UNITS: usize = 30;

/// Windows' `MAX_PATH`, in UTF-16 units.
const WINDOWS_NAME_UNITS: usize = 260;

/// What Qt appends on Windows to the native key of a segment for its lock; one unit of the 260 is
/// left for the terminator.
const WINDOWS_LOCK_SUFFIX: &str = "_sem";
const WINDOWS_LOCK_UNITS: usize = WINDOWS_NAME_UNITS - 1 - WINDOWS_LOCK_SUFFIX.len();

/// A platform, as far as the rules for keys differ.
///
/// ```
/// use shmkit::key::{KeyRules, KeyType, Platform, Role};
///
/// let windows = KeyRules::new(Platform::Windows);
/// let key = windows.platform_safe_key(Role::Segment, "cam0", KeyType::Windows);
/// assert_eq!(format!("on {}: {key}", windows.platform()), "on Windows: windows:shm_cam0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Platform {
    /// Linux.
    Linux,
    /// Android, where Qt has no shared memory: every key is empty.
    Android,
    /// macOS. Other Apple systems are as macOS with a sandbox.
    MacOs {
        /// Whether the program runs in the App Sandbox: then there is no System V, and names
        /// must have the form `GROUP-ID/NAME`.
        sandboxed: bool,
    },
    /// FreeBSD and every other Unix.
    FreeBsd,
    /// Windows.
    Windows,
}

impl Platform {
    /// Whether programs on this platform have the facility that keys of this type belong to.
    ///
    /// ```
    /// # use shmkit::key::{KeyType, Platform};
    /// assert!(Platform::Linux.supports(KeyType::PosixRealtime));
    /// assert!(!Platform::Linux.supports(KeyType::Windows));
    /// ```
    #[doc(alias = "isKeyTypeSupported")]
    pub fn supports(self, key_type: KeyType) -> bool {
        match self {
            Self::Linux | Self::FreeBsd | Self::MacOs { sandboxed: false } => {
                key_type != KeyType::Windows
            }
            Self::MacOs { sandboxed: true } => key_type == KeyType::PosixRealtime,
            Self::Windows => key_type == KeyType::Windows,
            Self::Android => false,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Linux => "Linux",
            Self::Android => "Android",
            Self::MacOs { sandboxed: false } => "macOS",
            Self::MacOs { sandboxed: true } => "macOS (sandboxed)",
            Self::FreeBsd => "FreeBSD",
            Self::Windows => "Windows",
        })
    }
}

/// What a key is for: the two classes of Qt that use keys name their objects differently.
///
/// ```
/// use shmkit::key::{KeyRules, KeyType, Platform, Role};
///
/// let rules = KeyRules::new(Platform::Windows);
/// let key = rules.platform_safe_key(Role::Semaphore, "cam0", KeyType::Windows);
/// assert_eq!(key.native_key(), "sem_cam0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A segment, Qt's `QSharedMemory`.
    #[doc(alias = "QSharedMemory")]
    Segment,
    /// A system semaphore, Qt's `QSystemSemaphore`.
    #[doc(alias = "QSystemSemaphore")]
    Semaphore,
}

/// The rules by which names become keys, on a given platform with given directories.
///
/// The rules are Qt's, so that a program that uses Qt and is given the same name, on that platform
/// and in the same environment, makes the same key. Prefer to hand over the key's text form all the
/// same: a peer may have another temporary directory, or another version of Qt.
///
/// Rules for this process come from `KeyRules::of_this_process`; rules made with
/// [`new`](Self::new) ask the operating system nothing.
///
/// ```
/// use shmkit::key::{KeyRules, Platform, Role};
///
/// let rules = KeyRules::new(Platform::Linux).temp_dir("/var/tmp");
/// let key = rules.legacy_key(Role::Segment, "key", rules.legacy_default_type());
/// assert_eq!(
///     key.to_string(),
///     "systemv:/var/tmp/qipc_sharedmemory_keya62f2225bf70bfaccbc7f1ef2a397836717377de?legacyKey=key",
/// );
/// ```
#[derive(Debug, Clone)]
pub struct KeyRules {
    platform: Platform,
    temp_dir: String,
    runtime_dir: RuntimeDir,
}

/// Finding the runtime directory may make it, so it waits until a key needs one.
#[derive(Debug, Clone)]
enum RuntimeDir {
    Given(String),
    Found(fn(temp_dir: &str) -> String),
}

impl KeyRules {
    /// The rules of a platform, with `/tmp` as the temporary directory and without a runtime
    /// directory.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, KeyType, Platform, Role};
    ///
    /// let mac = KeyRules::new(Platform::MacOs { sandboxed: false });
    /// let key = mac.legacy_key(Role::Segment, "key", KeyType::PosixRealtime);
    /// assert_eq!(key.native_key(), "/a62f2225bf70bfaccbc7f1ef2a397");
    /// ```
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            temp_dir: "/tmp".into(),
            runtime_dir: RuntimeDir::Given(String::new()),
        }
    }

    /// Sets the directory of legacy System V keys, without a slash at its end; `/tmp` by default.
    ///
    /// It is used as it is: neither made absolute nor looked for. Keys of other types do not
    /// depend on it.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, KeyType, Platform, Role};
    ///
    /// let rules = KeyRules::new(Platform::Linux).temp_dir("/scratch");
    /// let key = rules.legacy_key(Role::Semaphore, "1", KeyType::SYSTEM_V);
    /// assert!(key.native_key().starts_with("/scratch/qipc_systemsem_"));
    /// ```
    #[must_use]
    pub fn temp_dir(mut self, dir: impl Into<String>) -> Self {
        self.temp_dir = dir.into();
        self
    }

    /// Sets the directory of platform-safe System V keys; none by default.
    ///
    /// Where there is none a relative name ends up in the root directory, as in Qt. Keys of other
    /// types do not depend on it.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, KeyType, Platform, Role};
    ///
    /// let rules = KeyRules::new(Platform::Linux).runtime_dir("/run/user/1000");
    /// let key = rules.platform_safe_key(Role::Segment, "cam0", KeyType::SYSTEM_V);
    /// assert_eq!(key.native_key(), "/run/user/1000/cam0");
    /// ```
    #[must_use]
    pub fn runtime_dir(mut self, dir: impl Into<String>) -> Self {
        self.runtime_dir = RuntimeDir::Given(dir.into());
        self
    }

    /// Sets how to find the runtime directory when a key needs it, given the temporary directory.
    pub(crate) fn find_runtime_dir(mut self, find: fn(temp_dir: &str) -> String) -> Self {
        self.runtime_dir = RuntimeDir::Found(find);
        self
    }

    /// The platform whose rules these are.
    ///
    /// ```
    /// # use shmkit::key::{KeyRules, Platform};
    /// assert_eq!(KeyRules::new(Platform::FreeBsd).platform(), Platform::FreeBsd);
    /// ```
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The type for new keys: Windows on Windows, POSIX everywhere else.
    ///
    /// ```
    /// # use shmkit::key::{KeyRules, KeyType, Platform};
    /// assert_eq!(KeyRules::new(Platform::Linux).default_type(), KeyType::PosixRealtime);
    /// ```
    #[doc(alias = "DefaultTypeForOs")]
    pub fn default_type(&self) -> KeyType {
        match self.platform {
            Platform::Windows => KeyType::Windows,
            _ => KeyType::PosixRealtime,
        }
    }

    /// The type that Qt used before version 6.6, and still uses for `QSharedMemory("name")`.
    ///
    /// Windows on Windows, POSIX in the sandbox of macOS, System V everywhere else. (A Qt that was
    /// built with `-feature-ipc_posix` uses POSIX: ask for that type by name.)
    ///
    /// ```
    /// # use shmkit::key::{KeyRules, KeyType, Platform};
    /// assert_eq!(KeyRules::new(Platform::Linux).legacy_default_type(), KeyType::SYSTEM_V);
    /// ```
    #[doc(alias = "legacyDefaultTypeForOs")]
    pub fn legacy_default_type(&self) -> KeyType {
        match self.platform {
            Platform::Windows => KeyType::Windows,
            Platform::MacOs { sandboxed: true } => KeyType::PosixRealtime,
            _ => KeyType::SYSTEM_V,
        }
    }

    /// The key that Qt 6.6 and later make of a name with `platformSafeKey()`.
    ///
    /// The name appears in it as it is. Nothing is checked: a name that the platform cannot use
    /// (one with a slash inside for POSIX, a very long one) makes a key that fails when it is used.
    /// An empty name, and a type that the platform does not [support](Platform::supports), make an
    /// empty key.
    ///
    /// # Platform-specific behavior
    /// | type | native key |
    /// |---|---|
    /// | POSIX | `/` and the name; at most 30 UTF-16 units on macOS |
    /// | System V | a name that begins with `/`, else the runtime directory, `/` and the name |
    /// | Windows | `shm_` (semaphores: `sem_`) and the name, put behind a leading `Local\` or `Global\`; at most 260 UTF-16 units |
    ///
    /// A cut never splits a character: where Qt would keep half of a surrogate pair, the key is one
    /// unit shorter.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, KeyType, Platform, Role};
    ///
    /// let linux = KeyRules::new(Platform::Linux);
    /// let key = linux.platform_safe_key(Role::Segment, "cam0", KeyType::PosixRealtime);
    /// assert_eq!(key.to_string(), "posix:/cam0");
    ///
    /// let key = linux.platform_safe_key(Role::Segment, "cam0", KeyType::Windows);
    /// assert!(key.is_empty());
    /// ```
    #[doc(alias = "platformSafeKey")]
    pub fn platform_safe_key(&self, role: Role, name: &str, key_type: KeyType) -> NativeIpcKey {
        if name.is_empty() || !self.platform.supports(key_type) {
            return NativeIpcKey::new("", key_type);
        }
        let native = match key_type {
            KeyType::PosixRealtime => match self.platform {
                Platform::MacOs { .. } => format!("/{}", cut(name, APPLE_NAME_UNITS - 1)),
                _ => format!("/{name}"),
            },
            KeyType::SystemV(_) if name.starts_with('/') => name.to_owned(),
            KeyType::SystemV(_) => match &self.runtime_dir {
                RuntimeDir::Given(dir) => format!("{dir}/{name}"),
                RuntimeDir::Found(find) => format!("{}/{name}", find(&self.temp_dir)),
            },
            KeyType::Windows => {
                let prefix = match role {
                    Role::Segment => "shm_",
                    Role::Semaphore => "sem_",
                };
                let space = [r"Local\", r"Global\"]
                    .into_iter()
                    .find(|space| name.starts_with(space));
                let (space, rest) = name.split_at(space.map_or(0, str::len));
                cut(&format!("{space}{prefix}{rest}"), WINDOWS_NAME_UNITS).to_owned()
            }
        };
        NativeIpcKey::new(native, key_type)
    }

    /// The key that every version of Qt makes of the name given to `QSharedMemory` or
    /// `QSystemSemaphore`, and what `legacyNativeKey()` answers.
    ///
    /// It is made of the name's ASCII letters and a hash of the whole name, and remembers the name
    /// as its [legacy key](NativeIpcKey::legacy_key). An empty name, and a type that the platform
    /// does not [support](Platform::supports), make an empty key without a legacy key.
    ///
    /// # Platform-specific behavior
    /// System V keys are files in the temporary directory. On macOS a POSIX key is a part of the
    /// hash only, or the name itself in the sandbox.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, KeyType, Platform, Role};
    ///
    /// let linux = KeyRules::new(Platform::Linux);
    /// let key = linux.legacy_key(Role::Segment, "key", KeyType::PosixRealtime);
    /// assert_eq!(
    ///     key.native_key(),
    ///     "/qipc_sharedmemory_keya62f2225bf70bfaccbc7f1ef2a397836717377de",
    /// );
    /// assert_eq!(key.legacy_key(), Some("key"));
    /// ```
    #[doc(alias = "legacyNativeKey")]
    pub fn legacy_key(&self, role: Role, name: &str, key_type: KeyType) -> NativeIpcKey {
        if name.is_empty() || !self.platform.supports(key_type) {
            return NativeIpcKey::new("", key_type);
        }
        let native = match (key_type, self.platform) {
            (KeyType::PosixRealtime, Platform::MacOs { sandboxed: true }) => name.to_owned(),
            (KeyType::PosixRealtime, Platform::MacOs { sandboxed: false }) => {
                format!("/{}", cut(&hash(name), APPLE_NAME_UNITS - 1))
            }
            (KeyType::PosixRealtime, _) => format!("/{}", mangle(role, name)),
            (KeyType::SystemV(_), _) => format!("{}/{}", self.temp_dir, mangle(role, name)),
            (KeyType::Windows, _) => mangle(role, name),
        };
        NativeIpcKey::with_legacy(native, name.to_owned(), key_type)
    }

    /// The key of the semaphore that is the lock of the segment with this key, as Qt has it.
    ///
    /// A segment with a legacy key is locked by the semaphore that the same name makes; so the
    /// native key alone leads to the segment, but not to its lock. Otherwise the two share one
    /// native key, which on Windows gets `_sem` at its end.
    ///
    /// ```
    /// use shmkit::key::{KeyRules, NativeIpcKey, Platform};
    ///
    /// let segment = NativeIpcKey::parse("windows:shm_cam0")?;
    /// let lock = KeyRules::new(Platform::Windows).semaphore_key(&segment);
    /// assert_eq!(lock.native_key(), "shm_cam0_sem");
    ///
    /// let segment = NativeIpcKey::parse("posix:/cam0")?;
    /// assert_eq!(KeyRules::new(Platform::Linux).semaphore_key(&segment), segment);
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    pub fn semaphore_key(&self, segment: &NativeIpcKey) -> NativeIpcKey {
        if let Some(name) = segment.legacy_key() {
            return self.legacy_key(Role::Semaphore, name, segment.key_type());
        }
        match self.platform {
            Platform::Windows if !segment.is_empty() => {
                let native = cut(segment.native_key(), WINDOWS_LOCK_UNITS);
                NativeIpcKey::new(format!("{native}{WINDOWS_LOCK_SUFFIX}"), segment.key_type())
            }
            _ => segment.clone(),
        }
    }
}

fn mangle(role: Role, name: &str) -> String {
    let prefix = match role {
        Role::Segment => "qipc_sharedmemory_",
        Role::Semaphore => "qipc_systemsem_",
    };
    let letters = name.chars().filter(char::is_ascii_alphabetic);
    prefix
        .chars()
        .chain(letters)
        .chain(hash(name).chars())
        .collect()
}

/// Forty hexadecimal digits for a name, which tell it from others.
pub(crate) fn hash(name: &str) -> String {
    format!("{:x}", Sha1::digest(name))
}

/// As much of the text as fits into so many UTF-16 units, in whole characters.
fn cut(text: &str, units: usize) -> &str {
    let mut used = 0;
    let fits = |char: &char| {
        used += char.len_utf16();
        used <= units
    };
    &text[..text.chars().take_while(fits).map(char::len_utf8).sum()]
}
