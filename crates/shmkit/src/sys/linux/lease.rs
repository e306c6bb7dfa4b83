//! What the kernel knows about who uses a file, kept right by it through `kill -9` and across PID
//! namespaces.
//!
//! * A write lease (`F_SETLEASE`, fcntl(2)) is granted only while no other open file description
//!   of the file exists; a mapping counts as one. So it proves "nobody but me".
//! * A lock of an open file description (`F_OFD_SETLK`) on a byte, here far past the end of the
//!   file, lives exactly as long as its description. So it proves "still alive".
#![expect(unsafe_code, reason = "fcntl commands that rustix does not have")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use libc::c_int;

use crate::atomic::fault_point;

/// fcntl(2): the signal that announces a lease break.
const F_SETSIG: c_int = 10;

fn fcntl(fd: BorrowedFd<'_>, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: the commands used here take an integer and touch no memory.
    match unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Proof that no other open file description of the file exists. While it lives an opener waits,
/// or is told `EWOULDBLOCK` if it opened with `O_NONBLOCK`; so it must live only for microseconds.
#[must_use = "the proof ends when it is dropped"]
pub(crate) struct Sole<'fd>(BorrowedFd<'fd>);

/// How the kernel answers the question "am I the only one?".
pub(crate) enum Users<'fd> {
    OnlyMe(Sole<'fd>),
    Others,
    /// Not the owner of the file, or a kernel or file system without leases.
    Unknown,
}

/// Whether a file counts as unused when no user of shmkit is present: the kernel tells of others.
pub(crate) const ONLY_OURS_COUNT: bool = false;

/// Asks whether `fd` is the only open file description of its file.
pub(crate) fn users(fd: BorrowedFd<'_>) -> io::Result<Users<'_>> {
    if cfg!(shmkit_force_fallbacks) {
        return Ok(Users::Unknown);
    }
    // The default signal, SIGIO, would kill a process that does not expect it; SIGURG is ignored
    // by default.
    fcntl(fd, F_SETSIG, libc::SIGURG)?;
    fault_point();
    match fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) {
        Ok(()) => Ok(Users::OnlyMe(Sole(fd))),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN) => Ok(Users::Others),
            Some(libc::EACCES | libc::EINVAL | libc::ENOSYS | libc::EPERM) => Ok(Users::Unknown),
            _ => Err(error),
        },
    }
}

/// Whether the kernel grants leases at all (`/proc/sys/fs/leases-enable`), as far as this process
/// has seen.
pub(crate) fn are_granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        !cfg!(shmkit_force_fallbacks)
            && std::fs::read("/proc/sys/fs/leases-enable")
                .map_or(true, |setting| setting.first() == Some(&b'1'))
    })
}

impl Drop for Sole<'_> {
    fn drop(&mut self) {
        fault_point();
        // Can only fail if the lease is gone already.
        let _ = fcntl(self.0, libc::F_SETLEASE, libc::F_UNLCK);
    }
}

/// Shared by many or held by one, for [`try_lock`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Shared,
    Exclusive,
}

/// With 64-bit offsets: the locks lie far beyond what the `off_t` of glibc's 32-bit machines holds.
#[cfg(target_env = "gnu")]
type Range = libc::flock64;
/// Other C libraries have 64-bit offsets only.
#[cfg(not(target_env = "gnu"))]
type Range = libc::flock;

fn range(kind: c_int, start: u64, len: u64) -> Range {
    // SAFETY: it is a C struct of integers, for which zeros are a valid value.
    let mut lock: Range = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock.l_start = start as _;
    lock.l_len = len as _;
    lock
}

#[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
fn ofd(fd: BorrowedFd<'_>, command: c_int, lock: &mut Range) -> io::Result<()> {
    // SAFETY: both commands take a pointer to such a struct, which `lock` is for the whole call.
    match unsafe { libc::fcntl(fd.as_raw_fd(), command, std::ptr::from_mut(lock)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// glibc's own `fcntl` takes the smaller struct on these machines, and older versions have no
/// `fcntl64`.
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
fn ofd(fd: BorrowedFd<'_>, command: c_int, lock: &mut Range) -> io::Result<()> {
    let (call, lock) = (libc::SYS_fcntl64, std::ptr::from_mut(lock));
    // SAFETY: both commands take a pointer to such a struct, which `lock` is for the whole call.
    match unsafe { libc::syscall(call, fd.as_raw_fd(), command, lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Takes the bytes `start..start + len` for this open file description, or says that another
/// one has them. `Hold::Exclusive` needs a descriptor that is open for writing.
pub(crate) fn try_lock(fd: BorrowedFd<'_>, hold: Hold, start: u64, len: u64) -> io::Result<bool> {
    let kind = if hold == Hold::Shared {
        libc::F_RDLCK
    } else {
        libc::F_WRLCK
    };
    fault_point();
    match ofd(fd, libc::F_OFD_SETLK, &mut range(kind, start, len)) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the bytes back.
pub(crate) fn unlock(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<()> {
    fault_point();
    ofd(fd, libc::F_OFD_SETLK, &mut range(libc::F_UNLCK, start, len))
}

/// Locks of descriptions go with them.
pub(in crate::sys) fn unlock_all(_: BorrowedFd<'_>) {}

/// Whether another open file description holds one of the bytes.
pub(crate) fn is_locked(fd: BorrowedFd<'_>, start: u64, len: u64) -> io::Result<bool> {
    let mut lock = range(libc::F_WRLCK, start, len);
    ofd(fd, libc::F_OFD_GETLK, &mut lock)?;
    Ok(c_int::from(lock.l_type) != libc::F_UNLCK)
}

/// The process that has a byte, which the kernel does not tell of these locks: it is looked for
/// in `/proc`.
pub(crate) fn pid_of_lock(_: BorrowedFd<'_>, _: u64) -> Option<u32> {
    None
}

/// Locks of descriptions need nothing of their own in a fork: the child gets descriptions.
pub(in crate::sys) struct Frozen(());

/// Before a fork.
pub(in crate::sys) fn freeze() -> Frozen {
    Frozen(())
}

impl Frozen {
    /// In the parent, after it.
    pub(in crate::sys) fn in_parent(self) {}

    /// In the child: whether it is seen as far as this goes.
    pub(in crate::sys) fn in_child(self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn locks_far_beyond_the_end_of_a_file_stand_where_they_were_put() {
        const FAR: u64 = 1 << 32;
        let path = std::env::temp_dir().join(format!("shmkit-lease-{}", std::process::id()));
        let open = || {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(&path).unwrap()
        };
        let (mine, other) = (open(), open());
        std::fs::remove_file(&path).unwrap();
        assert!(try_lock(mine.as_fd(), Hold::Exclusive, FAR + 7, 1).unwrap());
        assert!(is_locked(other.as_fd(), FAR + 7, 1).unwrap());
        for elsewhere in [7, FAR + 6, FAR + 8, 2 * FAR + 7] {
            assert!(
                !is_locked(other.as_fd(), elsewhere, 1).unwrap(),
                "{elsewhere}"
            );
        }
        unlock(mine.as_fd(), FAR + 7, 1).unwrap();
        assert!(!is_locked(other.as_fd(), FAR + 7, 1).unwrap());
    }
}
