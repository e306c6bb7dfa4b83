//! Seals: adding them, and seeing to it that they are there.

use std::io;
use std::os::fd::AsFd;

use super::segment::Segment;
use crate::backend::{CONSTANT, Seals};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::file;
use crate::sys::fork::{self, User};
use crate::sys::memfd;
use crate::sys::memory::Window;

impl Segment {
    /// The seals that it has.
    pub(crate) fn seals(&self) -> Result<Seals> {
        match self.is_object {
            // The file that stands for it is not what others have.
            true => Ok(Seals::NONE),
            false => seals_of(self.as_fd(), Op::Inspect),
        }
    }

    /// Adds seals, all or none, and sees to it that they are there.
    pub(crate) fn add_seals(&self, seals: Seals) -> Result<()> {
        add(self.as_fd(), seals)
    }

    /// Gives up writing and seals it for good; it is as it was if that fails.
    ///
    /// A writable mapping stands against the seal, this one's too. So it becomes one that does not,
    /// and comes back if another's stands against it.
    pub(crate) fn seal(&mut self) -> Result<()> {
        let _steady = fork::steady();
        let everything = CONSTANT | Seals::GROW | Seals::SEAL;
        check_known(everything)?;
        let os = |error| Error::os(Op::Seal, error);
        let window = Window {
            access: Access::ReadOnly,
            ..self.shape.window
        };
        let writer = file::reopen(self.as_fd(), Access::ReadWrite).map_err(os)?;
        let (reader, mapped) = memfd::reader(self.as_fd(), self.shape.window).map_err(os)?;
        // The kernel does not let go of what was mapped before the last one who knows it, so the
        // reader comes in the writer's place and not beside it.
        let reader = User::map(reader, mapped).map_err(os)?;
        let before = std::mem::replace(&mut self.user, reader);
        let again = before.unmap();
        match add(writer.as_fd(), everything) {
            Ok(()) => {
                self.shape.window = window;
                Ok(())
            }
            Err(error) => {
                match User::map(again, self.shape.window) {
                    Ok(user) => self.user = user,
                    // There is no address space any more; then it can only be read.
                    Err(_) => self.shape.window = window,
                }
                Err(error)
            }
        }
    }
}

/// Refuses a file that lacks one of these seals.
pub(super) fn demand(fd: impl AsFd, demanded: Seals, op: Op) -> Result<()> {
    if demanded.is_empty() {
        return Ok(());
    }
    let missing = demanded.without(seals_of(fd, op)?);
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::new(op, ErrorKind::Sealed)
            .detail(format!("seals that were demanded are missing: {missing}"))
            .hint("whoever made it must add them, or is not to be trusted")),
    }
}

fn seals_of(fd: impl AsFd, op: Op) -> Result<Seals> {
    match memfd::seals(fd.as_fd()) {
        Ok(bits) => Ok(Seals::from_bits(bits)),
        Err(error) => Err(Error::os(op, error)),
    }
}

/// Refuses seals that this system does not have.
fn check_known(seals: Seals) -> Result<()> {
    let here = Seals::from_bits(memfd::SEALS);
    let missing = seals.without(here);
    if missing.is_empty() {
        return Ok(());
    }
    let error = Error::new(Op::Seal, ErrorKind::Unsupported)
        .detail(format!("this system does not have the seals {missing}"));
    Err(match here.is_empty() {
        true => error.hint("it has none at all; a file that has a name can be sent read-only"),
        false => error.hint(format!("it has {here}")),
    })
}

fn add(fd: impl AsFd, seals: Seals) -> Result<()> {
    let op = Op::Seal;
    check_known(seals)?;
    if let Err(error) = memfd::add_seals(fd.as_fd(), seals.bits()) {
        return Err(explain(error, seals_of(&fd, op)?, op));
    }
    demand(fd, seals, op)
}

fn explain(cause: io::Error, has: Seals, op: Op) -> Error {
    let error = |cause| Error::os(op, cause);
    let takes_none = |cause| {
        error(cause)
            .detail("it takes no seals")
            .hint("memfds take seals; files and named segments do not")
            .with_kind(ErrorKind::Unsupported)
    };
    match cause.raw_os_error() {
        Some(libc::EBUSY) => error(cause)
            .detail("somebody has it mapped for writing")
            .hint("this handle itself, unless it is given up by `seal`; or another process")
            .with_kind(ErrorKind::InUse),
        // Files in memory are born so.
        Some(libc::EPERM) if has == Seals::SEAL => takes_none(cause),
        Some(libc::EPERM) => error(cause)
            .detail("it is sealed against more seals, or attached read-only")
            .with_kind(ErrorKind::Sealed),
        Some(libc::EINVAL) => takes_none(cause),
        _ => error(cause),
    }
}
