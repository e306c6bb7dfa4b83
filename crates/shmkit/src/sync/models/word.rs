//! The word as a mutex.

use super::*;
use crate::backend::Grant;
use crate::sync::limit::Limit;
use crate::sync::word::{Flagged, Refusal, Word};

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
    /// As `Lock::take`.
    fn lock(&self, flagged: Flagged, limit: Limit) -> Result<Grant, Refusal> {
        match self.word.take_free(self.me()) {
            true => Ok(Grant::Clean),
            false => self.word.take(self, flagged, limit).unwrap(),
        }
    }

    fn unlock(&self, flag: bool) {
        self.word.unlock(self, flag, 1);
    }

    /// Locks, counts, unlocks; repairs if it must.
    fn visit(&self) -> Grant {
        let grant = self.lock(Flagged::Refuse, Limit::Never).unwrap();
        if grant.is_in_doubt() {
            self.datum.repair();
        }
        self.datum.count();
        self.datum.change();
        self.unlock(false);
        grant
    }
}

/// Two threads.
#[test]
fn two_exclude_each_other_and_neither_sleeps_for_ever() {
    NO_TIME.check(|| {
        let one = Mutex::first();
        let two = one.spawn(2, Process::visit);
        assert_eq!(one.visit(), Grant::Clean);
        assert_eq!(two.join().unwrap(), Grant::Clean);
        assert_eq!(one.datum.count(), 2);
    });
}

/// Three threads, two preemptions.
#[test]
fn three_exclude_each_other_and_none_sleeps_for_ever() {
    NO_TIME.preemptions(2).check(|| {
        let one = Mutex::first();
        let others = [2, 3].map(|lease| one.spawn(lease, Process::visit));
        one.visit();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(one.datum.count(), 3);
    });
}

/// Two threads, of which one dies.
#[test]
fn a_death_at_any_step_is_survived_and_told() {
    TIME.check_deaths(|fate| {
        let one = Mutex::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.visit();
        });
        one.visit();
        doomed.join().unwrap();
    });
}

/// Three threads, of which one dies at one of six steps, two preemptions.
#[test]
fn of_two_survivors_one_takes_over() {
    TIME.preemptions(2).steps(6).check_deaths(|fate| {
        let one = Mutex::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.visit();
        });
        let three = one.spawn(3, Process::visit);
        let grants = [one.visit(), three.join().unwrap()];
        doomed.join().unwrap();
        assert_ne!(grants, [Grant::OwnerDied; 2]);
    });
}

/// Three threads, of which two die, both at the same of six steps, two preemptions.
#[test]
fn one_may_die_after_the_other() {
    TIME.preemptions(2).steps(6).check_deaths(|fate| {
        let one = Mutex::first();
        let doomed = [2, 3].map(|lease| {
            one.spawn_doomed(lease, fate.clone(), |process| {
                process.visit();
            })
        });
        one.visit();
        for doomed in doomed {
            doomed.join().unwrap();
        }
    });
}

/// Three threads, of which one waits and dies at one of six steps, two preemptions.
#[test]
fn a_waiter_that_dies_takes_nothing_with_it() {
    TIME.preemptions(2).steps(6).check_deaths(|fate| {
        let one = Mutex::first();
        assert!(one.word.take_free(one.me()));
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.visit();
        });
        let three = one.spawn(3, Process::visit);
        one.datum.change();
        one.unlock(false);
        three.join().unwrap();
        doomed.join().unwrap();
    });
}

/// Three threads, two preemptions.
#[test]
fn poison_is_told_to_all_that_wait() {
    NO_TIME.preemptions(2).check(|| {
        let one = Mutex::first();
        assert!(one.word.take_free(one.me()));
        let refuses = one.spawn(2, |two| match two.lock(Flagged::Refuse, Limit::Never) {
            Ok(grant) => {
                assert_eq!(grant, Grant::Clean, "it has been repaired");
                assert_eq!(two.datum.count(), 1);
                two.unlock(false);
            }
            Err(refusal) => assert_eq!(refusal, Refusal::Flagged),
        });
        let repairs = one.spawn(3, |three| {
            let grant = three.lock(Flagged::Accept, Limit::Never).unwrap();
            assert_eq!(grant, Grant::OwnerDied);
            three.datum.change();
            three.unlock(false);
        });
        one.unlock(true);
        refuses.join().unwrap();
        repairs.join().unwrap();
        assert!(!one.word.is_flagged());
    });
}

/// Three threads, three preemptions. Whoever was woken and then found its limit over must not keep
/// the wake-up from the one who still sleeps.
#[test]
fn one_whose_limit_is_over_passes_its_wake_up_on() {
    NO_TIME.preemptions(3).check(|| {
        let one = Mutex::first();
        assert!(one.word.take_free(one.me()));
        let goes = one.spawn(2, |two| {
            if two.lock(Flagged::Refuse, Limit::Slept(1)).is_ok() {
                two.unlock(false);
            }
        });
        let stays = one.spawn(3, Process::visit);
        one.unlock(false);
        one.visit();
        goes.join().unwrap();
        stays.join().unwrap();
    });
}
