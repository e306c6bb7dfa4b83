//! From what the kernel said to what a person can act on.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::backend::{bytes, user_name};
use crate::error::{Error, ErrorKind, Op};
use crate::sys::file::{self, Kind, MEMORY_DIRECTORY};

/// A name that leads to something we must not use. Travels inside an `io::Error` until the key is
/// known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Squatted {
    /// A file of this user.
    Owner(u32),
    By(&'static str),
    /// An empty file: its creator is at work, or died before it had set the size.
    Empty,
}

impl Squatted {
    pub(super) fn by(kind: Kind) -> Self {
        Self::By(match kind {
            Kind::Regular => "a regular file",
            Kind::Directory => "a directory",
            Kind::SymbolicLink => "a symbolic link",
            Kind::Other => "a device, FIFO or socket",
        })
    }
}

impl fmt::Display for Squatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(f, "it belongs to {}, not to you", user_name(*user)),
            Self::By(what) => write!(f, "the name is taken by {what}"),
            Self::Empty => f.write_str("it is an empty file, whose creator died half-way"),
        }
    }
}

impl std::error::Error for Squatted {}

impl From<Squatted> for io::Error {
    fn from(squatted: Squatted) -> Self {
        Self::other(squatted)
    }
}

/// Says why `path` could not be used.
pub(super) fn explain(cause: io::Error, path: &str, op: Op) -> Error {
    if let Some(&squatted) = cause
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Squatted>())
    {
        return explain_squatted(squatted, path, op);
    }
    match Errno::from_io_error(&cause) {
        Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
            let kind = file::status_of_name(path).map_or(Kind::Other, |status| status.kind);
            explain_squatted(Squatted::by(kind), path, op).because(cause)
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            let error = Error::os(op, cause);
            match file::status_of_name(path) {
                Ok(status) => {
                    let owner = user_name(status.owner);
                    let mode = status.mode & 0o777;
                    error.detail(format!(
                        "permission denied: {path} belongs to {owner}, mode {mode:04o}"
                    ))
                }
                Err(_) => error.detail(format!("permission denied at {path}")),
            }
        }
        Some(Errno::MFILE) => Error::os(op, cause)
            .detail("this process has no file descriptors left")
            .hint("raise its limit (`ulimit -n`) or close what it no longer needs")
            .with_kind(ErrorKind::OutOfResources),
        Some(Errno::NFILE) => Error::os(op, cause)
            .detail("the system has no file descriptors left")
            .with_kind(ErrorKind::OutOfResources),
        Some(Errno::WOULDBLOCK) => Error::os(op, cause)
            .detail(format!(
                "another process has kept {path} under a lease for two seconds"
            ))
            .hint("a stopped process of its owner holds it; continue or end that one")
            .with_kind(ErrorKind::TimedOut),
        Some(Errno::NOENT) if !file::is_directory(MEMORY_DIRECTORY) => Error::os(op, cause)
            .detail(format!("{MEMORY_DIRECTORY} does not exist"))
            .hint(format!("mount it: mount -t tmpfs tmpfs {MEMORY_DIRECTORY}"))
            .with_kind(ErrorKind::Unsupported),
        Some(Errno::NOSPC) => explain_full(cause, None, op),
        Some(Errno::NOMEM) => Error::os(op, cause)
            .detail("the system or this process has no memory or address space left")
            .hint("see `ulimit -v`, the container's memory limit and `free -m`")
            .with_kind(ErrorKind::OutOfSpace),
        _ => Error::os(op, cause),
    }
}

fn explain_squatted(squatted: Squatted, path: &str, op: Op) -> Error {
    let kind = match squatted {
        Squatted::Owner(_) => ErrorKind::ForeignOwner,
        Squatted::By(_) | Squatted::Empty => ErrorKind::NotASegment,
    };
    let hint = match squatted {
        Squatted::Owner(_) => "accept that owner in the options if you trust it".to_owned(),
        _ => format!("look at {path} and remove it if nobody needs it"),
    };
    Error::new(op, kind).detail(squatted.to_string()).hint(hint)
}

/// Says why a segment of `size` bytes found no room.
pub(super) fn explain_size(
    cause: io::Error,
    fd: Option<BorrowedFd<'_>>,
    size: u64,
    op: Op,
) -> Error {
    match Errno::from_io_error(&cause) {
        Some(Errno::NOSPC) => explain_full(cause, fd.map(|fd| (fd, size)), op),
        Some(Errno::FBIG | Errno::INVAL | Errno::OVERFLOW) => Error::os(op, cause)
            .detail(format!(
                "{} is more than the system or `ulimit -f` allows",
                bytes(size)
            ))
            .with_kind(ErrorKind::InvalidSize),
        Some(Errno::NOMEM) => Error::os(op, cause)
            .detail(format!("no memory or address space for {}", bytes(size)))
            .hint("see `ulimit -v`, the container's memory limit and `free -m`")
            .with_kind(ErrorKind::OutOfSpace),
        _ => explain(cause, MEMORY_DIRECTORY, op),
    }
}

fn explain_full(cause: io::Error, wanted: Option<(BorrowedFd<'_>, u64)>, op: Op) -> Error {
    let space = match wanted {
        Some((fd, _)) => file::room_of(fd).ok(),
        None => None,
    };
    let needs = wanted
        .map(|(_, size)| format!("it needs {}, ", bytes(size)))
        .unwrap_or_default();
    let room = space.map_or_else(String::new, |space| {
        format!(
            "{} of {} are free",
            bytes(space.available),
            bytes(space.total)
        )
    });
    Error::os(op, cause)
        .detail(format!("{MEMORY_DIRECTORY} has no room: {needs}{room}"))
        .hint(format!(
            "free some (`shmkit ls`), or raise it: `mount -o remount,size=SIZE {MEMORY_DIRECTORY}`, \
             in a container `--shm-size=SIZE`"
        ))
        .with_kind(ErrorKind::OutOfSpace)
}
