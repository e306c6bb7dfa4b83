//! Locks on bytes of a file, kept beside it in a *lock file*.
//!
//! POSIX locks (`F_SETLK`) belong to a process, and a process that closes any descriptor of a file
//! loses all its locks on that file. So they are put on a file that nothing else opens: each process
//! opens the lock file of a file once, in [`FILES`], and notes there which of its descriptors of the
//! file itself has which bytes. Between processes the kernel decides, and drops what the dead had.
//!
//! The lock files of a user's files lie in a directory of that user, and are called by device and
//! inode. Whoever has one open shares its first byte; who closes one and gets that byte alone removes
//! it, and who opens one looks whether it was removed meanwhile.
//!
//! A forked child has none of its parent's locks. Those that are shared it takes again before
//! anything else runs in it, and the parent waits until it has, so that there is no moment at which
//! neither of them is seen.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use super::super::file::{self, FileId, Status};
use crate::atomic::fault_point;

/// Shared by many or held by one, for [`try_lock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Shared,
    Exclusive,
}

/// The byte that those who have a lock file open share. Real locks begin at 1.
const OPEN: u64 = 0;

/// The byte of the process with number 0. Each process that uses a file shares its own with nobody but
/// itself, so that all of them can be told: of those who share one byte the kernel tells but one.
const PROCESSES: u64 = 1 << 40;

/// The lock files that this process has locks in.
static FILES: Mutex<BTreeMap<FileId, LockFile>> = Mutex::new(BTreeMap::new());

fn files() -> MutexGuard<'static, BTreeMap<FileId, LockFile>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct LockFile {
    file: File,
    path: PathBuf,
    held: Vec<Held>,
}

/// What one user in this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// The descriptor that stands for the user.
    owner: RawFd,
    hold: Hold,
    range: Range,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    len: u64,
}

impl Range {
    fn overlaps(self, other: Self) -> bool {
        self.start < other.start + other.len && other.start < self.start + self.len
    }

    fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.start + other.len <= self.start + self.len
    }
}

/// Takes the bytes `start..start + len` for this user, or says that another one has them.
pub(crate) fn try_lock(fd: BorrowedFd<'_>, hold: Hold, start: u64, len: u64) -> io::Result<bool> {
    let status = file::status(fd)?;
    let mut files = files();
    let lock_file = match files.entry(status.id) {
        Entry::Occupied(open) => open.into_mut(),
        Entry::Vacant(place) => place.insert(LockFile::open(&status)?),
    };
    let taken = lock_file.try_lock(status.id, fd.as_raw_fd(), hold, Range { start, len });
    LockFile::close_if_unused(&mut files, status.id);
    taken
}

/// Gives back what this user has of the bytes.
pub(crate) fn unlock(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<()> {
    let id = file::status(fd)?.id;
    let mut files = files();
    let given = match files.get_mut(&id) {
        Some(lock_file) => lock_file.unlock(fd.as_raw_fd(), Range { start, len }),
        None => Ok(()),
    };
    LockFile::close_if_unused(&mut files, id);
    given
}

/// Gives back all that this user has, which is about to close its descriptor: others would see it
/// until somebody in this process asks about the same file.
pub(in crate::sys) fn unlock_all(fd: BorrowedFd<'_>) {
    let _ = unlock(fd, 0, i64::MAX as u64);
}

/// Says that this process uses the file, by this descriptor.
pub(crate) fn sign(fd: BorrowedFd<'_>) -> io::Result<()> {
    try_lock(fd, Hold::Shared, own_byte(), 1).map(drop)
}

/// Takes back what [`sign`] said.
pub(crate) fn sign_off(fd: BorrowedFd<'_>) -> io::Result<()> {
    unlock(fd, PROCESSES, u64::from(u32::MAX))
}

/// The processes that use the file, this one too, in order.
pub(crate) fn processes(fd: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let status = file::status(fd)?;
    let mut files = files();
    let mut found = Vec::new();
    let range = Range {
        start: PROCESSES,
        len: u64::from(u32::MAX),
    };
    match files.get_mut(&status.id) {
        Some(lock_file) => {
            lock_file.forget_closed(status.id)?;
            let is_here = lock_file.held.iter().any(|held| held.range.overlaps(range));
            found.extend(is_here.then(std::process::id));
            kernel::holders(&lock_file.file, range, &mut found)?;
        }
        None => match open_existing(&path_of(&status)?) {
            Ok(file) => kernel::holders(&file, range, &mut found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        },
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn own_byte() -> u64 {
    PROCESSES + u64::from(std::process::id())
}

/// Whether another user has one of the bytes.
pub(crate) fn is_locked(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<bool> {
    Ok(holder(fd, Range { start, len })?.is_some())
}

/// The process of another user that has one of the bytes.
pub(crate) fn pid_of_lock(fd: BorrowedFd<'_>, start: u64) -> Option<u32> {
    let pid = holder(fd, Range { start, len: 1 }).ok()?;
    // 0 is one that cannot be seen from here.
    pid.filter(|&pid| pid != 0)
}

fn holder(fd: BorrowedFd<'_>, range: Range) -> io::Result<Option<u32>> {
    let status = file::status(fd)?;
    let mut files = files();
    if let Some(lock_file) = files.get_mut(&status.id) {
        lock_file.forget_closed(status.id)?;
        let of_another = |held: &&Held| held.owner != fd.as_raw_fd() && held.range.overlaps(range);
        return match lock_file.held.iter().any(|held| of_another(&held)) {
            true => Ok(Some(std::process::id())),
            false => kernel::holder(&lock_file.file, range),
        };
    }
    // The registry is locked, so closing it again costs nobody a lock.
    match File::options()
        .read(true)
        .write(true)
        .open(path_of(&status)?)
    {
        Ok(file) => kernel::holder(&file, range),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is a lock file that nobody has open.
pub(crate) fn is_unused(path: &Path) -> bool {
    let files = files();
    if id_of(path).is_none_or(|id| files.contains_key(&id)) {
        return false;
    }
    let open = Range {
        start: OPEN,
        len: 1,
    };
    open_existing(path).is_ok_and(|file| matches!(kernel::holder(&file, open), Ok(None)))
}

/// Removes a lock file that nobody has open; `false` if somebody has by now.
pub(crate) fn remove_unused(path: &Path) -> io::Result<bool> {
    let files = files();
    if id_of(path).is_none_or(|id| files.contains_key(&id)) {
        return Ok(false);
    }
    let file = open_existing(path)?;
    let all = Range {
        start: OPEN,
        len: 1,
    };
    let is_ours = kernel::set(&file, Some(Hold::Exclusive), all)?
        && fs::symlink_metadata(path)?.ino() == file.metadata()?.ino();
    if is_ours {
        fs::remove_file(path)?;
    }
    Ok(is_ours)
}

fn open_existing(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true);
    options.custom_flags(libc::O_NOFOLLOW).open(path)
}

/// The file that a lock file is called by: [`name_of`] backwards.
fn id_of(path: &Path) -> Option<FileId> {
    let (device, inode) = path.file_name()?.to_str()?.split_once('-')?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    Some(FileId {
        device: number(device)?,
        inode: number(inode)?,
    })
}

impl LockFile {
    fn open(status: &Status) -> io::Result<Self> {
        let path = path_of(status)?;
        loop {
            let mut options = File::options();
            options.read(true).write(true).create(true);
            // Whoever may use the file must be able to say so; the umask is for data.
            options.mode(0o666).custom_flags(libc::O_NOFOLLOW);
            let file = options.open(&path)?;
            let is_mine = file.metadata()?.uid() == file::user();
            if is_mine && file.metadata()?.mode() & 0o666 != 0o666 {
                rustix::fs::fchmod(&file, file::mode_of(0o666))?;
            }
            let is_open = kernel::set(
                &file,
                Some(Hold::Shared),
                Range {
                    start: OPEN,
                    len: 1,
                },
            )?;
            let same = |named: fs::Metadata| Ok(named.ino() == file.metadata()?.ino());
            if is_open && fs::symlink_metadata(&path).and_then(same).unwrap_or(false) {
                return Ok(Self {
                    file,
                    path,
                    held: Vec::new(),
                });
            }
            // Somebody is just removing it.
            thread::yield_now();
        }
    }

    fn try_lock(&mut self, id: FileId, owner: RawFd, hold: Hold, range: Range) -> io::Result<bool> {
        self.forget_closed(id)?;
        let excludes = |held: &Held| {
            held.owner != owner
                && held.range.overlaps(range)
                && (hold == Hold::Exclusive || held.hold == Hold::Exclusive)
        };
        fault_point();
        if self.held.iter().any(excludes) || !kernel::set(&self.file, Some(hold), range)? {
            return Ok(false);
        }
        self.held
            .retain(|held| held.owner != owner || held.range != range);
        self.held.push(Held { owner, hold, range });
        Ok(true)
    }

    fn unlock(&mut self, owner: RawFd, range: Range) -> io::Result<()> {
        let (gone, held) = self
            .held
            .iter()
            .partition(|held| held.owner == owner && range.contains(held.range));
        self.held = held;
        self.give_back(gone)
    }

    /// Those who closed their descriptor without a word are gone, too; the number may be another
    /// file's by now.
    fn forget_closed(&mut self, id: FileId) -> io::Result<()> {
        let (held, gone) = self
            .held
            .iter()
            .partition(|held| is_open_as(held.owner, id));
        self.held = held;
        self.give_back(gone)
    }

    /// What nobody else in this process has.
    fn give_back(&self, gone: Vec<Held>) -> io::Result<()> {
        for Held { range, .. } in gone {
            if !self.held.iter().any(|held| held.range.overlaps(range)) {
                fault_point();
                kernel::set(&self.file, None, range)?;
            }
        }
        Ok(())
    }

    fn close_if_unused(files: &mut BTreeMap<FileId, Self>, id: FileId) {
        if let Some(unused) = files.get(&id)
            && unused.held.is_empty()
        {
            let all = Range {
                start: OPEN,
                len: 1,
            };
            if kernel::set(&unused.file, Some(Hold::Exclusive), all).unwrap_or(false) {
                // Nobody else has it open. If it stays it does no harm.
                let _ = fs::remove_file(&unused.path);
            }
            files.remove(&id);
        }
    }
}

#[expect(unsafe_code, reason = "a descriptor by number, for one question")]
fn is_open_as(owner: RawFd, id: FileId) -> bool {
    // SAFETY: the number is not -1; if it is not open the kernel says so, and nothing else is done
    // with it.
    let fd = unsafe { BorrowedFd::borrow_raw(owner) };
    file::status(fd).is_ok_and(|status| status.id == id)
}

/// Where lock files lie: nothing clears that up while somebody has one open, as things do in `/tmp`.
const PLACE: &str = "/var/tmp";

/// What the name of a user's directory begins with; the user's number follows.
const PREFIX: &str = "shmkit-locks-";

/// The lock file of a file; its directory is made if need be.
fn path_of(status: &Status) -> io::Result<PathBuf> {
    Ok(directory(status.owner)?.join(name_of(status.id)))
}

/// The directory of a user's lock files and anchors, which is made if need be.
pub(crate) fn directory(owner: u32) -> io::Result<PathBuf> {
    let directory = directory_of(owner);
    if !directory.exists() && [0, owner].contains(&file::user()) {
        make_directory(&directory, owner)?;
    }
    let found = fs::symlink_metadata(&directory)?;
    if !found.is_dir() || found.uid() != owner {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} is not a directory of user {owner}", directory.display()),
        ));
    }
    Ok(directory)
}

/// The directories of lock files and anchors that there are, with the users whose they are.
pub(crate) fn directories() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(PLACE).into_iter().flatten().flatten();
    let owned = entries.filter_map(|entry| {
        let (name, path) = (entry.file_name(), entry.path());
        let owner = name.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
        let found = fs::symlink_metadata(&path).ok()?;
        (found.is_dir() && found.uid() == owner).then_some((owner, path))
    });
    owned.collect()
}

/// The owner of a file is trusted with it, so also with its lock file.
fn directory_of(owner: u32) -> PathBuf {
    Path::new(PLACE).join(format!("{PREFIX}{owner}"))
}

fn name_of(id: FileId) -> String {
    format!("{:x}-{:x}", id.device, id.inode)
}

/// Others may put lock files there, and only remove their own.
fn make_directory(directory: &Path, owner: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        done => done?,
    }
    if owner != file::user() {
        std::os::unix::fs::chown(directory, Some(owner), None)?;
    }
    let mode = rustix::fs::Mode::from_raw_mode(0o1777);
    Ok(rustix::fs::chmod(directory, mode)?)
}

/// Keeps the locks as they are from before a fork until after it.
pub(in crate::sys) struct Frozen {
    files: MutexGuard<'static, BTreeMap<FileId, LockFile>>,
    /// The child closes its end when it has its locks; `None` if there are none to be had.
    signal: Option<(PipeReader, PipeWriter)>,
}

/// Before a fork.
pub(in crate::sys) fn freeze() -> Frozen {
    let files = files();
    let signal = match files.is_empty() {
        true => None,
        false => io::pipe().ok(),
    };
    Frozen { files, signal }
}

impl Frozen {
    /// In the parent: waits until the child is seen, or dead.
    pub(in crate::sys) fn in_parent(self) {
        let Self { files, signal } = self;
        drop(files);
        if let Some((mut reader, writer)) = signal {
            drop(writer);
            while matches!(reader.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::Interrupted)
            {
            }
        }
    }

    /// In the child, with one thread: only system calls. False if it is not seen.
    pub(in crate::sys) fn in_child(mut self) -> bool {
        let mut is_seen = true;
        for lock_file in self.files.values_mut() {
            let open = Range {
                start: OPEN,
                len: 1,
            };
            let mut take = |range| {
                is_seen &= kernel::set(&lock_file.file, Some(Hold::Shared), range).unwrap_or(false);
            };
            take(open);
            lock_file.held.retain(|held| held.hold == Hold::Shared);
            for held in &mut lock_file.held {
                if held.range.start >= PROCESSES {
                    held.range.start = own_byte();
                }
            }
            lock_file.held.iter().for_each(|held| take(held.range));
        }
        is_seen
    }
}

#[expect(
    unsafe_code,
    reason = "fcntl commands that rustix has for whole files only"
)]
#[allow(
    clippy::useless_conversion,
    reason = "the types of locks are shorter on other systems"
)]
mod kernel {
    use libc::c_int;

    use super::*;

    fn lock(kind: c_int, range: Range) -> libc::flock {
        // SAFETY: a C struct of integers, for which zeros are a valid value.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as _;
        lock.l_whence = libc::SEEK_SET as _;
        lock.l_start = range.start as _;
        lock.l_len = range.len as _;
        lock
    }

    /// Takes or gives back (`None`) bytes for this process; `false` if another one has them.
    pub(super) fn set(file: &File, hold: Option<Hold>, range: Range) -> io::Result<bool> {
        let kind = match hold {
            Some(Hold::Shared) => libc::F_RDLCK,
            Some(Hold::Exclusive) => libc::F_WRLCK,
            None => libc::F_UNLCK,
        };
        let lock = lock(kind.into(), range);
        // SAFETY: the command takes a pointer to such a struct, which `lock` is for the whole call.
        let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_SETLK, &raw const lock) };
        match done {
            -1 => match io::Error::last_os_error() {
                error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                    Ok(false)
                }
                error => Err(error),
            },
            _ => Ok(true),
        }
    }

    /// Another process that has one of the bytes.
    pub(super) fn holder(file: &File, range: Range) -> io::Result<Option<u32>> {
        Ok(held(file, range)?.map(|(_, pid)| pid))
    }

    /// All other processes that have one of the bytes, of which no two have the same.
    pub(super) fn holders(file: &File, range: Range, found: &mut Vec<u32>) -> io::Result<()> {
        let end = range.start + range.len;
        let mut left = vec![(range.start, end)];
        while let Some((start, end)) = left.pop() {
            if start >= end {
                continue;
            }
            let part = Range {
                start,
                len: end - start,
            };
            if let Some((held, pid)) = held(file, part)? {
                // 0 is one that cannot be seen from here.
                found.extend((pid != 0).then_some(pid));
                left.push((start, held.start));
                left.push((held.start + held.len, end));
            }
        }
        Ok(())
    }

    /// A lock of another process on one of the bytes, and which process that is.
    fn held(file: &File, range: Range) -> io::Result<Option<(Range, u32)>> {
        let mut lock = lock(libc::F_WRLCK.into(), range);
        // SAFETY: the command takes a pointer to such a struct, which `lock` is for the whole call.
        let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_GETLK, &raw mut lock) };
        match (done, c_int::from(lock.l_type) == c_int::from(libc::F_UNLCK)) {
            (-1, _) => Err(io::Error::last_os_error()),
            (_, true) => Ok(None),
            (_, false) => {
                let range = Range {
                    start: lock.l_start as u64,
                    len: lock.l_len as u64,
                };
                // 0 for one that cannot be seen from here.
                Ok(Some((range, u32::try_from(lock.l_pid).unwrap_or(0))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_users() -> (File, File) {
        let path = std::env::temp_dir().join(format!("shmkit-{}", file::unique_number()));
        let open = || {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&path).unwrap()
        };
        let both = (open(), open());
        fs::remove_file(&path).unwrap();
        both
    }

    fn lock_file_of(file: &File) -> PathBuf {
        path_of(&file::status(file).unwrap()).unwrap()
    }

    #[test]
    fn users_of_one_process_exclude_each_other() {
        let (one, other) = two_users();
        let (one, other) = (one.as_fd(), other.as_fd());
        assert!(try_lock(one, Hold::Exclusive, 7, 1).unwrap());
        assert!(!try_lock(other, Hold::Exclusive, 7, 1).unwrap());
        assert!(!try_lock(other, Hold::Shared, 5, 9).unwrap());
        assert!(try_lock(other, Hold::Exclusive, 8, 1).unwrap());
        assert!(is_locked(other, 7, 1).unwrap() && !is_locked(one, 7, 1).unwrap());
        unlock(one, 0, 100).unwrap();
        assert!(!is_locked(other, 7, 1).unwrap() && is_locked(one, 8, 1).unwrap());
        unlock(other, 8, 1).unwrap();
    }

    #[test]
    fn all_processes_that_use_a_file_are_told() {
        use std::process::{Command, Stdio};
        let (one, other) = two_users();
        assert!(processes(one.as_fd()).unwrap().is_empty());
        sign(one.as_fd()).unwrap();
        sign(other.as_fd()).unwrap();
        let me = std::process::id();
        assert_eq!(processes(one.as_fd()).unwrap(), [me]);
        // Others have bytes of their own in the same lock file, here as Python would lock them.
        let script = "import fcntl, os, sys
f = open(sys.argv[1], 'r+b')
fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, (1 << 40) + os.getpid())
print('locked', flush=True); sys.stdin.read()";
        let place = lock_file_of(&one);
        let start = || {
            let mut command = Command::new("python3");
            command.args(["-c", script]).arg(&place);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut said = [0; 7];
            io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
            child
        };
        let mut others: Vec<_> = (0..3).map(|_| start()).collect();
        let mut all: Vec<u32> = others.iter().map(|child| child.id()).collect();
        all.push(me);
        all.sort_unstable();
        assert_eq!(processes(one.as_fd()).unwrap(), all);
        sign_off(one.as_fd()).unwrap();
        sign_off(other.as_fd()).unwrap();
        for child in &mut others {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert!(processes(one.as_fd()).unwrap().is_empty());
    }

    #[test]
    fn many_share_and_the_last_one_takes_the_lock_file_away() {
        let (one, other) = two_users();
        let place = lock_file_of(&one);
        for user in [&one, &other] {
            assert!(try_lock(user.as_fd(), Hold::Shared, 7, 1).unwrap());
        }
        assert!(is_locked(one.as_fd(), 7, 1).unwrap());
        unlock(one.as_fd(), 7, 1).unwrap();
        assert!(place.exists() && !is_locked(other.as_fd(), 7, 1).unwrap());
        unlock(other.as_fd(), 7, 1).unwrap();
        assert!(!place.exists());
    }

    #[test]
    fn a_lock_file_is_unused_when_its_last_user_died() {
        let (one, _other) = two_users();
        assert!(try_lock(one.as_fd(), Hold::Shared, 7, 1).unwrap());
        let place = lock_file_of(&one);
        assert!(!is_unused(&place) && !remove_unused(&place).unwrap());
        unlock(one.as_fd(), 7, 1).unwrap();
        // As one who is killed leaves it.
        File::create(&place).unwrap();
        assert!(is_unused(&place) && remove_unused(&place).unwrap());
        assert!(!place.exists());
        let other = place.with_file_name("shm-0a");
        assert!(!is_unused(&other) && !remove_unused(&other).unwrap());
    }

    #[test]
    fn who_closes_its_descriptor_has_nothing_left() {
        let (one, other) = two_users();
        assert!(try_lock(one.as_fd(), Hold::Exclusive, 7, 1).unwrap());
        drop(one);
        assert!(!is_locked(other.as_fd(), 7, 1).unwrap());
        assert!(try_lock(other.as_fd(), Hold::Exclusive, 7, 1).unwrap());
        unlock(other.as_fd(), 7, 1).unwrap();
    }

    #[test]
    fn locks_far_beyond_the_end_of_a_file_stand_where_they_were_put() {
        const FAR: u64 = 1 << 32;
        let (one, other) = two_users();
        assert!(try_lock(one.as_fd(), Hold::Exclusive, FAR + 7, 1).unwrap());
        for elsewhere in [7, FAR + 6, FAR + 8, 2 * FAR + 7] {
            assert!(!is_locked(other.as_fd(), elsewhere, 1).unwrap());
        }
        unlock(one.as_fd(), FAR + 7, 1).unwrap();
    }

    #[test]
    fn a_lock_file_is_called_by_the_file_and_lies_with_its_owner() {
        let id = FileId {
            device: 0x1a,
            inode: 0x2b,
        };
        assert_eq!(name_of(id), "1a-2b");
        assert_eq!(id_of(Path::new("/var/tmp/1a-2b")), Some(id));
        assert_eq!(id_of(Path::new("/var/tmp/shm-0a")), None);
        assert_eq!(directory_of(1000), Path::new("/var/tmp/shmkit-locks-1000"));
    }
}
