//! Files of memory that never have a name: `memfd_create(2)` on FreeBSD and Linux, which take seals.
//! macOS has neither; there it is a file in the directory for temporary files that loses its name at
//! once.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::mapping::Access;
use crate::sys::file::EPHEMERAL;
#[cfg(not(target_os = "macos"))]
use crate::sys::file::mode_of;
use crate::sys::memory::Window;

/// Makes an empty one.
#[cfg(not(target_os = "macos"))]
pub(crate) fn create(name: &str, mode: u32) -> io::Result<OwnedFd> {
    use rustix::fs::{self, MemfdFlags};
    let fd = fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
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

/// The seals that there are here, as the kernel's bits: SEAL, SHRINK, GROW and WRITE.
pub(crate) const SEALS: u32 = match cfg!(target_os = "macos") {
    true => 0,
    false => 0xf,
};

/// The seals of a file, as the kernel's bits; none where the file takes none.
#[cfg(not(target_os = "macos"))]
pub(crate) fn seals(fd: BorrowedFd<'_>) -> io::Result<u32> {
    use rustix::io::Errno;
    match rustix::fs::fcntl_get_seals(fd) {
        Ok(seals) => Ok(seals.bits()),
        // Not in memory.
        Err(Errno::INVAL) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "macos")]
pub(crate) fn seals(_: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(0)
}

/// Adds seals, all or none.
#[cfg(not(target_os = "macos"))]
pub(crate) fn add_seals(fd: BorrowedFd<'_>, seals: u32) -> io::Result<()> {
    use rustix::fs::SealFlags;
    Ok(rustix::fs::fcntl_add_seals(
        fd,
        SealFlags::from_bits_retain(seals),
    )?)
}

#[cfg(target_os = "macos")]
pub(crate) fn add_seals(_: BorrowedFd<'_>, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether nobody can write to a file any more, whatever the descriptor says.
pub(crate) fn is_constant(fd: BorrowedFd<'_>) -> bool {
    const WRITE: u32 = 0x8;
    seals(fd).is_ok_and(|seals| seals & WRITE != 0)
}

/// A descriptor and a window to map so that the mapping does not stand against the seal WRITE. A
/// shared one does if its descriptor writes, and no other is to be had; a private one does not, and
/// shows the same bytes, for nobody writes to it either.
pub(crate) fn reader(fd: BorrowedFd<'_>, window: Window) -> io::Result<(OwnedFd, Window)> {
    let window = Window {
        access: Access::ReadOnly,
        private: true,
        ..window
    };
    Ok((fd.try_clone_to_owned()?, window))
}
