//! Sections (`CreateFileMapping`): memory in the page file or in a file; and their mappings.
#![expect(
    unsafe_code,
    reason = "calls of the Windows API, and memory that others share"
)]

use std::ffi::c_void;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use windows_sys::Win32::Foundation::{ERROR_NOACCESS, ERROR_PARTIAL_COPY, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::READ_CONTROL;
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_ALL_ACCESS, FILE_MAP_COPY, FILE_MAP_LARGE_PAGES, FILE_MAP_READ,
    FlushViewOfFile, GetLargePageMinimum, MEM_COMMIT, MEMORY_BASIC_INFORMATION,
    MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, OpenFileMappingW, PAGE_READONLY, PAGE_READWRITE,
    PAGE_WRITECOPY, PrefetchVirtualMemory, SEC_COMMIT, SEC_LARGE_PAGES, SEC_RESERVE,
    UnmapViewOfFile, VirtualAlloc, VirtualLock, VirtualQuery, VirtualUnlock,
    WIN32_MEMORY_RANGE_ENTRY,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::object::{self, Made, wide};
use super::security::Descriptor;
use crate::mapping::Access;

/// Views begin at multiples of this.
const GRANULARITY: u64 = 64 << 10;

const PAGE: usize = 4096;

/// How a section of the page file gets its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// All at once.
    Committed,
    /// Later, from its beginning on: see [`Mapping::commit`].
    Reserved,
    /// All at once, and large ones.
    Large,
}

/// Makes a section of zeros, or opens the one that has the name.
pub(crate) fn create(name: &str, size: u64, security: &Descriptor) -> io::Result<Made> {
    create_of(Pages::Committed, name, size, security)
}

/// Makes a section of zeros with such pages, or opens the one that has the name.
pub(crate) fn create_of(
    pages: Pages,
    name: &str,
    size: u64,
    security: &Descriptor,
) -> io::Result<Made> {
    let name = wide(name)?;
    let (high, low) = ((size >> 32) as u32, size as u32);
    let kind = match pages {
        Pages::Committed => SEC_COMMIT,
        Pages::Reserved => SEC_RESERVE,
        Pages::Large => SEC_COMMIT | SEC_LARGE_PAGES,
    };
    // SAFETY: no file; the descriptor and the name, which ends with a zero, live during the call.
    object::make(|| unsafe {
        CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            security.attributes(),
            PAGE_READWRITE | kind,
            high,
            low,
            name.as_ptr(),
        )
    })
}

/// Makes a section of a whole file, as it is now.
pub(crate) fn of_file(file: &impl AsHandle, window: Window) -> io::Result<OwnedHandle> {
    let protection = match (window.private, window.access) {
        (true, _) => PAGE_WRITECOPY,
        (false, Access::ReadOnly) => PAGE_READONLY,
        (false, Access::ReadWrite) => PAGE_READWRITE,
    };
    let file = file.as_handle().as_raw_handle();
    // SAFETY: the handle is open; there are neither a descriptor nor a name.
    object::open(|| unsafe { CreateFileMappingW(file, ptr::null(), protection, 0, 0, ptr::null()) })
}

/// The size of a large page; 0 if this processor has none.
pub(crate) fn large_page() -> usize {
    // SAFETY: it returns a number.
    unsafe { GetLargePageMinimum() }
}

/// Opens the section of a name. Qt asks for all access even where it only reads; we ask for what we
/// need, so that readers need no more: to read, and who made it, if that is told.
pub(crate) fn open(name: &str, access: Access) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    // SAFETY: the name ends with a zero and lives during the call.
    let open = |rights| object::open(|| unsafe { OpenFileMappingW(rights, 0, name.as_ptr()) });
    match (open(rights(access) | READ_CONTROL), access) {
        (Err(error), Access::ReadOnly) if error.kind() == io::ErrorKind::PermissionDenied => {
            open(rights(access))
        }
        (opened, _) => opened,
    }
}

/// The rights that a handle needs.
pub(crate) fn rights(access: Access) -> u32 {
    match access {
        Access::ReadOnly => FILE_MAP_READ,
        Access::ReadWrite => FILE_MAP_ALL_ACCESS,
    }
}

/// How a section is mapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) offset: u64,
    /// To the end if it is 0.
    pub(crate) length: usize,
    pub(crate) access: Access,
    /// Writes stay in this process.
    pub(crate) private: bool,
    /// Its pages are large ones.
    pub(crate) large: bool,
}

impl Window {
    pub(crate) fn whole(access: Access) -> Self {
        Self {
            offset: 0,
            length: 0,
            access,
            private: false,
            large: false,
        }
    }
}

/// A section that is mapped, until this is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Where the view begins, at or before what was asked for.
    view: NonNull<u8>,
    at: NonNull<u8>,
    /// To the end of the last page, as the kernel counts them; those that are only reserved count.
    pub(crate) len: usize,
}

// SAFETY: it owns a range of addresses that is the same for all threads.
unsafe impl Send for Mapping {}
// SAFETY: as above; its words are atomics.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn new(section: &OwnedHandle, window: Window) -> io::Result<Self> {
        let rights = match window.private {
            true => FILE_MAP_COPY,
            false if window.large => rights(window.access) | FILE_MAP_LARGE_PAGES,
            false => rights(window.access),
        };
        let skip = (window.offset % GRANULARITY) as usize;
        let offset = window.offset - skip as u64;
        let length = match window.length {
            0 => 0,
            length => length.checked_add(skip).ok_or(io::ErrorKind::OutOfMemory)?,
        };
        let (high, low) = ((offset >> 32) as u32, offset as u32);
        // SAFETY: the kernel chooses the address, so no memory in use is touched.
        let mapped = unsafe { MapViewOfFile(section.as_raw_handle(), rights, high, low, length) };
        let Some(view) = NonNull::new(mapped.Value.cast::<u8>()) else {
            return Err(io::Error::last_os_error());
        };
        // From here on it is unmapped when something fails.
        let mut mapping = Self {
            view,
            at: view,
            len: 0,
        };
        let mapped = extent(view)?.reserved;
        mapping.len = mapped
            .checked_sub(skip)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: within the view.
        mapping.at = unsafe { view.add(skip) };
        Ok(mapping)
    }

    /// How many bytes have pages, from the first one on: all but in sections that were made to grow.
    pub(crate) fn committed(&self) -> io::Result<usize> {
        let skip = self.at.addr().get() - self.view.addr().get();
        Ok(extent(self.view)?.committed.saturating_sub(skip))
    }

    /// Has so many bytes from the beginning on get their pages, in all mappings of the section.
    pub(crate) fn commit(&self, len: usize) -> io::Result<()> {
        assert!(len <= self.len);
        // SAFETY: a range of our own view; pages that are there already stay as they are.
        let done =
            unsafe { VirtualAlloc(self.at.as_ptr().cast(), len, MEM_COMMIT, PAGE_READWRITE) };
        match done.is_null() {
            true => Err(io::Error::last_os_error()),
            false => Ok(()),
        }
    }

    /// Has what was changed in a range written to its file.
    pub(crate) fn flush(&self, offset: usize, len: usize) -> io::Result<()> {
        if len == 0 {
            // For the call that means all.
            return Ok(());
        }
        let at = self.part(offset, len);
        // SAFETY: a range that is mapped; its bytes stay as they are.
        succeeded(unsafe { FlushViewOfFile(at, len) })
    }

    /// Has a range read ahead, as far as the system likes.
    pub(crate) fn prefetch(&self, offset: usize, len: usize) -> io::Result<()> {
        let range = WIN32_MEMORY_RANGE_ENTRY {
            VirtualAddress: self.part(offset, len),
            NumberOfBytes: len,
        };
        // SAFETY: it gives a number that needs no closing.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: one range, which is mapped.
        succeeded(unsafe { PrefetchVirtualMemory(process, 1, &range, 0) })
    }

    fn part(&self, offset: usize, len: usize) -> *mut c_void {
        assert!(offset <= self.len && len <= self.len - offset);
        // SAFETY: within the mapping.
        unsafe { self.at.add(offset) }.as_ptr().cast()
    }

    pub(crate) fn address(&self) -> NonNull<u8> {
        self.at
    }

    /// A word in the first page.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < 4096);
        // SAFETY: a page at least is mapped.
        let at = unsafe { self.at.add(offset) };
        // SAFETY: mapped for as long as `self` lives, aligned, and used as atomics by all.
        unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) }
    }

    /// A long word in the first page.
    pub(crate) fn long_word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < 4096);
        // SAFETY: a page at least is mapped.
        let at = unsafe { self.at.add(offset) };
        // SAFETY: mapped for as long as `self` lives, aligned, and used as atomics by all.
        unsafe { AtomicU64::from_ptr(at.cast().as_ptr()) }
    }

    /// Takes or gives back the right of pages to stay in memory.
    pub(crate) fn lock(&self, offset: usize, len: usize, lock: bool) -> io::Result<()> {
        let at = self.part(offset, len);
        succeeded(match lock {
            // SAFETY: a range that is mapped; its bytes stay as they are.
            true => unsafe { VirtualLock(at, len) },
            // SAFETY: as above.
            false => unsafe { VirtualUnlock(at, len) },
        })
    }

    /// Touches every page of a range, so that it is there; with `write` as one that is written to.
    pub(crate) fn touch(&self, offset: usize, len: usize, write: bool) {
        assert!(offset <= self.len && len <= self.len - offset);
        let first = offset..offset + len.min(1);
        let into_page = (self.at.addr().get() + offset) % PAGE;
        let others = (offset + PAGE - into_page..offset + len).step_by(PAGE);
        for byte in first.chain(others) {
            // SAFETY: within the mapping.
            let at = unsafe { self.at.add(byte) };
            // SAFETY: mapped for as long as `self` lives; a byte may be an atomic for a moment
            // whatever others do with it, as nobody makes references to it.
            let byte = unsafe { AtomicU8::from_ptr(at.as_ptr()) };
            match write {
                true => byte.fetch_or(0, Ordering::Relaxed),
                false => byte.load(Ordering::Relaxed),
            };
        }
    }

    /// The first bytes, as many of so many as there are.
    pub(crate) fn start(&self, most: usize) -> Vec<u8> {
        let bytes = (0..most.min(self.len)).map(|offset| {
            // SAFETY: within the mapping.
            let at = unsafe { self.at.add(offset) };
            // SAFETY: as in `touch`.
            unsafe { AtomicU8::from_ptr(at.as_ptr()) }.load(Ordering::Relaxed)
        });
        bytes.collect()
    }

    /// Fills in the beginning of a section that nobody else uses yet.
    pub(crate) fn begin_with(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.len);
        let from = bytes.as_ptr();
        // SAFETY: within the mapping, which is writable where this is called; `bytes` is this
        // process's own.
        unsafe { from.copy_to_nonoverlapping(self.at.as_ptr(), bytes.len()) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let address = MEMORY_MAPPED_VIEW_ADDRESS {
            Value: self.view.as_ptr().cast(),
        };
        // SAFETY: it was mapped by `new`, and borrows of `self` have ended.
        unsafe { UnmapViewOfFile(address) };
    }
}

/// What is mapped from the beginning of a view on.
struct Extent {
    committed: usize,
    reserved: usize,
}

fn extent(view: NonNull<u8>) -> io::Result<Extent> {
    let mut extent = Extent {
        committed: 0,
        reserved: 0,
    };
    loop {
        let address = view.as_ptr().wrapping_add(extent.reserved);
        let region = match region(address) {
            Ok(region) => region,
            // The end of the address space.
            Err(_) if extent.reserved > 0 => break,
            Err(error) => return Err(error),
        };
        if region.AllocationBase.cast() != view.as_ptr() {
            break;
        }
        if region.State == MEM_COMMIT && extent.committed == extent.reserved {
            extent.committed += region.RegionSize;
        }
        extent.reserved += region.RegionSize;
    }
    Ok(extent)
}

/// The pages of one kind from an address on.
fn region(at: *const u8) -> io::Result<MEMORY_BASIC_INFORMATION> {
    let mut information = MaybeUninit::<MEMORY_BASIC_INFORMATION>::zeroed();
    // SAFETY: `information` is as large as we say.
    let written = unsafe {
        VirtualQuery(
            at.cast(),
            information.as_mut_ptr(),
            size_of::<MEMORY_BASIC_INFORMATION>(),
        )
    };
    if written == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a C struct of integers and pointers that was zeroed and then filled in.
    Ok(unsafe { information.assume_init() })
}

fn succeeded(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Copies bytes of this process as the kernel does: a page that is not there is a short count.
///
/// # Safety
/// `to` may be written for `len` bytes by this call as far as it is mapped; `from` may be anything.
pub(crate) unsafe fn copy_checked(from: *const u8, to: *mut u8, len: usize) -> io::Result<usize> {
    let mut done = 0;
    // SAFETY: it gives a number that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the kernel looks at both ranges itself; the caller vouches for what is written to.
    let all = unsafe { ReadProcessMemory(process, from.cast(), to.cast(), len, &mut done) };
    match all {
        0 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(ERROR_PARTIAL_COPY as i32) => Ok(done),
            error if error.raw_os_error() == Some(ERROR_NOACCESS as i32) => Ok(done),
            error => Err(error),
        },
        _ => Ok(done),
    }
}
