//! Segments for children.
#![expect(unsafe_code, reason = "pre_exec, and descriptors by number")]

use std::collections::HashSet;
use std::env;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::message::{Called, Description};
use super::transfer::Parcel;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::segment::SharedMemory;
use crate::sys::{file, socket};

/// Gives segments to the children that a [`Command`] starts.
///
/// ```
/// use std::process::Command;
///
/// use shmkit::os::handover::CommandExt;
/// use shmkit::{Access, SharedMemory};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if cfg!(target_os = "linux") {
/// let text = SharedMemory::options().memfd_from("text", &b"hello"[..])?;
/// let output = Command::new("sh")
///     .args(["-c", "cat /proc/self/fd/${TEXT%% *}"])
///     .hand_over("TEXT", &text, Access::ReadOnly)?
///     .output()?;
/// assert_eq!(output.stdout, b"hello");
/// # }
/// # Ok(()) }
/// ```
pub trait CommandExt {
    /// Lets the child inherit the segment, with this access and no more. The environment variable
    /// tells it the number of the descriptor, and after a space what the segment is called; a child
    /// that uses shmkit calls [`inherited`].
    ///
    /// Other children of this process do not get it: it is closed on exec everywhere else.
    ///
    /// # Errors
    /// As [`SharedMemory::to_fd`].
    fn hand_over(
        &mut self,
        variable: impl AsRef<OsStr>,
        segment: &SharedMemory,
        access: Access,
    ) -> Result<&mut Self>;
}

impl CommandExt for Command {
    fn hand_over(
        &mut self,
        variable: impl AsRef<OsStr>,
        segment: &SharedMemory,
        access: Access,
    ) -> Result<&mut Self> {
        let fd = segment.to_fd(access)?;
        let value = format!("{} {}", fd.as_raw_fd(), segment.name());
        self.env(variable, value.replace('\0', "?"));
        let prepare = move || socket::let_through_exec(&fd);
        // SAFETY: between fork and exec the closure does one system call and allocates nothing.
        // It owns the descriptor, so that this is open for as long as the command may be started.
        Ok(unsafe { self.pre_exec(prepare) })
    }
}

/// The segment that the parent handed over in an environment variable. Each can be taken once.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) if the variable is not set;
/// [`BadMessage`](ErrorKind::BadMessage) if it does not begin with the number of a descriptor that
/// is open; [`InUse`](ErrorKind::InUse) if it was taken before.
pub fn inherited(variable: impl AsRef<OsStr>) -> Result<Parcel> {
    static TAKEN: Mutex<Option<HashSet<RawFd>>> = Mutex::new(None);
    let name = variable.as_ref().to_string_lossy().into_owned();
    let error = |kind| Error::new(Op::Receive, kind).on(format!("${name}"));
    let value = env::var(variable.as_ref()).map_err(|_| {
        error(ErrorKind::NotFound).detail("the parent has handed over nothing by that name")
    })?;
    let (number, called) = value.split_once(' ').unwrap_or((&value, ""));
    let bad = || {
        error(ErrorKind::BadMessage).detail(format!(
            "{} is not the number of a descriptor that was handed over",
            value.escape_debug()
        ))
    };
    // Those are everybody's.
    let number: RawFd = number.parse().ok().filter(|&n| n > 2).ok_or_else(bad)?;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !taken.get_or_insert_default().insert(number) {
        return Err(error(ErrorKind::InUse).detail("it was taken before"));
    }
    // SAFETY: the parent made it for this purpose, and said so in the environment; it is taken
    // once.
    let fd = unsafe { socket::inherit(number) }.map_err(|cause| bad().because(cause))?;
    let status = file::status(&fd).map_err(|cause| bad().because(cause))?;
    let access =
        file::access_of(std::os::fd::AsFd::as_fd(&fd)).map_err(|cause| bad().because(cause))?;
    let called = match called.split_once(':') {
        Some(("memfd", name)) => Called::Name(name.to_owned()),
        Some(("file", path)) => Called::Path(path.to_owned()),
        Some(_) => Called::Key(called.to_owned()),
        None => Called::Name(called.to_owned()),
    };
    let description = Description {
        called,
        access,
        size: status.size,
        seals: crate::Seals::NONE,
    };
    Ok(Parcel::of_fd(fd, description))
}
