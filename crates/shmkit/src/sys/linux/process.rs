//! Which processes use a file or a System V segment, as `/proc` tells it (proc(5)). Good for
//! telling people, and for a proof only when the answer says that it is complete.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};

use super::file::FileId;

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
    let mut found = Vec::new();
    let complete = each_process(|process| {
        found.extend(look_at(process, file)?);
        Ok(())
    })?;
    Ok(Holders { found, complete })
}

/// What is mapped into processes: a file, or a System V segment by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mapped {
    File(FileId),
    SystemV(i32),
}

/// What all processes have mapped.
#[derive(Debug)]
pub(crate) struct Mappings {
    /// Descriptors and locks are not looked for.
    pub(crate) by: HashMap<Mapped, Vec<Holder>>,
    /// As in [`Holders`].
    pub(crate) complete: bool,
}

impl Mappings {
    /// Who has it mapped.
    pub(crate) fn of(&self, what: Mapped) -> &[Holder] {
        self.by.get(&what).map_or(&[], Vec::as_slice)
    }
}

/// Looks once through all processes for who has mapped a System V segment, or a file on `device`.
pub(crate) fn mappings_on(device: u64) -> io::Result<Mappings> {
    let mut by: HashMap<Mapped, Vec<Holder>> = HashMap::new();
    let here = ipc_namespace("self");
    let mut maps = Vec::new();
    let complete = each_process(|process| {
        process.read("maps", &mut maps)?;
        let mut found: HashMap<Mapped, Holder> = HashMap::new();
        for mapping in maps.split(|&byte| byte == b'\n').filter_map(Mapping::parse) {
            let what = mapping.what();
            if matches!(what, Mapped::SystemV(_)) || mapping.file.device == device {
                found.entry(what).or_default().add(&mapping);
            }
        }
        // The ids of System V segments mean something else in another namespace.
        if found.keys().any(|what| matches!(what, Mapped::SystemV(_)))
            && ipc_namespace(process.pid) != here
        {
            found.retain(|what, _| matches!(what, Mapped::File(_)));
        }
        if found.is_empty() {
            return Ok(());
        }
        let program = program(process.pid).unwrap_or_default();
        for (what, mut holder) in found {
            holder.pid = process.pid;
            holder.program.clone_from(&program);
            by.entry(what).or_default().push(holder);
        }
        Ok(())
    })?;
    Ok(Mappings { by, complete })
}

impl Holder {
    fn add(&mut self, mapping: &Mapping) {
        self.mappings += 1;
        self.attached += u64::from(mapping.offset == 0 || self.attached == 0);
        self.writes |= mapping.writes;
    }
}

fn ipc_namespace(pid: impl std::fmt::Display) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/ipc")).ok()
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

    /// Reads all of one of its files; the buffer is there to be used again.
    fn read(&self, name: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        // Without room a small read would find out how much there is.
        buffer.reserve(1 << 16);
        fs::File::open(self.path(name))?
            .read_to_end(buffer)
            .map(drop)
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
    maps.split(|&byte| byte == b'\n')
        .filter_map(Mapping::parse)
        .filter(|mapping| mapping.file == file)
        .for_each(|mapping| holder.add(&mapping));
    (holder.descriptors, holder.locks) = count_descriptors(process, file)?;
    if holder.mappings == 0 && holder.descriptors == 0 {
        return Ok(None);
    }
    holder.pid = process.pid;
    holder.program = program(process.pid).unwrap_or_default();
    Ok(Some(holder))
}

/// A line of `/proc/PID/maps`.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    file: FileId,
    offset: u64,
    writes: bool,
    is_system_v: bool,
}

impl Mapping {
    /// Reads `7f00-7f01 rw-s 00000000 00:1a 12  /dev/shm/cam0`; `None` if nothing lies behind it.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.splitn(6, |&byte| byte == b' ');
        let mut text = || str::from_utf8(words.next()?).ok();
        let (_, permissions, offset) = (text()?, text()?, text()?);
        let (major, minor) = text()?.split_once(':')?;
        let inode = text()?.parse().ok().filter(|&inode| inode != 0)?;
        let hex = |digits| u32::from_str_radix(digits, 16).ok();
        let path = words.next().unwrap_or_default().trim_ascii_start();
        Some(Self {
            file: FileId {
                device: rustix::fs::makedev(hex(major)?, hex(minor)?),
                inode,
            },
            offset: u64::from_str_radix(offset, 16).ok()?,
            writes: permissions.as_bytes().get(1) == Some(&b'w'),
            is_system_v: path.starts_with(b"/SYSV") && path.ends_with(b" (deleted)"),
        })
    }

    /// The kernel shows a System V segment as a removed file whose inode is the segment's id.
    fn what(&self) -> Mapped {
        match i32::try_from(self.file.inode) {
            Ok(id) if self.is_system_v => Mapped::SystemV(id),
            _ => Mapped::File(self.file),
        }
    }
}

fn count_descriptors(process: &Process, file: FileId) -> io::Result<(usize, Vec<u64>)> {
    let mut count = 0;
    let mut locks = Vec::new();
    for entry in fs::read_dir(process.path("fd"))? {
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
            let info = process.path(&format!("fdinfo/{}", entry.file_name().display()));
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
    fn mappings_are_read_from_maps() {
        let file = |minor, inode| FileId {
            device: rustix::fs::makedev(0, minor),
            inode,
        };
        let read = |line: &str| Mapping::parse(line.as_bytes());
        let segment = "7f0c6a000000-7f0c6a001000 rw-s 00002000 00:1a 12          /dev/shm/a b\nc";
        assert_eq!(
            read(segment),
            Some(Mapping {
                file: file(0x1a, 12),
                offset: 0x2000,
                writes: true,
                is_system_v: false,
            })
        );
        let system_v = "7f00-7f01 r--s 00000000 00:01 32769       /SYSV5101a2b3 (deleted)";
        let system_v = read(system_v).unwrap();
        assert_eq!(system_v.what(), Mapped::SystemV(32769));
        assert!(!system_v.writes);
        let memfd = read("7f00-7f01 rw-s 00000000 00:01 32769       /memfd:x (deleted)").unwrap();
        assert_eq!(memfd.what(), Mapped::File(file(1, 32769)));
        assert_eq!(read("7ffc-7ffd rw-p 00000000 00:00 0        [stack]"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn one_look_finds_who_maps_what() {
        // Every program has its own file mapped.
        let status = super::super::file::status_of_path("/proc/self/exe").unwrap();
        let me = std::process::id();
        let mappings = mappings_on(status.id.device).unwrap();
        let users = mappings.of(Mapped::File(status.id));
        let found = users.iter().find(|user| user.pid == me).unwrap();
        assert!(found.attached >= 1);
        assert_eq!(found.program, program(me).unwrap());
        let holders = holders_of(status.id).unwrap().found;
        assert!(holders.iter().any(|holder| holder.pid == me));
    }
}
