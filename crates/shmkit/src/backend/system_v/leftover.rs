//! System V segments that nobody is attached to any more, and key files that no object is made of.
//!
//! The kernel counts who is attached, and a segment is removed under its lock: whoever creates or
//! attaches as Qt and shmkit do takes that first. There is no count of the users of a set of
//! semaphores, so one is removed with its segment, or by name, and never for being left over.

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFile};
use super::presence::Presence;
use super::segment::{PATIENCE, give_unchanged};
use super::semaphore::Semaphore;
use super::survey::{directories, key_files_of};
use crate::backend::file::last::{self, is_alone, unlink_if_last};
use crate::backend::info::lock_of;
use crate::backend::leftover::{Act, Leftover, LeftoverKind, Outcome, Search, leftover};
use crate::backend::{Lifetime, Owners};
use crate::error::{Error, Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::file::{self, Kind};
use crate::sys::fork;
use crate::sys::listing::{self, SystemVSegment};
use crate::sys::system_v;

const ORPHAN: &str =
    "the kernel says that nobody is attached any more, and the last one should have removed it";
const KEY_FILE: &str = "no segment and no semaphore is made of it, and nobody has it open any more";
const NAMED: &str = "asked for by name, and the kernel says that nobody is attached";
const NAMED_LOCK: &str =
    "asked for by name: no segment is made of its key, and nobody waits for it";

pub(crate) fn search(search: &mut Search<'_>) -> io::Result<()> {
    let segments = listing::system_v_segments()?;
    let key_files = key_files_of(&segments);
    for segment in &segments {
        let Some(key) = key_files.get(&segment.ipc_key) else {
            continue;
        };
        let this = Leftover {
            reason: ORPHAN.to_owned(),
            ..describe(LeftoverKind::Segment, key, segment)
        };
        if segment.attached == 0 && !key_file::is_kept(key.native_key()) && (search.admits)(&this) {
            settle(search, this, key, segment.owner);
        }
    }
    key_files_alone(search)
}

fn settle(search: &mut Search<'_>, mut this: Leftover, key: &NativeIpcKey, owner: u32) {
    if !Owners::Mine.admits(owner) && file::user() != 0 {
        search.untold += 1;
        return;
    }
    this.outcome = match search.act {
        Act::Look => Outcome::Found,
        Act::Remove => match remove(key, Lifetime::Ephemeral) {
            Ok(true) => Outcome::Removed,
            // Somebody came, or was faster.
            Ok(false) => return,
            Err(error) => Outcome::Failed(error.on(key)),
        },
    };
    (search.found)(this);
}

/// Removes the segment of a key with its lock and key files if nobody is attached. Up to `most`:
/// a kept one only if that is asked for.
fn remove(key: &NativeIpcKey, most: Lifetime) -> Result<bool> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let at_path = |error| key_file::explain(error, path, op);
    let Ok(file) = KeyFile::find(path, project) else {
        return Ok(false);
    };
    if system_v::find_segment(file.ipc_key).is_err() {
        return Ok(false);
    }
    let semaphore = Semaphore::open(&lock_of(key), 1, 0o600, Owners::Anyone, op)?;
    let Some(taken) = semaphore.lock_within(PATIENCE).map_err(at_path)? else {
        return Ok(false);
    };
    let removed = match find_free(&file, path, most) {
        Some(id) => system_v::remove_segment(id).map(|()| true),
        None => Ok(false),
    };
    match removed {
        Ok(true) => {
            let _ = key_file::forget_kept(path);
            let _pin = file.remove(path);
            let _ = semaphore.remove();
        }
        _ => semaphore.withdraw(path),
    }
    give_unchanged(taken);
    removed.map_err(at_path)
}

/// The segment of the key file, if nobody is attached to it; under its lock.
fn find_free(file: &KeyFile, path: &str, most: Lifetime) -> Option<i32> {
    let id = system_v::find_segment(file.ipc_key).ok()?;
    let status = system_v::segment_status(id).ok()?;
    let may_go = most == Lifetime::Kept || !key_file::is_kept(path);
    (status.attached == 0 && !status.removed && may_go && file.is_current(path)).then_some(id)
}

/// Key files that we made and nothing is made of.
fn key_files_alone(search: &mut Search<'_>) -> io::Result<()> {
    let in_use: Vec<u32> = listing::system_v_keys()?
        .into_iter()
        .map(|key| key as u32 & 0x00ff_ffff)
        .collect();
    for directory in directories() {
        let Ok(fd) = listing::open_directory(&directory) else {
            continue;
        };
        for (name, _) in listing::names_in(&directory).unwrap_or_default() {
            let Ok(look) = listing::look_in(&fd, &name) else {
                continue;
            };
            let status = look.status;
            let is_ours = status.kind == Kind::Regular
                && status.is_ephemeral()
                && status.size == 0
                && status.links == 1
                && status.owner == file::user();
            // The project's number is in the upper byte.
            let key = system_v::ipc_key(status.id.device, status.id.inode, 0) as u32;
            if !is_ours || in_use.contains(&key) {
                continue;
            }
            let path = directory.join(&name);
            let mut this = Leftover {
                bytes: look.blocks,
                owner: status.owner,
                created: look.born,
                reason: KEY_FILE.to_owned(),
                ..leftover(LeftoverKind::KeyFile, None, path.clone())
            };
            if !(search.admits)(&this) {
                continue;
            }
            match ask(&path, status.id, search.act) {
                Ok(Some(outcome)) => this.outcome = outcome,
                Ok(None) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let error = Error::os(Op::Remove, error).on(path.display());
                    this.outcome = Outcome::Failed(error);
                }
            }
            (search.found)(this);
        }
    }
    Ok(())
}

/// A maker of an object looks afterwards whether its key file is still there, and makes another if
/// it is not; so the file may go at any time when nothing is made of it. `None`: it stays.
fn ask(path: &Path, id: file::FileId, act: Act) -> io::Result<Option<Outcome>> {
    let _steady = fork::steady();
    let fd = file::open(path, Access::ReadOnly)?;
    if file::status(&fd)?.id != id {
        return Ok(None);
    }
    Ok(match act {
        Act::Look => is_alone(fd.as_fd(), id)?.then_some(Outcome::Found),
        Act::Remove => match unlink_if_last(fd.as_fd(), path, id)? {
            last::Outcome::Removed => Some(Outcome::Removed),
            _ => None,
        },
    })
}

/// A segment with its lock, or a set of semaphores alone.
pub(crate) fn by_name(key: &NativeIpcKey, act: Act) -> Result<Vec<Leftover>> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let Ok(file) = KeyFile::find(path, project) else {
        return Ok(Vec::new());
    };
    let segments = listing::system_v_segments().map_err(|error| Error::os(op, error).on(key))?;
    let segment = segments
        .iter()
        .find(|segment| segment.ipc_key == file.ipc_key);
    let Some(segment) = segment else {
        return Ok(lock_alone(key, &file, act)?.into_iter().collect());
    };
    let mut this = Leftover {
        reason: NAMED.to_owned(),
        ..describe(LeftoverKind::Segment, key, segment)
    };
    this.outcome = match act {
        _ if segment.attached > 0 => Outcome::InUse,
        Act::Look => Outcome::Found,
        Act::Remove => match remove(key, Lifetime::Kept) {
            Ok(true) => Outcome::Removed,
            Ok(false) => Outcome::InUse,
            Err(error) => Outcome::Failed(error.on(key)),
        },
    };
    if let Outcome::InUse = this.outcome {
        "asked for by name, and somebody is attached or has its lock".clone_into(&mut this.reason);
    }
    Ok(vec![this])
}

/// The set of semaphores of a key that has no segment.
fn lock_alone(key: &NativeIpcKey, file: &KeyFile, act: Act) -> Result<Option<Leftover>> {
    let op = Op::Remove;
    let (path, _) = key_file::parts(key, op)?;
    let Ok(id) = system_v::find_set(file.ipc_key) else {
        return Ok(None);
    };
    let mut this = leftover(LeftoverKind::Lock, Some(key.clone()), PathBuf::from(path));
    this.owner = system_v::set_status(id).map_or(0, |status| status.owner);
    this.reason = NAMED_LOCK.to_owned();
    let is_free = || {
        !Presence::of_anyone(path)
            && system_v::waiting(id, 0).is_ok_and(|waiting| waiting == 0)
            && system_v::value(id, 0).is_ok_and(|value| value > 0)
    };
    this.outcome = match act {
        _ if !is_free() => Outcome::InUse,
        Act::Look => Outcome::Found,
        Act::Remove => {
            let semaphore = Semaphore::open(key, 1, 0o600, Owners::Anyone, op)?;
            match semaphore.try_lock() {
                Ok(Some(taken)) if system_v::find_segment(file.ipc_key).is_ok() => {
                    give_unchanged(taken);
                    Outcome::InUse
                }
                // The lock goes with it.
                Ok(Some(_)) => match semaphore.remove() {
                    Ok(()) => Outcome::Removed,
                    Err(error) => Outcome::Failed(Error::os(op, error).on(key)),
                },
                Ok(None) => Outcome::InUse,
                Err(error) => Outcome::Failed(Error::os(op, error).on(key)),
            }
        }
    };
    if let Outcome::InUse = this.outcome {
        "asked for by name, and somebody has it or waits for it".clone_into(&mut this.reason);
    }
    Ok(Some(this))
}

fn describe(kind: LeftoverKind, key: &NativeIpcKey, segment: &SystemVSegment) -> Leftover {
    let memory = segment.resident.map(|(bytes, swapped)| bytes + swapped);
    Leftover {
        bytes: memory.unwrap_or(segment.size),
        owner: segment.owner,
        created: segment.changed,
        ..leftover(kind, Some(key.clone()), PathBuf::from(key.native_key()))
    }
}
