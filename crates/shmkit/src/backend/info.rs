//! What can be told about a segment by looking at it.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Lifetime;
use crate::key::{KeyType, NativeIpcKey, ProjectId};
use crate::mapping::Access;

/// A segment that exists, as it looked a moment ago.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The key that leads to it; `None` if that cannot be told: the name is not UTF-8, or the key
    /// file of a System V segment was not found.
    ///
    /// Names that Qt's legacy rule made are turned back into the name that it made them from where
    /// that is possible, which is when that has nothing but ASCII letters. Otherwise the key leads
    /// to the segment, but not to its lock; see
    /// [`KeyRules::semaphore_key`](crate::key::KeyRules::semaphore_key).
    pub key: Option<NativeIpcKey>,
    /// Where the operating system has it.
    pub place: Place,
    /// The size in bytes.
    pub size: u64,
    /// The user that it belongs to.
    pub owner: u32,
    /// That user's name, if there is one.
    pub owner_name: Option<String>,
    /// Who may attach to it: permission bits as in `chmod`.
    pub mode: u32,
    /// When it was made, if the system remembers that.
    ///
    /// # Platform-specific behavior
    /// System V only knows when the owner or the mode was last set, which for most segments is when
    /// they were made.
    pub created: Option<SystemTime>,
    /// How long it exists, as in [`SharedMemory::lifetime`](crate::SharedMemory::lifetime).
    pub lifetime: Lifetime,
    /// How often it is attached, over all processes; `None` if that cannot be told. For POSIX
    /// segments it is a lower bound unless the look was [complete](Self::complete); for System V
    /// it is the kernel's own count.
    pub attached: Option<u64>,
    /// The processes that use it, as far as they can be seen.
    pub holders: Vec<Holder>,
    /// Whether the look overlooked no process. One in a PID namespace sees only those inside, and
    /// an ordinary user only its own.
    pub complete: bool,
    /// Whether it is in use, waits for users, or was left behind.
    pub state: State,
    /// Why that is its state, in words.
    pub reason: String,
}

/// Where the operating system has a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A file of the memory file system.
    #[non_exhaustive]
    Posix {
        /// Its path.
        path: PathBuf,
    },
    /// An entry in the kernel's table.
    #[non_exhaustive]
    SystemV {
        /// The key in that table; 0 if it has none (`IPC_PRIVATE`, or removed already).
        ipc_key: u32,
        /// The number that `ipcs` and `ipcrm` call it by.
        id: i32,
        /// The file that the key was made of, where it was found.
        key_file: Option<PathBuf>,
    },
}

impl Place {
    /// The type of the keys that lead there; `None` for a System V key without a project id.
    pub fn key_type(&self) -> Option<KeyType> {
        match *self {
            Self::Posix { .. } => Some(KeyType::PosixRealtime),
            Self::SystemV { ipc_key, .. } => {
                ProjectId::new((ipc_key >> 24) as u8).map(KeyType::SystemV)
            }
        }
    }
}

/// The path, or the key and the id: `/dev/shm/cam0`, `0x5101a2b3 (id 7)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posix { path } => path.display().fmt(f),
            Self::SystemV { ipc_key, id, .. } => write!(f, "{ipc_key:#010x} (id {id})"),
        }
    }
}

/// A process that uses a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process, as seen from this PID namespace.
    pub pid: u32,
    /// The name of its program. The process chose it, so it may hold anything.
    pub program: String,
    /// How often it is attached; 0 if it has the segment open without having it mapped.
    pub attached: u64,
    /// How it is attached.
    pub access: Option<Access>,
}

/// Whether a segment is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Somebody uses it.
    Live,
    /// It was to go with its last user, and is still there although nobody uses it: that one was
    /// killed. The next `create` of its key removes it.
    Orphan,
    /// Nobody uses it, and it stays until it is removed by name: it is kept, or was not made by
    /// shmkit.
    Kept,
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Orphan => "orphan",
            Self::Kept => "kept",
            Self::Unknown => "unknown",
        })
    }
}

/// The name that Qt's legacy rule made `native` from, if it can be told: the rule keeps the letters
/// of the name and adds a hash of all of it, so that a name of nothing but letters is there in full.
#[cfg(unix)]
pub(crate) fn with_legacy_key(native: &str, key_type: KeyType) -> NativeIpcKey {
    use crate::key::{KeyRules, Platform, Role};

    const HASH: usize = 40;
    let (directory, file_name) = native.rsplit_once('/').unwrap_or_default();
    let letters = file_name
        .strip_prefix("qipc_sharedmemory_")
        .and_then(|rest| rest.get(..rest.len().checked_sub(HASH)?));
    if let Some(name) = letters {
        let rules = KeyRules::new(Platform::Linux).temp_dir(directory);
        let legacy = rules.legacy_key(Role::Segment, name, key_type);
        if legacy.native_key() == native {
            return legacy;
        }
    }
    NativeIpcKey::new(native, key_type)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn legacy_names_of_letters_are_told_from_their_keys() {
        use crate::key::{KeyRules, Platform, Role};
        let rules = KeyRules::new(Platform::Linux).temp_dir("/var/tmp");
        for key_type in [KeyType::PosixRealtime, KeyType::SYSTEM_V] {
            let key = rules.legacy_key(Role::Segment, "Camera", key_type);
            assert_eq!(with_legacy_key(key.native_key(), key_type), key);
            // What is not a letter is only in the hash.
            let key = rules.legacy_key(Role::Segment, "cam0", key_type);
            let native = NativeIpcKey::new(key.native_key(), key_type);
            assert_eq!(with_legacy_key(key.native_key(), key_type), native);
        }
        for other in [
            "",
            "/",
            "/cam0",
            "/qipc_sharedmemory_é",
            "/qipc_sharedmemory_a",
        ] {
            let key = with_legacy_key(other, KeyType::PosixRealtime);
            assert_eq!(key, NativeIpcKey::new(other, KeyType::PosixRealtime));
        }
    }
}
