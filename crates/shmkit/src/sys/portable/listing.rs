//! What exists: the names in a directory, with their age.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirEntryExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};

use crate::sys::file::Status;

/// The names in a directory with their inodes, in no order; `.` and `..` are not among them.
pub(crate) fn names_in(directory: impl AsRef<Path>) -> io::Result<Vec<(OsString, u64)>> {
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.ino())))
        .collect()
}

/// What one look at a file tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) status: Status,
    /// The bytes that the file system has given it.
    pub(crate) blocks: u64,
    /// When it was made, if the file system remembers it.
    pub(crate) born: Option<SystemTime>,
}

/// A directory whose files are asked about one after the other.
pub(crate) fn open_directory(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path.as_ref(), flags, Mode::empty())?)
}

/// Asks about a name in a directory; a symbolic link is itself.
pub(crate) fn look_in(directory: &OwnedFd, name: &OsStr) -> io::Result<Look> {
    look(directory, Path::new(name), AtFlags::SYMLINK_NOFOLLOW)
}

/// Asks about a path; a symbolic link at its end is itself.
pub(crate) fn look_at(path: &Path) -> io::Result<Look> {
    look(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
}

/// Asks about what a path leads to.
pub(crate) fn look_through(path: &Path) -> io::Result<Look> {
    look(CWD, path, AtFlags::empty())
}

fn look(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Look> {
    let stat = rustix::fs::statat(directory, path, flags)?;
    Ok(Look {
        status: stat.into(),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        born: birth(&stat),
    })
}

#[cfg(not(target_os = "linux"))]
fn birth(stat: &Stat) -> Option<SystemTime> {
    let seconds = u64::try_from(stat.st_birthtime).ok()?;
    Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// Linux tells it by another call.
#[cfg(target_os = "linux")]
fn birth(_: &Stat) -> Option<SystemTime> {
    None
}
