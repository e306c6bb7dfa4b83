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

/// A model of the kernel's part: sleepers of a word, woken in the order in which they came.
#[cfg(loom)]
mod model {
    use std::cell::Cell;
    use std::collections::HashMap;

    use loom::sync::{Arc, Condvar, Mutex};

    use super::*;
    use crate::atomic::{Ordering, fault_point};

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<HashMap<usize, Arc<Condvar>>> = Mutex::new(HashMap::new());
    }

    thread_local! {
        /// Of a model, which runs in one thread of the system's.
        static TIME_PASSES: Cell<bool> = const { Cell::new(false) };
    }

    loom::thread_local! {
        static SLEPT: Cell<u32> = Cell::new(0);
    }

    /// Whether sleeps end by their limits from now on, and holders are looked after. Without, a
    /// wake-up that is lost is a deadlock, which loom reports.
    pub(crate) fn let_time_pass(passes: bool) {
        TIME_PASSES.set(passes);
    }

    pub(crate) fn time_passes() -> bool {
        TIME_PASSES.get()
    }

    /// How often this thread has slept.
    pub(crate) fn slept() -> u32 {
        SLEPT.with(Cell::get)
    }

    pub(crate) fn wait(word: &AtomicU32, expected: u32, _: Duration) {
        fault_point();
        SLEPT.with(|slept| slept.set(slept.get() + 1));
        if time_passes() {
            return loom::thread::yield_now();
        }
        let mut sleepers = SLEEPERS.lock().unwrap();
        // The mutex stands for that of the kernel: whoever changed the word and has looked for
        // sleepers is seen.
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
        fault_point();
        let sleepers = SLEEPERS.lock().unwrap();
        let here = std::ptr::from_ref(word).addr();
        let Some(condvar) = sleepers.get(&here) else {
            return;
        };
        match most {
            ALL => condvar.notify_all(),
            most => (0..most).for_each(|_| condvar.notify_one()),
        }
    }
}

#[cfg(all(loom, test))]
pub(super) use model::let_time_pass;
#[cfg(loom)]
pub(super) use model::{slept, time_passes, wait, wake};
