//! Mapping a file into memory (`mmap(2)`).
#![expect(unsafe_code, reason = "mmap and munmap")]

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, ProtFlags};

use crate::mapping::Access;

fn protection(access: Access) -> ProtFlags {
    match access {
        Access::ReadOnly => ProtFlags::READ,
        Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
    }
}

/// Maps the first `len` bytes, shared. The mapping stays until [`unmap`].
pub(crate) fn map(fd: BorrowedFd<'_>, len: usize, access: Access) -> io::Result<NonNull<u8>> {
    // SAFETY: the kernel chooses the address, so no memory in use is touched.
    let at = unsafe {
        mm::mmap(
            ptr::null_mut(),
            len,
            protection(access),
            MapFlags::SHARED,
            fd,
            0,
        )
    }?;
    Ok(NonNull::new(at.cast()).expect("the kernel maps nothing at address 0 unless asked"))
}

/// Puts `fd` behind a mapping that exists, at the same address, in one step.
///
/// # Safety
/// `at` and `len` are a mapping of the same file, with the same access, owned by the caller.
pub(crate) unsafe fn replace(
    fd: BorrowedFd<'_>,
    at: NonNull<u8>,
    len: usize,
    access: Access,
) -> io::Result<()> {
    let flags = MapFlags::SHARED | MapFlags::FIXED;
    // SAFETY: by the contract the range is the caller's own and shows the same bytes before and
    // after, so no reader can tell.
    unsafe { mm::mmap(at.as_ptr().cast(), len, protection(access), flags, fd, 0) }?;
    Ok(())
}

/// Ends a mapping.
///
/// # Safety
/// `at` and `len` came from [`map`], and nothing points into the range any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, len: usize) -> io::Result<()> {
    // SAFETY: handed on.
    Ok(unsafe { mm::munmap(at.as_ptr().cast(), len) }?)
}
