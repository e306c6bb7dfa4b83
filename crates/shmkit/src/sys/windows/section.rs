//! Named memory in the page file (`CreateFileMapping`), and its mappings.
#![expect(
    unsafe_code,
    reason = "calls of the Windows API, and memory that others share"
)]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_ALL_ACCESS, FILE_MAP_COPY, FILE_MAP_READ,
    MEMORY_BASIC_INFORMATION, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFile, OpenFileMappingW,
    PAGE_READWRITE, UnmapViewOfFile, VirtualLock, VirtualQuery, VirtualUnlock,
};

use super::object::{self, Made, wide};
use super::security::Descriptor;
use crate::mapping::Access;

/// Makes a section of zeros, or opens the one that has the name.
pub(crate) fn create(name: &str, size: u64, security: &Descriptor) -> io::Result<Made> {
    let name = wide(name)?;
    let (high, low) = ((size >> 32) as u32, size as u32);
    // SAFETY: no file; the descriptor and the name, which ends with a zero, live during the call.
    object::make(|| unsafe {
        CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            security.attributes(),
            PAGE_READWRITE,
            high,
            low,
            name.as_ptr(),
        )
    })
}

/// Opens the section of a name. Qt asks for all access even where it only reads; we ask for what we
/// need, so that readers need no more.
pub(crate) fn open(name: &str, access: Access) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    // SAFETY: the name ends with a zero and lives during the call.
    object::open(|| unsafe { OpenFileMappingW(rights(access), 0, name.as_ptr()) })
}

fn rights(access: Access) -> u32 {
    match access {
        Access::ReadOnly => FILE_MAP_READ,
        Access::ReadWrite => FILE_MAP_ALL_ACCESS,
    }
}

/// How a section is mapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// A multiple of 64 KiB.
    pub(crate) offset: u64,
    /// To the end if it is 0.
    pub(crate) length: usize,
    pub(crate) access: Access,
    /// Writes stay in this process.
    pub(crate) private: bool,
}

impl Window {
    pub(crate) fn whole(access: Access) -> Self {
        Self {
            offset: 0,
            length: 0,
            access,
            private: false,
        }
    }
}

/// A section that is mapped, until this is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    at: NonNull<u8>,
    /// Whole pages, as the kernel counts them.
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
            false => rights(window.access),
        };
        let (high, low) = ((window.offset >> 32) as u32, window.offset as u32);
        // SAFETY: the kernel chooses the address, so no memory in use is touched.
        let mapped =
            unsafe { MapViewOfFile(section.as_raw_handle(), rights, high, low, window.length) };
        let Some(at) = NonNull::new(mapped.Value.cast()) else {
            return Err(io::Error::last_os_error());
        };
        // From here on it is unmapped when something fails.
        let mut mapping = Self { at, len: 0 };
        mapping.len = region(at)?;
        Ok(mapping)
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
        assert!(offset <= self.len && len <= self.len - offset);
        // SAFETY: within the mapping.
        let at = unsafe { self.at.add(offset) }.as_ptr().cast();
        let done = match lock {
            // SAFETY: a range that is mapped; its bytes stay as they are.
            true => unsafe { VirtualLock(at, len) },
            // SAFETY: as above.
            false => unsafe { VirtualUnlock(at, len) },
        };
        match done {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Touches every page of a range, so that it is there; with `write` as one that is written to.
    pub(crate) fn touch(&self, offset: usize, len: usize, write: bool) {
        assert!(offset <= self.len && len <= self.len - offset);
        for page in (offset / 4096 * 4096..offset + len).step_by(4096) {
            // SAFETY: within the mapping.
            let at = unsafe { self.at.add(page) };
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
            Value: self.at.as_ptr().cast(),
        };
        // SAFETY: it was mapped by `new`, and borrows of `self` have ended.
        unsafe { UnmapViewOfFile(address) };
    }
}

/// How many bytes are mapped from an address on.
fn region(at: NonNull<u8>) -> io::Result<usize> {
    let mut information = MaybeUninit::<MEMORY_BASIC_INFORMATION>::zeroed();
    // SAFETY: `information` is as large as we say.
    let written = unsafe {
        VirtualQuery(
            at.as_ptr().cast(),
            information.as_mut_ptr(),
            size_of::<MEMORY_BASIC_INFORMATION>(),
        )
    };
    if written == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a C struct of integers and pointers that was zeroed and then filled in.
    Ok(unsafe { information.assume_init() }.RegionSize)
}
