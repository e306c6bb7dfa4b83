//! Removing names: of orphans, before somebody else gets the name, and on request.

use std::io;
use std::os::fd::AsFd;

use super::attach::{check, is_unborn};
use super::explain::{Squatted, explain};
use super::last::{Outcome, take_charge, unlink_if_last, unlink_if_same};
use super::name::Name;
use crate::backend::{InUse, Owners};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::file::{self, Kind};
use crate::sys::fork;

pub(super) enum Reclaim {
    Done,
    /// Somebody else was faster.
    Gone,
    Refused(Taken),
}

/// Why a name cannot be had.
pub(super) enum Taken {
    InUse,
    Kept,
    Empty,
    By(Squatted),
}

pub(super) fn taken(why: Taken, op: Op) -> Error {
    let error = Error::new(op, ErrorKind::AlreadyExists);
    match why {
        Taken::InUse => error
            .detail("it already exists and is in use")
            .hint("attach to it, or choose another name"),
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

/// Removes the orphan that has the name, if it is one.
pub(super) fn reclaim<'n>(name: impl Into<Name<'n>>) -> io::Result<Reclaim> {
    let name = name.into();
    let fd = match file::open(name.path, Access::ReadOnly) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reclaim::Gone),
        Err(error) => {
            return match file::status_of_name(name.path) {
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
    match unlink_if_last(fd.as_fd(), name, status.id)? {
        Outcome::Removed => Ok(Reclaim::Done),
        Outcome::LeftToOthers => Ok(Reclaim::Gone),
        Outcome::InUse => Ok(Reclaim::Refused(Taken::InUse)),
    }
}

/// Removes a file by its name.
pub(in crate::backend) fn remove<'n>(name: impl Into<Name<'n>>, in_use: InUse) -> Result<()> {
    let name = name.into();
    let _steady = fork::steady();
    match unlink_by_name(name, in_use) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(Op::Remove, ErrorKind::InUse)
            .detail("somebody is attached to it")
            .hint("end those programs first, or ask for it to be removed all the same")),
        Err(error) => Err(explain(error, name.path, Op::Remove)),
    }
}

fn unlink_by_name(name: Name<'_>, in_use: InUse) -> io::Result<bool> {
    // Everybody who removes a name first has the file open, and either alone or claimed: so two
    // removers cannot take a name from under its next owner.
    let fd = file::open(name.path, Access::ReadOnly)?;
    let status = file::status(&fd)?;
    if status.kind != Kind::Regular {
        return Err(Squatted::by(status.kind).into());
    }
    match (unlink_if_last(fd.as_fd(), name, status.id)?, in_use) {
        (Outcome::Removed, _) => return Ok(true),
        (Outcome::InUse, InUse::Refuse) => return Ok(false),
        (Outcome::LeftToOthers, _) => return Err(io::ErrorKind::NotFound.into()),
        (Outcome::InUse, InUse::RemoveAnyway) => {}
    }
    take_charge(fd.as_fd())?;
    let removed = match unlink_if_same(name, status.id) {
        Ok(Outcome::Removed) => Ok(true),
        Ok(_) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error),
    };
    file::unclaim(fd.as_fd())?;
    removed
}
