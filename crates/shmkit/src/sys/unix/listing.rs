//! What exists: the names in a directory, with their age.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};

use crate::sys::file::Status;

/// The names in a directory with their inodes, in no order; `.` and `..` are not among them.
pub(crate) fn names_in(directory: impl AsRef<Path>) -> io::Result<Vec<(OsString, u64)>> {
    let mut names = Vec::new();
    for entry in Dir::new(open_directory(directory)?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let name = OsStr::from_bytes(name).to_owned();
            names.push((name, entry.ino()));
        }
    }
    Ok(names)
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

/// Asks about what a path leads to, as those in `/proc/PID/fd` do that no name leads to.
pub(crate) fn look_through(path: &Path) -> io::Result<Look> {
    look(CWD, path, AtFlags::empty())
}

#[cfg(all(sys = "linux", not(target_os = "android")))]
fn look(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Look> {
    use rustix::fs::StatxFlags;

    use crate::sys::file::{FileId, Kind};

    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let statx = rustix::fs::statx(directory, path, flags, wanted)?;
    let knows_birth = statx.stx_mask & StatxFlags::BTIME.bits() != 0;
    let mode = statx.stx_mode.into();
    Ok(Look {
        status: Status {
            id: FileId {
                device: rustix::fs::makedev(statx.stx_dev_major, statx.stx_dev_minor),
                inode: statx.stx_ino,
            },
            kind: Kind::of(mode),
            size: statx.stx_size,
            owner: statx.stx_uid,
            mode: mode & 0o1777,
            links: statx.stx_nlink.into(),
            modified: statx.stx_mtime.tv_sec,
            block: statx.stx_blksize.into(),
        },
        blocks: statx.stx_blocks * 512,
        born: knows_birth.then(|| time(&statx.stx_btime)).flatten(),
    })
}

#[cfg(all(sys = "linux", not(target_os = "android")))]
fn time(stamp: &rustix::fs::StatxTimestamp) -> Option<SystemTime> {
    let since = std::time::Duration::new(stamp.tv_sec.try_into().ok()?, stamp.tv_nsec);
    Some(SystemTime::UNIX_EPOCH + since)
}

/// Android ends a program for statx(2) before Android 11, and others do not have it.
#[cfg(any(not(sys = "linux"), target_os = "android"))]
fn look(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Look> {
    let stat = rustix::fs::statat(directory, path, flags)?;
    Ok(Look {
        status: stat.into(),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        born: birth(&stat),
    })
}

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
fn birth(stat: &rustix::fs::Stat) -> Option<SystemTime> {
    let seconds = u64::try_from(stat.st_birthtime).ok()?;
    Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// Linux tells it by statx(2) only.
#[cfg(any(target_os = "android", all(target_os = "linux", not(sys = "linux"))))]
fn birth(_: &rustix::fs::Stat) -> Option<SystemTime> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_with_inodes() {
        let names = names_in("/proc/self").unwrap();
        assert!(names.iter().any(|(name, _)| name == "maps"));
        assert!(!names.iter().any(|(name, _)| name == "." || name == ".."));
    }
}
