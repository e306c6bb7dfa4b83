//! Joining a file that exists, by its path or by a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use super::explain::{Squatted, explain};
use super::last::{
    Outcome, be_present, come, have_come, is_alone, is_first, unlink_if_last, unlink_if_same,
};
use super::name::Name;
use super::seal::demand;
use super::segment::{Segment, Shape, is_counted, lifetime_of, shape};
use crate::backend::{Lifetime, Origin, Orphans, Owners, Spec};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::file::{self, Kind, Status};
use crate::sys::fork::{self, User};
use crate::sys::lease;

/// How long a name without contents is given to get some. Qt sets the size a few microseconds
/// after it made the name; one that died in between never does.
const BIRTH_PATIENCE: Duration = Duration::from_millis(100);

/// Attaches to a file that exists; `None` if it was an orphan and is removed.
pub(in crate::backend) fn attach<'n>(
    name: impl Into<Name<'n>>,
    spec: &Spec,
    op: Op,
) -> Result<Option<Segment>> {
    let name = name.into();
    refuse_seals(spec, op)?;
    let _steady = fork::steady();
    let deadline = Instant::now() + BIRTH_PATIENCE;
    loop {
        match try_attach(name, spec) {
            Ok(attached) => return Ok(attached),
            Err(error) if is_unborn(&error) && Instant::now() < deadline => {
                std::thread::yield_now();
            }
            Err(error) => return Err(explain(error, name.path, op)),
        }
    }
}

/// What has a name has no seals.
fn refuse_seals(spec: &Spec, op: Op) -> Result<()> {
    match spec.seals.is_empty() {
        true => Ok(()),
        false => Err(Error::new(op, ErrorKind::Sealed)
            .detail(format!(
                "files have no seals, and {} are demanded",
                spec.seals
            ))
            .hint("only memfds can be sealed")),
    }
}

pub(super) fn is_unborn(error: &io::Error) -> bool {
    let squatted = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Squatted>());
    matches!(squatted, Some(Squatted::Empty))
}

fn try_attach(name: Name<'_>, spec: &Spec) -> io::Result<Option<Segment>> {
    let fd = file::open(name.path, spec.file_access())?;
    let status = file::status(&fd)?;
    check(&status, spec.trust)?;
    let (shape, size) = shape(spec, &fd, &status, spec.access)?;
    let lifetime = lifetime_of(&status);
    let entry = match lease::are_granted() {
        true => enter(fd, &status, name, spec, shape)?,
        false => enter_without_leases(fd, &status, name, spec, shape)?,
    };
    let Some((user, origin)) = entry else {
        return Ok(None);
    };
    Ok(Some(Segment {
        user,
        path: Some(name.path.to_owned()),
        id: status.id,
        size: AtomicUsize::new(size),
        mode: status.mode & 0o777,
        lifetime,
        origin,
        shape,
        warning: None,
        is_object: false,
        is_named_for_good: AtomicBool::new(true),
        resizing: Mutex::default(),
    }))
}

/// A kept segment waits for users; only an ephemeral one without any is an orphan. `None` if it was
/// one, and is removed. A lease sees the description of one who comes.
fn enter(
    fd: OwnedFd,
    status: &Status,
    name: Name<'_>,
    spec: &Spec,
    shape: Shape,
) -> io::Result<Option<(User, Origin)>> {
    let origin = match (lifetime_of(status), spec.orphans) {
        (Lifetime::Kept, _) => Origin::Attached,
        (Lifetime::Ephemeral, Orphans::Remove) => {
            match unlink_if_last(fd.as_fd(), name, status.id)? {
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
    let user = User::map(fd, shape.window)?;
    be_present(user.as_fd())?;
    Ok(Some((user, origin)))
}

/// The same where nothing but charge keeps the one who comes from being overlooked.
#[cold]
fn enter_without_leases(
    fd: OwnedFd,
    status: &Status,
    name: Name<'_>,
    spec: &Spec,
    shape: Shape,
) -> io::Result<Option<(User, Origin)>> {
    let is_orphan = match decide(fd.as_fd(), status, name, spec) {
        Ok(Some(is_orphan)) => is_orphan,
        in_vain => {
            // Those who left meanwhile relied on us.
            let is_left = in_vain.is_err() && status.is_ephemeral();
            have_come(fd.as_fd())?;
            if is_left {
                unlink_if_last(fd.as_fd(), name, status.id)?;
            }
            return in_vain.map(|_| None);
        }
    };
    let user = User::map(fd, shape.window)?;
    be_present(user.as_fd())?;
    have_come(user.as_fd())?;
    let origin = match is_orphan {
        true => Origin::Adopted,
        false => Origin::Attached,
    };
    Ok(Some((user, origin)))
}

/// Comes, and says whether the segment is an orphan; `None` if it was to be removed then, and is.
fn decide(
    fd: BorrowedFd<'_>,
    status: &Status,
    name: Name<'_>,
    spec: &Spec,
) -> io::Result<Option<bool>> {
    come(fd)?;
    if file::status(fd)?.links == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    let is_orphan = status.is_ephemeral() && is_first(fd, status.id)?;
    if is_orphan && spec.orphans == Orphans::Remove {
        return match unlink_if_same(name, status.id)? {
            Outcome::Removed => Ok(None),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
    }
    Ok(Some(is_orphan))
}

pub(super) fn check(status: &Status, trust: Owners) -> io::Result<()> {
    match status.links {
        // It lost its name between our looking it up and opening it.
        0 => Err(io::ErrorKind::NotFound.into()),
        _ => check_nameless(status, trust),
    }
}

fn check_nameless(status: &Status, trust: Owners) -> io::Result<()> {
    match status.kind {
        Kind::Regular if !trust.admits(status.owner) => Err(Squatted::Owner(status.owner).into()),
        Kind::Regular if status.size == 0 => Err(Squatted::Empty.into()),
        Kind::Regular => Ok(()),
        kind => Err(Squatted::by(kind).into()),
    }
}

/// Attaches to the file of a descriptor.
///
/// The descriptor's open file description may be somebody else's as well, who duplicated or sent
/// it, and then neither the kernel's count of users nor a lock would tell the two apart. So the
/// file is opened once more.
pub(in crate::backend) fn adopt(fd: OwnedFd, spec: &Spec, op: Op) -> Result<Segment> {
    let _steady = fork::steady();
    let this = PathBuf::from("the descriptor");
    let said = |error| explain(error, &this, op);
    let open = file::access_of(fd.as_fd()).map_err(said)?;
    if open == Access::ReadOnly && spec.file_access() == Access::ReadWrite {
        return Err(Error::new(op, ErrorKind::ReadOnly)
            .detail("the descriptor is open for reading only")
            .hint("attach it read-only"));
    }
    let status = file::status(&fd).map_err(said)?;
    check_nameless(&status, spec.trust).map_err(said)?;
    demand(&fd, spec.seals, op)?;
    let (shape, size) = shape(spec, &fd, &status, spec.access).map_err(said)?;
    let path = file::path_of(fd.as_fd()).filter(|path| {
        status.links > 0 && file::status_of_name(path).is_ok_and(|named| named.id == status.id)
    });
    let (fd, is_own) = match file::reopen(fd.as_fd(), spec.file_access()) {
        Ok(own) => (own, true),
        // Another user's file that was only lent, or nothing to open it once more by.
        Err(_) => (fd, false),
    };
    let user = User::map(fd, shape.window).map_err(said)?;
    // A lock of the process says who it is, whoever else has the description.
    let is_told_apart = lease::ONLY_OURS_COUNT || is_own && is_counted(&status);
    if !is_told_apart {
        user.share_description();
    }
    // Some file systems have no locks; then it is as if it had come from somebody without shmkit.
    let _ = be_present(user.as_fd());
    Ok(Segment {
        user,
        path,
        id: status.id,
        size: AtomicUsize::new(size),
        mode: status.mode & 0o777,
        lifetime: match status.links {
            0 => Lifetime::Ephemeral,
            _ => lifetime_of(&status),
        },
        origin: Origin::Attached,
        shape,
        warning: None,
        is_object: false,
        is_named_for_good: AtomicBool::new(true),
        resizing: Mutex::default(),
    })
}
