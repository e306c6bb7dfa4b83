//! The word as a `Once`: with the flag it is done.

use super::*;
use crate::sync::limit::Limit;
use crate::sync::park;
use crate::sync::word::{Flagged, Refusal, Word};

struct Once {
    word: Word,
    datum: Datum,
}

impl Once {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            datum: Datum::new(),
        })
    }
}

impl Process<Once> {
    /// As `Once::try_call`, which then may use what has been done; whether this one has done it.
    fn call(&self, act: impl FnOnce(&Datum) -> bool) -> bool {
        let is_mine = !self.word.is_flagged() && self.turn(act);
        self.datum.look();
        is_mine
    }

    fn turn(&self, act: impl FnOnce(&Datum) -> bool) -> bool {
        match self.word.take(self, Flagged::Refuse, Limit::Never).unwrap() {
            Ok(_) => {
                let is_done = act(&self.datum);
                self.word.unlock(self, is_done, park::ALL);
                is_done
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Flagged);
                false
            }
        }
    }
}

fn act(datum: &Datum) -> bool {
    datum.repair();
    datum.change();
    true
}

/// Three threads, two preemptions.
#[test]
fn of_three_one_does_it_and_all_see_it() {
    NO_TIME.preemptions(2).check(|| {
        let one = Once::first();
        let others = [2, 3].map(|lease| {
            one.spawn(lease, |process| {
                let is_mine = process.call(act);
                assert_eq!(process.datum.count(), 1);
                u32::from(is_mine)
            })
        });
        let mut done = u32::from(one.call(act));
        assert_eq!(one.datum.count(), 1);
        for other in others {
            done += other.join().unwrap();
        }
        assert_eq!(done, 1);
    });
}

/// Two threads.
#[test]
fn after_a_failure_the_next_one_does_it() {
    NO_TIME.check(|| {
        let one = Once::first();
        let two = one.spawn(2, |two| two.call(act));
        let is_mine = one.turn(|_| false);
        assert!(!is_mine);
        assert!(two.join().unwrap());
        assert!(one.word.is_flagged());
        assert_eq!(one.datum.count(), 1);
    });
}

/// Three threads, of which one dies, one preemption.
#[test]
fn after_a_death_another_does_it_from_the_beginning() {
    TIME.preemptions(1).check_deaths(|fate| {
        let one = Once::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.call(act);
        });
        let three = one.spawn(3, |three| {
            three.call(act);
            three.datum.count();
        });
        one.call(act);
        assert!(one.datum.count() >= 1);
        three.join().unwrap();
        doomed.join().unwrap();
    });
}
