//! Which processes use a file, as `/proc` tells it (proc(5)). Good for telling people, and for a
//! proof only when the answer says that it is complete.

use std::fs;
use std::io;

use super::file::FileId;

/// A process that has a file open or mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The name of the program, at most 15 bytes (`/proc/PID/comm`).
    pub(crate) program: String,
    pub(crate) mappings: usize,
    pub(crate) descriptors: usize,
    /// Where the locks of its open file descriptions of this file begin.
    pub(crate) locks: Vec<u64>,
}

/// What a look at all processes found.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    pub(crate) found: Vec<Holder>,
    /// Whether nobody can have been overlooked: every process could be read, and this is the
    /// first PID namespace, which sees all others.
    pub(crate) complete: bool,
}

/// The inode of the first PID namespace, the same on every Linux.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Looks through all processes for those that have the file open or mapped.
pub(crate) fn holders_of(file: FileId) -> io::Result<Holders> {
    let in_first_namespace = fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|namespace| namespace.as_os_str() == FIRST_PID_NAMESPACE);
    let mut holders = Holders {
        found: Vec::new(),
        complete: in_first_namespace,
    };
    for pid in pids()? {
        match look_at(pid, file) {
            Ok(Some(holder)) => holders.found.push(holder),
            Ok(None) => {}
            // It ended while we looked.
            Err(error) if is_gone(&error) => {}
            Err(_) => holders.complete = false,
        }
    }
    Ok(holders)
}

/// The processes that can be seen from here.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// The name of a process's program; `None` if it ended.
pub(crate) fn program(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn look_at(pid: u32, file: FileId) -> io::Result<Option<Holder>> {
    let mappings = count_mappings(pid, file)?;
    let (descriptors, locks) = count_descriptors(pid, file)?;
    if mappings == 0 && descriptors == 0 {
        return Ok(None);
    }
    let program = program(pid).unwrap_or_default();
    Ok(Some(Holder {
        pid,
        program,
        mappings,
        descriptors,
        locks,
    }))
}

fn count_mappings(pid: u32, file: FileId) -> io::Result<usize> {
    let maps = fs::read(format!("/proc/{pid}/maps"))?;
    let (major, minor) = (
        rustix::fs::major(file.device),
        rustix::fs::minor(file.device),
    );
    let file = format!(" {major:02x}:{minor:02x} {} ", file.inode);
    let is_of_file = |line: &&[u8]| line.windows(file.len()).any(|part| part == file.as_bytes());
    Ok(maps.split(|&byte| byte == b'\n').filter(is_of_file).count())
}

fn count_descriptors(pid: u32, file: FileId) -> io::Result<(usize, Vec<u64>)> {
    let mut count = 0;
    let mut locks = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let Ok(stat) = rustix::fs::stat(entry.path()) else {
            continue;
        };
        if (FileId {
            device: stat.st_dev as _,
            inode: stat.st_ino as _,
        }) == file
        {
            count += 1;
            let info = format!("/proc/{pid}/fdinfo/{}", entry.file_name().display());
            locks.extend(
                fs::read_to_string(info)
                    .iter()
                    .flat_map(|info| lock_starts(info)),
            );
        }
    }
    Ok((count, locks))
}

/// The first bytes of the locks in an fdinfo file, whose lines look like
/// `lock:	1: OFDLCK  ADVISORY  WRITE -1 00:1a:5 100 100`.
fn lock_starts(info: &str) -> impl Iterator<Item = u64> {
    info.lines()
        .filter_map(|line| line.strip_prefix("lock:"))
        .filter(|lock| lock.contains("OFDLCK"))
        .filter_map(|lock| lock.split_ascii_whitespace().nth_back(1)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_starts_are_read_from_fdinfo() {
        let info = "pos:\t0\nflags:\t02100002\nlock:\t1: OFDLCK  ADVISORY  WRITE -1 00:1a:5 100 100\n\
                    lock:\t2: POSIX  ADVISORY  WRITE 7 00:1a:5 3 9\n";
        assert_eq!(lock_starts(info).collect::<Vec<_>>(), [100]);
    }
}
