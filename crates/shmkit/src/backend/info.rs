//! What can be told about a segment by looking at it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Lifetime;
use crate::error::Error;
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
    /// What made it, as far as that shows.
    pub kind: Kind,
    /// The size in bytes. Of one that is only known by its mappings ([`Place::Memfd`] and others,
    /// seen by an ordinary user) it is what is mapped.
    pub size: u64,
    /// How much of it takes memory, if that can be told; on macOS and FreeBSD it is not.
    pub resident: Option<Resident>,
    /// The user that it belongs to; of one that is only known by its mappings, `u32::MAX`.
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
    /// The processes that use it, as far as they can be seen. [`holders`](crate::inspect::holders)
    /// tells more about each.
    pub holders: Vec<Holder>,
    /// Whether the look overlooked no process. One in a PID namespace sees only those inside, and
    /// an ordinary user only its own.
    pub complete: bool,
    /// Whether it is in use, waits for users, or was left behind.
    pub state: State,
    /// Why that is its state, in words.
    pub reason: String,
}

/// How much of a segment takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident {
    /// Bytes, in whole pages.
    pub bytes: u64,
    /// Of what lies in memory: bytes that lie in the swap space, where that is counted apart.
    pub swapped: Option<u64>,
    /// Who counted.
    pub by: ResidentBy,
}

/// Who counted how much of a segment takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResidentBy {
    /// The file system's blocks (`st_blocks`): pages that the file has, in memory or swapped.
    Blocks,
    /// The kernel's table of System V segments (`/proc/sysvipc/shm`).
    Table,
    /// The page cache (`cachestat(2)`): pages of a file of a disk that lie in memory.
    PageCache,
}

/// What made a segment, as far as that shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// shmkit, with bytes that tell nothing about themselves.
    Raw,
    /// shmkit, with a header that says which type it holds.
    #[non_exhaustive]
    Typed {
        /// The type's name, where the header tells it.
        type_name: Option<String>,
    },
    /// `QSharedMemory`, by its name or its key file.
    Qt,
    /// Python's `multiprocessing`, by its name.
    Python,
    /// Boost.Interprocess's managed memory, by its first bytes.
    Boost,
    /// iceoryx2, by its name.
    Iceoryx2,
    /// Anything else, also Qt's with the platform-safe key of a name that somebody chose.
    Unknown,
}

impl Kind {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Typed { .. } => "typed",
            Self::Qt => "qt",
            Self::Python => "python",
            Self::Boost => "boost",
            Self::Iceoryx2 => "iceoryx2",
            Self::Unknown => "unknown",
        }
    }
}

/// The [name](Kind::name), and that of the type: `typed Frame`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed {
                type_name: Some(name),
            } => write!(f, "typed {name}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Where the operating system has a segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A file of the memory file system, or an object that has a name only (macOS, FreeBSD).
    #[non_exhaustive]
    Posix {
        /// Its path, or the name of the object. One of another mount namespace, as containers have it, is seen through a
        /// process there: its path below `/proc/PID/root`.
        path: PathBuf,
        /// It has no name any more, and goes with its last user.
        removed: bool,
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
        /// The IPC namespace that the key and the id belong to, if it is not this one's.
        namespace: Option<u64>,
    },
    /// Memory without a name in any directory (`memfd_create`).
    #[non_exhaustive]
    Memfd {
        /// The name that its maker gave it, which need not be the only one of this name.
        name: OsString,
        /// What tells it from others.
        inode: u64,
        /// A process's way to it, by which it can be opened: `/proc/PID/fd/N`.
        door: PathBuf,
    },
    /// A file that processes have mapped and share.
    #[non_exhaustive]
    File {
        /// Its path.
        path: PathBuf,
        /// It has no name any more, and goes with its last user.
        removed: bool,
        /// What tells it from others on its device.
        inode: u64,
        /// A process's way to it.
        door: PathBuf,
    },
    /// A named object of the Windows kernel.
    #[non_exhaustive]
    Windows {
        /// Its name.
        name: String,
    },
    /// Memory that a process shares with its forks (`MAP_ANONYMOUS`).
    #[non_exhaustive]
    Anonymous {
        /// What tells it from others.
        inode: u64,
        /// A process's way to it.
        door: PathBuf,
    },
}

impl Place {
    /// The type of the keys that lead there; `None` for a System V key without a project id, and
    /// for what has no key.
    pub fn key_type(&self) -> Option<KeyType> {
        match *self {
            Self::Posix { .. } => Some(KeyType::PosixRealtime),
            Self::Windows { .. } => Some(KeyType::Windows),
            Self::SystemV { ipc_key, .. } => {
                ProjectId::new((ipc_key >> 24) as u8).map(KeyType::SystemV)
            }
            Self::Memfd { .. } | Self::File { .. } | Self::Anonymous { .. } => None,
        }
    }

    /// One word for what it is: `posix`, `systemv`, `windows`, `memfd`, `file` or `anonymous`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Posix { .. } => "posix",
            Self::SystemV { .. } => "systemv",
            Self::Windows { .. } => "windows",
            Self::Memfd { .. } => "memfd",
            Self::File { .. } => "file",
            Self::Anonymous { .. } => "anonymous",
        }
    }
}

/// The path, or the key and the id: `/dev/shm/cam0`, `0x5101a2b3 (id 7)`, `frames (inode 9)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posix { path, removed } | Self::File { path, removed, .. } => {
                path.display().fmt(f)?;
                f.write_str(if *removed { " (removed)" } else { "" })
            }
            Self::SystemV { ipc_key, id, .. } => write!(f, "{ipc_key:#010x} (id {id})"),
            Self::Memfd { name, inode, .. } => write!(f, "{} (inode {inode})", name.display()),
            Self::Anonymous { inode, .. } => write!(f, "inode {inode}"),
            Self::Windows { name } => f.write_str(name),
        }
    }
}

/// A process that uses a segment.
///
/// [`list`](crate::inspect::list) tells the pid, the program and how it is attached; what takes a
/// closer look at the process is `None` there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// How many descriptors of it the process has open.
    pub descriptors: u64,
    /// What the descriptors are open for.
    pub opened: Option<Access>,
    /// The user that the process acts as.
    pub user: Option<u32>,
    /// That user's name, if there is one.
    pub user_name: Option<String>,
    /// When the process began; it cannot have had the segment before.
    pub since: Option<SystemTime>,
    /// The PID namespace that it lives in, by number (`readlink /proc/PID/ns/pid`).
    pub pid_namespace: Option<u64>,
    /// What it is called in there, if that is another one than this process's.
    pub pid_inside: Option<u32>,
    /// The container that its control group is named after.
    pub container: Option<String>,
}

/// Who uses a segment and its lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Holders {
    /// The processes that have it mapped or open, as far as they can be seen.
    pub processes: Vec<Holder>,
    /// Whether the look overlooked no process, as in [`SegmentInfo::complete`].
    pub complete: bool,
    /// Its lock; `None` if it has none: nobody has ever taken it, or there can be none.
    pub lock: Option<LockInfo>,
}

/// A segment's lock, as it looked a moment ago.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LockInfo {
    /// The key that leads to it.
    pub key: NativeIpcKey,
    /// Whether somebody has it; `None` if this user may not look.
    pub held: Option<bool>,
    /// Who has it, or who may have it if `held_by_one_of`.
    pub holders: Vec<LockUser>,
    /// `holders` are those that can have it, and not known to.
    pub held_by_one_of: bool,
    /// One who had it died and the next one who takes it will be told.
    pub owner_died: bool,
    /// How many wait for it, if that is counted.
    pub waiting: Option<u64>,
    /// Who waits, as far as that can be told: by the system call that their threads are in.
    pub waiters: Vec<LockUser>,
    /// All that in words.
    pub reason: String,
}

impl LockInfo {
    /// One that this user may not look at.
    #[cfg_attr(not(unix), allow(dead_code, reason = "no locks"))]
    pub(crate) fn untold(key: NativeIpcKey) -> Self {
        Self {
            key,
            held: None,
            holders: Vec::new(),
            held_by_one_of: false,
            owner_died: false,
            waiting: None,
            waiters: Vec::new(),
            reason: "this user may not look at it".to_owned(),
        }
    }
}

/// A process that has a lock, or waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockUser {
    /// The process, as seen from this PID namespace.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
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

/// Something that users left behind when they ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// The key of the segment that it is or belongs to, if that can be told.
    pub key: Option<NativeIpcKey>,
    /// Its file: the segment, the semaphore, or the key file of a System V object.
    pub path: Option<PathBuf>,
    /// The memory that goes with it, in bytes.
    pub bytes: u64,
    /// The user that it belongs to.
    pub owner: u32,
    /// When it was made, if the system remembers that.
    pub created: Option<SystemTime>,
    /// Why it is left over, or why not, in words.
    pub reason: String,
    /// What was done with it.
    pub outcome: Outcome,
}

/// What is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftoverKind {
    /// A segment: an orphan.
    Segment,
    /// The semaphore of a segment that does not exist, or one that counts.
    Lock,
    /// A file that has not got its name.
    Temporary,
    /// The file that a System V object was made of.
    KeyFile,
}

impl fmt::Display for LeftoverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Segment => "segment",
            Self::Lock => "lock",
            Self::Temporary => "temporary",
            Self::KeyFile => "key file",
        })
    }
}

/// What was done with something that is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It is still there: this was only a look.
    Found,
    /// It is gone.
    Removed,
    /// It was asked for by name, and somebody uses it.
    InUse,
    /// It could not be removed.
    Failed(Error),
}

impl Outcome {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Removed => "removed",
            Self::InUse => "in use",
            Self::Failed(_) => "failed",
        }
    }
}

/// The hexadecimal digits at the end of Qt's legacy names.
#[cfg(any(unix, keys = "windows"))]
const HASH: usize = 40;

/// The name that Qt's legacy rule made `native` from, if it can be told: the rule keeps the letters
/// of the name and adds a hash of all of it, so that a name of nothing but letters is there in full.
#[cfg(any(unix, keys = "windows"))]
pub(crate) fn with_legacy_key(native: &str, key_type: KeyType) -> NativeIpcKey {
    use crate::key::{KeyRules, Platform, Role};

    let platform = match key_type {
        KeyType::Windows => Platform::Windows,
        _ => Platform::Linux,
    };
    let (directory, file_name) = native.rsplit_once('/').unwrap_or(("", native));
    let letters = file_name
        .strip_prefix("qipc_sharedmemory_")
        .and_then(|rest| rest.get(..rest.len().checked_sub(HASH)?));
    if let Some(name) = letters {
        let rules = KeyRules::new(platform).temp_dir(directory);
        let legacy = rules.legacy_key(Role::Segment, name, key_type);
        if legacy.native_key() == native {
            return legacy;
        }
    }
    NativeIpcKey::new(native, key_type)
}

/// The key of a segment's lock, also where the segment's key is a legacy one whose name is not
/// known: the names of both differ in what they begin with, and in nothing else.
#[cfg(unix)]
pub(crate) fn lock_of(segment: &NativeIpcKey) -> NativeIpcKey {
    match renamed(segment, "qipc_sharedmemory_", "qipc_systemsem_") {
        Some(lock) if segment.legacy_key().is_none() => lock,
        _ => super::semaphore_key(segment),
    }
}

/// The segment that a lock of this key belongs to, if there is one: [`lock_of`] backwards.
#[cfg(unix)]
pub(crate) fn segment_of(lock: &NativeIpcKey) -> NativeIpcKey {
    renamed(lock, "qipc_systemsem_", "qipc_sharedmemory_").unwrap_or_else(|| lock.clone())
}

/// The key with another beginning, if its name is one that Qt's legacy rule makes: the beginning,
/// letters and a hash. What only begins so is a name as any other.
#[cfg(unix)]
fn renamed(key: &NativeIpcKey, from: &str, to: &str) -> Option<NativeIpcKey> {
    let (directory, file_name) = key.native_key().rsplit_once('/')?;
    let rest = file_name.strip_prefix(from)?;
    let (letters, hash) = rest.split_at_checked(rest.len().checked_sub(HASH)?)?;
    let is_legacy = letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_legacy.then(|| NativeIpcKey::new(format!("{directory}/{to}{rest}"), key.key_type()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_found_without_the_legacy_name() {
        use crate::key::{KeyRules, Role};
        let rules = KeyRules::of_this_process();
        for key_type in [KeyType::PosixRealtime, KeyType::SYSTEM_V] {
            let key = rules.legacy_key(Role::Segment, "cam 0", key_type);
            let nameless = NativeIpcKey::new(key.native_key(), key_type);
            let lock = lock_of(&nameless);
            assert_eq!(lock.native_key(), lock_of(&key).native_key());
            assert_eq!(lock.native_key(), rules.semaphore_key(&key).native_key());
            assert_eq!(segment_of(&lock), nameless);
        }
        let hash = "0a".repeat(HASH / 2);
        for plain in [
            "/cam0",
            "/qipc_sharedmemory_cam0",
            "/qipc_systemsem_cam0",
            &format!("/qipc_sharedmemory_cam{hash}-1"),
            &format!("/qipc_systemsem_cam1{hash}"),
            &format!("/qipc_systemsem_é{}", &hash[1..]),
        ] {
            let plain = NativeIpcKey::new(plain, KeyType::PosixRealtime);
            assert_eq!(lock_of(&plain), plain);
            assert_eq!(segment_of(&plain), plain);
        }
    }

    #[test]
    fn legacy_names_of_letters_are_told_from_their_keys() {
        use crate::key::{KeyRules, Platform, Role};
        let rules = KeyRules::new(Platform::Linux).temp_dir("/var/tmp");
        for key_type in [KeyType::PosixRealtime, KeyType::SYSTEM_V, KeyType::Windows] {
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
