//! A watchdog for tests that may hang.

use std::io::{self, Write as _};
use std::panic::Location;
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Aborts the whole test process unless it is dropped in time; made by [`deadline`].
#[derive(Debug)]
#[must_use = "the watch ends when this is dropped"]
pub struct Deadline {
    /// Never sent on: that it closes is the message.
    _alive: Sender<()>,
}

/// Starts to watch the current test: if the guard is not dropped within `limit`, the process says
/// which test hangs and where it started to watch, and aborts.
///
/// A thread that hangs in a system call cannot be stopped in any gentler way.
///
/// ```
/// let _watch = shmkit_testkit::deadline(std::time::Duration::from_secs(20));
/// ```
#[track_caller]
pub fn deadline(limit: Duration) -> Deadline {
    let place = Location::caller();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (alive, watched) = mpsc::channel();
    thread::spawn(move || {
        if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Not `eprintln!`: libtest would keep the words, and the abort would lose them.
            _ = writeln!(
                io::stderr(),
                "\n{test} ({place}) hangs: {limit:?} are over, aborting"
            );
            process::abort();
        }
    });
    Deadline { _alive: alive }
}
