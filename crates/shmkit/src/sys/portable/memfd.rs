//! Files of memory that never have a name: `memfd_create(2)` on FreeBSD and Linux. macOS has none;
//! there it is a file in the directory for temporary files that loses its name at once.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::sys::file::EPHEMERAL;
#[cfg(not(target_os = "macos"))]
use crate::sys::file::mode_of;

/// Makes an empty one.
#[cfg(not(target_os = "macos"))]
pub(crate) fn create(name: &str, mode: u32) -> io::Result<OwnedFd> {
    use rustix::fs::{self, MemfdFlags};
    let fd = fs::memfd_create(name, MemfdFlags::CLOEXEC)?;
    match fs::fchmod(&fd, mode_of(mode & !EPHEMERAL)) {
        // FreeBSD has nobody who could open it otherwise than by a descriptor.
        Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(fd),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "macos")]
pub(crate) fn create(_: &str, mode: u32) -> io::Result<OwnedFd> {
    let directory = std::env::temp_dir();
    // Its temporary name goes here and now.
    Ok(crate::sys::file::Newborn::new(directory, mode & !EPHEMERAL)?.fd)
}

/// There are no huge pages to be reserved.
pub(crate) fn create_huge(_: &str, _: u32, _: Option<usize>) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The seals of a file: none.
pub(crate) fn seals(_: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(0)
}

/// Seals are not used on these systems.
pub(crate) fn add_seals(_: BorrowedFd<'_>, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
