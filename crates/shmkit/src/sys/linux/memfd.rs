//! Files of memory that never have a name (`memfd_create(2)`), and where those are denied, files
//! of a memory file system that have none. Nothing here is called where
//! [`filter::no_memfd`](crate::sys::filter::no_memfd) says that it must not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;

use crate::atomic::fault_point;
use crate::mapping::Access;
use crate::sys::file::{self, EPHEMERAL, MEMORY_DIRECTORY, Newborn};
use crate::sys::memory::Window;

/// Makes an empty one, called `name` in `/proc`, that takes seals and that nobody can execute.
///
/// The kernel does not count the description that memfd_create(2) gives among the users of the
/// file, so a lease would be granted to another one beside it. It is exchanged for one that
/// counts, and the mark says so.
pub(crate) fn create(name: &str, mode: u32) -> io::Result<OwnedFd> {
    let mode = mode | EPHEMERAL;
    let fd = match make(name) {
        // A sandbox forbids it, or a kernel before 3.17 has none.
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => {
            // If there was a temporary name, it goes here and now.
            return Ok(Newborn::new(MEMORY_DIRECTORY, mode)?.fd);
        }
        other => other?,
    };
    let own = file::reopen(fd.as_fd(), Access::ReadWrite);
    let mode = match own {
        Ok(_) => mode,
        Err(_) => mode & !EPHEMERAL,
    };
    // The kernel lets everybody open it who can reach it through `/proc`.
    fault_point();
    fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    Ok(own.unwrap_or(fd))
}

/// Makes one of reserved huge pages, of this size or of the usual one.
pub(crate) fn create_huge(name: &str, mode: u32, size: Option<usize>) -> io::Result<OwnedFd> {
    if size.is_some_and(|size| !size.is_power_of_two()) {
        return Err(Errno::INVAL.into());
    }
    let shift = size.map_or(0, usize::trailing_zeros);
    let flags = MemfdFlags::CLOEXEC
        | MemfdFlags::ALLOW_SEALING
        | MemfdFlags::HUGETLB
        | MemfdFlags::from_bits_retain(shift << 26);
    let fd = fs::memfd_create(name, flags)?;
    let own = file::reopen(fd.as_fd(), Access::ReadWrite)?;
    fs::fchmod(&own, Mode::from_raw_mode(mode | EPHEMERAL))?;
    Ok(own)
}

fn make(name: &str) -> Result<OwnedFd, Errno> {
    if cfg!(shmkit_force_fallbacks) {
        return Err(Errno::NOSYS);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // A kernel before 6.3.
        Err(Errno::INVAL) => fs::memfd_create(name, flags),
        other => other,
    }
}

/// The seals of a file, as the kernel's bits; none where the file takes none.
pub(crate) fn seals(fd: BorrowedFd<'_>) -> io::Result<u32> {
    match fs::fcntl_get_seals(fd) {
        Ok(seals) => Ok(seals.bits()),
        // Not in memory.
        Err(Errno::INVAL) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The seals that there are here, as the kernel's bits: all that have a name.
pub(crate) const SEALS: u32 = 0x1f;

/// Adds seals, all or none.
pub(crate) fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> io::Result<()> {
    Ok(fs::fcntl_add_seals(fd, SealFlags::from_bits_retain(seals))?)
}

/// A descriptor and a window to map so that the mapping does not stand against the seal WRITE: one
/// that can never write.
pub(crate) fn reader(fd: BorrowedFd<'_>, window: Window) -> io::Result<(OwnedFd, Window)> {
    let window = Window {
        access: Access::ReadOnly,
        ..window
    };
    Ok((file::reopen(fd, Access::ReadOnly)?, window))
}
