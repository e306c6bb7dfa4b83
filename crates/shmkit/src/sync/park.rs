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
    use std::collections::{HashMap, VecDeque};
    use std::future::poll_fn;
    use std::sync::atomic::AtomicBool;
    use std::task::{Poll, Waker};

    use loom::sync::{Arc, Condvar, Mutex};

    use super::*;
    use crate::atomic::{Ordering, death, fault_point};

    type Sleepers = HashMap<usize, VecDeque<Arc<Sleeper>>>;

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Sleepers> = Mutex::new(HashMap::new());
    }

    /// A thread or a task that sleeps, or was woken.
    struct Sleeper {
        /// Only looked at and changed with the sleepers locked.
        is_woken: AtomicBool,
        condvar: Condvar,
        task: Option<Waker>,
    }

    thread_local! {
        /// Of a model, which runs in one thread of the system's.
        static TIME_PASSES: Cell<bool> = const { Cell::new(false) };
        static NOW: Cell<u64> = const { Cell::new(0) };
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

    /// A clock that goes on each time that it is looked at; it begins with the model.
    pub(crate) fn now() -> u64 {
        NOW.set(NOW.get() + 1);
        NOW.get()
    }

    pub(crate) fn reset_clock() {
        NOW.set(0);
    }

    /// How often this thread has slept.
    pub(crate) fn slept() -> u32 {
        SLEPT.with(Cell::get)
    }

    fn count_sleep() {
        fault_point();
        SLEPT.with(|slept| slept.set(slept.get() + 1));
    }

    pub(crate) fn wait(word: &AtomicU32, expected: u32, _: Duration) {
        count_sleep();
        if time_passes() {
            return loom::thread::yield_now();
        }
        let mut sleepers = SLEEPERS.lock().unwrap();
        if let Some(sleeper) = lie_down(&mut sleepers, word, expected, None) {
            while !sleeper.is_woken() {
                sleepers = sleeper.condvar.wait(sleepers).unwrap();
            }
        }
    }

    /// The same for a task. As the real one does, it passes on a wake-up that it has not noticed when
    /// it is dropped.
    pub(crate) async fn changed(word: &AtomicU32, expected: u32, _: Duration) {
        count_sleep();
        if time_passes() {
            return loom::thread::yield_now();
        }
        let mut asleep = Asleep {
            word,
            sleeper: None,
        };
        poll_fn(|context| {
            let mut sleepers = SLEEPERS.lock().unwrap();
            let is_over = match &asleep.sleeper {
                Some(sleeper) => sleeper.is_woken(),
                None => {
                    let task = Some(context.waker().clone());
                    asleep.sleeper = lie_down(&mut sleepers, word, expected, task);
                    asleep.sleeper.is_none()
                }
            };
            if is_over {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        asleep.sleeper = None;
    }

    /// A task's sleep that may be given up.
    struct Asleep<'w> {
        word: &'w AtomicU32,
        sleeper: Option<Arc<Sleeper>>,
    }

    impl Drop for Asleep<'_> {
        fn drop(&mut self) {
            let Some(sleeper) = self.sleeper.take().filter(|_| !death::has_come()) else {
                return;
            };
            let mut sleepers = SLEEPERS.lock().unwrap();
            if let Some(here) = sleepers.get_mut(&address(self.word)) {
                here.retain(|other| !Arc::ptr_eq(other, &sleeper));
            }
            let is_woken = sleeper.is_woken();
            drop(sleepers);
            if is_woken {
                wake(self.word, 1);
            }
        }
    }

    /// Begins to sleep, unless the word is another one.
    fn lie_down(
        sleepers: &mut Sleepers,
        word: &AtomicU32,
        expected: u32,
        task: Option<Waker>,
    ) -> Option<Arc<Sleeper>> {
        // The mutex stands for that of the kernel: whoever changed the word and has looked for
        // sleepers is seen.
        if word.load(Ordering::Relaxed) != expected {
            return None;
        }
        let sleeper = Arc::new(Sleeper {
            is_woken: AtomicBool::new(false),
            condvar: Condvar::new(),
            task,
        });
        let here = sleepers.entry(address(word)).or_default();
        here.push_back(Arc::clone(&sleeper));
        Some(sleeper)
    }

    pub(crate) fn wake(word: &AtomicU32, most: u32) {
        fault_point();
        let mut sleepers = SLEEPERS.lock().unwrap();
        let Some(here) = sleepers.get_mut(&address(word)) else {
            return;
        };
        let most = here.len().min(most as usize);
        let woken: Vec<_> = here.drain(..most).collect();
        for sleeper in &woken {
            sleeper.is_woken.store(true, Ordering::Relaxed);
            sleeper.condvar.notify_one();
        }
        drop(sleepers);
        for task in woken.iter().filter_map(|sleeper| sleeper.task.as_ref()) {
            task.wake_by_ref();
        }
    }

    impl Sleeper {
        fn is_woken(&self) -> bool {
            self.is_woken.load(Ordering::Relaxed)
        }
    }

    fn address(word: &AtomicU32) -> usize {
        std::ptr::from_ref(word).addr()
    }
}

#[cfg(all(loom, feature = "async"))]
pub(super) use model::changed;
#[cfg(all(loom, test))]
pub(super) use model::{let_time_pass, reset_clock};
#[cfg(loom)]
pub(super) use model::{now, slept, time_passes, wait, wake};
