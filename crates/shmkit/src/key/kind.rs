//! The types of keys: their names, their numbers, their order.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use super::error::{ParseKeyError, ParseKeyErrorKind};

const POSIX: u16 = 256;
const WINDOWS: u16 = 257;

/// Which of the operating system's facilities a key belongs to.
///
/// Names, numbers and order are Qt's (`QNativeIpcKey::Type`). All types exist on every platform,
/// so that every key can be read and printed everywhere; which of them work on one is
/// [`Platform::supports`](super::Platform::supports).
///
/// ```
/// use shmkit::key::KeyType;
///
/// assert_eq!(KeyType::PosixRealtime.to_string(), "posix");
/// assert_eq!("systemv-84".parse::<KeyType>()?.number(), 84);
/// # Ok::<(), shmkit::key::ParseKeyError>(())
/// ```
#[doc(alias = "QNativeIpcKey::Type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `systemv`, or `systemv-N` for project ids other than Qt's: `shmget` and `semget`, with the
    /// key that `ftok` makes of a path and this id.
    #[doc(alias = "shmget")]
    SystemV(ProjectId),
    /// `posix`: `shm_open` and `sem_open`.
    #[doc(alias = "shm_open")]
    PosixRealtime,
    /// `windows`: `CreateFileMapping` and `CreateSemaphore`.
    #[doc(alias = "CreateFileMapping")]
    Windows,
}

impl KeyType {
    /// System V with Qt's project id, the type whose name is just `systemv`.
    pub const SYSTEM_V: Self = Self::SystemV(ProjectId::QT);

    /// Qt's number of the type: the project id for System V, 256 for POSIX, 257 for Windows.
    ///
    /// ```
    /// # use shmkit::key::KeyType;
    /// assert_eq!(KeyType::SYSTEM_V.number(), 81);
    /// ```
    pub const fn number(self) -> u16 {
        match self {
            Self::SystemV(id) => id.get() as u16,
            Self::PosixRealtime => POSIX,
            Self::Windows => WINDOWS,
        }
    }

    /// The type that Qt gives this number, if there is one: 1 to 255, 256 and 257.
    ///
    /// ```
    /// # use shmkit::key::KeyType;
    /// assert_eq!(KeyType::from_number(256), Some(KeyType::PosixRealtime));
    /// assert_eq!(KeyType::from_number(0), None);
    /// ```
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            POSIX => Some(Self::PosixRealtime),
            WINDOWS => Some(Self::Windows),
            _ => ProjectId::new(number.try_into().ok()?).map(Self::SystemV),
        }
    }

    /// The type called `name`, or what is wrong and at which byte of the name it begins.
    pub(super) fn named(name: &str) -> Result<Self, (usize, ParseKeyErrorKind)> {
        // Case counts as little as in the scheme of a URL, and only for ASCII: `poſix` is unknown.
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "posix" => Ok(Self::PosixRealtime),
            "systemv" => Ok(Self::SYSTEM_V),
            "windows" => Ok(Self::Windows),
            _ => match name.strip_prefix("systemv-") {
                Some(digits) => match ProjectId::of_digits(digits) {
                    Some(id) => Ok(Self::SystemV(id)),
                    None => Err(("systemv-".len(), ParseKeyErrorKind::BadProjectId)),
                },
                None => Err((0, ParseKeyErrorKind::UnknownType)),
            },
        }
    }
}

/// Qt's name of the type: `posix`, `systemv`, `systemv-84`, `windows`.
impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SYSTEM_V => f.pad("systemv"),
            Self::SystemV(id) => f.pad(&format!("systemv-{id}")),
            Self::PosixRealtime => f.pad("posix"),
            Self::Windows => f.pad("windows"),
        }
    }
}

impl FromStr for KeyType {
    type Err = ParseKeyError;

    /// Reads the name of a type, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, ParseKeyError> {
        Self::named(name)
            .map_err(|(offset, kind)| ParseKeyError::new(name, offset..name.len(), kind))
    }
}

/// The number that tells apart the System V keys which `ftok` makes of one path: 1 to 255.
///
/// ```
/// use shmkit::key::{KeyType, ProjectId};
///
/// let id = ProjectId::new(84).unwrap();
/// assert_eq!(KeyType::SystemV(id).to_string(), "systemv-84");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(NonZeroU8);

impl ProjectId {
    /// The one that Qt uses, 81: the letter Q.
    pub const QT: Self = Self(NonZeroU8::new(b'Q').unwrap());

    /// The project id of this number; `None` for 0, of which `ftok` makes no usable key.
    ///
    /// ```
    /// # use shmkit::key::ProjectId;
    /// assert_eq!(ProjectId::new(81), Some(ProjectId::QT));
    /// assert_eq!(ProjectId::new(0), None);
    /// ```
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, as `ftok` takes it.
    ///
    /// ```
    /// # use shmkit::key::ProjectId;
    /// assert_eq!(ProjectId::QT.get(), b'Q');
    /// ```
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    fn of_digits(digits: &str) -> Option<Self> {
        // `u8::from_str` would take a `+`; leading zeros it takes as Qt does.
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        Self::new(digits.parse().ok().filter(|_| plain)?)
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
