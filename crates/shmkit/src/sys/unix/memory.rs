//! Mapping a file into memory (`mmap(2)`).
#![expect(unsafe_code, reason = "mmap and munmap")]

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, MsyncFlags, ProtFlags};

use crate::atomic::fault_point;
use crate::mapping::Access;

/// Which bytes of a file are mapped, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Where it begins in the file; any byte.
    pub(crate) offset: u64,
    /// How many bytes; they may reach past the end of the file, as address space for it to grow
    /// into.
    pub(crate) len: usize,
    pub(crate) access: Access,
    /// Writes stay in this process (`MAP_PRIVATE`).
    pub(crate) private: bool,
}

impl Window {
    /// The first `len` bytes, shared.
    pub(crate) fn whole(len: usize, access: Access) -> Self {
        Self {
            offset: 0,
            len,
            access,
            private: false,
        }
    }

    /// How the file must be open. A private copy only reads it.
    pub(crate) fn file_access(&self) -> Access {
        match self.private {
            true => Access::ReadOnly,
            false => self.access,
        }
    }

    /// How far into its first page it begins.
    pub(crate) fn skew(&self) -> usize {
        (self.offset % page_size() as u64) as usize
    }

    fn mapped_len(&self) -> io::Result<usize> {
        self.len
            .checked_add(self.skew())
            .filter(|&len| isize::try_from(len).is_ok())
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    fn protection(&self) -> ProtFlags {
        match self.access {
            Access::ReadOnly => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        }
    }

    fn flags(&self) -> MapFlags {
        match self.private {
            true => MapFlags::PRIVATE,
            // What is reserved is reserved in the file; only hugetlb files would reserve more.
            #[cfg(not(target_os = "freebsd"))]
            false => MapFlags::SHARED | MapFlags::NORESERVE,
            #[cfg(target_os = "freebsd")]
            false => MapFlags::SHARED,
        }
    }
}

/// Pages that stay mapped for `'m`. What is done to them here changes no byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages<'m> {
    at: NonNull<u8>,
    len: usize,
    _mapped: PhantomData<&'m ()>,
}

impl Pages<'_> {
    /// The pages that hold `len` bytes from `at` on.
    ///
    /// # Safety
    /// The bytes lie in one mapping that stays for the lifetime of the result.
    pub(crate) unsafe fn around(at: NonNull<u8>, len: usize) -> Self {
        let skew = at.addr().get() % page_size();
        let at = at.as_ptr().wrapping_sub(skew);
        Self {
            // A page at address 0 is never mapped.
            at: NonNull::new(at).expect("the kernel maps nothing at address 0 unless asked"),
            len: len + skew,
            _mapped: PhantomData,
        }
    }

    pub(in crate::sys) fn start(self) -> *mut c_void {
        self.at.as_ptr().cast()
    }

    pub(in crate::sys) fn len(self) -> usize {
        self.len
    }

    /// Writes what was changed to where the file lies, or asks for it to be written.
    pub(crate) fn sync(self, wait: bool) -> io::Result<()> {
        let flags = match wait {
            true => MsyncFlags::SYNC,
            false => MsyncFlags::ASYNC,
        };
        // SAFETY: the pages are mapped, and msync changes no byte.
        Ok(unsafe { mm::msync(self.start(), self.len, flags) }?)
    }
}

/// The size of a page.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// Maps a window; answers where its first byte is. The mapping stays until [`unmap`].
pub(crate) fn map(fd: BorrowedFd<'_>, window: &Window) -> io::Result<NonNull<u8>> {
    fault_point();
    let skew = window.skew();
    // SAFETY: the kernel chooses the address, so no memory in use is touched.
    let at = unsafe {
        mm::mmap(
            ptr::null_mut(),
            window.mapped_len()?,
            window.protection(),
            window.flags(),
            fd,
            window.offset - skew as u64,
        )
    }?;
    let first = at.cast::<u8>().wrapping_add(skew);
    Ok(NonNull::new(first).expect("the kernel maps nothing at address 0 unless asked"))
}

/// Copies the first bytes of what can be mapped, for those who are not attached to it.
#[cfg(anchored)]
pub(crate) fn read_start(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let window = Window::whole(buffer.len(), Access::ReadOnly);
    let at = map(fd, &window)?;
    // SAFETY: the kernel reads there, or says that it cannot; the buffer is ours and so long.
    let copied = unsafe {
        crate::sys::checked::copy(at.as_ptr().cast_const(), buffer.as_mut_ptr(), buffer.len())
    };
    // SAFETY: it was mapped just now, and nothing points into it.
    unsafe { unmap(at, &window) }?;
    copied
}

/// Puts `fd` behind a mapping that exists, at the same address, in one step.
///
/// # Safety
/// `at` came from [`map`] of the same file and window, shared and owned by the caller.
pub(crate) unsafe fn replace(
    fd: BorrowedFd<'_>,
    at: NonNull<u8>,
    window: &Window,
) -> io::Result<()> {
    let skew = window.skew();
    let start = at.as_ptr().wrapping_sub(skew).cast();
    let (len, offset) = (window.mapped_len()?, window.offset - skew as u64);
    let (protection, flags) = (window.protection(), window.flags() | MapFlags::FIXED);
    // SAFETY: by the contract the range is the caller's own and shows the same bytes before and
    // after, so no reader can tell.
    unsafe { mm::mmap(start, len, protection, flags, fd, offset) }?;
    Ok(())
}

/// Ends a mapping.
///
/// # Safety
/// `at` came from [`map`] of this window, and nothing points into the range any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, window: &Window) -> io::Result<()> {
    fault_point();
    let start = at.as_ptr().wrapping_sub(window.skew()).cast();
    // SAFETY: handed on.
    Ok(unsafe { mm::munmap(start, window.mapped_len()?) }?)
}
