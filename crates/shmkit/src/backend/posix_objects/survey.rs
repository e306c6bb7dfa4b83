//! Looking at segments through their anchors: those that users of shmkit have made or used. Systems
//! tell programs neither of other objects nor of who has one mapped.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::name::{Beside, read_anchor_name, system_name};
use super::object;
use super::segment::{BORN, anchor_of};
use crate::backend::file::explain::explain;
use crate::backend::file::last::is_anybody_present;
use crate::backend::info::with_legacy_key;
use crate::backend::{Holder, Kind, Lifetime, Place, SegmentInfo, State, kind};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::census::Census;
use crate::sys::file::{self, FileId};
use crate::sys::lease;
use crate::sys::listing::{self, Look};
use crate::sys::process;

/// Objects lie on no device.
pub(crate) fn device() -> Option<u64> {
    None
}

/// All segments that have an anchor.
pub(crate) fn list(_: &Census) -> io::Result<(Vec<SegmentInfo>, HashSet<FileId>)> {
    let mut found = Vec::new();
    for anchor in anchors() {
        if let (Beside::Segment, Some(name)) = (anchor.beside, anchor.name) {
            found.extend(describe(&name, key_of(&name), &anchor.path, &anchor.look));
        }
    }
    Ok((found, HashSet::new()))
}

/// A file that stands for an object.
pub(super) struct Anchor {
    pub(super) beside: Beside,
    /// The object's name, if it is known.
    pub(super) name: Option<CString>,
    pub(super) path: PathBuf,
    pub(super) look: Look,
}

/// The anchors of all users. Everybody may put files there; what another user has made says nothing of
/// what its owner has left behind.
pub(super) fn anchors() -> Vec<Anchor> {
    let mut anchors = Vec::new();
    for (owner, directory) in lease::directories() {
        for (file_name, _) in listing::names_in(&directory).unwrap_or_default() {
            let Some((beside, name)) = file_name.to_str().and_then(read_anchor_name) else {
                continue;
            };
            let path = directory.join(&file_name);
            // Gone meanwhile.
            let Ok(look) = listing::look_at(&path) else {
                continue;
            };
            if look.status.kind == file::Kind::Regular && look.status.owner == owner {
                anchors.push(Anchor {
                    beside,
                    name,
                    path,
                    look,
                });
            }
        }
    }
    anchors
}

/// The key that leads to an object.
pub(super) fn key_of(name: &CString) -> Option<NativeIpcKey> {
    let text = name.to_str().ok()?;
    Some(with_legacy_key(text, KeyType::PosixRealtime))
}

/// The names of objects are in no directory that could be watched.
pub(crate) fn named(_: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
    None
}

/// The name by which a segment here is known, from its place.
pub(crate) fn name_of(path: &Path) -> Option<&OsStr> {
    Some(path.as_os_str())
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let op = Op::Inspect;
    let name = system_name(key, op)?;
    let facts = object::open(&name, Access::ReadOnly).and_then(|fd| object::facts(&fd));
    let facts = facts.map_err(|error| explain(error, "shm_open", op).on(key))?;
    let place = anchor_of(&name, facts.owner, op)?;
    let missing = || Error::new(op, ErrorKind::NotFound).on(key);
    match listing::look_at(&place) {
        Ok(look) => describe(&name, Some(key.clone()), &place, &look).ok_or_else(missing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(foreign(&name, key.clone(), facts))
        }
        Err(error) => Err(explain(error, &place, op).on(key)),
    }
}

/// `None` if its object is gone or not there yet.
fn describe(
    name: &CString,
    key: Option<NativeIpcKey>,
    place: &Path,
    look: &Look,
) -> Option<SegmentInfo> {
    let status = look.status;
    let object = match object::open(name, Access::ReadOnly) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        object => object.ok(),
    };
    let lifetime = match status.is_ephemeral() {
        true => Lifetime::Ephemeral,
        false => Lifetime::Kept,
    };
    let (uses, holders) = uses(place);
    let (state, reason) = judge(uses, lifetime, status.mode & BORN != 0);
    Some(SegmentInfo {
        key,
        place: place_of(name),
        kind: kind_of(name, status.size, status.is_ephemeral(), object),
        size: match status.mode & BORN {
            0 => 0,
            _ => status.size,
        },
        resident: None,
        owner: status.owner,
        owner_name: None,
        mode: status.mode & 0o666,
        created: look.born,
        lifetime,
        attached: match uses {
            Uses::None => Some(0),
            Uses::Somebody => Some(holders.len() as u64).filter(|&count| count > 0),
            Uses::Untold => None,
        },
        holders,
        complete: false,
        state,
        reason: reason.to_owned(),
    })
}

/// What made it, as far as its name or its first bytes tell.
fn kind_of(name: &CString, size: u64, ours: bool, object: Option<OwnedFd>) -> Kind {
    if let Some(kind) = kind::by_name(bare(name)) {
        return kind;
    }
    let mut start = [0; kind::START];
    let read = object.and_then(|fd| object::read_start(&fd, &mut start).ok());
    kind::by_start(&start[..read.unwrap_or(0)], size, ours)
}

fn holder(pid: u32) -> Holder {
    Holder {
        pid,
        program: process::program(pid).unwrap_or_default(),
        // As often at least.
        attached: 1,
        ..Holder::default()
    }
}

/// What is known of the users of a segment.
#[derive(Debug, Clone, Copy)]
enum Uses {
    Somebody,
    None,
    /// This user may not open the anchor.
    Untold,
}

fn uses(place: &Path) -> (Uses, Vec<Holder>) {
    let look = || -> io::Result<_> {
        let fd = file::open(place, Access::ReadOnly)?;
        Ok(match is_anybody_present(fd.as_fd())? {
            true => {
                let pids = lease::processes(fd.as_fd())?;
                (Uses::Somebody, pids.into_iter().map(holder).collect())
            }
            false => (Uses::None, Vec::new()),
        })
    };
    look().unwrap_or((Uses::Untold, Vec::new()))
}

fn judge(uses: Uses, lifetime: Lifetime, is_complete: bool) -> (State, &'static str) {
    match (uses, lifetime) {
        (Uses::Somebody, _) if !is_complete => (State::Live, "it is being made"),
        (Uses::Somebody, _) => (State::Live, "a user of shmkit has it attached"),
        (Uses::Untold, _) => (
            State::Unknown,
            "this user may not look at the locks that say who uses it",
        ),
        (Uses::None, Lifetime::Ephemeral) => (
            State::Orphan,
            "it was to go with its last user, and no user of shmkit has it any more",
        ),
        (Uses::None, Lifetime::Kept) => (
            State::Kept,
            "no user of shmkit has it attached; it is kept, or was not made by shmkit",
        ),
    }
}

/// A segment that has no anchor: no user of shmkit has had it.
fn foreign(name: &CString, key: NativeIpcKey, facts: object::Facts) -> SegmentInfo {
    SegmentInfo {
        key: Some(key),
        place: place_of(name),
        kind: kind_of(
            name,
            facts.size,
            false,
            object::open(name, Access::ReadOnly).ok(),
        ),
        size: facts.size,
        resident: None,
        owner: facts.owner,
        owner_name: None,
        mode: facts.mode,
        created: None,
        lifetime: Lifetime::Kept,
        attached: None,
        holders: Vec::new(),
        complete: false,
        state: State::Unknown,
        reason: "a program without shmkit made it, and who has it this system does not tell"
            .to_owned(),
    }
}

fn place_of(name: &CString) -> Place {
    use std::os::unix::ffi::OsStrExt as _;
    Place::Posix {
        path: OsStr::from_bytes(name.to_bytes()).into(),
        removed: false,
    }
}

/// The name without the slash that it begins with.
fn bare(name: &CString) -> &[u8] {
    let name = name.to_bytes();
    name.strip_prefix(b"/").unwrap_or(name)
}
