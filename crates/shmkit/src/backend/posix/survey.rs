//! Looking at segments without being one of their users.
//!
//! Who has a segment mapped is seen in `/proc`. Only where that finds nobody, and it matters, is
//! the kernel asked for its word; that needs the segment opened for some microseconds, in which
//! another user that leaves would find that it is not the last one.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::name::segment_path;
use crate::backend::file::explain::{Squatted, explain};
use crate::backend::file::last::is_anybody_present;
use crate::backend::info::with_legacy_key;
use crate::backend::{Lifetime, Place, SegmentInfo, State};
use crate::error::{Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::file::{self, Kind, MEMORY_DIRECTORY, Status, TEMPORARY_PREFIX};
use crate::sys::fork;
use crate::sys::lease::{self, Users};
use crate::sys::listing;
use crate::sys::process::{self, Holder, Mapped, Mappings};

/// The names of semaphores begin so.
const SEMAPHORE_PREFIX: &str = "sem.";

/// The device that all POSIX segments lie on.
pub(crate) fn device() -> u64 {
    file::status_of_path(MEMORY_DIRECTORY).map_or(0, |status| status.id.device)
}

/// All segments.
pub(crate) fn list(everybody: &Mappings) -> io::Result<Vec<SegmentInfo>> {
    let names = match listing::names_in(MEMORY_DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for (name, _) in names {
        let text = name.to_str();
        if text.is_some_and(|text| {
            text.starts_with(SEMAPHORE_PREFIX) || text.starts_with(TEMPORARY_PREFIX)
        }) {
            continue;
        }
        let key = text.map(|text| with_legacy_key(&format!("/{text}"), KeyType::PosixRealtime));
        let path = Path::new(MEMORY_DIRECTORY).join(&name);
        // Gone meanwhile, or no segment.
        let Ok(status) = listing::status_of(&path) else {
            continue;
        };
        if status.kind == Kind::Regular {
            let holders = everybody.of(Mapped::File(status.id));
            found.extend(describe(key, path, &status, holders, everybody.complete));
        }
    }
    Ok(found)
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let path = segment_path(key, Op::Inspect)?;
    let look = || {
        let status = file::status_of_name(&path)?;
        if status.kind != Kind::Regular {
            return Err(Squatted::by(status.kind).into());
        }
        let holders = process::holders_of(status.id)?;
        let key = Some(key.clone());
        let path = PathBuf::from(&path);
        describe(key, path, &status, &holders.found, holders.complete)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    look().map_err(|error| explain(error, &path, Op::Inspect).on(key))
}

/// `None` if it is gone meanwhile.
fn describe(
    key: Option<NativeIpcKey>,
    path: PathBuf,
    status: &Status,
    holders: &[Holder],
    complete: bool,
) -> Option<SegmentInfo> {
    let lifetime = if status.is_ephemeral() {
        Lifetime::Ephemeral
    } else {
        Lifetime::Kept
    };
    let seen: u64 = holders.iter().map(|holder| holder.attached).sum();
    let uses = if !holders.is_empty() {
        Uses::Seen
    } else if lifetime == Lifetime::Ephemeral || !complete {
        ask(&path, status)?
    } else {
        Uses::None
    };
    let (state, reason) = judge(uses, lifetime, status.size, holders);
    let known = complete || seen > 0;
    Some(SegmentInfo {
        key,
        size: status.size,
        owner: status.owner,
        owner_name: None,
        mode: status.mode & 0o777,
        created: listing::born(&path),
        place: Place::Posix { path },
        lifetime,
        attached: match uses {
            Uses::None => Some(0),
            Uses::Seen | Uses::Hidden | Uses::Untold(_) => known.then_some(seen),
        },
        holders: holders.iter().map(Into::into).collect(),
        complete: complete || matches!(uses, Uses::None),
        state,
        reason,
    })
}

/// What is known about the users of a segment.
#[derive(Debug, Clone, Copy)]
enum Uses {
    /// There are some, and they are seen.
    Seen,
    /// There are some, by the kernel's word.
    Hidden,
    /// There are none: by the kernel's word, or all processes were seen and it was not asked.
    None,
    /// The kernel did not say, and why.
    Untold(&'static str),
}

fn judge(uses: Uses, lifetime: Lifetime, size: u64, holders: &[Holder]) -> (State, String) {
    const EMPTY: &str = "it is empty: its creator is at work, or died half-way";
    let (state, reason) = match (uses, lifetime) {
        (Uses::Seen, _) => {
            let mapped = holders.iter().filter(|holder| holder.mappings > 0).count();
            let reason = match (mapped, holders.len()) {
                (0, 1) => "a process has it open".to_owned(),
                (0, open) => format!("{open} processes have it open"),
                (1, _) => "mapped by one process".to_owned(),
                (mapped, _) => format!("mapped by {mapped} processes"),
            };
            return (State::Live, reason);
        }
        (Uses::Hidden, _) => (
            State::Live,
            "the kernel says that somebody has it open: without having it mapped, or out of sight",
        ),
        (Uses::None, Lifetime::Ephemeral) => (
            State::Orphan,
            "it was to go with its last user, and the kernel says that nobody has it open any more",
        ),
        (_, Lifetime::Kept) if size == 0 => (State::Unknown, EMPTY),
        (Uses::None, Lifetime::Kept) => (
            State::Kept,
            "nobody has it mapped; it is kept, or was not made by shmkit",
        ),
        (Uses::Untold(_), Lifetime::Kept) => (
            State::Kept,
            "nobody is seen to have it mapped; it is kept, or was not made by shmkit",
        ),
        (Uses::Untold(why), Lifetime::Ephemeral) => (State::Unknown, why),
    };
    (state, reason.to_owned())
}

/// Asks the kernel whether anybody has the file; `None` if it is gone.
fn ask(path: &Path, status: &Status) -> Option<Uses> {
    let path = path.to_str()?;
    let _steady = fork::steady();
    let fd = match file::open(path, Access::ReadOnly) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => {
            return Some(Uses::Untold(
                "nobody is seen to use it, and this user may not open it to ask the kernel",
            ));
        }
    };
    if file::status(&fd).is_ok_and(|now| now.id != status.id || now.links == 0) {
        return None;
    }
    Some(match lease::users(fd.as_fd()) {
        Ok(Users::OnlyMe(_)) => Uses::None,
        Ok(Users::Others) => Uses::Hidden,
        Ok(Users::Unknown) if is_anybody_present(fd.as_fd()).unwrap_or(false) => Uses::Hidden,
        Ok(Users::Unknown) if !lease::are_granted() => Uses::Untold(
            "nobody is seen to use it, and the kernel cannot say: it grants no leases \
             (fs.leases-enable)",
        ),
        _ => Uses::Untold(
            "nobody is seen to use it, and the kernel answers that only to its owner and root",
        ),
    })
}
