//! The words that signal: condition variable, semaphore, event, barrier.

use std::sync::atomic::AtomicU32 as Counter;

use super::*;
use crate::error::Result;
use crate::sync::limit::Limit;
use crate::sync::park;
use crate::sync::signal::{Flag, Passed, Permits, Round, Sequence};
use crate::sync::sleep::Thread;
use crate::sync::word::{Flagged, Word};

/// Waits as a thread, which nothing keeps from it.
fn wait<T>(wait: impl Future<Output = Result<T>>) -> T {
    Thread::waits(wait).unwrap()
}

/// A condition variable and its mutex, around a number.
struct Box {
    word: Word,
    sequence: Sequence,
    letters: UnsafeCell<u32>,
}

// SAFETY: loom checks that whoever is there has the lock.
unsafe impl Sync for Box {}

impl Box {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            sequence: Sequence::new(0),
            letters: UnsafeCell::new(0),
        })
    }
}

impl Process<Box> {
    fn lock(&self) {
        if !self.word.take_free(self.me()) {
            let taken = self.word.take(self, Flagged::Refuse, Limit::Never);
            taken.unwrap().unwrap();
        }
    }

    /// Changes the number by so much, with the lock; what it was.
    fn add(&self, letters: i32) -> u32 {
        self.letters.with_mut(|number| {
            // SAFETY: loom has checked that no other thread is there.
            let before = unsafe { *number };
            // SAFETY: as above.
            unsafe { *number = before.wrapping_add_signed(letters) };
            before
        })
    }

    /// Brings one, then notifies.
    fn bring(&self, most: u32) {
        self.lock();
        self.add(1);
        self.word.unlock(self, false, 1);
        self.sequence.signal(most);
    }

    /// Waits for one and takes it; as `Condvar::wait_while`.
    fn fetch(&self) {
        self.lock();
        while self.add(0) == 0 {
            let before = self.sequence.now();
            self.word.unlock(self, false, 1);
            wait(self.sequence.wait(before, Limit::Never, &Thread));
            self.lock();
        }
        self.add(-1);
        self.word.unlock(self, false, 1);
    }
}

/// Two threads.
#[test]
fn a_notification_after_the_change_is_not_missed() {
    NO_TIME.check(|| {
        let one = Box::first();
        let two = one.spawn(2, Process::fetch);
        one.bring(1);
        two.join().unwrap();
    });
}

/// Three threads, two preemptions.
#[test]
fn two_notifications_are_enough_for_two() {
    NO_TIME.preemptions(2).check(|| {
        let one = Box::first();
        let others = [2, 3].map(|lease| one.spawn(lease, Process::fetch));
        one.bring(1);
        one.bring(1);
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Three threads, of which one waits and dies, one preemption.
#[test]
fn a_waiter_that_dies_keeps_no_notification() {
    TIME.preemptions(1).check_deaths(|fate| {
        let one = Box::first();
        let doomed = one.spawn_doomed(2, fate, Process::fetch);
        let three = one.spawn(3, Process::fetch);
        one.bring(1);
        one.bring(1);
        three.join().unwrap();
        doomed.join().unwrap();
    });
}

struct Semaphore {
    permits: Permits,
    /// How many have a permit; loom does not see it.
    inside: Counter,
}

impl Semaphore {
    fn first(permits: u32) -> Process<Self> {
        Process::first(Self {
            permits: Permits::new(permits),
            inside: Counter::new(0),
        })
    }
}

/// Three threads, two preemptions.
#[test]
fn no_more_are_inside_than_there_are_permits() {
    NO_TIME.preemptions(2).check(|| {
        let one = Semaphore::first(1);
        let visit = |process: &Process<Semaphore>| {
            if !process.permits.try_acquire() {
                assert!(wait(process.permits.acquire(Limit::Never, &Thread)));
            }
            assert_eq!(process.inside.fetch_add(1, Relaxed), 0);
            process.inside.fetch_sub(1, Relaxed);
            assert!(process.permits.release(1));
        };
        let others = [2, 3].map(|lease| one.spawn(lease, visit));
        visit(&one);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(one.permits.available(), 1);
    });
}

/// Three threads, three preemptions. The second permit comes while the one that was woken for the
/// first has not taken it.
#[test]
fn each_permit_lets_one_through_that_waits() {
    NO_TIME.preemptions(3).check(|| {
        let one = Semaphore::first(0);
        let others = [2, 3].map(|lease| {
            one.spawn(lease, |process| {
                assert!(wait(process.permits.acquire(Limit::Never, &Thread)));
            })
        });
        assert!(one.permits.release(1));
        assert!(one.permits.release(1));
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(one.permits.available(), 0);
    });
}

/// Three threads, two preemptions. Whoever was woken, found the permit taken and its limit over
/// must not keep the next wake-up from the one who still sleeps.
#[test]
fn who_gives_up_waiting_for_a_permit_leaves_the_mark() {
    NO_TIME.preemptions(2).check(|| {
        let one = Semaphore::first(0);
        let goes = one.spawn(2, |two| {
            if wait(two.permits.acquire(Limit::Slept(1), &Thread)) {
                assert!(two.permits.release(1));
            }
        });
        let stays = one.spawn(3, |three| {
            wait(three.permits.acquire(Limit::Never, &Thread))
        });
        assert!(one.permits.release(1));
        if one.permits.try_acquire() {
            assert!(one.permits.release(1));
        }
        assert!(stays.join().unwrap());
        // It may still be asleep.
        assert!(one.permits.release(1));
        goes.join().unwrap();
        assert_eq!(one.permits.available(), 1);
    });
}

/// Three threads, of which one dies, one preemption: what it has taken is gone, nothing else.
#[test]
fn a_death_loses_no_permit_but_its_own() {
    TIME.preemptions(1).check_deaths(|fate| {
        let one = Semaphore::first(0);
        let doomed = one.spawn_doomed(2, fate, |two| {
            assert!(wait(two.permits.acquire(Limit::Never, &Thread)));
            two.inside.store(1, Relaxed);
        });
        let three = one.spawn(3, |three| {
            wait(three.permits.acquire(Limit::Never, &Thread))
        });
        assert!(one.permits.release(2));
        assert!(three.join().unwrap());
        doomed.join().unwrap();
        let left = one.permits.available();
        assert!(left <= 1 - one.inside.load(Relaxed));
    });
}

/// Data that are published by an event.
struct Event {
    flag: Flag,
    datum: Datum,
}

impl Event {
    fn first() -> Process<Self> {
        Process::first(Self {
            flag: Flag::new(0),
            datum: Datum::new(),
        })
    }
}

/// Three threads, two preemptions.
#[test]
fn a_manual_event_lets_all_through_and_shows_what_came_before() {
    NO_TIME.preemptions(2).check(|| {
        let one = Event::first();
        let others = [2, 3].map(|lease| {
            one.spawn(lease, |process| {
                assert!(wait(process.flag.wait(
                    process.flag.now(),
                    Limit::Never,
                    &Thread
                )));
                assert_eq!(process.datum.count(), 1);
            })
        });
        one.datum.change();
        one.flag.set(park::ALL);
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Two threads: set and reset at once, after the other has looked.
#[test]
fn a_pulse_is_seen_by_whoever_waits() {
    NO_TIME.check(|| {
        let one = Event::first();
        let before = one.flag.now();
        let two = one.spawn(2, move |two| {
            assert!(wait(two.flag.wait(before, Limit::Never, &Thread)));
            assert_eq!(two.datum.count(), 1);
        });
        one.datum.change();
        one.flag.set(park::ALL);
        assert!(one.flag.reset());
        two.join().unwrap();
        assert!(!one.flag.is_set());
    });
}

/// Three threads, two preemptions.
#[test]
fn an_automatic_event_lets_one_through_each_time() {
    NO_TIME.preemptions(2).check(|| {
        let one = Event::first();
        let others = [2, 3].map(|lease| {
            one.spawn(lease, |process| {
                assert!(wait(process.flag.take(Limit::Never, &Thread)));
                // One after the other: the second is let through by the first.
                process.datum.change();
                process.flag.set(1);
            })
        });
        one.flag.set(1);
        for other in others {
            other.join().unwrap();
        }
        assert!(wait(one.flag.take(Limit::Now, &Thread)));
        assert!(!wait(one.flag.take(Limit::Now, &Thread)));
        assert_eq!(one.datum.count(), 2);
    });
}

/// Three threads, two preemptions.
#[test]
fn all_pass_a_barrier_together_and_one_leads() {
    NO_TIME.preemptions(2).check(|| {
        let one = Process::first((Round::new(0), Counter::new(0)));
        let pass = |process: &Process<(Round, Counter)>| {
            process.1.fetch_add(1, Relaxed);
            let passed = wait(process.0.wait(3, Limit::Never, &Thread));
            assert_eq!(process.1.load(Relaxed), 3, "all have come");
            passed.unwrap() == Passed::Last
        };
        let others = [2, 3].map(|lease| one.spawn(lease, pass));
        let mut leaders = u32::from(pass(&one));
        for other in others {
            leaders += u32::from(other.join().unwrap());
        }
        assert_eq!(leaders, 1);
        assert_eq!(one.0.arrived(), 0);
    });
}

/// Two threads: twice, so that the second round begins while one may still be in the first.
#[test]
fn a_barrier_is_there_for_the_next_round() {
    NO_TIME.check(|| {
        let one = Process::first(Round::new(u32::MAX << 16));
        let pass = |process: &Process<Round>| {
            let rounds = [
                wait(process.wait(2, Limit::Never, &Thread)),
                wait(process.wait(2, Limit::Never, &Thread)),
            ];
            rounds.map(|passed| u32::from(passed.unwrap() == Passed::Last))
        };
        let two = one.spawn(2, pass);
        let (first, second) = (pass(&one), two.join().unwrap());
        assert_eq!([first[0] + second[0], first[1] + second[1]], [1, 1]);
    });
}

/// Two threads. The limit of one may be over as the other comes: either both pass or none.
#[test]
fn who_gives_up_at_a_barrier_has_not_come() {
    TIME.check(|| {
        let one = Process::first(Round::new(0));
        let two = one.spawn(2, |two| {
            wait(two.wait(2, Limit::Slept(1), &Thread)).is_some()
        });
        let has_passed = wait(one.wait(2, Limit::Slept(1), &Thread)).is_some();
        assert_eq!(two.join().unwrap(), has_passed);
        assert_eq!(one.arrived(), 0);
    });
}
