//! Copies by the kernel: where a page is missing, an answer and no signal.
#![expect(unsafe_code, reason = "system calls that take addresses")]

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Copies `len` bytes and answers how many it were: fewer if a page of either side is not there.
///
/// # Safety
/// `from..from + len` and `to..to + len` are the caller's to read and write, and no Rust reference
/// but the caller's own goes there; whether pages are behind them does not matter. They do not
/// overlap.
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) -> io::Result<usize> {
    static DENIED: AtomicBool =
        AtomicBool::new(cfg!(any(shmkit_force_fallbacks, sys = "portable")));
    if !DENIED.load(Ordering::Relaxed) {
        // SAFETY: handed on.
        match unsafe { copy_directly(from, to, len) } {
            Err(error) if is_denied(&error) => DENIED.store(true, Ordering::Relaxed),
            done => return done,
        }
    }
    // SAFETY: handed on.
    unsafe { copy_by_pipe(from, to, len) }
}

/// A kernel without the call, or a sandbox that takes it for a debugger's.
fn is_denied(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES)
    )
}

/// Has the kernel read this process's memory as if it were another's (process_vm_readv(2)).
///
/// # Safety
/// As [`copy`].
#[cfg(any(target_os = "linux", target_os = "android"))]
unsafe fn copy_directly(from: *const u8, to: *mut u8, len: usize) -> io::Result<usize> {
    let me = std::process::id().cast_signed();
    let mut done = 0;
    while done < len {
        let remote = libc::iovec {
            iov_base: from.wrapping_add(done).cast_mut().cast(),
            iov_len: len - done,
        };
        let local = libc::iovec {
            iov_base: to.wrapping_add(done).cast(),
            iov_len: len - done,
        };
        // SAFETY: both vectors have one element; the kernel writes to `local` only, which is the
        // caller's, and answers EFAULT where it cannot.
        match unsafe { libc::process_vm_readv(me, &local, 1, &remote, 1, 0) } {
            -1 => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EFAULT) => break,
                error => return Err(error),
            },
            0 => break,
            copied => done += copied as usize,
        }
    }
    Ok(done)
}

/// Other systems have no such call.
///
/// # Safety
/// As [`copy`].
#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe fn copy_directly(_: *const u8, _: *mut u8, _: usize) -> io::Result<usize> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// Sends the bytes through a pipe: both ends are copies by the kernel.
///
/// # Safety
/// As [`copy`].
unsafe fn copy_by_pipe(from: *const u8, to: *mut u8, len: usize) -> io::Result<usize> {
    // What every pipe takes without anybody reading.
    const AT_ONCE: usize = 4096;
    let (reader, writer) = io::pipe()?;
    let mut done = 0;
    while done < len {
        let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
        // SAFETY: the source is the caller's.
        let sent = unsafe { send(&writer, from, AT_ONCE.min(len - done)) }?;
        // SAFETY: the destination is the caller's.
        let came = unsafe { receive(&reader, to, sent) }?;
        done += came;
        if came < AT_ONCE {
            break;
        }
    }
    Ok(done)
}

/// # Safety
/// `from..from + len` is the caller's to read.
unsafe fn send(pipe: &PipeWriter, from: *const u8, len: usize) -> io::Result<usize> {
    loop {
        // SAFETY: by the contract; where no page is, the kernel says EFAULT.
        let sent = unsafe { libc::write(pipe.as_raw_fd(), from.cast(), len) };
        match short(sent)? {
            Some(sent) => return Ok(sent),
            None => continue,
        }
    }
}

/// # Safety
/// `to..to + len` is the caller's to write.
unsafe fn receive(pipe: &PipeReader, to: *mut u8, len: usize) -> io::Result<usize> {
    let mut done = 0;
    while done < len {
        // SAFETY: by the contract; where no page is, the kernel says EFAULT.
        let came =
            unsafe { libc::read(pipe.as_raw_fd(), to.wrapping_add(done).cast(), len - done) };
        match short(came)? {
            Some(0) => break,
            Some(came) => done += came,
            None => {}
        }
    }
    Ok(done)
}

/// `Some(0)` where a page is missing, `None` to try again.
fn short(result: isize) -> io::Result<Option<usize>> {
    if let Ok(count) = usize::try_from(result) {
        return Ok(Some(count));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EFAULT) => Ok(Some(0)),
        Some(libc::EINTR) => Ok(None),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_copy_alike() {
        let source: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        type Copy = unsafe fn(*const u8, *mut u8, usize) -> io::Result<usize>;
        for copy in [copy_directly as Copy, copy_by_pipe] {
            for len in [0, 1, 4095, 4096, 4097, 10_000] {
                let mut target = vec![0; len];
                // SAFETY: both are vectors of at least `len` bytes.
                let done = unsafe { copy(source.as_ptr(), target.as_mut_ptr(), len) };
                assert_eq!(done.unwrap(), len);
                assert_eq!(target, source[..len]);
            }
            let mut target = [0; 8];
            let nowhere = std::ptr::without_provenance(16);
            // SAFETY: nothing is mapped at the source, which may be so.
            let done = unsafe { copy(nowhere, target.as_mut_ptr(), 8) };
            assert_eq!(done.unwrap(), 0);
        }
    }
}
