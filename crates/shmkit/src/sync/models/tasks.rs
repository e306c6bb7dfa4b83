//! Waits of tasks: the same code as that of threads, with futures that are woken, and dropped. What
//! watches for them (`reactor`) is a part of the model, as the kernel is: it wakes a task that sleeps
//! on a word when a thread would be woken, and passes a wake-up on that a dropped future has not seen.

use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex as LoomMutex};

use super::*;
use crate::atomic::AtomicU32;
use crate::backend::Grant;
use crate::error::Result;
use crate::sync::limit::Limit;
use crate::sync::readers::Readers;
use crate::sync::rw_state::{HasWord, RwState};
use crate::sync::signal::{Flag, Permits, Round};
use crate::sync::sleep::{Task, Thread};
use crate::sync::word::{Flagged, Refusal, Word};

/// Polls a future each time that it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = std::sync::Arc::new(Signal {
        is_given: LoomMutex::new(false),
        given: Condvar::new(),
    });
    let waker = Waker::from(std::sync::Arc::clone(&signal));
    loop {
        if let Poll::Ready(end) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return end;
        }
        let mut is_given = signal.is_given.lock().unwrap();
        while !*is_given {
            is_given = signal.given.wait(is_given).unwrap();
        }
        *is_given = false;
    }
}

struct Signal {
    is_given: LoomMutex<bool>,
    given: Condvar,
}

impl Wake for Signal {
    fn wake(self: std::sync::Arc<Self>) {
        *self.is_given.lock().unwrap() = true;
        self.given.notify_one();
    }
}

/// Polls a future once and drops it.
fn give_up<T>(wait: impl Future<Output = Result<T>>) -> Option<T> {
    match pin!(wait).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(end) => Some(end.unwrap()),
        Poll::Pending => None,
    }
}

struct Mutex {
    word: Word,
    datum: Datum,
}

impl Mutex {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            datum: Datum::new(),
        })
    }
}

impl Process<Mutex> {
    async fn lock(&self) -> Result<Result<Grant, Refusal>> {
        let (flagged, limit) = (Flagged::Refuse, Limit::Never);
        self.word.take_by(self, flagged, limit, &Task).await
    }

    fn use_it(&self, grant: Grant) {
        if grant.is_in_doubt() {
            self.datum.repair();
        }
        self.datum.count();
        self.datum.change();
        self.word.unlock(self, false, 1);
    }

    /// By a task.
    fn visit(&self) {
        let grant = block_on(self.lock()).unwrap().unwrap();
        self.use_it(grant);
    }

    /// By a thread.
    fn visit_by_thread(&self) {
        let taken = self.word.take(self, Flagged::Refuse, Limit::Never);
        self.use_it(taken.unwrap().unwrap());
    }

    /// By a task that is given up when it has to wait.
    fn visit_or_give_up(&self) {
        if let Some(taken) = give_up(self.lock()) {
            self.use_it(taken.unwrap());
        }
    }
}

/// Two threads.
#[test]
fn a_task_and_a_thread_exclude_each_other_and_neither_sleeps_for_ever() {
    NO_TIME.check(|| {
        let one = Mutex::first();
        let two = one.spawn(2, Process::visit);
        one.visit_by_thread();
        two.join().unwrap();
        assert_eq!(one.datum.count(), 2);
    });
}

/// Three threads, two preemptions.
#[test]
fn two_tasks_and_a_thread_exclude_each_other() {
    NO_TIME.preemptions(2).check(|| {
        let one = Mutex::first();
        let tasks = [2, 3].map(|lease| one.spawn(lease, Process::visit));
        one.visit_by_thread();
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(one.datum.count(), 3);
    });
}

/// Three threads, two preemptions. A future that is dropped after it was woken keeps the wake-up from
/// nobody.
#[test]
fn a_future_that_is_dropped_leaves_the_lock_to_the_others() {
    NO_TIME.preemptions(2).check(|| {
        let one = Mutex::first();
        assert!(one.word.take_free(one.me()));
        let gives_up = one.spawn(2, Process::visit_or_give_up);
        let stays = one.spawn(3, Process::visit_by_thread);
        one.use_it(Grant::Clean);
        gives_up.join().unwrap();
        stays.join().unwrap();
    });
}

/// Two threads, of which the task dies.
#[test]
fn a_tasks_death_at_any_step_is_survived_and_told() {
    TIME.check_deaths(|fate| {
        let one = Mutex::first();
        let doomed = one.spawn_doomed(2, fate, Process::visit);
        one.visit_by_thread();
        doomed.join().unwrap();
    });
}

struct RwLock {
    word: Word,
    inside: AtomicU32,
    readers: Readers<1>,
    datum: Datum,
}

impl RwLock {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            inside: AtomicU32::new(0),
            readers: Readers::new(),
            datum: Datum::new(),
        })
    }
}

impl Process<RwLock> {
    fn state(&self) -> RwState<'_, 1> {
        RwState {
            word: &self.word,
            inside: &self.inside,
            readers: &self.readers,
        }
    }

    async fn write(&self) -> Result<Result<Grant, Refusal>> {
        let (flagged, limit) = (Flagged::Refuse, Limit::Never);
        let state = self.state();
        let write = state.write(self, HasWord(false), flagged, limit, &Task);
        write.await
    }

    fn change(&self) {
        self.datum.count();
        self.datum.change();
        self.state().leave_writing(self, false);
    }

    async fn read(&self) -> Result<u32> {
        let state = self.state();
        let seat = state.read(self, 0, Limit::Never, &Task).await?.unwrap();
        let count = self.datum.count();
        state.leave_reading(seat, false);
        Ok(count)
    }
}

/// Two threads, three preemptions.
#[test]
fn a_task_that_reads_and_one_that_writes_exclude_each_other() {
    NO_TIME.preemptions(3).check(|| {
        let one = RwLock::first();
        let writer = one.spawn(2, |two| {
            assert_eq!(block_on(two.write()).unwrap(), Ok(Grant::Clean));
            two.change();
        });
        block_on(one.read()).unwrap();
        writer.join().unwrap();
        assert_eq!(block_on(one.read()).unwrap(), 1);
    });
}

/// Three threads, two preemptions. A writer that waits for a reader has the word, and gives it back
/// when its future is dropped.
#[test]
fn a_writer_that_is_dropped_half_way_keeps_nobody_out() {
    NO_TIME.preemptions(2).check(|| {
        let one = RwLock::first();
        let gives_up = one.spawn(2, |two| {
            if let Some(taken) = give_up(two.write()) {
                assert_eq!(taken, Ok(Grant::Clean));
                two.change();
            }
        });
        let reads = one.spawn(3, |three| block_on(three.read()).unwrap());
        block_on(one.read()).unwrap();
        gives_up.join().unwrap();
        reads.join().unwrap();
        assert_eq!(one.word.holder(), None);
        block_on(one.write()).unwrap().unwrap();
        one.change();
    });
}

/// Three threads, two preemptions: two permits, for one task that is given up, and one that is not.
#[test]
fn a_future_that_is_dropped_leaves_the_permits_to_the_others() {
    NO_TIME.preemptions(2).check(|| {
        let one = Process::first(Permits::new(0));
        let gives_up = one.spawn(2, |two| {
            if let Some(is_taken) = give_up(two.acquire(Limit::Never, &Task)) {
                assert!(is_taken && two.release(1));
            }
        });
        let stays = one.spawn(3, |three| {
            assert!(block_on(three.acquire(Limit::Never, &Task)).unwrap());
        });
        assert!(one.release(1));
        gives_up.join().unwrap();
        stays.join().unwrap();
        assert_eq!(one.available(), 0);
    });
}

/// Three threads, two preemptions.
#[test]
fn a_future_that_is_dropped_leaves_an_automatic_event_to_the_others() {
    NO_TIME.preemptions(2).check(|| {
        let one = Process::first(Flag::new(0));
        let gives_up = one.spawn(2, |two| {
            if give_up(two.take(Limit::Never, &Task)).is_some() {
                two.set(1);
            }
        });
        let stays = one.spawn(3, |three| {
            assert!(block_on(three.take(Limit::Never, &Task)).unwrap());
        });
        one.set(1);
        gives_up.join().unwrap();
        stays.join().unwrap();
        assert!(!one.is_set());
    });
}

/// Two threads. A future that is dropped at a barrier has not come: the next round has two as well.
#[test]
fn a_future_that_is_dropped_at_a_barrier_has_not_come() {
    NO_TIME.check(|| {
        let one = Process::first(Round::new(0));
        let two = one.spawn(2, |two| give_up(two.wait(2, Limit::Never, &Task)).is_some());
        let passed = Thread::waits(one.wait(2, Limit::Now, &Thread)).unwrap();
        let other_passed = two.join().unwrap();
        // It may have passed and been dropped before it noticed.
        assert!(passed.is_some() || !other_passed);
        assert_eq!(one.arrived(), 0);
    });
}
