//! A named POSIX segment: an object of the kernel, an anchor, and a semaphore with its own.
#![expect(unsafe_code, reason = "a view of the new segment")]

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::name::{Beside, anchor, system_name};
use super::{object, semaphore};
use crate::backend::backoff::Backoff;
use crate::backend::file::explain::{Squatted, explain, explain_size};
use crate::backend::file::{self, Left, Name, Segment};
use crate::backend::{Detached, InUse, Lifetime, Owners, Removal, Spec, no_contents, unreadable};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::{Access, Rw, View};
use crate::sys::file::{Room, status_of_name, user};
use crate::sys::fork;

/// What messages call the place where objects lie.
const PLACE: &str = "shared memory";

/// The mark of an anchor whose object is complete: nobody executes an anchor.
pub(super) const BORN: u32 = 0o100;

/// How long a name without a complete object is given to get one.
const BIRTH_PATIENCE: Duration = Duration::from_millis(100);

/// How long an object must be without an anchor to be taken for that of a program without shmkit.
const FOREIGN_AFTER: Duration = Duration::from_millis(10);

/// Makes a segment; an orphan of the name is removed first.
pub(crate) fn create(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    make(key, spec, op).map_err(|error| error.on(key))
}

fn make(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    let name = system_name(key, op)?;
    let place = anchor_of(&name, user(), op)?;
    let _steady = fork::steady();
    let unborn = Spec {
        mode: spec.mode & !BORN,
        reserve: false,
        ..spec.clone()
    };
    // Before there is an anchor, which would be taken for the object's if we died then.
    if is_foreign(&name, &place) {
        return Err(not_ours(op));
    }
    let remove = || object::remove(&name);
    let anchor = Name::new(&place, Some(&remove));
    let make_anchor = || file::create(anchor, &unborn, op, || semaphore::remove_unused(key));
    let segment = match make_anchor() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_stale(&name, &place) => {
            let _ = file::remove(&place, InUse::Refuse);
            make_anchor()
        }
        made => made,
    }?;
    match make_object(&name, spec) {
        Ok(fd) => {
            let segment = segment.onto(&fd, spec.size);
            let segment = segment.map_err(|error| give_up(error, &name, &place, spec, op))?;
            fill(&segment, &spec.head)?;
            let mark = match spec.lifetime {
                Lifetime::Ephemeral => crate::sys::file::EPHEMERAL,
                Lifetime::Kept => 0,
            };
            crate::sys::file::set_mode(segment.as_fd(), mark | spec.mode | BORN)
                .map_err(|error| give_up(error, &name, &place, spec, op))?;
            Ok(segment)
        }
        Err(error) => {
            let _ = segment.leave(Removal::Always);
            match error.kind() {
                io::ErrorKind::AlreadyExists => Err(not_ours(op)),
                _ => Err(explain_size(
                    error,
                    Path::new(PLACE),
                    None,
                    spec.size as u64,
                    op,
                )),
            }
        }
    }
}

fn not_ours(op: Op) -> Error {
    Error::new(op, ErrorKind::AlreadyExists)
        .detail("it already exists, and was not made by shmkit")
        .hint("attach to it, or remove it by name (`shmkit rm`)")
}

/// Whether an anchor says that its object is complete, and there is none: somebody removed it without
/// shmkit.
fn is_stale(name: &CString, place: &Path) -> bool {
    status_of_name(place).is_ok_and(|status| status.mode & BORN != 0)
        && object::open(name, Access::ReadOnly)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn make_object(name: &CString, spec: &Spec) -> io::Result<OwnedFd> {
    let room = match spec.reserve {
        true => Room::Reserved,
        false => Room::Lazy,
    };
    object::create(name, spec.size as u64, spec.mode, room)
}

fn give_up(error: io::Error, name: &CString, place: &Path, spec: &Spec, op: Op) -> Error {
    let _ = object::unlink(name);
    let _ = fs::remove_file(place);
    explain_size(error, Path::new(PLACE), None, spec.size as u64, op)
}

fn fill(segment: &Segment, head: &[u8]) -> Result<()> {
    // SAFETY: the segment is mapped, read-write and in this size, while it is borrowed.
    let view: View<'_, Rw> =
        unsafe { View::from_raw_parts(segment.address().as_ptr(), segment.size()) };
    view.copy_from(0, head)
}

/// Makes a segment of the contents and of their size; an orphan of the name is removed first. The
/// size of an object is set but once, so the contents are collected before.
pub(crate) fn create_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    let mut head = Vec::new();
    contents
        .read_to_end(&mut head)
        .map_err(|error| unreadable(error, op).on(key))?;
    if head.is_empty() {
        return Err(no_contents(op).on(key));
    }
    let whole = Spec {
        size: head.len(),
        head: Vec::new(),
        ..spec.clone()
    };
    let segment = create(key, &whole, op)?;
    fill(&segment, &head).map(|()| segment)
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Option<Segment>> {
    let name = system_name(key, op)?;
    let _steady = fork::steady();
    let deadline = Instant::now() + BIRTH_PATIENCE;
    loop {
        match try_attach(&name, spec, op) {
            Ok(None) if Instant::now() < deadline => std::thread::yield_now(),
            Ok(None) => return Err(Error::new(op, ErrorKind::NotFound).on(key)),
            Ok(Some(attached)) => return Ok(attached),
            Err(error) => return Err(error.on(key)),
        }
    }
}

/// `None` if it is just being made, or removed.
fn try_attach(name: &CString, spec: &Spec, op: Op) -> Result<Option<Option<Segment>>> {
    let at = Path::new("shm_open");
    let facts = object::open(name, Access::ReadOnly).and_then(|fd| object::facts(&fd));
    let facts = facts.map_err(|error| explain(error, at, op))?;
    if !spec.trust.admits(facts.owner) {
        return Err(explain(Squatted::Owner(facts.owner).into(), at, op));
    }
    let place = anchor_of(name, facts.owner, op)?;
    match status_of_name(&place) {
        Ok(status) if status.mode & BORN == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match is_foreign(name, &place) {
                true => anchor_foreign(&place, facts.size, facts.mode, op).map(|()| None),
                false => Ok(None),
            };
        }
        Err(error) => return Err(explain(error, &place, op)),
    }
    let remove = || object::remove(name);
    // Where nobody was there any more it goes as its last user would have had it.
    let Some(anchored) = file::attach(Name::new(&place, Some(&remove)), spec, op)? else {
        return Ok(Some(None));
    };
    // Now that we are present nobody removes it: what has the name is what belongs to the anchor.
    let access = anchored.file_access();
    match object::open(name, access).and_then(|fd| Ok((object::facts(&fd)?, fd))) {
        Ok((facts, fd)) if facts.size >= anchored.needed() => {
            let size = anchored.size();
            let segment = anchored.onto(&fd, size);
            Ok(Some(Some(segment.map_err(|error| explain(error, at, op))?)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain(error, at, op)),
    }
}

/// Whether an object has no anchor and gets none: between the two steps of making or removing both
/// there is a moment.
fn is_foreign(name: &CString, place: &Path) -> bool {
    let mut backoff = Backoff::new(FOREIGN_AFTER);
    loop {
        let facts = object::open(name, Access::ReadOnly).and_then(|fd| object::facts(&fd));
        if place.exists() || !facts.is_ok_and(|facts| facts.size > 0) {
            return false;
        }
        if !backoff.again() {
            return true;
        }
    }
}

/// Gives an object that a program without shmkit made an anchor, which says that it is kept.
fn anchor_foreign(place: &Path, size: u64, mode: u32, op: Op) -> Result<()> {
    match crate::sys::file::make_sized(place, size, mode | BORN) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(explain(error, place, op))
        }
        _ => Ok(()),
    }
}

/// The same where there is none, and none is about to come.
pub(super) fn anchor_if_foreign(
    name: &CString,
    place: &Path,
    facts: object::Facts,
    op: Op,
) -> Result<()> {
    match !place.exists() && is_foreign(name, place) {
        true => anchor_foreign(place, facts.size, facts.mode, op),
        false => Ok(()),
    }
}

pub(super) fn anchor_of(name: &CString, owner: u32, op: Op) -> Result<PathBuf> {
    anchor(Beside::Segment, name, owner).map_err(|error| {
        Error::os(op, error).detail("there is no place for the locks that say who uses it")
    })
}

/// What a descriptor leads to does not say.
pub(crate) fn is_of_key(_: &OwnedFd, _: &NativeIpcKey) -> bool {
    false
}

/// Leaves a segment; the last one out removes it with its semaphore.
pub(crate) fn detach(segment: Segment, key: &NativeIpcKey, removal: Removal) -> Result<Detached> {
    let name = system_name(key, Op::Detach)?;
    let left = segment.leave_for(removal, Some(&|| object::remove(&name)));
    match left.map_err(|error| error.on(key))? {
        Left::Removed => {
            semaphore::remove_unused(key);
            Ok(Detached::Removed)
        }
        Left::Remains => Ok(Detached::Remains),
        Left::WithoutName => {
            semaphore::remove_without_segment(key);
            Ok(Detached::Remains)
        }
    }
}

/// Removes a segment by name, with its semaphore.
pub(crate) fn remove(key: &NativeIpcKey, in_use: InUse) -> Result<()> {
    let name = system_name(key, Op::Remove)?;
    let _steady = fork::steady();
    let gone = |error| explain(error, Path::new("shm_open"), Op::Remove).on(key);
    let facts = object::open(&name, Access::ReadOnly).and_then(|fd| object::facts(&fd));
    let owner = facts.map_err(gone)?.owner;
    if !Owners::Mine.admits(owner) {
        return Err(gone(Squatted::Owner(owner).into()));
    }
    let place = anchor_of(&name, owner, Op::Remove)?;
    match status_of_name(&place).is_ok() {
        true => {
            let remove = || object::remove(&name);
            let anchor = Name::new(&place, Some(&remove));
            file::remove(anchor, in_use).map_err(|error| error.on(key))?;
        }
        false => object::unlink(&name).map_err(gone)?,
    }
    semaphore::remove_unused(key);
    Ok(())
}

/// Whether there is a segment of this key.
pub(super) fn exists(key: &NativeIpcKey) -> bool {
    system_name(key, Op::Detach).is_ok_and(|name| object::open(&name, Access::ReadOnly).is_ok())
}
