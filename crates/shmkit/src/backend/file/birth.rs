//! Making a file: complete before it has a name.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use super::explain::{explain, explain_size};
use super::last::{CHARGE_PATIENCE, be_present};
use super::name::Name;
use super::reclaim::{Reclaim, reclaim, taken};
use super::segment::{Segment, Shape, is_counted, shape};
use crate::backend::backoff::Backoff;
use crate::backend::target::directory_of;
use crate::backend::{Lifetime, Origin, Spec, no_contents, unreadable};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::mapping::Access;
use crate::sys::attachment;
use crate::sys::file::{self, EPHEMERAL, Newborn, Room, Status, Unnamed};
use crate::sys::fork::{self, User};
use crate::sys::lease;

/// How long a name may change under us before we say so. Each time somebody else got on, or looks
/// whether it may remove the name, which takes its time where there are no leases.
fn patience() -> Duration {
    match lease::are_granted() {
        true => Duration::from_secs(2),
        false => CHARGE_PATIENCE,
    }
}

/// Makes a file; an orphan of the name is removed first. `before` runs each time before the name
/// is given.
pub(in crate::backend) fn create<'n>(
    name: impl Into<Name<'n>>,
    spec: &Spec,
    op: Op,
    before: impl Fn(),
) -> Result<Segment> {
    let name = name.into();
    let _steady = fork::steady();
    let directory = directory_of(name.path);
    let Newborn { fd, unnamed } = newborn(directory, spec, op)?;
    let born = Born::new(fd, directory, spec, op)?;
    publish(name, &unnamed, born, spec, op, before)
}

/// Makes a file of the contents and of their size, which is complete before it has its name; an
/// orphan of the name is removed first.
pub(in crate::backend) fn create_from(
    path: &Path,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
    before: impl Fn(),
) -> Result<Segment> {
    // Said before anything is read.
    if let Reclaim::Refused(why) = reclaim(path).map_err(|error| explain(error, path, op))? {
        return Err(taken(why, op));
    }
    let directory = directory_of(path);
    let Newborn { fd, unnamed } = newborn(directory, spec, op)?;
    let spec = fill(fd.as_fd(), directory, spec, contents, op)?;
    let _steady = fork::steady();
    let born = Born::map(fd, directory, &spec, op)?;
    publish(path.into(), &unnamed, born, &spec, op, before)
}

/// Makes a file that never has a name.
pub(in crate::backend) fn create_unnamed(directory: &Path, spec: &Spec, op: Op) -> Result<Segment> {
    let _steady = fork::steady();
    let newborn = newborn(directory, &ephemeral(spec), op)?;
    let born = Born::new(newborn.fd, directory, spec, op)?;
    Ok(born.into_segment(None, spec, Origin::Created))
}

/// Makes a file of the contents and of their size that never has a name.
pub(in crate::backend) fn create_unnamed_from(
    directory: &Path,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    let newborn = newborn(directory, &ephemeral(spec), op)?;
    let spec = fill(newborn.fd.as_fd(), directory, spec, contents, op)?;
    let _steady = fork::steady();
    let born = Born::map(newborn.fd, directory, &spec, op)?;
    Ok(born.into_segment(None, &spec, Origin::Created))
}

fn publish(
    name: Name<'_>,
    unnamed: &Unnamed,
    born: Born,
    spec: &Spec,
    op: Op,
    before: impl Fn(),
) -> Result<Segment> {
    let mut origin = Origin::Created;
    let mut backoff = Backoff::new(patience());
    loop {
        before();
        match unnamed.publish(born.user.as_fd(), name.path) {
            Ok(()) => return Ok(born.into_segment(Some(name.path), spec, origin)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(explain(error, name.path, op)),
        }
        match reclaim(name).map_err(|error| explain(error, name.path, op))? {
            Reclaim::Done => origin = Origin::Reclaimed,
            Reclaim::Gone if backoff.again() => {}
            Reclaim::Gone if interrupt::has_come() => {
                return Err(Error::new(op, ErrorKind::Interrupted));
            }
            Reclaim::Gone => return Err(restless(op)),
            Reclaim::Refused(why) => return Err(taken(why, op)),
        }
    }
}

fn restless(op: Op) -> Error {
    Error::new(op, ErrorKind::Os).detail(format!(
        "for {:?} others made and removed the name again and again",
        patience()
    ))
}

/// A file that has everything but a name.
pub(super) struct Born {
    user: User,
    status: Status,
    size: usize,
    shape: Shape,
}

impl Born {
    /// Gives an empty file its size. `place` is where it lies, for messages.
    pub(super) fn new(fd: OwnedFd, place: &Path, spec: &Spec, op: Op) -> Result<Self> {
        let size = spec.size as u64;
        file::set_size(fd.as_fd(), size, spec.room())
            .and_then(|()| match &*spec.head {
                [] => Ok(()),
                head => file::write_start(fd.as_fd(), head),
            })
            .map_err(|error| explain_size(error, place, Some(fd.as_fd()), size, op))?;
        Self::map(fd, place, spec, op)
    }

    pub(super) fn map(fd: OwnedFd, place: &Path, spec: &Spec, op: Op) -> Result<Self> {
        let size = spec.size as u64;
        let status = file::status(&fd).map_err(|error| explain(error, place, op))?;
        let (shape, attached) = shape(spec, &fd, &status, Access::ReadWrite)
            .map_err(|error| explain(error, place, op))?;
        let user = User::map(fd, shape.window)
            .and_then(|user| be_present(user.as_fd()).map(|()| user))
            .and_then(|user| match &*spec.head {
                [] => Ok(user),
                _ => attachment::take_first_lease(&user).map(|()| user),
            })
            .map_err(|error| explain_size(error, place, None, size, op))?;
        Ok(Self {
            user,
            status,
            size: attached,
            shape,
        })
    }

    /// `path` is `None` if it is to have no name.
    pub(super) fn into_segment(self, path: Option<&Path>, spec: &Spec, origin: Origin) -> Segment {
        let lifetime = match path {
            Some(_) => spec.lifetime,
            None => Lifetime::Ephemeral,
        };
        if path.is_none() && !is_counted(&self.status) {
            self.user.share_description();
        }
        Segment {
            user: self.user,
            path: path.map(Path::to_owned),
            id: self.status.id,
            size: AtomicUsize::new(self.size),
            mode: spec.mode,
            lifetime,
            origin,
            shape: self.shape,
            warning: None,
            is_object: false,
            is_named_for_good: AtomicBool::new(false),
            resizing: Mutex::default(),
        }
    }
}

/// What has no name cannot be kept.
fn ephemeral(spec: &Spec) -> Spec {
    Spec {
        lifetime: Lifetime::Ephemeral,
        ..spec.clone()
    }
}

fn newborn(directory: &Path, spec: &Spec, op: Op) -> Result<Newborn> {
    let mark = match spec.lifetime {
        Lifetime::Ephemeral => EPHEMERAL,
        Lifetime::Kept => 0,
    };
    Newborn::new(directory, mark | spec.mode).map_err(|error| explain(error, directory, op))
}

/// Writes the contents to an empty file as they come, so that they are in memory once, and a lack
/// of room is an error and no signal. Answers with the spec for their size.
pub(super) fn fill(
    fd: BorrowedFd<'_>,
    place: &Path,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Spec> {
    const AT_ONCE: usize = 1 << 20;
    let no_room = |error, size| explain_size(error, place, Some(fd), size, op);
    if spec.reserve && spec.size > 0 {
        let size = spec.size as u64;
        file::set_size(fd, size, Room::Reserved).map_err(|error| no_room(error, size))?;
    }
    let mut buffer = vec![0; AT_ONCE];
    let mut end = 0;
    loop {
        let read = match contents.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error, op)),
        };
        end += read as u64;
        file::write_on(fd, &buffer[..read], end).map_err(|error| no_room(error, end))?;
    }
    if end == 0 {
        return Err(no_contents(op));
    }
    file::set_size(fd, end, Room::Lazy).map_err(|error| no_room(error, end))?;
    let size = usize::try_from(end).map_err(|_| Error::new(op, ErrorKind::InvalidSize))?;
    Ok(Spec {
        size,
        ..spec.clone()
    })
}
