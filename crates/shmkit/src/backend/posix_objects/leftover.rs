//! What users of shmkit left behind: objects at whose anchor nobody is present any more, semaphores of
//! segments that are gone, and files that only a crash leaves in the directory of anchors. Who does not
//! use shmkit is not seen here: it keeps the memory that it has mapped, as after any removal of a name.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::name::{Beside, system_name};
use super::segment::{anchor_of, exists};
use super::survey::{Anchor, anchors, key_of};
use super::{object, semaphore};
use crate::backend::Owners;
use crate::backend::file::Name;
use crate::backend::file::last::{self, is_alone, unlink_if_last};
use crate::backend::info::{lock_of, segment_of};
use crate::backend::leftover::{Act, Leftover, LeftoverKind, Outcome, Search, leftover};
use crate::error::{Error, Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::file::{self, TEMPORARY_PREFIX};
use crate::sys::fork;
use crate::sys::lease;
use crate::sys::listing::{self, Look};
use crate::sys::process;

const SEGMENT: &str = "it was to go with its last user, and no user of shmkit has it any more";
const LOCK: &str = "there is no segment of it, and no user of shmkit has it open any more";
const TEMPORARY: &str = "its maker died before it had its name";
const LOCK_FILE: &str = "the locks of a file that nobody has open any more";
const NAMED: &str = "asked for by name, and no user of shmkit has it";

/// How old a half-made file must be to be left over. Its maker is dead then, too.
const BIRTH: Duration = Duration::from_secs(60);

/// Goes through the anchors: segments first, since a lock is left over when there is none.
pub(crate) fn search(search: &mut Search<'_>) -> io::Result<()> {
    let (segments, locks): (Vec<_>, Vec<_>) = anchors()
        .into_iter()
        .partition(|anchor| anchor.beside == Beside::Segment);
    for anchor in segments {
        if anchor.look.status.is_ephemeral() {
            settle(search, LeftoverKind::Segment, SEGMENT, &anchor);
        }
    }
    for anchor in locks {
        let has_segment = anchor.name.as_ref().and_then(key_of);
        let has_segment = has_segment.is_some_and(|lock| exists(&segment_of(&lock)));
        if anchor.look.status.is_ephemeral() && !has_segment {
            settle(search, LeftoverKind::Lock, LOCK, &anchor);
        }
    }
    for (_, directory) in lease::directories() {
        half_made(search, &directory);
        lock_files(search, &directory);
    }
    Ok(())
}

/// Asks who is present at the anchor, and removes what it stands for if that is to be removed.
fn settle(search: &mut Search<'_>, kind: LeftoverKind, reason: &str, anchor: &Anchor) {
    let mut this = Leftover {
        reason: reason.to_owned(),
        ..describe(kind, anchor)
    };
    if !(search.admits)(&this) {
        return;
    }
    this.outcome = match ask(anchor, search.act) {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            search.untold += 1;
            return;
        }
        Err(error) => Outcome::Failed(Error::os(Op::Remove, error).on(anchor.path.display())),
    };
    (search.found)(this);
}

/// `None` if somebody is there, or if another has its place by now.
fn ask(anchor: &Anchor, act: Act) -> io::Result<Option<Outcome>> {
    let _steady = fork::steady();
    let fd = file::open(&anchor.path, Access::ReadOnly)?;
    let status = file::status(&fd)?;
    let before = anchor.look.status;
    if status.id != before.id || status.is_ephemeral() != before.is_ephemeral() {
        return Ok(None);
    }
    if !Owners::Mine.admits(status.owner) && file::user() != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let remove_object = || match (&anchor.name, anchor.beside) {
        (Some(name), Beside::Segment) => object::remove(name),
        (Some(name), Beside::Semaphore) => {
            semaphore::unlink(name);
            Ok(())
        }
        // Its name was too long to be told.
        (None, _) => Ok(()),
    };
    Ok(match act {
        Act::Look => is_alone(fd.as_fd(), status.id)?.then_some(Outcome::Found),
        Act::Remove => {
            let name = Name::new(&anchor.path, Some(&remove_object));
            match unlink_if_last(fd.as_fd(), name, status.id)? {
                last::Outcome::Removed => Some(Outcome::Removed),
                last::Outcome::InUse | last::Outcome::LeftToOthers => None,
            }
        }
    })
}

/// A segment and its lock, or a lock alone.
pub(crate) fn by_name(key: &NativeIpcKey, act: Act) -> Result<Vec<Leftover>> {
    let op = Op::Remove;
    let mut found = Vec::new();
    for (kind, key) in [
        (LeftoverKind::Segment, key.clone()),
        (LeftoverKind::Lock, lock_of(key)),
    ] {
        let Ok(name) = system_name(&key, op) else {
            continue;
        };
        let Some(anchor) = anchor_by_name(kind, name)? else {
            continue;
        };
        let mut this = Leftover {
            key: Some(key.clone()),
            reason: NAMED.to_owned(),
            ..describe(kind, &anchor)
        };
        this.outcome = match ask(&anchor, act) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::InUse,
            Err(error) => Outcome::Failed(Error::os(op, error).on(&key)),
        };
        if let Outcome::InUse = this.outcome {
            "asked for by name, and somebody has it open".clone_into(&mut this.reason);
        }
        let is_free = matches!(this.outcome, Outcome::Found | Outcome::Removed);
        found.push(this);
        // The lock of a segment in use stays.
        if !is_free {
            break;
        }
    }
    Ok(found)
}

/// The anchor of an object that exists; a segment of a program without shmkit gets one.
fn anchor_by_name(kind: LeftoverKind, name: CString) -> Result<Option<Anchor>> {
    let op = Op::Remove;
    let (beside, path) = match kind {
        LeftoverKind::Segment => {
            let facts = object::open(&name, Access::ReadOnly).and_then(|fd| object::facts(&fd));
            let Ok(facts) = facts else {
                return Ok(None);
            };
            let place = anchor_of(&name, facts.owner, op)?;
            super::segment::anchor_if_foreign(&name, &place, facts, op)?;
            (Beside::Segment, place)
        }
        _ => {
            let place = super::name::anchor(Beside::Semaphore, &name, file::user());
            let Ok(place) = place else {
                return Ok(None);
            };
            (Beside::Semaphore, place)
        }
    };
    let look = listing::look_at(&path).ok();
    Ok(look.map(|look| Anchor {
        beside,
        name: Some(name),
        path,
        look,
    }))
}

fn describe(kind: LeftoverKind, anchor: &Anchor) -> Leftover {
    let key = anchor.name.as_ref().and_then(key_of);
    Leftover {
        bytes: match kind {
            LeftoverKind::Segment => anchor.look.status.size,
            _ => 0,
        },
        owner: anchor.look.status.owner,
        created: anchor.look.born,
        ..leftover(
            kind,
            match kind {
                LeftoverKind::Lock => key.as_ref().map(segment_of),
                _ => key,
            },
            anchor.path.clone(),
        )
    }
}

/// Anchors that never got their names.
fn half_made(search: &mut Search<'_>, directory: &Path) {
    let maker = |name: &str| {
        name.strip_prefix(TEMPORARY_PREFIX)?
            .split('-')
            .next()?
            .parse()
            .ok()
    };
    let is_left = |path: &Path, look: &Look| {
        let name = path.file_name().unwrap_or_default().to_str();
        let is_dead = name
            .and_then(maker)
            .is_some_and(|pid| !process::is_running(pid));
        is_dead && age(look) >= BIRTH
    };
    each_file(search, directory, TEMPORARY, &is_left, &|path| {
        file::unlink(path).map(|()| true)
    });
}

fn age(look: &Look) -> Duration {
    let modified = Duration::from_secs(look.status.modified.try_into().unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().saturating_sub(modified)
}

fn lock_files(search: &mut Search<'_>, directory: &Path) {
    let is_left =
        |path: &Path, look: &Look| Owners::Mine.admits(look.status.owner) && lease::is_unused(path);
    each_file(
        search,
        directory,
        LOCK_FILE,
        &is_left,
        &lease::remove_unused,
    );
}

/// `remove` answers whether the file was still left over.
fn each_file(
    search: &mut Search<'_>,
    directory: &Path,
    reason: &str,
    is_left: &dyn Fn(&Path, &Look) -> bool,
    remove: &dyn Fn(&Path) -> io::Result<bool>,
) {
    for (name, _) in listing::names_in(directory).unwrap_or_default() {
        let path = directory.join(name);
        let Ok(look) = listing::look_at(&path) else {
            continue;
        };
        let mut this = Leftover {
            bytes: look.blocks,
            owner: look.status.owner,
            created: look.born,
            reason: reason.to_owned(),
            ..leftover(LeftoverKind::Temporary, None, path.clone())
        };
        let is_regular = look.status.kind == file::Kind::Regular;
        if !is_regular || !(search.admits)(&this) || !is_left(&path, &look) {
            continue;
        }
        let removed = match search.act {
            Act::Look => Ok(true),
            Act::Remove => remove(&path),
        };
        this.outcome = match (removed, search.act) {
            (Ok(false), _) => continue,
            (Ok(true), Act::Look) => Outcome::Found,
            (Ok(true), Act::Remove) => Outcome::Removed,
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => continue,
            (Err(error), _) => Outcome::Failed(Error::os(Op::Remove, error).on(path.display())),
        };
        (search.found)(this);
    }
}
