//! Looking at segments without being one of their users.
//!
//! Who has a segment mapped is seen in `/proc`. Only where that finds nobody, and it matters, is
//! the kernel asked for its word; that needs the segment opened for some microseconds, in which
//! another user that leaves would find that it is not the last one.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::name::segment_path;
use crate::backend::file::explain::{Squatted, explain};
use crate::backend::file::last::is_anybody_present;
use crate::backend::info::with_legacy_key;
use crate::backend::survey::{holders_in, holders_of};
use crate::backend::{
    Holder, Kind, Lifetime, Place, Resident, ResidentBy, SegmentInfo, State, kind,
};
use crate::error::{Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::census::{Census, Object};
use crate::sys::file::{self, FileId, MEMORY_DIRECTORY, Status, TEMPORARY_PREFIX};
use crate::sys::fork;
use crate::sys::lease::{self, Users};
use crate::sys::listing::{self, Look};
use crate::sys::peek::peek;
use crate::sys::process;

/// The names of semaphores begin so.
pub(crate) const SEMAPHORE_PREFIX: &str = "sem.";

/// The device that all POSIX segments lie on.
pub(crate) fn device() -> Option<u64> {
    let status = file::status_of_path(MEMORY_DIRECTORY).ok()?;
    Some(status.id.device)
}

/// All segments, and the files of all names in the directory, of whatever they are.
pub(crate) fn list(census: &Census) -> io::Result<(Vec<SegmentInfo>, HashSet<FileId>)> {
    let mut named = HashSet::new();
    let mut found = Vec::new();
    let directory = match listing::open_directory(MEMORY_DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((found, named)),
        directory => directory?,
    };
    let mut files = Vec::new();
    for (name, _) in listing::names_in(MEMORY_DIRECTORY)? {
        // Gone meanwhile.
        let Ok(look) = listing::look_in(&directory, &name) else {
            continue;
        };
        named.insert(look.status.id);
        if look.status.kind == file::Kind::Regular && may_be_segment(&name) {
            files.push((name, look));
        }
    }
    let kinds = kinds(&files, census);
    for ((name, look), kind) in files.into_iter().zip(kinds) {
        let (key, path) = key_and_path(&name);
        let sight = Sight {
            key,
            path,
            kind,
            holders: holders_in(census, Object::File(look.status.id)),
            look,
            complete: census.complete,
        };
        found.extend(sight.describe());
    }
    Ok((found, named))
}

/// What made the files, as far as their names tell, or their first bytes in the memory of those
/// who have them mapped. The others must be opened.
fn kinds(files: &[(OsString, Look)], census: &Census) -> Vec<Option<Kind>> {
    let mut kinds: Vec<Option<Kind>> = Vec::with_capacity(files.len());
    let mut mapped: HashMap<u32, (Vec<usize>, Vec<u64>)> = HashMap::new();
    for (index, (name, look)) in files.iter().enumerate() {
        let kind = kind::by_name(name.as_encoded_bytes());
        let start = census
            .objects
            .get(&Object::File(look.status.id))
            .and_then(|seen| seen.start);
        // Looking at a hole would fill it.
        let has_holes = look.blocks < look.status.size;
        let is_long = look.status.size >= kind::START as u64;
        if let (None, Some((pid, address)), false, true) = (&kind, start, has_holes, is_long) {
            let (indices, addresses) = mapped.entry(pid).or_default();
            indices.push(index);
            addresses.push(address);
        }
        kinds.push(kind);
    }
    for (pid, (indices, addresses)) in mapped {
        let bytes = peek(pid, &addresses, kind::START).unwrap_or_default();
        let starts = bytes.chunks_exact(kind::START);
        for (index, start) in indices.into_iter().zip(starts) {
            let status = &files[index].1.status;
            let kind = kind::by_start(start, status.size, status.is_ephemeral());
            kinds[index] = Some(kind);
        }
    }
    kinds
}

/// Whether a name in the directory is not one that semaphores or newborn files have.
pub(crate) fn may_be_segment(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    !name.starts_with(SEMAPHORE_PREFIX.as_bytes()) && !name.starts_with(TEMPORARY_PREFIX.as_bytes())
}

/// What the segment of a file name is called, where it is, and how large, for one that has just
/// appeared and may be gone already. `None` if it is no segment.
pub(crate) fn named(name: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
    let (key, path) = key_and_path(name);
    let look = listing::look_at(&path).ok();
    let is_file = look
        .as_ref()
        .is_none_or(|look| look.status.kind == file::Kind::Regular);
    let size = look.map(|look| look.status.size).filter(|&size| size > 0);
    let place = Place::Posix {
        path,
        removed: false,
    };
    (may_be_segment(name) && is_file).then_some((key, place, size))
}

fn key_and_path(name: &OsStr) -> (Option<NativeIpcKey>, PathBuf) {
    let key = name
        .to_str()
        .map(|text| with_legacy_key(&format!("/{text}"), KeyType::PosixRealtime));
    (key, Path::new(MEMORY_DIRECTORY).join(name))
}

/// The name by which a segment is known in the directory, from its place; `None` if it lies elsewhere.
pub(crate) fn name_of(path: &Path) -> Option<&OsStr> {
    let is_here = path.parent() == Some(Path::new(MEMORY_DIRECTORY));
    path.file_name().filter(|_| is_here)
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let path = segment_path(key, Op::Inspect)?;
    let look = || {
        let look = listing::look_at(Path::new(&path))?;
        if look.status.kind != file::Kind::Regular {
            return Err(Squatted::by(look.status.kind).into());
        }
        let holders = process::holders_of(look.status.id)?;
        let name = Path::new(&path).file_name().unwrap_or_default();
        let sight = Sight {
            key: Some(key.clone()),
            path: PathBuf::from(&path),
            kind: kind::by_name(name.as_encoded_bytes()),
            look,
            holders: holders_of(holders.found),
            complete: holders.complete,
        };
        sight
            .describe()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    look().map_err(|error| explain(error, &path, Op::Inspect).on(key))
}

/// A segment as it was seen from outside.
struct Sight {
    key: Option<NativeIpcKey>,
    path: PathBuf,
    /// `None` if the first bytes must tell.
    kind: Option<Kind>,
    look: Look,
    holders: Vec<Holder>,
    complete: bool,
}

impl Sight {
    /// `None` if it is gone meanwhile.
    fn describe(self) -> Option<SegmentInfo> {
        let Self {
            key,
            path,
            kind,
            look:
                Look {
                    status,
                    blocks,
                    born,
                },
            holders,
            complete,
        } = self;
        let lifetime = if status.is_ephemeral() {
            Lifetime::Ephemeral
        } else {
            Lifetime::Kept
        };
        let mut seen = None;
        if !holders.is_empty() {
            seen = Some(Uses::Seen);
        } else if lifetime == Lifetime::Kept && complete {
            seen = Some(Uses::None);
        }
        let (kind, uses) = match (kind, seen) {
            (Some(kind), Some(uses)) => (kind, uses),
            (kind, uses) => open(&path, &status, kind, uses)?,
        };
        let (state, reason) = judge(uses, lifetime, status.size, &holders);
        let attached: u64 = holders.iter().map(|holder| holder.attached).sum();
        let known = complete || attached > 0;
        Some(SegmentInfo {
            key,
            kind,
            size: status.size,
            resident: Some(Resident {
                bytes: blocks,
                swapped: None,
                by: ResidentBy::Blocks,
            }),
            owner: status.owner,
            owner_name: None,
            mode: status.mode & 0o777,
            created: born,
            place: Place::Posix {
                path,
                removed: false,
            },
            lifetime,
            attached: match uses {
                Uses::None => Some(0),
                Uses::Seen | Uses::Hidden | Uses::Untold(_) => known.then_some(attached),
            },
            holders,
            complete: complete || matches!(uses, Uses::None),
            state,
            reason,
        })
    }
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
            let mapped = holders.iter().filter(|holder| holder.attached > 0).count();
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

/// Opens the file for what is not known yet: what its first bytes tell, and whether anybody has it
/// by the kernel's word. `None` if it is gone.
fn open(
    path: &Path,
    status: &Status,
    kind: Option<Kind>,
    uses: Option<Uses>,
) -> Option<(Kind, Uses)> {
    let guess = || match status.is_ephemeral() {
        true => Kind::Raw,
        false => Kind::Unknown,
    };
    let untold = (
        kind.clone().unwrap_or_else(guess),
        uses.unwrap_or(Uses::Untold(
            "nobody is seen to use it, and this user may not open it to ask the kernel",
        )),
    );
    let Some(text) = path.to_str() else {
        return Some(untold);
    };
    let _steady = fork::steady();
    let fd = match file::open(text, Access::ReadOnly) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => return Some(untold),
    };
    if uses.is_none() && file::status(&fd).is_ok_and(|now| now.id != status.id || now.links == 0) {
        return None;
    }
    let kind = kind.unwrap_or_else(|| {
        let mut start = [0; kind::START];
        let read = file::read_from(fd.as_fd(), 0, &mut start).unwrap_or(0);
        kind::by_start(&start[..read], status.size, status.is_ephemeral())
    });
    let uses = uses.unwrap_or_else(|| match lease::users(fd.as_fd()) {
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
    });
    Some((kind, uses))
}
