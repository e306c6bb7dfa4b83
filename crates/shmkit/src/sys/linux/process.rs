//! Which processes use a file or a System V segment, as `/proc` tells it (proc(5)). Good for
//! telling people, and for a proof only when the answer says that it is complete.

use std::fs;
use std::io::{self, Read as _};

use super::maps::{Mapping, lines};
use crate::mapping::Access;
use crate::sys::file::FileId;

/// A process that has a file open or mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The name of the program, at most 15 bytes (`/proc/PID/comm`).
    pub(crate) program: String,
    pub(crate) mappings: usize,
    /// How often it is attached: mappings that start at the beginning, and at least one if there
    /// are others (one mapping may fall into parts with rights of their own).
    pub(crate) attached: u64,
    /// Whether one of the mappings may be written to.
    pub(crate) writes: bool,
    pub(crate) descriptors: usize,
    /// What the descriptors are open for.
    pub(crate) opened: Option<Access>,
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
pub(super) const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Looks through all processes for those that have the file open or mapped.
pub(crate) fn holders_of(file: FileId) -> io::Result<Holders> {
    let mut found = Vec::new();
    let complete = each_process(|process| {
        found.extend(look_at(process, file)?);
        Ok(())
    })?;
    Ok(Holders { found, complete })
}

/// How one process has the file; `None` if it has not.
pub(crate) fn holder_with_pid(pid: u32, file: FileId) -> io::Result<Option<Holder>> {
    look_at(&Process::new(pid)?, file)
}

impl Holder {
    fn add(&mut self, mapping: &Mapping<'_>) {
        self.mappings += 1;
        self.attached += u64::from(mapping.offset == 0 || self.attached == 0);
        self.writes |= mapping.writes;
    }
}

/// The processes that can be seen from here.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

/// The name of a process's program; `None` if it ended.
pub(crate) fn program(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Looks at all processes; says whether none can have been overlooked.
fn each_process(mut look: impl FnMut(&Process) -> io::Result<()>) -> io::Result<bool> {
    let mut complete = fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|namespace| namespace.as_os_str() == FIRST_PID_NAMESPACE);
    // `/proc` may be mounted so that it hides other users' processes (`hidepid`), this one first.
    let mut saw_init = false;
    for pid in pids()? {
        saw_init |= pid == 1;
        match Process::new(pid).and_then(|process| look(&process)) {
            Ok(()) => {}
            // It ended while we looked.
            Err(error) if is_gone(&error) => {}
            // Hardened systems hide it even from root. It starts programs, and is none that
            // shares memory with them.
            Err(_) if pid == 1 => {}
            Err(_) => complete = false,
        }
    }
    Ok(complete && saw_init)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// A process, seen through one of its threads that lives.
struct Process {
    pid: u32,
    directory: String,
}

impl Process {
    fn new(pid: u32) -> io::Result<Self> {
        let directory = format!("/proc/{pid}");
        if !is_zombie(&directory)? {
            return Ok(Self { pid, directory });
        }
        // The first thread may end before the others, and then shows nothing of what they have.
        for thread in fs::read_dir(format!("{directory}/task"))? {
            let directory = thread?.path().display().to_string();
            if is_zombie(&directory).is_ok_and(|zombie| !zombie) {
                return Ok(Self { pid, directory });
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }
}

/// Whether a thread has ended and only waits to be noticed. `stat` looks like `7 (name) Z 1 ...`,
/// and the name may have parentheses of its own.
fn is_zombie(directory: &str) -> io::Result<bool> {
    // Longer than any number and name; the rest does not matter.
    let mut buffer = [0; 128];
    let read = fs::File::open(format!("{directory}/stat"))?.read(&mut buffer)?;
    let stat = &buffer[..read];
    let end = stat.iter().rposition(|&byte| byte == b')');
    let state = end.and_then(|end| stat.get(end + 2));
    Ok(matches!(state, Some(b'Z' | b'X')))
}

fn look_at(process: &Process, file: FileId) -> io::Result<Option<Holder>> {
    let maps = fs::read(process.path("maps"))?;
    let mut holder = Holder::default();
    lines(&maps)
        .filter_map(Mapping::parse)
        // The number of a System V segment may be that of a memfd.
        .filter(|mapping| mapping.file == file && mapping.system_v().is_none())
        .for_each(|mapping| holder.add(&mapping));
    look_at_descriptors(process, file, &mut holder)?;
    if holder.mappings == 0 && holder.descriptors == 0 {
        return Ok(None);
    }
    holder.pid = process.pid;
    holder.program = program(process.pid).unwrap_or_default();
    Ok(Some(holder))
}

/// Notes which of the process's descriptors are of the file.
fn look_at_descriptors(process: &Process, file: FileId, holder: &mut Holder) -> io::Result<()> {
    for entry in fs::read_dir(process.path("fd"))? {
        let entry = entry?;
        let Ok(stat) = rustix::fs::stat(entry.path()) else {
            continue;
        };
        if (FileId {
            device: stat.st_dev as _,
            inode: stat.st_ino as _,
        }) != file
        {
            continue;
        }
        holder.descriptors += 1;
        let info = process.path(&format!("fdinfo/{}", entry.file_name().display()));
        let info = fs::read_to_string(info).unwrap_or_default();
        holder.locks.extend(lock_starts(&info));
        holder.opened = match (holder.opened, opened(&info)) {
            (Some(Access::ReadWrite), _) => Some(Access::ReadWrite),
            (before, now) => now.or(before),
        };
    }
    Ok(())
}

/// What a descriptor is open for, by the line of its fdinfo file that looks like
/// `flags:  02100002`.
fn opened(info: &str) -> Option<Access> {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = u32::from_str_radix(flags.trim_start(), 8).ok()?;
    match flags as i32 & libc::O_ACCMODE {
        libc::O_RDONLY => Some(Access::ReadOnly),
        _ => Some(Access::ReadWrite),
    }
}

/// The first bytes of the locks in an fdinfo file, whose lines look like
/// `lock: 1: OFDLCK  ADVISORY  WRITE -1 00:1a:5 100 100`.
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

    #[test]
    fn a_descriptor_is_open_for_something() {
        let access = |flags: &str| opened(&format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t1\n"));
        assert_eq!(access("02100002"), Some(Access::ReadWrite));
        assert_eq!(access("0100001"), Some(Access::ReadWrite));
        assert_eq!(access("0100000"), Some(Access::ReadOnly));
        assert_eq!(opened(""), None);
    }

    #[test]
    fn one_look_finds_who_has_what() {
        // Every program has its own file mapped.
        let status = crate::sys::file::status_of_path("/proc/self/exe").unwrap();
        let me = std::process::id();
        let holders = holders_of(status.id).unwrap().found;
        let this = holders.iter().find(|holder| holder.pid == me).unwrap();
        assert!(this.attached >= 1);
        assert_eq!(this.program, program(me).unwrap());
    }
}
