//! Who is waited for, and since when: never since before the holder's turn began.

use loom::sync::atomic::AtomicU64 as Clock;

use super::*;
use crate::atomic::{AtomicU32, AtomicU64};
use crate::sync::blame::Blame;
use crate::sync::limit::Limit;
use crate::sync::word::{Flagged, Word};

struct Awaited {
    word: Word,
    turns: AtomicU32,
    record: AtomicU64,
    /// A time before which all turns began that are over, by the model's clock. Whoever
    /// sees it sees the lock as it was then, or later.
    given: Clock,
}

impl Awaited {
    fn first() -> Process<Self> {
        Process::first(Self {
            word: Word::new(),
            turns: AtomicU32::new(0),
            record: AtomicU64::new(0),
            given: Clock::new(0),
        })
    }
}

/// A process at a lock that remembers who is waited for.
struct Here<'a>(&'a Process<Awaited>);

impl Peers for Here<'_> {
    fn me(&self) -> u32 {
        self.0.me()
    }

    fn is_alive(&self, lease: u32) -> bool {
        self.0.is_alive(lease)
    }

    fn blame(&self) -> Option<Blame<'_>> {
        Some(self.0.record())
    }
}

impl Process<Awaited> {
    fn record(&self) -> Blame<'_> {
        Blame {
            turns: &self.turns,
            record: &self.record,
        }
    }

    /// Takes the lock, sees what a message would say of its holder, and gives it back.
    fn visit(&self) {
        let given = self.given.load(Acquire);
        if !self.word.take_free(self.me()) {
            let taken = self.word.take(&Here(self), Flagged::Refuse, Limit::Never);
            taken.unwrap().unwrap();
        }
        if let Some(held_for) = self.record().held_for(self.me()) {
            let began = park::now() - held_for.as_nanos() as u64;
            assert!(
                began > given,
                "held since {began}, and given back at {given}"
            );
        }
        let before = park::now();
        self.word.unlock(&Here(self), false, 1);
        self.given.fetch_max(before, Release);
    }
}

/// Two threads, of which one takes the lock three times, and the other once; three preemptions.
#[test]
fn nobody_is_blamed_for_a_turn_before() {
    NO_TIME.preemptions(3).check(|| {
        let one = Awaited::first();
        let two = one.spawn(2, Process::visit);
        (0..3).for_each(|_| one.visit());
        two.join().unwrap();
    });
}

/// Three threads, of which two are of one process, so that their turns have the same lease; three
/// preemptions.
#[test]
fn nobody_is_blamed_for_another_threads_turn() {
    NO_TIME.preemptions(3).check(|| {
        let one = Awaited::first();
        let other = one.spawn(1, Process::visit);
        let two = one.spawn(2, Process::visit);
        one.visit();
        other.join().unwrap();
        two.join().unwrap();
    });
}

/// Two threads, one after the other.
#[test]
fn a_holder_that_is_waited_for_is_blamed() {
    TIME.check(|| {
        let one = Awaited::first();
        assert!(one.word.take_free(one.me()));
        let waits = one.spawn(2, |two| {
            let taken = two.word.take(&Here(two), Flagged::Refuse, Limit::Slept(2));
            assert!(taken.unwrap().is_err());
        });
        waits.join().unwrap();
        assert!(one.record().held_for(one.me()).is_some());
        one.word.unlock(&Here(&one), false, 1);
        assert_eq!(one.record().held_for(one.me()), None);
    });
}
