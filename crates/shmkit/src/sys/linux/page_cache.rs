//! How much of a file lies in memory.
#![expect(
    unsafe_code,
    reason = "cachestat(2), which libc and rustix do not have"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::sys::filter::TAKES_ANY_CALL;

/// The same number on all machines that Rust's standard library runs on.
const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range` of <linux/mman.h>; a length of 0 is all up to the end.
#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// `struct cachestat` of <linux/mman.h>, in pages.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// The bytes of an open file that lie in the page cache. Kernels before 6.5 do not tell, nor does
/// any of a file that this user may not write to, nor Android.
pub(crate) fn bytes_of(fd: BorrowedFd<'_>) -> io::Result<u64> {
    if !TAKES_ANY_CALL {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let range = Range {
        offset: 0,
        length: 0,
    };
    let mut counts = Counts::default();
    let [range, counts_at] = [
        (&raw const range).cast_mut().cast::<libc::c_void>(),
        (&raw mut counts).cast::<libc::c_void>(),
    ];
    // SAFETY: the call reads a `cachestat_range` and writes a `cachestat`, which live through it;
    // the last argument, the flags, must be 0.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), range, counts_at, 0) };
    match result {
        0 => Ok(counts.cached * rustix::param::page_size() as u64),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    #[test]
    fn what_was_just_written_lies_in_memory() {
        let path = std::env::temp_dir().join(format!("shmkit-cache-{}", std::process::id()));
        std::fs::write(&path, [1; 10_000]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        match super::bytes_of(file.as_fd()) {
            Ok(bytes) => assert!((10_000..64 << 10).contains(&bytes), "{bytes}"),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOSYS)),
        }
    }
}
