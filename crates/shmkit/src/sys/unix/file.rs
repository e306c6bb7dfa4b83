//! Files of the memory file system behind `shm_open(3)` and `sem_open(3)`, and key files.
//!
//! glibc and musl put segments in `/dev/shm` under their name, and glibc puts semaphores there as
//! `sem.NAME`; so do we, with the file system calls themselves, because `shm_open` cannot make a
//! file that is complete before it has a name.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, Stat, StatVfs};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::atomic::fault_point;
use crate::mapping::Access;

/// The directory of POSIX segments and semaphores.
pub(crate) const MEMORY_DIRECTORY: &str = "/dev/shm";

/// The mark of what shmkit may remove when nobody uses it any more. On a regular file the sticky
/// bit means nothing else, and every owner may set it.
pub(crate) const EPHEMERAL: u32 = 0o1000;

/// Opening must never follow a symbolic link that another user left, never wait for a FIFO's
/// other end, and never wait while somebody holds a lease (`EWOULDBLOCK` instead).
const CAREFULLY: OFlags = OFlags::CLOEXEC
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK);

/// How long a lease of another process may keep us from opening a file. Holders need
/// microseconds; the bound is for one that was stopped in between.
const LEASE_PATIENCE: Duration = Duration::from_secs(2);

/// Only root may give a file the sticky bit on FreeBSD, so two flags of the file stand for it that
/// nobody else sets together, and that mean nothing to a file of ours.
#[cfg(target_os = "freebsd")]
#[expect(unsafe_code, reason = "fchflags")]
mod flags {
    use super::*;

    const MARK: libc::c_ulong = libc::UF_NODUMP | libc::UF_HIDDEN;

    pub(super) fn mark(fd: &OwnedFd) -> io::Result<()> {
        // SAFETY: takes a descriptor that is open, and a number.
        match unsafe { libc::fchflags(fd.as_raw_fd(), MARK) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn have_mark(flags: u32) -> bool {
        libc::c_ulong::from(flags) & MARK == MARK
    }
}

/// What fstat(2) says, in the few words that are needed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) id: FileId,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) owner: u32,
    /// Permission bits and the sticky bit.
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) modified: i64,
    /// What the file system likes to read and write at once; not less than its pages.
    pub(crate) block: u64,
}

/// Which file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    Directory,
    SymbolicLink,
    Other,
}

/// The type of a mode has 16 or 32 bits.
#[allow(clippy::unnecessary_cast, reason = "see above")]
pub(crate) fn mode_of(mode: u32) -> Mode {
    let mode = match cfg!(target_os = "freebsd") {
        // See `flags`.
        true => mode & !EPHEMERAL,
        false => mode,
    };
    Mode::from_raw_mode(mode as _)
}

impl Kind {
    #[allow(clippy::unnecessary_cast, reason = "see `mode_of`")]
    pub(in crate::sys) fn of(mode: u32) -> Self {
        match FileType::from_raw_mode(mode as _) {
            FileType::RegularFile => Self::Regular,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::SymbolicLink,
            _ => Self::Other,
        }
    }
}

impl Status {
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.mode & EPHEMERAL != 0
    }
}

impl From<Stat> for Status {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the types are smaller on some machines"
    )]
    fn from(stat: Stat) -> Self {
        Self {
            id: FileId {
                device: stat.st_dev as _,
                inode: stat.st_ino as _,
            },
            kind: Kind::of(stat.st_mode as u32),
            size: stat.st_size as u64,
            owner: stat.st_uid,
            #[cfg(not(target_os = "freebsd"))]
            mode: stat.st_mode as u32 & 0o1777,
            #[cfg(target_os = "freebsd")]
            mode: match flags::have_mark(stat.st_flags) {
                true => stat.st_mode as u32 & 0o777 | EPHEMERAL,
                false => stat.st_mode as u32 & 0o1777,
            },
            links: stat.st_nlink as u64,
            modified: stat.st_mtime as i64,
            block: stat.st_blksize as u64,
        }
    }
}

/// Asks about an open file.
pub(crate) fn status(fd: impl AsFd) -> io::Result<Status> {
    Ok(fs::fstat(fd)?.into())
}

/// Asks about a name; a symbolic link is itself, not what it points to.
pub(crate) fn status_of_name(path: impl AsRef<Path>) -> io::Result<Status> {
    Ok(fs::lstat(path.as_ref())?.into())
}

/// Asks about what a path leads to, as `ftok(3)` does.
pub(crate) fn status_of_path(path: impl AsRef<Path>) -> io::Result<Status> {
    Ok(fs::stat(path.as_ref())?.into())
}

/// Opens a file that exists, with the care that a shared directory needs.
pub(crate) fn open(path: impl AsRef<Path>, access: Access) -> io::Result<OwnedFd> {
    open_with(path.as_ref(), access, CAREFULLY)
}

/// Opens what a symbolic link of `/proc` leads to.
pub(crate) fn open_through(path: impl AsRef<Path>, access: Access) -> io::Result<OwnedFd> {
    open_with(
        path.as_ref(),
        access,
        CAREFULLY.difference(OFlags::NOFOLLOW),
    )
}

fn open_with(path: &Path, access: Access, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags
        | match access {
            Access::ReadOnly => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
    let mut deadline = None;
    loop {
        match fs::open(path, flags, Mode::empty()) {
            Err(Errno::WOULDBLOCK) => {
                let now = Instant::now();
                if now >= *deadline.get_or_insert(now + LEASE_PATIENCE) {
                    return Err(Errno::WOULDBLOCK.into());
                }
                std::thread::yield_now();
            }
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Another descriptor for another user. Descriptions say nothing about users here, and a descriptor
/// cannot be opened once more.
#[cfg(sys = "portable")]
pub(crate) fn reopen(fd: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
    match (access_of(fd)?, access) {
        // A duplicate would let others write who shall only read.
        (Access::ReadWrite, Access::ReadOnly) => {
            let path = path_of(fd).ok_or(io::ErrorKind::Unsupported)?;
            open_same(fd, &path, access)
        }
        (Access::ReadOnly, Access::ReadWrite) => Err(io::ErrorKind::PermissionDenied.into()),
        _ => fd.try_clone_to_owned(),
    }
}

/// Opens the file of a descriptor by its path; `Unsupported` if it is not there.
pub(crate) fn open_same(fd: BorrowedFd<'_>, path: &Path, access: Access) -> io::Result<OwnedFd> {
    match open(path, access) {
        Ok(found) if status(&found)?.id == status(fd)?.id => Ok(found),
        Ok(_) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::ErrorKind::Unsupported.into())
        }
        Err(error) => Err(error),
    }
}

/// Opens the file of a descriptor once more, so that the new description is nobody else's.
#[cfg(not(sys = "portable"))]
pub(crate) fn reopen(fd: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
    let flags = match access {
        Access::ReadOnly => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(fs::open(link_of(fd), flags, Mode::empty())?)
}

/// What may be done through a descriptor.
pub(crate) fn access_of(fd: BorrowedFd<'_>) -> io::Result<Access> {
    let flags = fs::fcntl_getfl(fd)?;
    Ok(match flags & OFlags::RWMODE {
        // Sealed memory has no descriptor that only reads where none can be opened once more.
        #[cfg(sys = "portable")]
        OFlags::RDWR if crate::sys::memfd::is_constant(fd) => Access::ReadOnly,
        OFlags::RDWR => Access::ReadWrite,
        _ => Access::ReadOnly,
    })
}

/// Where the file of a descriptor lay when it was last named; whoever uses it sees to it that it
/// still does.
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    #[cfg(target_os = "macos")]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let path = fs::getpath(fd).ok()?;
        Some(std::ffi::OsStr::from_bytes(path.to_bytes()).into())
    }
    #[cfg(target_os = "freebsd")]
    return kinfo::path(fd);
    #[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
    std::fs::read_link(link_of(fd)).ok()
}

/// What FreeBSD says of a descriptor (fcntl(2), `F_KINFO`), which needs no `/proc`.
#[cfg(target_os = "freebsd")]
#[expect(unsafe_code, reason = "a command that rustix does not have")]
mod kinfo {
    use std::ffi::{CStr, OsStr};
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    pub(super) fn path(fd: BorrowedFd<'_>) -> Option<PathBuf> {
        let mut found = Box::new(MaybeUninit::<libc::kinfo_file>::zeroed());
        // SAFETY: the field lies in the box, and is plain data.
        unsafe { (*found.as_mut_ptr()).kf_structsize = size_of::<libc::kinfo_file>() as _ };
        // SAFETY: the command writes one such struct, whose size the field says.
        let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_KINFO, found.as_mut_ptr()) };
        if done == -1 {
            return None;
        }
        // SAFETY: all of it was zeroed or written, and any bytes are a valid one.
        let found = unsafe { found.assume_init() };
        // SAFETY: the kernel ends the text with a NUL, which the zeros did before.
        let path = unsafe { CStr::from_ptr(found.kf_path.as_ptr()) };
        // "-" or nothing is said of what has no path.
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        path.is_absolute().then(|| path.to_owned())
    }
}

fn link_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A file without a name yet. It gets one by [`Unnamed::publish`], complete or never.
pub(crate) struct Newborn {
    pub(crate) fd: OwnedFd,
    pub(crate) unnamed: Unnamed,
}

/// How a newborn file exists until it has its name.
pub(crate) enum Unnamed {
    Nameless,
    /// Where the kernel or the file system cannot do without a name.
    Temporary(TemporaryName),
}

/// Removed when it is dropped.
pub(crate) struct TemporaryName(PathBuf);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        fault_point();
        let _ = fs::unlink(&self.0);
    }
}

/// Temporary names begin so; the dot keeps them out of `shm_open`'s usual names.
pub(crate) const TEMPORARY_PREFIX: &str = ".shmkit-";

impl Newborn {
    /// Makes an empty file in `directory` with exactly `mode`, whatever the umask is.
    pub(crate) fn new(directory: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let directory = directory.as_ref();
        let newborn = match Self::nameless(directory, mode) {
            // EISDIR: a kernel before 3.11. EOPNOTSUPP: the file system.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                Self::temporary(directory, mode)?
            }
            other => other?,
        };
        #[cfg(target_os = "freebsd")]
        if mode & EPHEMERAL != 0 {
            flags::mark(&newborn.fd)?;
        }
        // The umask may have taken bits of the group's and others'; it never takes the owner's
        // in practice, so the usual 0600 is spared a system call.
        if mode & 0o077 != 0 {
            fs::fchmod(&newborn.fd, mode_of(mode))?;
        }
        Ok(newborn)
    }

    fn nameless(directory: &Path, mode: u32) -> Result<Self, Errno> {
        if cfg!(any(shmkit_force_fallbacks, sys = "portable")) || !has_proc() {
            return Err(Errno::OPNOTSUPP);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const NAMELESS: OFlags = OFlags::TMPFILE;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const NAMELESS: OFlags = OFlags::empty();
        let flags = NAMELESS | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = fs::open(directory, flags, mode_of(mode))?;
        Ok(Self {
            fd,
            unnamed: Unnamed::Nameless,
        })
    }

    fn temporary(directory: &Path, mode: u32) -> io::Result<Self> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | CAREFULLY;
        loop {
            let name = format!("{TEMPORARY_PREFIX}{}", unique_number());
            let path = directory.join(name);
            fault_point();
            match fs::open(&path, flags, mode_of(mode)) {
                Ok(fd) => {
                    return Ok(Self {
                        fd,
                        unnamed: Unnamed::Temporary(TemporaryName(path)),
                    });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A part of a name that nobody else makes: the time sets apart processes of different PID
/// namespaces.
pub(crate) fn unique_number() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let (process, time) = (std::process::id(), crate::sys::clock::tick());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{process}-{time:x}-{count}")
}

/// A nameless file gets its name through `/proc/self/fd`.
fn has_proc() -> bool {
    static PROC: OnceLock<bool> = OnceLock::new();
    *PROC.get_or_init(|| is_directory("/proc/self/fd"))
}

impl Unnamed {
    /// Gives `fd`, which it was made with, its name; `AlreadyExists` if the name is taken.
    pub(crate) fn publish(&self, fd: BorrowedFd<'_>, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        fault_point();
        match self {
            Self::Temporary(name) => Ok(fs::linkat(CWD, &name.0, CWD, path, AtFlags::empty())?),
            Self::Nameless => Ok(fs::linkat(
                CWD,
                link_of(fd),
                CWD,
                path,
                AtFlags::SYMLINK_FOLLOW,
            )?),
        }
    }
}

/// Whether room for the contents is taken now or when it is first touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Reserved,
    Lazy,
}

/// Sets the size of a new file. With `Room::Reserved` a lack of room is an error now (`ENOSPC`)
/// instead of a SIGBUS at a later touch. Sizes over the process's file size limit are `EFBIG`,
/// where the kernel alone would send SIGXFSZ (setrlimit(2)).
pub(crate) fn set_size(fd: BorrowedFd<'_>, size: u64, room: Room) -> io::Result<()> {
    check_limit(size)?;
    fault_point();
    match room {
        Room::Lazy => Ok(fs::ftruncate(fd, size)?),
        Room::Reserved => reserve(fd, 0, size),
    }
}

/// Makes a file longer; nothing if it is that long already. Whoever else may do so waits.
pub(crate) fn extend(fd: BorrowedFd<'_>, size: u64, room: Room) -> io::Result<()> {
    check_limit(size)?;
    let has = status(fd)?.size;
    fault_point();
    match room {
        _ if size <= has => Ok(()),
        Room::Lazy => Ok(fs::ftruncate(fd, size)?),
        Room::Reserved => reserve(fd, has, size),
    }
}

/// Cuts a file.
pub(crate) fn cut(fd: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    fault_point();
    Ok(fs::ftruncate(fd, size)?)
}

fn check_limit(size: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if size > limit => Err(Errno::FBIG.into()),
        _ => Ok(()),
    }
}

/// A signal makes fallocate(2) give back what the call had taken so far, so a long reservation
/// goes in steps that each get done between two signals.
const STEP: u64 = 256 << 20;

fn reserve(fd: BorrowedFd<'_>, from: u64, size: u64) -> io::Result<()> {
    if size - from > STEP && size - from > room_of(fd)?.available {
        // Said before the file system is filled to the brim under everybody else.
        return Err(Errno::NOSPC.into());
    }
    let mut done = from;
    while done < size {
        let step = STEP.min(size - done);
        match fs::fallocate(fd, FallocateFlags::empty(), done, step) {
            Ok(()) => done += step,
            Err(Errno::INTR) => {}
            // A file system that cannot reserve takes what is written.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(fd, done, size),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn write_zeros(fd: BorrowedFd<'_>, from: u64, size: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut done = from;
    while done < size {
        let step = (size - done).min(ZEROS.len() as u64);
        done += step;
        write_on(fd, &ZEROS[..step as usize], done)?;
    }
    Ok(())
}

/// Writes the names of a directory to the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::fsync(fs::open(path, flags, Mode::empty())?)?)
}

/// Whether this user may make files in a directory.
pub(crate) fn may_write_in(directory: &Path) -> io::Result<()> {
    // On Android they are the same.
    #[cfg(target_os = "android")]
    const EFFECTIVE: AtFlags = AtFlags::empty();
    #[cfg(not(target_os = "android"))]
    const EFFECTIVE: AtFlags = AtFlags::EACCESS;
    let access = fs::Access::WRITE_OK | fs::Access::EXEC_OK;
    Ok(fs::accessat(CWD, directory, access, EFFECTIVE)?)
}

/// Room in a file system, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space {
    pub(crate) total: u64,
    pub(crate) available: u64,
}

impl From<StatVfs> for Space {
    fn from(stat: StatVfs) -> Self {
        Self {
            total: stat.f_blocks * stat.f_frsize,
            available: stat.f_bavail * stat.f_frsize,
        }
    }
}

/// The room where an open file lies.
pub(crate) fn room_of(fd: BorrowedFd<'_>) -> io::Result<Space> {
    Ok(fs::fstatvfs(fd)?.into())
}

/// Removes a name.
pub(crate) fn unlink(path: impl AsRef<Path>) -> io::Result<()> {
    fault_point();
    Ok(fs::unlink(path.as_ref())?)
}

/// Gives a file another name, which nothing else has.
pub(crate) fn rename(from: &str, to: &str) -> io::Result<()> {
    fault_point();
    Ok(fs::rename(from, to)?)
}

/// Opens a file for nothing but to be told of it and to keep its inode (`O_PATH`).
pub(crate) fn pin(path: &str) -> io::Result<OwnedFd> {
    pin_with(path, OFlags::NOFOLLOW)
}

/// The same for what the path leads to, as `ftok(3)` sees it.
pub(crate) fn pin_target(path: &str) -> io::Result<OwnedFd> {
    pin_with(path, OFlags::empty())
}

fn pin_with(path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    #[cfg(not(target_os = "macos"))]
    const NOTHING: OFlags = OFlags::PATH;
    // A FIFO's other end is not waited for.
    #[cfg(target_os = "macos")]
    const NOTHING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);
    let flags = NOTHING | flags | OFlags::CLOEXEC;
    Ok(fs::open(path, flags, Mode::empty())?)
}

/// Makes an empty file if nothing has the name; says whether it did.
pub(crate) fn make_file(path: &str, mode: u32) -> io::Result<bool> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    fault_point();
    match fs::open(path, flags, mode_of(mode)) {
        Ok(_) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes a file of zeros that takes no room, complete before it has its name.
#[cfg(anchored)]
pub(crate) fn make_sized(path: &Path, size: u64, mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let Newborn { fd, unnamed } = Newborn::new(directory, mode)?;
    set_size(fd.as_fd(), size, Room::Lazy)?;
    unnamed.publish(fd.as_fd(), path)
}

/// Sets permissions and marks.
#[cfg(anchored)]
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    fault_point();
    Ok(fs::fchmod(fd, mode_of(mode))?)
}

/// Writes all of `bytes` at the beginning of an open file.
pub(crate) fn write_start(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    fault_point();
    match rustix::io::pwrite(fd, bytes, 0)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Appends to a new file, which `bytes` make `end` long; as with [`set_size`], a size over the
/// limit is an error.
pub(crate) fn write_on(fd: BorrowedFd<'_>, mut bytes: &[u8], end: u64) -> io::Result<()> {
    check_limit(end)?;
    while !bytes.is_empty() {
        fault_point();
        match rustix::io::pwrite(fd, bytes, end - bytes.len() as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads up to `buffer.len()` bytes from the beginning of the file of a name.
pub(crate) fn read_start(path: &str, buffer: &mut [u8]) -> io::Result<usize> {
    let fd = open(path, Access::ReadOnly)?;
    Ok(rustix::io::pread(&fd, buffer, 0)?)
}

/// Reads up to `buffer.len()` bytes of an open file, and fewer at its end.
pub(crate) fn read_from(fd: BorrowedFd<'_>, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::pread(fd, buffer, offset)?)
}

/// The byte that stands for the whole of a file.
#[cfg(sys = "portable")]
const WHOLE: u64 = 1;

/// Takes the whole of an open file for this user against others that ask the same way; `false` if
/// somebody else has it.
#[cfg(sys = "portable")]
pub(crate) fn try_claim(fd: BorrowedFd<'_>) -> io::Result<bool> {
    use crate::sys::lease::{Hold, try_lock};
    try_lock(fd, Hold::Exclusive, WHOLE, 1)
}

/// Gives up what [`try_claim`] took.
#[cfg(sys = "portable")]
pub(crate) fn unclaim(fd: BorrowedFd<'_>) -> io::Result<()> {
    crate::sys::lease::unlock(fd, WHOLE, 1)
}

/// Takes the whole of an open file for this description against others that ask the same way
/// (flock(2)); `false` if somebody else has it.
#[cfg(not(sys = "portable"))]
pub(crate) fn try_claim(fd: BorrowedFd<'_>) -> io::Result<bool> {
    fault_point();
    match fs::flock(fd, fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives up what [`try_claim`] took.
#[cfg(not(sys = "portable"))]
pub(crate) fn unclaim(fd: BorrowedFd<'_>) -> io::Result<()> {
    fault_point();
    Ok(fs::flock(fd, fs::FlockOperation::Unlock)?)
}

/// Whether a path is a directory that exists.
pub(crate) fn is_directory(path: impl AsRef<Path>) -> bool {
    path.as_ref().is_dir()
}

/// The user that this process acts as.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
