//! Sleeping on a word until another process wakes whoever sleeps there.

use std::time::Duration;

use crate::atomic::AtomicU32;

/// Wakes everybody.
pub(super) const ALL: u32 = u32::MAX;

#[cfg(not(loom))]
mod kernel {
    use super::*;
    use crate::atomic::raw;
    use crate::sys::futex;

    /// Sleeps while `*word == expected`, at most `limit`. It may end early: callers look again.
    pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Duration) {
        if futex::wait(raw(word), expected, limit).is_err() {
            // The kernel has no futexes for us: a poll is all that is left.
            std::thread::sleep(limit.min(Duration::from_millis(1)));
        }
    }

    /// Wakes at most so many of those who sleep.
    pub(crate) fn wake(word: &AtomicU32, most: u32) {
        futex::wake(raw(word), most);
    }
}

#[cfg(not(loom))]
pub(super) use kernel::{wait, wake};

/// A model of the kernel's part, exact but for time: sleepers of a word, woken one at a time.
#[cfg(loom)]
mod model {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use loom::sync::{Arc, Condvar, Mutex};

    use super::*;

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<HashMap<usize, Arc<Condvar>>> = Mutex::new(HashMap::new());
    }

    /// Whether a sleep may end by its limit. Without, a wake-up that is lost is a deadlock, which
    /// loom reports.
    pub(crate) static TIME_PASSES: AtomicBool = AtomicBool::new(false);

    pub(crate) fn wait(word: &AtomicU32, expected: u32, _: Duration) {
        if TIME_PASSES.load(Ordering::Relaxed) {
            return loom::thread::yield_now();
        }
        let mut sleepers = SLEEPERS.lock().unwrap();
        if word.load(Ordering::Relaxed) != expected {
            return;
        }
        let here = std::ptr::from_ref(word).addr();
        let condvar = sleepers
            .entry(here)
            .or_insert_with(|| Arc::new(Condvar::new()));
        let condvar = Arc::clone(condvar);
        drop(condvar.wait(sleepers).unwrap());
    }

    pub(crate) fn wake(word: &AtomicU32, most: u32) {
        let sleepers = SLEEPERS.lock().unwrap();
        let here = std::ptr::from_ref(word).addr();
        if let Some(condvar) = sleepers.get(&here) {
            match most {
                1 => condvar.notify_one(),
                _ => condvar.notify_all(),
            }
        }
    }
}

#[cfg(loom)]
pub(super) use model::{TIME_PASSES, wait, wake};
