//! What exists: the names in a directory, with their age, and the kernel's table of System V
//! segments.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
#[cfg(not(target_os = "android"))]
use rustix::fs::{StatxFlags, StatxTimestamp};

use crate::sys::file::Status;
#[cfg(not(target_os = "android"))]
use crate::sys::file::{FileId, Kind};
use crate::sys::system_v_entry::{SystemVSegment, SystemVSet};

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

/// Android ends a program for statx(2) before Android 11, and the older call tells no time of birth.
#[cfg(target_os = "android")]
fn look(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Look> {
    let stat = rustix::fs::statat(directory, path, flags)?;
    Ok(Look {
        status: stat.into(),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        born: None,
    })
}

#[cfg(not(target_os = "android"))]
fn look(directory: impl AsFd, path: &Path, flags: AtFlags) -> io::Result<Look> {
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

#[cfg(not(target_os = "android"))]
fn time(stamp: &StatxTimestamp) -> Option<SystemTime> {
    let since = Duration::new(stamp.tv_sec.try_into().ok()?, stamp.tv_nsec);
    Some(UNIX_EPOCH + since)
}

/// All System V segments of this IPC namespace, also those that this user may not look into.
pub(crate) fn system_v_segments() -> io::Result<Vec<SystemVSegment>> {
    match fs::read_to_string("/proc/sysvipc/shm") {
        Ok(table) => Ok(table.lines().skip(1).filter_map(parse).collect()),
        // A kernel without System V segments has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// All sets of System V semaphores of this IPC namespace.
pub(crate) fn system_v_sets() -> io::Result<Vec<SystemVSet>> {
    match fs::read_to_string("/proc/sysvipc/sem") {
        Ok(table) => Ok(table.lines().skip(1).filter_map(parse_set).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The columns: key, id, perms, nsems, uid, gid, cuid, cgid, otime, ctime
fn parse_set(line: &str) -> Option<SystemVSet> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |column: usize| words.get(column)?.parse::<u64>().ok();
    Some(SystemVSet {
        ipc_key: words.first()?.parse().ok()?,
        count: number(3)?,
        owner: number(4)?.try_into().ok()?,
        changed: number(9).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    })
}

/// The IPC keys of all System V segments and sets of semaphores of this namespace.
pub(crate) fn system_v_keys() -> io::Result<Vec<i32>> {
    let segments = system_v_segments()?.into_iter();
    let sets = system_v_sets()?.into_iter();
    Ok(segments
        .map(|segment| segment.ipc_key)
        .chain(sets.map(|set| set.ipc_key))
        .collect())
}

/// The columns: key, id, perms, size, cpid, lpid, nattch, uid, gid, cuid, cgid, atime, dtime,
/// ctime, rss, swap
fn parse(line: &str) -> Option<SystemVSegment> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |column: usize| words.get(column)?.parse::<u64>().ok();
    let changed = number(13).filter(|&seconds| seconds != 0);
    Some(SystemVSegment {
        ipc_key: words.first()?.parse().ok()?,
        id: words.get(1)?.parse().ok()?,
        mode: u32::from_str_radix(words.get(2)?, 8).ok()?,
        size: number(3)?,
        resident: number(14).zip(number(15)),
        attached: number(6)?,
        owner: number(7)?.try_into().ok()?,
        changed: changed.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line = "1359020211      32769  1600                  4096    77    78      2  1000  1000     0     0 1700000001          0 1700000000                  4096                     0";
        assert_eq!(
            parse(line),
            Some(SystemVSegment {
                ipc_key: 1359020211,
                id: 32769,
                mode: 0o1600,
                size: 4096,
                resident: Some((4096, 0)),
                attached: 2,
                owner: 1000,
                changed: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            })
        );
        assert_eq!(
            parse(" -2147483648 1 600 4096").map(|s| s.id),
            None,
            "short"
        );
        assert!(system_v_segments().is_ok());
    }

    #[test]
    fn the_kernels_table_of_semaphores_is_read() {
        let line =
            "1359020211          3   600          2     7     0     7     0          0 1700000000";
        assert_eq!(
            parse_set(line),
            Some(SystemVSet {
                ipc_key: 1_359_020_211,
                count: 2,
                owner: 7,
                changed: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            })
        );
        assert_eq!(parse_set(" 1 2 600"), None);
        assert!(system_v_sets().is_ok());
    }

    #[test]
    fn a_directory_is_listed_with_inodes() {
        let names = names_in("/proc/self").unwrap();
        assert!(names.iter().any(|(name, _)| name == "maps"));
        assert!(!names.iter().any(|(name, _)| name == "." || name == ".."));
    }
}
