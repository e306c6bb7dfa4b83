//! How segments and semaphores come to be, are found, counted and removed: one folder for each
//! type of key. The key decides at run time; a type that this system lacks is `Unsupported`.

#[cfg(any(sys = "linux", sys = "portable"))]
mod file;
#[cfg_attr(
    not(sys = "linux"),
    allow(dead_code, reason = "some of what makes infos is not there")
)]
mod info;
#[cfg(surveyed)]
mod kind;
#[cfg(surveyed)]
#[cfg_attr(not(sys = "linux"), path = "nameless_none.rs")]
mod nameless;
#[cfg(not(any(keys = "posix", keys = "windows")))]
mod no_semaphore;
#[cfg(any(sys = "linux", sys = "portable"))]
#[cfg_attr(not(keys = "posix"), path = "posix_none.rs")]
#[cfg_attr(all(keys = "posix", anchored), path = "posix_objects/mod.rs")]
mod posix;
#[cfg(any(sys = "linux", sys = "portable"))]
#[cfg_attr(not(keys = "systemv"), path = "system_v_none.rs")]
mod system_v;
#[cfg(keys = "windows")]
mod windows;

// `any` has the types `Segment` and `Semaphore`, which are of one of the types of key that this
// system has.
#[cfg_attr(any(sys = "linux", sys = "portable"), path = "any_unix.rs")]
#[cfg_attr(keys = "windows", path = "any_windows.rs")]
#[cfg_attr(
    not(any(sys = "linux", sys = "portable", keys = "windows")),
    path = "any_none.rs"
)]
mod any;

#[cfg_attr(keys = "windows", path = "survey_windows.rs")]
#[cfg_attr(not(any(surveyed, keys = "windows")), path = "survey_none.rs")]
mod survey;

#[cfg_attr(not(surveyed), path = "leftover_none.rs")]
pub(crate) mod leftover;

pub(crate) mod backoff;
mod fs_kind;
#[cfg(any(sys = "linux", sys = "portable"))]
mod place_unix;
mod placement;
#[cfg_attr(not(unix), allow(dead_code, reason = "nothing is sealed"))]
mod seals;
mod target;

#[cfg(any(unix, keys = "windows"))]
pub(crate) use any::adopt;
pub(crate) use any::{
    Presence, Segment, Semaphore, Taken, Ticket, attach, copy_checked, create, create_from,
    examine_directory, explain, name_suspects, remove, remove_file, sweep, temporary_name,
};
#[cfg(unix)]
pub(crate) use any::{is_of_key, target_of};
#[cfg(any(sys = "linux", sys = "portable"))]
pub(crate) use any::{semaphore_mode, user_name};

pub(crate) use target::Target;

/// What makes bytes that never change: nobody writes, and none of them goes away.
#[cfg(unix)]
pub(crate) const CONSTANT: Seals = Seals::WRITE.and(Seals::SHRINK);

pub(crate) use survey::{
    find, holders, list, lock_info, name_of, named, system_v_key, user_number,
};

pub use fs_kind::{FsKind, Medium};
pub use placement::{Advice, HugePages, Nodes};
pub use seals::Seals;

pub use info::{
    Holder, Holders, Kind, LockInfo, LockUser, Place, Resident, ResidentBy, SegmentInfo, State,
};

use crate::error::{Error, ErrorKind, Op};
use crate::key::{KeyRules, KeyType, NativeIpcKey};
use crate::mapping::Access;
#[cfg(any(sys = "linux", sys = "portable"))]
use crate::sys::file::Room;

/// What a new or an attached segment should be like; the public face is `Options`.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) size: usize,
    /// What a new segment begins with when it appears; zeros follow. If there is any such thing, the
    /// segment is a typed one, and its creator has the first lease.
    pub(crate) head: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) access: Access,
    /// The first byte that is attached.
    pub(crate) offset: u64,
    /// How many bytes are attached; all there are if it is not said.
    pub(crate) length: Option<usize>,
    /// Writes stay in this process.
    pub(crate) private: bool,
    /// How much address space is kept for it to grow into.
    pub(crate) capacity: usize,
    /// Whether a new memfd is of reserved huge pages, and of which size.
    #[cfg_attr(
        not(sys = "linux"),
        allow(dead_code, reason = "no memfds, no huge pages")
    )]
    pub(crate) huge: Option<(Option<usize>, Wish)>,
    /// What it must have to be attached.
    pub(crate) seals: Seals,
    pub(crate) reserve: bool,
    pub(crate) lifetime: Lifetime,
    pub(crate) trust: Owners,
    pub(crate) removal: Removal,
    #[cfg_attr(
        not(any(sys = "linux", keys = "windows")),
        allow(dead_code, reason = "no segments, no orphans")
    )]
    pub(crate) orphans: Orphans,
}

#[cfg(any(sys = "linux", sys = "portable"))]
impl Spec {
    /// How the file behind it must be open. A private copy only reads it.
    fn file_access(&self) -> Access {
        match self.private {
            true => Access::ReadOnly,
            false => self.access,
        }
    }

    fn room(&self) -> Room {
        match self.reserve {
            true => Room::Reserved,
            false => Room::Lazy,
        }
    }
}

/// How much something that was asked for matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// It goes on without, and [`SharedMemory::warnings`](crate::SharedMemory::warnings) tells.
    Hint,
    /// Without it there is an error.
    Demand,
}

/// What a directory is like, for files that are segments.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) kind: FsKind,
    pub(crate) available: u64,
    /// Why no file should be made there.
    pub(crate) objection: Option<String>,
}

/// What attaching does with an ephemeral segment that nobody is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphans {
    Adopt,
    /// It is removed, so that a new one can be made.
    Remove,
}

/// How long a segment exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lifetime {
    /// It goes with its last user, and if that one crashed, with the next `create`.
    #[default]
    Ephemeral,
    /// It stays until it is removed by name.
    Kept,
}

/// Whose segments are accepted, as far as the permissions allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Owners {
    /// Those of this process's user and of root. The default: a name in a directory that
    /// everybody may write to proves nothing.
    #[default]
    Mine,
    /// Everybody's.
    Anyone,
    /// Those of one user more.
    User(u32),
}

/// What the last one out does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Removes the segment if it is ephemeral.
    IfEphemeral,
    /// Removes it whoever made it: what Qt documents.
    Always,
    /// Leaves it.
    Never,
}

/// How the handle came to its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It made the segment.
    Created,
    /// It made the segment, in the place of an orphan that it removed.
    Reclaimed,
    /// It joined others.
    Attached,
    /// It joined a segment that its users had left behind: the data are as they left them, perhaps
    /// in the middle of a change.
    Adopted,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Detached {
    /// Others still use it, or it is kept.
    Remains,
    /// This was the last user, and the segment is gone.
    Removed,
}

/// Whether removing by name may take a segment that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InUse {
    /// It is an error.
    Refuse,
    /// The name goes; those who are attached keep the memory to themselves.
    RemoveAnyway,
}

/// How a lock was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    Clean,
    /// The one before did not give it back.
    OwnerDied,
}

impl Grant {
    /// Whether what the lock protects may be half-written.
    pub(crate) fn is_in_doubt(self) -> bool {
        self == Self::OwnerDied
    }
}

/// A process that may hold a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspect {
    pub(crate) pid: u32,
    pub(crate) program: String,
    /// It is known to hold it, not only to be able to.
    pub(crate) holds: bool,
}

/// Whether there are segments and locks of a type: this system has them, and shmkit was built with
/// them.
pub(crate) fn is_supported(kind: KeyType) -> bool {
    match kind {
        KeyType::PosixRealtime => cfg!(keys = "posix"),
        KeyType::SystemV(_) => cfg!(keys = "systemv"),
        KeyType::Windows => cfg!(keys = "windows"),
    }
}

fn unsupported(key: &NativeIpcKey, op: Op) -> Error {
    let error = Error::new(op, ErrorKind::Unsupported).on(key);
    let (feature, is_off) = match key.key_type() {
        KeyType::PosixRealtime => ("posix", cfg!(feature_off = "posix")),
        KeyType::SystemV(_) => ("systemv", cfg!(feature_off = "systemv")),
        KeyType::Windows => ("windows", cfg!(feature_off = "windows")),
    };
    if is_off {
        return error
            .detail(format!(
                "this program was built without segments of type {}",
                key.key_type()
            ))
            .hint(format!(
                "turn on the feature `{feature}` of the crate shmkit, which is on by default"
            ));
    }
    let error = error.detail(format!(
        "this system has no segments of type {}",
        key.key_type()
    ));
    error.hint(match cfg!(named_segments) {
        true => "the key types that it has are in the platform table of the documentation",
        false => {
            "use a memfd or a file, and hand it over by a socket or to a child (`os::handover`)"
        }
    })
}

/// Who has a lock, in a sentence.
pub(crate) fn name_holder(lock: &Semaphore) -> String {
    let suspects = lock.suspects().unwrap_or_default();
    let names = name_suspects(&suspects);
    match suspects.iter().any(|suspect| suspect.holds) || suspects.is_empty() {
        true => format!("held by {names}"),
        false => format!("held by one of those that have it open: {names}"),
    }
}

/// There is nothing to make a segment of.
#[cfg_attr(sys = "none", allow(dead_code, reason = "no segments, no contents"))]
fn no_contents(op: Op) -> Error {
    Error::new(op, ErrorKind::InvalidSize)
        .detail("there are no contents: not one byte was read")
        .hint("a segment has 1 to isize::MAX bytes")
}

/// What is to be put into a segment could not be read.
#[cfg_attr(sys = "none", allow(dead_code, reason = "no segments, no contents"))]
fn unreadable(cause: std::io::Error, op: Op) -> Error {
    Error::os(op, cause)
        .detail("the contents cannot be read")
        .with_kind(ErrorKind::Os)
}

/// A size for people; the exact number where the rounded one would hide it.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} bytes");
    }
    let unit = (size.ilog2() / 10) as usize;
    let value = size as f64 / 2f64.powi(unit as i32 * 10);
    let digits = usize::from(value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[unit - 1])
}

/// The key of a segment's lock, by the rules of this process.
pub(crate) fn semaphore_key(segment: &NativeIpcKey) -> NativeIpcKey {
    match (segment.legacy_key(), segment.key_type()) {
        // Most keys, and no need to look at the environment.
        (None, KeyType::PosixRealtime | KeyType::SystemV(_)) => segment.clone(),
        _ => KeyRules::of_this_process().semaphore_key(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_backend_says_what_to_do() {
        for (text, feature, off) in [
            ("posix:/x", "posix", cfg!(feature_off = "posix")),
            ("systemv:/x", "systemv", cfg!(feature_off = "systemv")),
            ("windows:x", "windows", cfg!(feature_off = "windows")),
        ] {
            let key: NativeIpcKey = text.parse().unwrap();
            if is_supported(key.key_type()) {
                continue;
            }
            let spec = crate::SharedMemory::options()
                .size(1)
                .create(&key)
                .unwrap_err();
            assert_eq!(spec.kind(), ErrorKind::Unsupported);
            let said = spec.to_string();
            assert_eq!(
                said.contains(&format!("the feature `{feature}`")),
                off,
                "{said}"
            );
            assert!(
                off || said.contains("this system has no segments"),
                "{said}"
            );
        }
    }
}
