//! One look at all processes, for what memory they share: System V segments, files of the memory
//! file systems, memfds, shared mappings of other files.
//!
//! It reads each process's mappings and descriptors once and keeps only what is shared, so that it
//! takes little more time than the kernel needs to tell (proc(5)).

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, readlinkat_raw, statat};
use rustix::io::{Errno, read};
use rustix::path::DecInt;

use super::maps::{self, Mapping, SystemVName, lines, plain_path};
use super::process::{FIRST_PID_NAMESPACE, pids};
use crate::sys::file::{FileId, Kind, MEMORY_DIRECTORY, Status};

/// What processes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    File(FileId),
    /// A System V segment of an IPC namespace.
    SystemV {
        namespace: u64,
        id: i32,
    },
}

/// All that processes share, and who does.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) objects: HashMap<Object, Seen>,
    /// The names of the programs of all pids in there.
    pub(crate) programs: HashMap<u32, String>,
    /// The IPC namespace of this process.
    pub(crate) ipc_namespace: u64,
    /// Whether nobody can have been overlooked: every process could be read, and this is the
    /// first PID namespace, which sees all others.
    pub(crate) complete: bool,
}

/// Something that is shared, as processes have it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The path that the kernel shows for it.
    pub(crate) path: Vec<u8>,
    /// Its name is gone.
    pub(crate) removed: bool,
    /// The key of a System V segment.
    pub(crate) ipc_key: u32,
    /// The end of what is mapped of it, the farthest one.
    pub(crate) end: u64,
    /// Somebody maps it for writing and sharing.
    pub(crate) written: bool,
    /// A way to it.
    pub(crate) door: Door,
    /// Where a process has its first bytes, readable: the pid and the address.
    pub(crate) start: Option<(u32, u64)>,
    pub(crate) uses: Vec<Use>,
}

/// A process's mapping or descriptor, through which its file can be asked and opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Descriptor { pid: u32, number: u32 },
    Mapping { pid: u32, start: u64, end: u64 },
}

/// What a process has of something shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) pid: u32,
    pub(crate) mappings: u64,
    /// How often it is attached: mappings that start at the beginning, and at least one if there
    /// are others (one mapping may fall into parts with rights of their own).
    pub(crate) attached: u64,
    pub(crate) writes: bool,
    pub(crate) descriptors: u64,
}

impl Door {
    /// The path that leads there.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Descriptor { pid, number } => format!("/proc/{pid}/fd/{number}"),
            Self::Mapping { pid, start, end } => {
                format!("/proc/{pid}/map_files/{start:x}-{end:x}")
            }
        }
    }
}

impl Census {
    /// Who has it mapped or open.
    pub(crate) fn uses(&self, object: Object) -> &[Use] {
        self.objects.get(&object).map_or(&[], |seen| &seen.uses)
    }

    /// A System V segment of this IPC namespace.
    pub(crate) fn system_v(&self, id: i32) -> Object {
        Object::SystemV {
            namespace: self.ipc_namespace,
            id,
        }
    }
}

/// Looks at all processes. `device` is that of the memory file system, if there is one, of which
/// private mappings count, too.
pub(crate) fn take(device: Option<u64>) -> io::Result<Census> {
    let proc = open_directory(CWD, "/proc")?;
    let mut census = Census {
        objects: HashMap::new(),
        programs: HashMap::new(),
        ipc_namespace: namespace(&proc, "self/ns/ipc").unwrap_or_default(),
        complete: std::fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|namespace| namespace.as_os_str() == FIRST_PID_NAMESPACE),
    };
    let mut taker = Taker {
        device: device.map(device_text),
        maps: Vec::with_capacity(1 << 18),
        entries: Vec::with_capacity(1 << 15),
        mapped: Vec::new(),
    };
    // `/proc` may be mounted so that it hides other users' processes (`hidepid`), this one first.
    let mut saw_init = false;
    for pid in pids()? {
        saw_init |= pid == 1;
        match taker.look_at(&mut census, &proc, pid) {
            Ok(()) => {}
            // It ended while we looked.
            Err(Errno::NOENT | Errno::SRCH) => {}
            // Hardened systems hide it even from root. It starts programs, and is none that
            // shares memory with them.
            Err(_) if pid == 1 => {}
            Err(_) => census.complete = false,
        }
    }
    census.complete &= saw_init;
    Ok(census)
}

/// Buffers that are there to be used again.
struct Taker {
    /// The device as mappings show it, between spaces.
    device: Option<Vec<u8>>,
    maps: Vec<u8>,
    entries: Vec<u8>,
    /// What the process at hand has mapped: where the path lies in `maps`, and what it leads to.
    mapped: Vec<(Range<usize>, Object)>,
}

impl Taker {
    fn look_at(&mut self, census: &mut Census, proc: &OwnedFd, pid: u32) -> rustix::io::Result<()> {
        // All is read through this, so that another process of the same number is never mixed up.
        let process = open_directory(proc, DecInt::new(pid).as_c_str())?;
        match self.read_maps(&process, "maps") {
            // The kernel's own threads have no memory.
            Ok(()) if self.maps.is_empty() => self.look_at_threads(census, &process, pid),
            Err(Errno::SRCH) => self.look_at_threads(census, &process, pid),
            Ok(()) => self.note(census, &process, pid, "fd"),
            Err(error) => Err(error),
        }
    }

    /// The first thread may end before the others, and then shows nothing of what they have.
    #[cold]
    fn look_at_threads(
        &mut self,
        census: &mut Census,
        process: &OwnedFd,
        pid: u32,
    ) -> rustix::io::Result<()> {
        let mut threads = Vec::new();
        each_number(&open_directory(process, "task")?, &mut self.entries, |id| {
            threads.push(id);
        })?;
        for thread in threads.into_iter().filter(|&thread| thread != pid) {
            let maps = format!("task/{thread}/maps");
            if self.read_maps(process, &maps).is_ok() && !self.maps.is_empty() {
                return self.note(census, process, pid, &format!("task/{thread}/fd"));
            }
        }
        Ok(())
    }

    fn read_maps(&mut self, process: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        self.maps.clear();
        let file = openat(
            process,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        loop {
            if self.maps.capacity() - self.maps.len() < 1 << 12 {
                self.maps.reserve(1 << 18);
            }
            if read(&file, spare_capacity(&mut self.maps))? == 0 {
                return Ok(());
            }
        }
    }

    /// Notes what the process shares.
    fn note(
        &mut self,
        census: &mut Census,
        process: &OwnedFd,
        pid: u32,
        descriptors: &str,
    ) -> rustix::io::Result<()> {
        self.note_mappings(census, process, pid);
        let looked = self.note_descriptors(census, process, pid, descriptors);
        if !census.programs.contains_key(&pid) && !self.mapped.is_empty() {
            let name = program(process).unwrap_or_default();
            census.programs.insert(pid, name);
        }
        looked
    }

    fn note_mappings(&mut self, census: &mut Census, process: &OwnedFd, pid: u32) {
        self.mapped.clear();
        let mut ipc_namespace = None;
        for line in lines(&self.maps) {
            let is_here = || {
                self.device
                    .as_ref()
                    .is_some_and(|device| lies_on(line, device))
            };
            if !maps::is_shared(line) && !is_here() {
                continue;
            }
            let Some(mapping) = Mapping::parse(line).filter(is_memory) else {
                continue;
            };
            let system_v = mapping.system_v();
            let object = match system_v {
                None => Object::File(mapping.file),
                Some(SystemVName { id, .. }) => Object::SystemV {
                    // The ids mean something else in another namespace.
                    namespace: *ipc_namespace
                        .get_or_insert_with(|| namespace(process, "ns/ipc").unwrap_or_default()),
                    id,
                },
            };
            let seen = census.objects.entry(object).or_insert_with(|| {
                let (path, removed) = plain_path(mapping.path);
                Seen {
                    path,
                    removed,
                    ipc_key: system_v.map_or(0, |name| name.key),
                    end: 0,
                    written: false,
                    door: Door::Mapping {
                        pid,
                        start: mapping.start,
                        end: mapping.end,
                    },
                    start: None,
                    uses: Vec::new(),
                }
            });
            if mapping.reads && mapping.offset == 0 {
                seen.start.get_or_insert((pid, mapping.start));
            }
            seen.end = seen.end.max(mapping.offset + (mapping.end - mapping.start));
            seen.written |= mapping.writes && mapping.is_shared;
            let this = seen.use_by(pid);
            this.mappings += 1;
            this.attached += u64::from(mapping.offset == 0 || this.attached == 0);
            this.writes |= mapping.writes;
            let start = mapping.path.as_ptr().addr() - self.maps.as_ptr().addr();
            self.mapped
                .push((start..start + mapping.path.len(), object));
        }
    }

    fn note_descriptors(
        &mut self,
        census: &mut Census,
        process: &OwnedFd,
        pid: u32,
        name: &str,
    ) -> rustix::io::Result<()> {
        let Self {
            maps,
            entries,
            mapped,
            ..
        } = self;
        let folder = open_directory(process, name)?;
        let mut target = [MaybeUninit::uninit(); 4096];
        each_number(&folder, entries, |number| {
            let name = DecInt::new(number);
            let Ok((target, _)) = readlinkat_raw(&folder, name.as_c_str(), &mut target) else {
                return;
            };
            let target = &*target;
            if !is_memory_file(target) {
                return;
            }
            // What is mapped under the same name needs no look. Memfds may share theirs.
            let known = mapped
                .iter()
                .find(|(path, _)| maps.get(path.clone()) == Some(target))
                .filter(|_| !target.starts_with(b"/memfd:"));
            let object = match known {
                Some(&(_, object)) => object,
                None => {
                    match statat(&folder, name.as_c_str(), AtFlags::empty()).map(Status::from) {
                        Ok(status) if status.kind == Kind::Regular => Object::File(status.id),
                        _ => return,
                    }
                }
            };
            let seen = census.objects.entry(object).or_insert_with(|| {
                let (path, removed) = plain_path(target);
                Seen {
                    path,
                    removed,
                    ipc_key: 0,
                    end: 0,
                    written: false,
                    door: Door::Descriptor { pid, number },
                    start: None,
                    uses: Vec::new(),
                }
            });
            // Anybody may ask a descriptor of its own user; mappings tell root only.
            if let Door::Mapping { .. } = seen.door {
                seen.door = Door::Descriptor { pid, number };
            }
            seen.use_by(pid).descriptors += 1;
            if mapped.is_empty() {
                // It has something, so that its name is wanted.
                mapped.push((0..0, object));
            }
        })
    }
}

impl Seen {
    /// What this process has of it; processes are looked at one after the other.
    fn use_by(&mut self, pid: u32) -> &mut Use {
        if self.uses.last().is_none_or(|last| last.pid != pid) {
            self.uses.push(Use {
                pid,
                mappings: 0,
                attached: 0,
                writes: false,
                descriptors: 0,
            });
        }
        self.uses.last_mut().expect("one was just pushed")
    }
}

/// Whether a mapping is of something that may be a segment: it has a path, and is none of the
/// kernel's own inventions.
fn is_memory(mapping: &Mapping<'_>) -> bool {
    mapping.path.starts_with(b"/")
        && !mapping.path.starts_with(b"/[aio]")
        && !mapping.path.starts_with(b"/dmabuf:")
}

/// Whether a descriptor's target is memory, also if nobody has it mapped.
fn is_memory_file(target: &[u8]) -> bool {
    target.starts_with(b"/memfd:")
        || target
            .strip_prefix(MEMORY_DIRECTORY.as_bytes())
            .is_some_and(|name| name.starts_with(b"/"))
}

/// Whether a line of `maps` is of a file on this device; `device` has a space at both ends.
fn lies_on(line: &[u8], device: &[u8]) -> bool {
    // After the range and the permissions comes the offset, whose length is not fixed.
    let space = |text: &[u8]| text.iter().position(|&byte| byte == b' ');
    let Some(at) = space(line) else { return false };
    let offset = line.get(at + 6..).unwrap_or_default();
    let at = space(offset).unwrap_or(offset.len());
    offset[at..].starts_with(device)
}

fn device_text(device: u64) -> Vec<u8> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    format!(" {major:02x}:{minor:02x} ").into_bytes()
}

fn open_directory(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

/// Calls `each` with the entries of a directory that are numbers.
fn each_number(
    directory: &OwnedFd,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(u32),
) -> rustix::io::Result<()> {
    buffer.clear();
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        if let Some(number) = name.and_then(|name| name.parse().ok()) {
            each(number);
        }
    }
    Ok(())
}

/// The number of a namespace.
fn namespace(process: &OwnedFd, name: &str) -> Option<u64> {
    let mut target = [MaybeUninit::uninit(); 64];
    let (target, _) = readlinkat_raw(process, name, &mut target).ok()?;
    let (_, number) = str::from_utf8(target).ok()?.split_once(":[")?;
    number.strip_suffix(']')?.parse().ok()
}

/// The name of a process's program.
fn program(process: &OwnedFd) -> Option<String> {
    let file = openat(
        process,
        "comm",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let mut name = [0; 64];
    let length = read(&file, &mut name).ok()?;
    let name = &name[..length];
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    Some(String::from_utf8_lossy(name).into_owned())
}
