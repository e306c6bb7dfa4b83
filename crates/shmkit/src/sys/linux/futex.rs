//! Sleeping on a word that other processes share (`futex(2)`, never with `FUTEX_PRIVATE_FLAG`).
#![expect(
    unsafe_code,
    reason = "a look at a word that only the kernel can take safely"
)]

use std::io;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{ClockId, clock_gettime};

use crate::atomic::fault_point;
use crate::sys::filter::TAKES_ANY_CALL;

/// Sleeps while `*word == expected`, at most `limit`. Waking early is allowed: callers look again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> io::Result<()> {
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    fault_point();
    match futex::wait(word, Flags::empty(), expected, Some(&limit)) {
        Ok(()) | Err(Errno::AGAIN | Errno::TIMEDOUT | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Wakes at most one sleeper.
pub(crate) fn wake_one(word: &AtomicU32) {
    wake(word, 1);
}

/// Wakes at most so many sleepers.
pub(crate) fn wake(word: &AtomicU32, most: u32) {
    fault_point();
    // It fails only on an address that is not mapped, and `word` is a reference. More than
    // `i32::MAX` the kernel takes for a negative number.
    let _ = futex::wake(word, Flags::empty(), most.min(i32::MAX as u32));
}

/// A word of some address that somebody sleeps on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) address: usize,
    /// The sleep ends when the word is not this.
    pub(crate) expected: u32,
}

/// Wakes one that sleeps there, if there is memory at that address.
pub(crate) fn wake_one_at(word: Watched) {
    let address: *mut u32 = ptr::without_provenance_mut(word.address);
    // SAFETY: the kernel does not touch the memory, and says so if there is none.
    unsafe { libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE, 1) };
}

/// The most words that can be slept on at once (futex_waitv(2)).
pub(crate) const MOST_WATCHED: usize = 128;

/// Sleeps until one of at most [`MOST_WATCHED`] words has changed or is woken, at most `limit`; which
/// one, if it was woken. An address without memory ends the sleep.
///
/// # Errors
/// `Unsupported` on kernels before 5.16, in sandboxes that do not know the call, and on Android.
pub(crate) fn wait_any(words: &[Watched], limit: Duration) -> io::Result<Option<usize>> {
    if cfg!(shmkit_force_fallbacks) || !TAKES_ANY_CALL {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let waits: Vec<Wait> = words
        .iter()
        .map(|word| {
            let mut wait = Wait::new();
            wait.val = word.expected.into();
            wait.uaddr = WaitPtr::new(ptr::without_provenance_mut(word.address));
            wait.flags = WaitFlags::SIZE_U32;
            wait
        })
        .collect();
    let now = clock_gettime(ClockId::Monotonic);
    let end = Duration::new(now.tv_sec as u64, now.tv_nsec as u32).saturating_add(limit);
    let end = Timespec {
        tv_sec: end.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: end.subsec_nanos().into(),
    };
    match futex::waitv(
        &waits,
        WaitvFlags::empty(),
        Some(&end),
        futex::ClockId::Monotonic,
    ) {
        Ok(woken) => Ok(Some(woken)),
        Err(Errno::AGAIN | Errno::TIMEDOUT | Errno::INTR | Errno::FAULT) => Ok(None),
        Err(Errno::NOSYS | Errno::PERM) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a word is no longer as expected, asked of the kernel: so nothing happens if there is no
/// memory at that address any more, which counts as a change.
pub(crate) fn has_changed(word: Watched) -> bool {
    let address: *mut u32 = ptr::without_provenance_mut(word.address);
    // SAFETY: a struct of integers, for which zeros are a valid value.
    let at_once: libc::timespec = unsafe { std::mem::zeroed() };
    let limit = &raw const at_once;
    // SAFETY: the kernel checks the address and only reads there; `limit` points to a local.
    let slept = unsafe {
        libc::syscall(
            libc::SYS_futex,
            address,
            libc::FUTEX_WAIT,
            word.expected,
            limit,
        )
    };
    slept == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ETIMEDOUT)
}
