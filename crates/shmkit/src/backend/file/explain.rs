//! From what the kernel said to what a person can act on.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::io::Errno;

use crate::backend::{bytes, user_name};
use crate::error::{Error, ErrorKind, Op};
use crate::sys::file::{self, Kind, MEMORY_DIRECTORY};

/// A name or a descriptor that leads to something that cannot be used. Travels inside an `io::Error` until the key is
/// known.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) enum Squatted {
    /// A file of this user.
    Owner(u32),
    By(&'static str),
    /// An empty file: its creator is at work, or died before it had set the size.
    Empty,
    /// It does not have the bytes that were asked for.
    Short {
        has: u64,
        needed: u64,
    },
    /// What was asked for is no byte at all.
    NoBytes,
}

impl Squatted {
    pub(in crate::backend) fn by(kind: Kind) -> Self {
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
            Self::Short { has, needed } => write!(
                f,
                "it has {has} bytes, and what was asked for reaches to {needed}"
            ),
            Self::NoBytes => f.write_str("the range has no bytes"),
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
pub(in crate::backend) fn explain(cause: io::Error, path: impl AsRef<Path>, op: Op) -> Error {
    let path = path.as_ref();
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
            let path_shown = path.display();
            match file::status_of_name(path) {
                Ok(status) => {
                    let owner = user_name(status.owner);
                    let mode = status.mode & 0o777;
                    error.detail(format!(
                        "permission denied: {path_shown} belongs to {owner}, mode {mode:04o}"
                    ))
                }
                Err(_) => error.detail(format!("permission denied at {path_shown}")),
            }
        }
        Some(Errno::ROFS) => Error::os(op, cause)
            .detail(format!(
                "{} lies on a read-only file system",
                path.display()
            ))
            .with_kind(ErrorKind::PermissionDenied),
        Some(Errno::MFILE) => Error::os(op, cause)
            .detail("this process has no file descriptors left")
            .hint("raise its limit (`ulimit -n`) or close what it no longer needs")
            .with_kind(ErrorKind::OutOfResources),
        Some(Errno::NFILE) => Error::os(op, cause)
            .detail("the system has no file descriptors left")
            .with_kind(ErrorKind::OutOfResources),
        Some(Errno::WOULDBLOCK) => Error::os(op, cause)
            .detail(format!(
                "another process has kept {} under a lease for two seconds",
                path.display()
            ))
            .hint("a stopped process of its owner holds it; continue or end that one")
            .with_kind(ErrorKind::TimedOut),
        Some(Errno::NOENT | Errno::NOTDIR) => explain_missing(cause, path, op),
        Some(Errno::NOSPC | Errno::DQUOT) => explain_full(cause, path, None, op),
        Some(Errno::NOMEM) => Error::os(op, cause)
            .detail("the system or this process has no memory or address space left")
            .hint("see `ulimit -v`, the container's memory limit and `free -m`")
            .with_kind(ErrorKind::OutOfSpace),
        Some(Errno::NODEV) => Error::os(op, cause)
            .detail("the file system cannot map files into memory")
            .with_kind(ErrorKind::Unsupported),
        _ => Error::os(op, cause),
    }
}

/// It is the directory that is missing, or the file.
fn explain_missing(cause: io::Error, path: &Path, op: Op) -> Error {
    let directory = match path {
        path if path == Path::new(MEMORY_DIRECTORY) => path,
        path => path.parent().unwrap_or(path),
    };
    if directory.as_os_str().is_empty() || file::is_directory(directory) {
        return Error::os(op, cause);
    }
    let error = Error::os(op, cause).detail(format!("{} does not exist", directory.display()));
    match directory == Path::new(MEMORY_DIRECTORY) {
        true => error
            .hint(format!("mount it: mount -t tmpfs tmpfs {MEMORY_DIRECTORY}"))
            .with_kind(ErrorKind::Unsupported),
        false => error
            .hint("create the directory first")
            .with_kind(ErrorKind::NotFound),
    }
}

fn explain_squatted(squatted: Squatted, path: &Path, op: Op) -> Error {
    let kind = match squatted {
        Squatted::Owner(_) => ErrorKind::ForeignOwner,
        Squatted::By(_) | Squatted::Empty => ErrorKind::NotASegment,
        Squatted::Short { .. } => ErrorKind::OutOfBounds,
        Squatted::NoBytes => ErrorKind::InvalidSize,
    };
    let hint = match squatted {
        Squatted::Owner(_) => "accept that owner in the options if you trust it".to_owned(),
        Squatted::Short { .. } => "ask for a smaller range, or let it grow first".to_owned(),
        Squatted::NoBytes => "a segment has 1 to isize::MAX bytes".to_owned(),
        Squatted::By("a symbolic link") => {
            "use the path that it leads to, if you trust whoever made the link".to_owned()
        }
        _ => format!(
            "look at {} and remove it if nobody needs it",
            path.display()
        ),
    };
    Error::new(op, kind).detail(squatted.to_string()).hint(hint)
}

/// Says why a segment of `size` bytes found no room in `place`.
pub(in crate::backend) fn explain_size(
    cause: io::Error,
    place: impl AsRef<Path>,
    fd: Option<BorrowedFd<'_>>,
    size: u64,
    op: Op,
) -> Error {
    match Errno::from_io_error(&cause) {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            explain_full(cause, place.as_ref(), fd.map(|fd| (fd, size)), op)
        }
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
        _ => explain(cause, place, op),
    }
}

fn explain_full(
    cause: io::Error,
    place: &Path,
    wanted: Option<(BorrowedFd<'_>, u64)>,
    op: Op,
) -> Error {
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
    let hint = match place.starts_with(MEMORY_DIRECTORY) {
        true => format!(
            "free some (`shmkit ls`), or raise it: `mount -o remount,size=SIZE {MEMORY_DIRECTORY}`, \
             in a container `--shm-size=SIZE`"
        ),
        false => "free some, or choose another place".to_owned(),
    };
    Error::os(op, cause)
        .detail(format!("{} has no room: {needs}{room}", place.display()))
        .hint(hint)
        .with_kind(ErrorKind::OutOfSpace)
}
