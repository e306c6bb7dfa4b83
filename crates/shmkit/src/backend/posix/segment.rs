//! A named POSIX segment: born complete, removed by the last one out.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::explain::{Squatted, explain, explain_size};
use super::last::{Outcome, be_gone, be_present, is_alone, join, unlink_if_last};
use super::name::{segment_path, semaphore_path};
use super::semaphore;
use crate::backend::backoff::Backoff;
use crate::backend::{
    Detached, InUse, Lifetime, Origin, Orphans, Owners, Removal, Spec, no_contents, semaphore_key,
    unreadable,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::file::{
    self, EPHEMERAL, FileId, Kind, MEMORY_DIRECTORY, Newborn, Room, Status, Unnamed,
};
use crate::sys::fork::{self, User};

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment {
    user: User,
    path: String,
    id: FileId,
    pub(crate) size: usize,
    pub(crate) mode: u32,
    pub(crate) lifetime: Lifetime,
    pub(crate) origin: Origin,
}

/// How long a name without contents is given to get some. Qt sets the size a few microseconds
/// after it made the name; one that died in between never does.
const BIRTH_PATIENCE: Duration = Duration::from_millis(100);

/// How long a name may change under us before we say so. Each time somebody else got on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes a segment; an orphan of the name is removed first.
pub(crate) fn create(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    let path = segment_path(key, op)?;
    let _steady = fork::steady();
    let born = Born::new(spec, op).map_err(|error| error.on(key))?;
    publish(key, path, born, spec, op)
}

/// Makes a segment of the contents and of their size, which is complete before it has its name;
/// an orphan of the name is removed first.
pub(crate) fn create_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    let path = segment_path(key, op)?;
    // Said before anything is read.
    if let Reclaim::Refused(why) =
        reclaim(&path).map_err(|error| explain(error, &path, op).on(key))?
    {
        return Err(taken(why, op).on(key));
    }
    let filled = Filled::new(spec, contents, op).map_err(|error| error.on(key))?;
    let size =
        usize::try_from(filled.size).map_err(|_| Error::new(op, ErrorKind::InvalidSize).on(key))?;
    let spec = Spec {
        size,
        ..spec.clone()
    };
    let _steady = fork::steady();
    let born = Born::map(filled.newborn, &spec, op).map_err(|error| error.on(key))?;
    publish(key, path, born, &spec, op)
}

fn publish(key: &NativeIpcKey, path: String, born: Born, spec: &Spec, op: Op) -> Result<Segment> {
    let mut origin = Origin::Created;
    let lock = semaphore_path(&semaphore_key(key), op)?;
    let mut backoff = Backoff::new(PATIENCE);
    loop {
        semaphore::mend_abandoned(&lock);
        match born.publish(&path) {
            Ok(()) => {
                let Born { user, id, .. } = born;
                let Spec {
                    size,
                    mode,
                    lifetime,
                    ..
                } = *spec;
                return Ok(Segment {
                    user,
                    path,
                    id,
                    size,
                    mode,
                    lifetime,
                    origin,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(explain(error, &path, op).on(key)),
        }
        match reclaim(&path).map_err(|error| explain(error, &path, op).on(key))? {
            Reclaim::Done => origin = Origin::Reclaimed,
            Reclaim::Gone if backoff.again() => {}
            Reclaim::Gone => return Err(restless(op).on(key)),
            Reclaim::Refused(why) => return Err(taken(why, op).on(key)),
        }
    }
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Option<Segment>> {
    let path = segment_path(key, op)?;
    let _steady = fork::steady();
    let deadline = Instant::now() + BIRTH_PATIENCE;
    loop {
        match try_attach(&path, spec) {
            Ok(attached) => return Ok(attached),
            Err(error) if is_unborn(&error) && Instant::now() < deadline => {
                std::thread::yield_now();
            }
            Err(error) => return Err(explain(error, &path, op).on(key)),
        }
    }
}

fn is_unborn(error: &io::Error) -> bool {
    let squatted = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Squatted>());
    matches!(squatted, Some(Squatted::Empty))
}

fn try_attach(path: &str, spec: &Spec) -> io::Result<Option<Segment>> {
    let fd = file::open(path, spec.access)?;
    let status = file::status(&fd)?;
    check(&status, spec.trust)?;
    let lifetime = if status.is_ephemeral() {
        Lifetime::Ephemeral
    } else {
        Lifetime::Kept
    };
    // A kept segment waits for users; only an ephemeral one without any is an orphan.
    let origin = match (lifetime, spec.orphans) {
        (Lifetime::Kept, _) => Origin::Attached,
        (Lifetime::Ephemeral, Orphans::Remove) => {
            match unlink_if_last(fd.as_fd(), path, status.id)? {
                Outcome::Removed => return Ok(None),
                Outcome::LeftToOthers => return Err(io::ErrorKind::NotFound.into()),
                Outcome::InUse => Origin::Attached,
            }
        }
        (Lifetime::Ephemeral, Orphans::Adopt) if is_alone(fd.as_fd(), status.id)? => {
            Origin::Adopted
        }
        (Lifetime::Ephemeral, Orphans::Adopt) => Origin::Attached,
    };
    let size = usize::try_from(status.size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let user = User::map(fd, size, spec.access)?;
    if !join(user.as_fd())? {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mode = status.mode & 0o777;
    let path = path.to_owned();
    Ok(Some(Segment {
        user,
        path,
        id: status.id,
        size,
        mode,
        lifetime,
        origin,
    }))
}

fn check(status: &Status, trust: Owners) -> io::Result<()> {
    match status.kind {
        // It lost its name between our looking it up and opening it.
        _ if status.links == 0 => Err(io::ErrorKind::NotFound.into()),
        Kind::Regular if !trust.admits(status.owner) => Err(Squatted::Owner(status.owner).into()),
        Kind::Regular if status.size == 0 => Err(Squatted::Empty.into()),
        Kind::Regular => Ok(()),
        kind => Err(Squatted::by(kind).into()),
    }
}

/// A segment that has everything but a name.
struct Born {
    user: User,
    id: FileId,
    unnamed: Unnamed,
}

impl Born {
    fn new(spec: &Spec, op: Op) -> Result<Self> {
        let newborn = newborn(spec, op)?;
        let size = spec.size as u64;
        let room = if spec.reserve {
            Room::Reserved
        } else {
            Room::Lazy
        };
        file::set_size(newborn.fd.as_fd(), size, room)
            .map_err(|error| explain_size(error, Some(newborn.fd.as_fd()), size, op))?;
        Self::map(newborn, spec, op)
    }

    fn map(Newborn { fd, unnamed }: Newborn, spec: &Spec, op: Op) -> Result<Self> {
        let size = spec.size as u64;
        let id = file::status(&fd)
            .map_err(|error| explain(error, MEMORY_DIRECTORY, op))?
            .id;
        let user = User::map(fd, spec.size, Access::ReadWrite)
            .and_then(|user| be_present(user.as_fd()).map(|()| user))
            .map_err(|error| explain_size(error, None, size, op))?;
        Ok(Self { user, id, unnamed })
    }

    fn publish(&self, path: &str) -> io::Result<()> {
        self.unnamed.publish(self.user.as_fd(), path)
    }
}

fn newborn(spec: &Spec, op: Op) -> Result<Newborn> {
    let mark = if spec.lifetime == Lifetime::Ephemeral {
        EPHEMERAL
    } else {
        0
    };
    Newborn::new(MEMORY_DIRECTORY, mark | spec.mode)
        .map_err(|error| explain(error, MEMORY_DIRECTORY, op))
}

/// A segment that has its contents, and neither a mapping nor a name yet.
struct Filled {
    newborn: Newborn,
    size: u64,
}

impl Filled {
    /// The contents go to the file as they come, so that they are in memory once, and a lack of
    /// room is an error and no signal.
    fn new(spec: &Spec, contents: &mut dyn Read, op: Op) -> Result<Self> {
        const AT_ONCE: usize = 1 << 20;
        let newborn = newborn(spec, op)?;
        let fd = newborn.fd.as_fd();
        let no_room = |error, size| explain_size(error, Some(fd), size, op);
        if spec.reserve && spec.size > 0 {
            let size = spec.size as u64;
            file::set_size(fd, size, Room::Reserved).map_err(|error| no_room(error, size))?;
        }
        let mut buffer = vec![0; AT_ONCE];
        let mut size = 0;
        loop {
            let read = match contents.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error, op)),
            };
            let end = size + read as u64;
            file::write_on(fd, &buffer[..read], end).map_err(|error| no_room(error, end))?;
            size = end;
        }
        if size == 0 {
            return Err(no_contents(op));
        }
        file::set_size(fd, size, Room::Lazy).map_err(|error| no_room(error, size))?;
        Ok(Self { newborn, size })
    }
}

enum Reclaim {
    Done,
    /// Somebody else was faster.
    Gone,
    Refused(Taken),
}

/// Why a name cannot be had.
enum Taken {
    InUse,
    Kept,
    Empty,
    By(Squatted),
}

fn taken(why: Taken, op: Op) -> Error {
    let error = Error::new(op, ErrorKind::AlreadyExists);
    match why {
        Taken::InUse => error.detail("it already exists and is in use"),
        Taken::Kept => error
            .detail("it already exists, and is kept or was not made by shmkit")
            .hint("attach to it, or remove it by name (`shmkit rm`)"),
        Taken::Empty => error
            .detail("it already exists as an empty file, whose creator died half-way")
            .hint("remove it by name (`shmkit rm`)"),
        Taken::By(squatted) => {
            let kind = match squatted {
                Squatted::Owner(_) => ErrorKind::ForeignOwner,
                _ => ErrorKind::NotASegment,
            };
            Error::new(op, kind)
                .detail(squatted.to_string())
                .hint("choose another name")
        }
    }
}

fn restless(op: Op) -> Error {
    Error::new(op, ErrorKind::Os).detail(format!(
        "for {PATIENCE:?} others made and removed the name again and again"
    ))
}

/// Removes the orphan that has the name, if it is one.
fn reclaim(path: &str) -> io::Result<Reclaim> {
    let fd = match file::open(path, Access::ReadOnly) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reclaim::Gone),
        Err(error) => {
            return match file::status_of_name(path) {
                Ok(status) if status.kind != Kind::Regular => {
                    Ok(Reclaim::Refused(Taken::By(Squatted::by(status.kind))))
                }
                Ok(status) if !Owners::Mine.admits(status.owner) => {
                    Ok(Reclaim::Refused(Taken::By(Squatted::Owner(status.owner))))
                }
                _ => Err(error),
            };
        }
    };
    let status = file::status(&fd)?;
    match check(&status, Owners::Mine) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reclaim::Gone),
        // An empty file with our mark is ours, made where no file can be made without a name.
        Err(error) if !(is_unborn(&error) && status.is_ephemeral()) => {
            return match error.downcast::<Squatted>() {
                Ok(Squatted::Empty) => Ok(Reclaim::Refused(Taken::Empty)),
                Ok(squatted) => Ok(Reclaim::Refused(Taken::By(squatted))),
                Err(error) => Err(error),
            };
        }
        _ if !status.is_ephemeral() => return Ok(Reclaim::Refused(Taken::Kept)),
        _ => {}
    }
    match unlink_if_last(fd.as_fd(), path, status.id)? {
        Outcome::Removed => Ok(Reclaim::Done),
        Outcome::LeftToOthers => Ok(Reclaim::Gone),
        Outcome::InUse => Ok(Reclaim::Refused(Taken::InUse)),
    }
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.user.address()
    }

    /// Leaves the segment; the last one out removes it with its semaphore.
    pub(crate) fn detach(self, key: &NativeIpcKey, removal: Removal) -> Result<Detached> {
        let removes = match removal {
            Removal::Always => true,
            Removal::IfEphemeral => self.lifetime == Lifetime::Ephemeral,
            Removal::Never => false,
        };
        let Self { user, path, id, .. } = self;
        let _steady = fork::steady();
        let blind = user.is_blind();
        let fd = user.unmap();
        let outcome = be_gone(fd.as_fd()).and_then(|()| match removes && !blind {
            true => unlink_if_last(fd.as_fd(), &path, id),
            false => Ok(Outcome::InUse),
        });
        match outcome {
            Ok(Outcome::Removed) => {
                semaphore::remove_unused(&semaphore_path(&semaphore_key(key), Op::Detach)?);
                Ok(Detached::Removed)
            }
            Ok(Outcome::InUse) => Ok(Detached::Remains),
            // Somebody removed it by name while it was in use, and left the lock to us.
            Ok(Outcome::LeftToOthers) => {
                semaphore::remove_without_segment(key);
                Ok(Detached::Remains)
            }
            Err(error) => Err(explain(error, &path, Op::Detach).on(key)),
        }
    }
}

/// Removes a segment by name, with its semaphore.
pub(crate) fn remove(key: &NativeIpcKey, in_use: InUse) -> Result<()> {
    let path = segment_path(key, Op::Remove)?;
    let _steady = fork::steady();
    match unlink_by_name(&path, in_use) {
        Ok(true) => {
            semaphore::remove_unused(&semaphore_path(&semaphore_key(key), Op::Remove)?);
            Ok(())
        }
        Ok(false) => Err(Error::new(Op::Remove, ErrorKind::InUse)
            .on(key)
            .detail("somebody is attached to it")
            .hint("end those programs first, or ask for it to be removed all the same")),
        Err(error) => Err(explain(error, &path, Op::Remove).on(key)),
    }
}

fn unlink_by_name(path: &str, in_use: InUse) -> io::Result<bool> {
    // Everybody who removes a name first has the file open, and either alone or claimed: so two
    // removers cannot take a name from under its next owner.
    let fd = file::open(path, Access::ReadOnly)?;
    let status = file::status(&fd)?;
    if status.kind != Kind::Regular {
        return Err(Squatted::by(status.kind).into());
    }
    match (unlink_if_last(fd.as_fd(), path, status.id)?, in_use) {
        (Outcome::Removed, _) => return Ok(true),
        (Outcome::InUse, InUse::Refuse) => return Ok(false),
        (Outcome::LeftToOthers, _) => return Err(io::ErrorKind::NotFound.into()),
        (Outcome::InUse, InUse::RemoveAnyway) => {}
    }
    if !file::try_claim(fd.as_fd())? || file::status_of_name(path)?.id != status.id {
        return Err(io::ErrorKind::NotFound.into());
    }
    file::unlink(path).map(|()| true)
}
