//! The lock for many readers or one writer. It has two slots for readers here.

use super::*;
use crate::atomic::AtomicU32;
use crate::backend::Grant;
use crate::sync::limit::Limit;
use crate::sync::readers::Readers;
use crate::sync::rw_state::RwState;
use crate::sync::sleep::Thread;
use crate::sync::word::{Flagged, Refusal, Word};

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

    /// Reads, as `RwLock::read`: what it sees, or `None` if it is poisoned or the limit is over. What
    /// is in doubt it leaves so, which poisons.
    fn read(&self, limit: Limit) -> Option<[u32; 2]> {
        let state = self.state();
        let read = Thread::waits(state.read(self, 0, limit, &Thread));
        let seat = read.unwrap().ok()?;
        let grant = state.look(seat)?;
        let seen = self.datum.look();
        assert!(grant.is_in_doubt() || seen[0] == seen[1], "half-written");
        state.leave_reading(seat, grant.is_in_doubt());
        Some(seen)
    }

    fn write(&self) -> Result<Grant, Refusal> {
        self.write_within(Limit::Never, Flagged::Refuse)
    }

    /// As `RwLock::write`.
    fn begin_writing(&self, limit: Limit, flagged: Flagged) -> Result<Grant, Refusal> {
        let state = self.state();
        match state.try_write_whole(self.me()) {
            Ok(()) => Ok(Grant::Clean),
            Err(has_word) => {
                let write = state.write(self, has_word, flagged, limit, &Thread);
                Thread::waits(write).unwrap()
            }
        }
    }

    /// Counts, after repairing it if it must.
    fn write_within(&self, limit: Limit, flagged: Flagged) -> Result<Grant, Refusal> {
        let state = self.state();
        let grant = self.begin_writing(limit, flagged)?;
        if grant.is_in_doubt() {
            self.datum.repair();
        }
        self.datum.count();
        self.datum.change();
        state.leave_writing(self, false);
        Ok(grant)
    }
}

/// Two threads.
#[test]
fn a_reader_and_a_writer_exclude_each_other() {
    NO_TIME.check(|| {
        let one = RwLock::first();
        let writer = one.spawn(2, Process::write);
        one.read(Limit::Never).unwrap();
        assert_eq!(writer.join().unwrap(), Ok(Grant::Clean));
        assert_eq!(one.read(Limit::Never), Some([1, 1]));
    });
}

/// Three threads, two preemptions.
#[test]
fn a_writer_waits_for_two_readers() {
    NO_TIME.preemptions(2).check(|| {
        let one = RwLock::first();
        let reader = one.spawn(2, |two| two.read(Limit::Never));
        let writer = one.spawn(3, Process::write);
        one.read(Limit::Never).unwrap();
        reader.join().unwrap().unwrap();
        assert_eq!(writer.join().unwrap(), Ok(Grant::Clean));
    });
}

/// Three threads, three preemptions: only the last part of the above, deeper. The writer sleeps
/// again while the first reader has not yet come to the end of telling it.
#[test]
fn a_reader_that_tells_leaves_the_sign_of_one_who_waits_again() {
    NO_TIME.preemptions(3).check(|| {
        let one = RwLock::first();
        let leavers = [2, 3].map(|lease| {
            let seat = one.readers.join(lease, 0).unwrap();
            one.spawn(lease, move |reader| reader.readers.leave(seat))
        });
        assert!(one.word.take_free(one.me()));
        let drained = Thread::waits(one.readers.drain(&one, Limit::Never, &Thread));
        assert_eq!(drained.unwrap(), Ok(()));
        for leaver in leavers {
            leaver.join().unwrap();
        }
    });
}

/// Three threads, two preemptions.
#[test]
fn two_writers_and_a_reader_exclude_each_other() {
    NO_TIME.preemptions(2).check(|| {
        let one = RwLock::first();
        let writers = [2, 3].map(|lease| one.spawn(lease, Process::write));
        one.read(Limit::Never).unwrap();
        for writer in writers {
            assert_eq!(writer.join().unwrap(), Ok(Grant::Clean));
        }
        assert_eq!(one.read(Limit::Never), Some([2, 2]));
    });
}

/// Three threads, two preemptions: as many slots as two of them take.
#[test]
fn a_reader_waits_for_a_slot() {
    NO_TIME.preemptions(2).check(|| {
        let one = RwLock::first();
        let others = [2, 3].map(|lease| one.spawn(lease, |other| other.read(Limit::Never)));
        one.read(Limit::Never).unwrap();
        for other in others {
            other.join().unwrap().unwrap();
        }
        assert_eq!(one.readers.anybody(), None);
    });
}

/// Two threads, of which the reader dies.
#[test]
fn a_readers_death_hinders_nobody() {
    TIME.check_deaths(|fate| {
        let one = RwLock::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.read(Limit::Never);
        });
        assert_eq!(one.write(), Ok(Grant::Clean));
        doomed.join().unwrap();
    });
}

/// Two threads, of which the writer dies: what is half-written is told, once.
#[test]
fn a_writers_death_is_told_to_the_next_writer() {
    TIME.check_deaths(|fate| {
        let one = RwLock::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            two.write().unwrap();
        });
        let before = one.write();
        doomed.join().unwrap();
        let after = one.write();
        assert_ne!([before, after], [Ok(Grant::OwnerDied); 2]);
        assert_eq!(one.write(), Ok(Grant::Clean));
    });
}

/// Two threads, of which the writer dies at one of twelve steps, three preemptions. The reader that
/// is told does not repair, so it is poisoned: the next one is refused, and the one after that, who
/// repairs, is told.
#[test]
fn a_writers_death_is_told_to_the_next_reader() {
    TIME.preemptions(3).steps(12).check_deaths(|fate| {
        let one = RwLock::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            let _ = two.write();
        });
        let seen = one.read(Limit::Never);
        doomed.join().unwrap();
        let is_half_written = seen.is_some_and(|seen| seen[0] != seen[1]);
        if is_half_written {
            assert_eq!(one.read(Limit::Never), None);
            assert_eq!(one.write(), Err(Refusal::Flagged));
            let grant = one.write_within(Limit::Never, Flagged::Accept);
            assert_eq!(grant, Ok(Grant::OwnerDied));
            assert_eq!(one.write(), Ok(Grant::Clean));
        }
    });
}

/// Three threads, of which a writer dies at one of twelve steps, one preemption.
#[test]
fn a_reader_and_a_writer_survive_a_writer() {
    TIME.preemptions(1).steps(12).check_deaths(|fate| {
        let one = RwLock::first();
        let doomed = one.spawn_doomed(2, fate, |two| {
            let grant = two.begin_writing(Limit::Never, Flagged::Refuse);
            assert_eq!(grant, Ok(Grant::Clean));
            two.state().leave_writing(two, false);
        });
        let reader = one.spawn(3, |three| three.read(Limit::Never));
        let grant = one.write();
        let seen = reader.join().unwrap();
        doomed.join().unwrap();
        // Only a death inside may be told, and then by poison to one of the two at most.
        assert!(grant.is_ok() || seen.is_some());
    });
}

/// Two threads. A reader that comes while another gives up on what a dead writer has left is told by
/// one sign or the other.
#[test]
fn no_reader_misses_the_doubt_between_two_signs() {
    NO_TIME.check(|| {
        let one = RwLock::first();
        let state = one.state();
        one.inside.store(9, Relaxed);
        let seat = state.try_read(one.me(), 0).unwrap();
        let other = one.spawn(2, |two| {
            let seat = two.state().try_read(two.me(), 0).unwrap();
            let grant = two.state().look(seat);
            assert_ne!(grant, Some(Grant::Clean));
        });
        state.leave_reading(seat, true);
        other.join().unwrap();
    });
}

/// Three threads, three preemptions. A reader that leaves the data in doubt poisons them while a
/// writer that waits for it gives up: the doubt stays.
#[test]
fn a_writer_that_gives_up_does_not_take_the_poison_away() {
    NO_TIME.preemptions(3).check(|| {
        let one = RwLock::first();
        let state = one.state();
        // As a writer's death leaves it.
        one.inside.store(9, Relaxed);
        let seat = state.try_read(one.me(), 0).unwrap();
        assert_eq!(state.look(seat), Some(Grant::OwnerDied));
        let gives_up = one.spawn(2, |two| {
            two.begin_writing(Limit::Now, Flagged::Refuse)
                .map(|grant| two.state().leave_writing(two, grant.is_in_doubt()))
        });
        state.leave_reading(seat, true);
        let _ = gives_up.join().unwrap();
        assert!(one.word.is_flagged());
        assert_eq!(one.write(), Err(Refusal::Flagged));
    });
}
