//! Segments, locks and half-made files that nobody has open any more, by the kernel's word. They
//! are unlinked while it stands, so that whoever comes meanwhile waits, and then finds no name.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::name::{segment_path, semaphore_path};
use super::survey::SEMAPHORE_PREFIX;
use crate::backend::file::last::{self, is_alone, unlink_if_last};
use crate::backend::info::{self, lock_of, with_legacy_key};
use crate::backend::leftover::{Act, Leftover, LeftoverKind, Outcome, Search, leftover};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::file::{self, Kind, MEMORY_DIRECTORY, TEMPORARY_PREFIX};
use crate::sys::fork;
use crate::sys::listing::{self, Look};

const SEGMENT: &str =
    "it was to go with its last user, and the kernel says that nobody has it open any more";
const LOCK: &str =
    "there is no segment of it, and the kernel says that nobody has it open any more";
const TEMPORARY: &str = "its maker died before it had its name: nobody has it open any more";
const NAMED_TWICE: &str = "its maker died when it had its name, and this one is left over";
const NAMED: &str = "asked for by name, and the kernel says that nobody has it open";

/// Goes through the directory: segments first, since a lock is left over when there is none.
pub(crate) fn search(search: &mut Search<'_>) -> io::Result<()> {
    let directory = match listing::open_directory(MEMORY_DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        directory => directory?,
    };
    let (locks, others): (Vec<_>, Vec<_>) = listing::names_in(MEMORY_DIRECTORY)?
        .into_iter()
        .map(|(name, _)| name)
        .partition(|name| starts_with(name, SEMAPHORE_PREFIX));
    let mut gone = HashSet::new();
    for name in others {
        // Gone meanwhile.
        let Ok(look) = listing::look_in(&directory, &name) else {
            continue;
        };
        let is_temporary = starts_with(&name, TEMPORARY_PREFIX);
        let kind = match is_temporary {
            true => LeftoverKind::Temporary,
            false => LeftoverKind::Segment,
        };
        // What has a name of ours is ours; a segment has our mark.
        if look.status.kind != Kind::Regular || !(is_temporary || look.status.is_ephemeral()) {
            continue;
        }
        let is_named_twice = is_temporary && look.status.links > 1;
        let mut this = describe(kind, &name, &look);
        this.reason = match (kind, is_named_twice) {
            (LeftoverKind::Segment, _) => SEGMENT,
            (_, false) => TEMPORARY,
            (_, true) => NAMED_TWICE,
        }
        .to_owned();
        if is_named_twice {
            // The file has another name: what is removed here is none that anybody knows.
            this.bytes = 0;
        }
        if (search.admits)(&this) && settle(search, this, &look, is_named_twice) {
            gone.insert(name);
        }
    }
    for name in locks {
        let segment = segment_of(&name);
        let Ok(look) = listing::look_in(&directory, &name) else {
            continue;
        };
        let is_left = look.status.kind == Kind::Regular
            && look.status.is_ephemeral()
            && (gone.contains(&segment) || listing::look_in(&directory, &segment).is_err());
        let mut this = describe(LeftoverKind::Lock, &name, &look);
        this.reason = LOCK.to_owned();
        if is_left && (search.admits)(&this) {
            settle(search, this, &look, false);
        }
    }
    Ok(())
}

/// Asks the kernel, and removes the file if it is to be removed. Says whether it is left behind.
fn settle(search: &mut Search<'_>, mut this: Leftover, look: &Look, is_named_twice: bool) -> bool {
    let Some(path) = this.path.clone() else {
        return false;
    };
    let done = match (search.act, is_named_twice) {
        (Act::Look, true) => Ok(Some(Outcome::Found)),
        (Act::Remove, true) => file::unlink(&path).map(|()| Some(Outcome::Removed)),
        (act, false) => ask(&path, look, act),
    };
    this.outcome = match done {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            search.untold += 1;
            return false;
        }
        Err(error) => Outcome::Failed(Error::os(Op::Remove, error).on(path.display())),
    };
    (search.found)(this);
    true
}

/// `None` if somebody has it, or if another has it under this name by now.
fn ask(path: &Path, look: &Look, act: Act) -> io::Result<Option<Outcome>> {
    let _steady = fork::steady();
    let fd = file::open(path, Access::ReadOnly)?;
    let status = file::status(&fd)?;
    if status.id != look.status.id || status.is_ephemeral() != look.status.is_ephemeral() {
        return Ok(None);
    }
    if !crate::backend::Owners::Mine.admits(status.owner) && file::user() != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(match act {
        Act::Look => is_alone(fd.as_fd(), status.id)?.then_some(Outcome::Found),
        Act::Remove => match unlink_if_last(fd.as_fd(), path.into(), status.id)? {
            last::Outcome::Removed => Some(Outcome::Removed),
            last::Outcome::InUse | last::Outcome::LeftToOthers => None,
        },
    })
}

/// A segment and its lock, or a lock alone.
pub(crate) fn by_name(key: &NativeIpcKey, act: Act) -> Result<Vec<Leftover>> {
    let segment = segment_path(key, Op::Remove)?;
    // A name without room for the prefix has no lock.
    let lock = semaphore_path(&lock_of(key), Op::Remove).unwrap_or_default();
    let mut found = Vec::new();
    for (kind, path) in [(LeftoverKind::Segment, segment), (LeftoverKind::Lock, lock)] {
        let path = PathBuf::from(path);
        let Ok(look) = listing::look_at(&path) else {
            continue;
        };
        if look.status.kind != Kind::Regular {
            return Err(Error::new(Op::Remove, ErrorKind::NotASegment).on(key));
        }
        let mut this = describe(kind, path.file_name().unwrap_or_default(), &look);
        this.key = Some(key.clone());
        this.reason = NAMED.to_owned();
        this.outcome = match ask(&path, &look, act) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::InUse,
            Err(error) => Outcome::Failed(Error::os(Op::Remove, error).on(key)),
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

fn describe(kind: LeftoverKind, name: &OsStr, look: &Look) -> Leftover {
    let key_of = |name: &OsStr| {
        let text = name.to_str()?;
        Some(with_legacy_key(&format!("/{text}"), KeyType::PosixRealtime))
    };
    let key = match kind {
        LeftoverKind::Segment => key_of(name),
        LeftoverKind::Lock => key_of(&segment_of(name)),
        _ => None,
    };
    Leftover {
        bytes: look.blocks,
        owner: look.status.owner,
        created: look.born,
        ..leftover(kind, key, Path::new(MEMORY_DIRECTORY).join(name))
    }
}

/// The file name of the segment that a semaphore is the lock of.
fn segment_of(semaphore: &OsStr) -> OsString {
    let Some(name) = semaphore
        .to_str()
        .and_then(|name| name.strip_prefix(SEMAPHORE_PREFIX))
    else {
        return semaphore.to_owned();
    };
    let lock = NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime);
    info::segment_of(&lock).native_key()[1..].into()
}

fn starts_with(name: &OsStr, prefix: &str) -> bool {
    name.as_encoded_bytes().starts_with(prefix.as_bytes())
}
