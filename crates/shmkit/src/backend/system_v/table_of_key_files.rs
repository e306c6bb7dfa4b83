//! Which System V objects there are, where the kernel tells programs of no table: those that are made
//! of a key file of shmkit's or Qt's. The kernel is asked for each number of a project.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::key_file;
use super::survey::directories;
use crate::sys::file::{FileId, Kind};
use crate::sys::listing;
use crate::sys::system_v::{self, SHM_DEST, ipc_key};
use crate::sys::system_v_entry::{SystemVSegment, SystemVSet};

/// The segments that this user may look at.
pub(super) fn segments() -> io::Result<Vec<SystemVSegment>> {
    let segment = |ipc_key| {
        let id = system_v::find_segment(ipc_key).ok()?;
        let status = system_v::segment_status(id).ok()?;
        Some(SystemVSegment {
            ipc_key,
            id,
            mode: status.mode | if status.removed { SHM_DEST } else { 0 },
            size: status.size as u64,
            resident: None,
            attached: status.attached,
            owner: status.owner,
            changed: time(status.changed),
        })
    };
    Ok(possible_keys().filter_map(segment).collect())
}

/// The sets of semaphores that this user may look at.
pub(super) fn sets() -> io::Result<Vec<SystemVSet>> {
    let set = |ipc_key| {
        let status = system_v::set_status(system_v::find_set(ipc_key).ok()?).ok()?;
        Some(SystemVSet {
            ipc_key,
            count: status.count,
            owner: status.owner,
            changed: time(status.changed),
        })
    };
    Ok(possible_keys().filter_map(set).collect())
}

/// The keys that there are objects of.
pub(super) struct Keys(());

impl Keys {
    #[allow(clippy::unnecessary_wraps, reason = "reading a table may fail")]
    pub(super) fn look() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// How many objects are made of a file, also of those that this user may not look at.
    pub(super) fn objects_of(&self, id: FileId) -> usize {
        let exists = |found: io::Result<i32>| match found {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        };
        let objects = |key| {
            usize::from(exists(system_v::find_segment(key)))
                + usize::from(exists(system_v::find_set(key)))
        };
        keys_of(id).map(objects).sum()
    }
}

/// What the key files that are there may stand for, in order.
fn possible_keys() -> impl Iterator<Item = i32> {
    let mut files: Vec<FileId> = Vec::new();
    for directory in directories() {
        for (name, _) in listing::names_in(&directory).unwrap_or_default() {
            let path = directory.join(name);
            let (Some(text), Ok(look)) = (path.to_str(), listing::look_at(&path)) else {
                continue;
            };
            if look.status.kind == Kind::Regular && key_file::may_be_one(text, &look.status) {
                files.push(look.status.id);
            }
        }
    }
    let mut keys: Vec<i32> = files.iter().flat_map(|&id| keys_of(id)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
}

/// What a file may stand for, by the number of the project.
fn keys_of(id: FileId) -> impl Iterator<Item = i32> {
    (1..=u8::MAX).map(move |project| ipc_key(id.device, id.inode, project))
}

fn time(seconds: i64) -> Option<SystemTime> {
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|&seconds| seconds != 0)?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}
