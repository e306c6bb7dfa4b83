//! Sleeping on a word that other processes share (`futex(2)`, never with `FUTEX_PRIVATE_FLAG`).

use std::io;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Timespec};

/// Sleeps while `*word == expected`, at most `limit`. Waking early is allowed: callers look again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> io::Result<()> {
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
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
    // It fails only on an address that is not mapped, and `word` is a reference. More than
    // `i32::MAX` the kernel takes for a negative number.
    let _ = futex::wake(word, Flags::empty(), most.min(i32::MAX as u32));
}
