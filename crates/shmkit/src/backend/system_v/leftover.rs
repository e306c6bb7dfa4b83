//! System V segments that nobody is attached to any more, and key files that no object is made of.
//!
//! The kernel counts who is attached, and a segment is removed under its lock: whoever creates or
//! attaches as Qt and shmkit do takes that first. There is no count of the users of a set of
//! semaphores, so one that Qt made is removed with its segment, or by name. With one of ours is
//! done what its last user would have done: it goes if no user of shmkit counts with it and nobody
//! has it or waits for it.

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFile};
use super::presence::Presence;
use super::segment::{PATIENCE, give_unchanged};
use super::semaphore::{COUNT, LOCK, Semaphore};
use super::survey::{directories, key_files_of};
use super::table::{self, Keys};
use crate::backend::file::last::is_alone;
use crate::backend::info::{lock_of, segment_of, with_legacy_key};
use crate::backend::leftover::{Act, Leftover, LeftoverKind, Outcome, Search, leftover};
use crate::backend::{Lifetime, Owners};
use crate::error::{Error, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::file::{self, FileId, Kind, TEMPORARY_PREFIX};
use crate::sys::fork;
use crate::sys::lease::ONLY_OURS_COUNT;
use crate::sys::listing;
use crate::sys::system_v;
use crate::sys::system_v_entry::SystemVSegment;

const ORPHAN: &str =
    "the kernel says that nobody is attached any more, and the last one should have removed it";
const KEY_FILE: &str = "no segment and no semaphore is made of it, and nobody has it open any more";
const LOCK_ALONE: &str =
    "there is no segment of it, and nobody has it, waits for it or counts with it";
const NAMED: &str = "asked for by name, and the kernel says that nobody is attached";
const NAMED_LOCK: &str =
    "asked for by name: no segment is made of its key, and nobody waits for it";

pub(crate) fn search(search: &mut Search<'_>) -> io::Result<()> {
    let segments = table::segments()?;
    let key_files = key_files_of(segments.iter().map(|segment| segment.ipc_key));
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
    sets_alone(search)?;
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
    let semaphore = Semaphore::open(&lock_in_use(key, &file), 1, 0o600, Owners::Anyone, op)?;
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
            let _removal = file.remove(path);
            let _ = semaphore.remove();
        }
        _ => semaphore.withdraw(path),
    }
    give_unchanged(taken);
    removed.map_err(at_path)
}

/// The key of a segment's lock. A name that Qt's legacy rule may have made can also be given as it
/// is, and then the lock has the same file.
fn lock_in_use(key: &NativeIpcKey, file: &KeyFile) -> NativeIpcKey {
    match system_v::find_set(file.ipc_key) {
        Ok(_) => key.clone(),
        Err(_) => lock_of(key),
    }
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
    let in_use = Keys::look()?;
    for directory in directories() {
        let Ok(fd) = listing::open_directory(&directory) else {
            continue;
        };
        for (name, _) in listing::names_in(&directory).unwrap_or_default() {
            let Ok(look) = listing::look_in(&fd, &name) else {
                continue;
            };
            let status = look.status;
            // The maker of a file that has no name yet may not be seen.
            let is_born = !ONLY_OURS_COUNT
                || !name
                    .as_encoded_bytes()
                    .starts_with(TEMPORARY_PREFIX.as_bytes());
            let is_ours = status.kind == Kind::Regular
                && is_born
                && (status.is_ephemeral() || key_file::is_grave(&name.to_string_lossy()))
                && status.size == 0
                && status.links == 1
                && status.owner == file::user();
            let path = directory.join(&name);
            let (true, Some(text)) = (is_ours, path.to_str()) else {
                continue;
            };
            let key = with_legacy_key(text, KeyType::SYSTEM_V);
            let mut this = Leftover {
                bytes: look.blocks,
                owner: status.owner,
                created: look.born,
                reason: KEY_FILE.to_owned(),
                ..leftover(LeftoverKind::KeyFile, Some(key.clone()), path.clone())
            };
            if !(search.admits)(&this) || in_use.objects_of(status.id) > 0 {
                continue;
            }
            let done = match search.act {
                _ if !is_free(&path, status.id) => continue,
                Act::Look => Ok(true),
                Act::Remove => remove_key_file(&key, status.id),
            };
            this.outcome = match (done, search.act) {
                (Ok(false), _) => continue,
                (Ok(true), Act::Look) => Outcome::Found,
                (Ok(true), Act::Remove) => Outcome::Removed,
                (Err(error), _) => Outcome::Failed(error.on(path.display())),
            };
            (search.found)(this);
        }
    }
    Ok(())
}

/// Whether nobody has the file open, as those do that count with a semaphore.
fn is_free(path: &Path, id: FileId) -> bool {
    let _steady = fork::steady();
    let Ok(fd) = file::open(path, Access::ReadOnly) else {
        return false;
    };
    file::status(&fd).is_ok_and(|status| status.id == id)
        && is_alone(fd.as_fd(), id).unwrap_or(false)
}

/// Removes the file, under the lock that whoever makes something of it has or waits for. Then it
/// is told that the lock is gone, and begins again. The lock's set is made for that if there is none.
fn remove_key_file(key: &NativeIpcKey, id: FileId) -> Result<bool> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let at_path = |error| key_file::explain(error, path, op);
    let lock = lock_of(key);
    let semaphore = Semaphore::open(&lock, 1, 0o600, Owners::Mine, op)?;
    let Some(taken) = semaphore.try_lock().map_err(at_path)? else {
        return Ok(false);
    };
    let removed = remove_if_alone(path, project, id, &semaphore);
    if !matches!(removed, Ok(true)) {
        semaphore.withdraw(path);
    }
    give_unchanged(taken);
    removed.map_err(at_path)
}

/// Removes the file, and the lock's set if that was made for this, if nothing else is made of the
/// file. Under the lock.
fn remove_if_alone(path: &str, project: u8, id: FileId, semaphore: &Semaphore) -> io::Result<bool> {
    let is_the_locks = semaphore.is_at(path);
    let own = usize::from(is_the_locks && semaphore.is_made());
    // Whoever has begun to remove the file has no lock of it any more, and may be faster. Then there
    // is none, or in its grave one that our look for the lock has made.
    let is_it = |file: &KeyFile| file.id() == id || key_file::is_grave(path);
    let Some(file) = KeyFile::find(path, project).ok().filter(is_it) else {
        return Ok(false);
    };
    let made_of_it = Keys::look()?.objects_of(file.id());
    let is_alone = made_of_it == own && (own == 1 || !is_the_locks);
    if is_alone {
        let _removal = file.remove(path);
        if semaphore.is_made() {
            let _ = semaphore.remove();
        }
    }
    Ok(is_alone)
}

/// A segment with its lock, or a set of semaphores alone.
pub(crate) fn by_name(key: &NativeIpcKey, act: Act) -> Result<Vec<Leftover>> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let Ok(file) = KeyFile::find(path, project) else {
        return Ok(Vec::new());
    };
    let segments = table::segments().map_err(|error| Error::os(op, error).on(key))?;
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

/// Our sets of semaphores that belong to no segment.
fn sets_alone(search: &mut Search<'_>) -> io::Result<()> {
    let sets = table::sets()?;
    let key_files = key_files_of(sets.iter().map(|set| set.ipc_key));
    for set in &sets {
        let Some(key) = key_files.get(&set.ipc_key) else {
            continue;
        };
        // One of Qt's is known to be left over only if its removal was begun.
        if set.count != u64::from(COUNT) && !key_file::is_grave(key.native_key()) {
            continue;
        }
        let mut this = Leftover {
            owner: set.owner,
            created: set.changed,
            reason: LOCK_ALONE.to_owned(),
            ..leftover(
                LeftoverKind::Lock,
                Some(segment_of(key)),
                PathBuf::from(key.native_key()),
            )
        };
        let path = Path::new(key.native_key());
        let is_open = || listing::look_at(path).is_ok_and(|look| !is_free(path, look.status.id));
        if has_segment(key) || !(search.admits)(&this) || is_open() {
            continue;
        }
        if !Owners::Mine.admits(set.owner) && file::user() != 0 {
            search.untold += 1;
            continue;
        }
        this.outcome = match remove_lock(key, search.act) {
            Ok(Outcome::InUse) => continue,
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error.on(key)),
        };
        (search.found)(this);
    }
    Ok(())
}

/// Whether the segment exists that a lock of this key would belong to.
fn has_segment(lock: &NativeIpcKey) -> bool {
    let exists = |key: &NativeIpcKey| {
        key_file::parts(key, Op::Inspect)
            .map(|(path, project)| KeyFile::find(path, project))
            .is_ok_and(|file| file.is_ok_and(|file| system_v::find_segment(file.ipc_key).is_ok()))
    };
    exists(lock) || exists(&segment_of(lock))
}

/// Removes a set of semaphores unless somebody counts with it, has it or waits for it.
fn remove_lock(key: &NativeIpcKey, act: Act) -> Result<Outcome> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let is_free = || -> io::Result<bool> {
        let id = system_v::find_set(KeyFile::find(path, project)?.ipc_key)?;
        // One without a value has never had one if nobody has operated on it.
        let is_held =
            system_v::value(id, LOCK)? == 0 && (system_v::set_status(id)?.last_operation != 0);
        Ok(!is_held && system_v::waiting(id, LOCK)? == 0 && !Presence::of_anyone(path))
    };
    match (is_free(), act) {
        // Gone meanwhile, if it cannot be looked at.
        (Err(_) | Ok(false), _) => return Ok(Outcome::InUse),
        (Ok(true), Act::Look) => return Ok(Outcome::Found),
        (Ok(true), Act::Remove) => {}
    }
    let semaphore = Semaphore::open(key, 1, 0o600, Owners::Anyone, op)?;
    let at_path = |error| key_file::explain(error, path, op);
    match semaphore.lock_within(PATIENCE).map_err(at_path)? {
        Some(taken) if has_segment(key) => {
            give_unchanged(taken);
            Ok(Outcome::InUse)
        }
        // The lock goes with it.
        Some(taken) => match semaphore.remove() {
            Ok(()) => Ok(Outcome::Removed),
            Err(error) => {
                give_unchanged(taken);
                Err(at_path(error))
            }
        },
        None => Ok(Outcome::InUse),
    }
}

/// The set of semaphores of a key that has no segment.
fn lock_alone(key: &NativeIpcKey, file: &KeyFile, act: Act) -> Result<Option<Leftover>> {
    let Ok(id) = system_v::find_set(file.ipc_key) else {
        return Ok(None);
    };
    let path = PathBuf::from(key.native_key());
    let mut this = Leftover {
        owner: system_v::set_status(id).map_or(0, |status| status.owner),
        reason: NAMED_LOCK.to_owned(),
        ..leftover(LeftoverKind::Lock, Some(key.clone()), path)
    };
    this.outcome = match remove_lock(key, act) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(error.on(key)),
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
