//! The lock that a thread may take again; a process may have several threads here.

use super::*;
use crate::atomic::{AtomicU32, AtomicU64};
use crate::backend::Grant;
use crate::sync::limit::Limit;
use crate::sync::recursive_state::{RecursiveState, Token};
use crate::sync::word::{Flagged, Word};

struct Recursive {
    word: Word,
    owner: AtomicU64,
    depth: AtomicU32,
    datum: Datum,
}

impl Recursive {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            owner: AtomicU64::new(0),
            depth: AtomicU32::new(0),
            datum: Datum::new(),
        })
    }
}

impl Process<Recursive> {
    fn state(&self) -> RecursiveState<'_> {
        RecursiveState {
            word: &self.word,
            owner: &self.owner,
            depth: &self.depth,
        }
    }

    /// As `RecursiveMutex::lock`, by a thread of this process.
    fn lock(&self, thread: u32) -> Grant {
        let me = Token::of(self.me(), thread);
        if self.state().take_at_once(me) {
            return Grant::Clean;
        }
        assert!(!self.state().is_of(me));
        let taken = self.word.take(self, Flagged::Accept, Limit::Never);
        self.state().settle_in(me);
        taken.unwrap().unwrap()
    }

    fn unlock(&self, thread: u32, in_doubt: bool) {
        let me = Token::of(self.me(), thread);
        self.state().give(self, me, in_doubt);
    }

    /// Locks twice, counts, unlocks twice; repairs if it must. Who has it twice has it once more
    /// after the first unlock.
    fn visit(&self, thread: u32) -> Grant {
        let grant = self.lock(thread);
        if grant.is_in_doubt() {
            self.datum.repair();
        }
        assert_eq!(self.lock(thread), Grant::Clean);
        self.datum.count();
        self.datum.change();
        self.unlock(thread, false);
        self.datum.count();
        self.unlock(thread, false);
        grant
    }
}

/// Two threads, of two processes.
#[test]
fn two_processes_exclude_each_other() {
    NO_TIME.check(|| {
        let one = Recursive::first();
        let two = one.spawn(2, |two| two.visit(1));
        assert_eq!(one.visit(1), Grant::Clean);
        assert_eq!(two.join().unwrap(), Grant::Clean);
        assert_eq!(one.datum.count(), 2);
    });
}

/// Two threads, of one process: they have the same lease.
#[test]
fn two_threads_of_a_process_exclude_each_other() {
    NO_TIME.check(|| {
        let one = Recursive::first();
        let other = one.spawn(1, |other| other.visit(2));
        assert_eq!(one.visit(1), Grant::Clean);
        assert_eq!(other.join().unwrap(), Grant::Clean);
        assert_eq!(one.datum.count(), 2);
    });
}

/// Three threads, of which two are of one process, two preemptions.
#[test]
fn two_threads_and_another_process_exclude_each_other() {
    NO_TIME.preemptions(2).check(|| {
        let one = Recursive::first();
        let other = one.spawn(1, |other| other.visit(2));
        let two = one.spawn(2, |two| two.visit(1));
        one.visit(1);
        other.join().unwrap();
        two.join().unwrap();
        assert_eq!(one.datum.count(), 3);
    });
}

/// Two threads, of which one dies, three preemptions.
#[test]
fn a_death_at_any_step_is_survived_and_told() {
    TIME.preemptions(3).check_deaths(|fate| {
        let one = Recursive::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.visit(1);
        });
        one.visit(1);
        doomed.join().unwrap();
        // And what it has left beside the word is nobody's.
        one.visit(2);
    });
}

/// Two threads. What an inner guard leaves in doubt is told when the outer one is gone.
#[test]
fn doubt_of_an_inner_turn_is_told_after_the_outer() {
    NO_TIME.check(|| {
        let one = Recursive::first();
        one.lock(1);
        one.lock(1);
        let two = one.spawn(2, |two| {
            let grant = two.lock(1);
            two.unlock(1, false);
            grant
        });
        one.unlock(1, true);
        one.unlock(1, false);
        assert_eq!(two.join().unwrap(), Grant::OwnerDied);
    });
}
