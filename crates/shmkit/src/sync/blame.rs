//! Who is waited for at a lock, and since when: for messages, which say for how long at least
//! somebody has held it.
//!
//! ```text
//! record: the holder's lease (30 bits) | since when (34 bits, in units of about a millisecond)
//!         0                            | closed (1 bit), turn (33 bits): nobody is waited for
//! ```
//!
//! What is written there must be true of the turn that the holder has now, not of one before. So
//! whoever gives the lock back while somebody sleeps first *closes* the record, and opens it when the
//! lock is free. Whoever writes has looked at the record before it saw the lock held, writes nothing
//! in a closed one, and only if the record is still the same.

use std::time::Duration;

#[cfg(loom)]
use super::park::now;
use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use crate::lease::roster::now;

const TIME_BITS: u32 = 34;
const TIME: u64 = (1 << TIME_BITS) - 1;
const CLOSED: u64 = 1 << (TIME_BITS - 1);

/// A unit of time is a nanosecond without so many bits: 1.05 ms. It repeats after 208 days.
const UNIT_BITS: u32 = if cfg!(loom) { 0 } else { 20 };

/// See the module. All zeros is nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blame<'a> {
    /// How often the record was closed, so that it is never the same again.
    pub(crate) turns: &'a AtomicU32,
    pub(crate) record: &'a AtomicU64,
}

/// The record as it was before the lock was seen held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before(u64);

/// The record as it was closed.
#[derive(Debug)]
pub(crate) struct Closed(u64);

impl Blame<'_> {
    /// Looks at the record, before the lock is looked at.
    pub(crate) fn look(self) -> Before {
        // Whoever sees it open again sees the lock that was given back before.
        Before(self.record.load(Ordering::Acquire))
    }

    /// Writes down that a holder is waited for, for one who has seen it since `before`, and that it
    /// knows that somebody sleeps.
    pub(crate) fn note(self, before: Before, holder: u32) {
        let (lease, time) = halves(before.0);
        let is_noted = lease == holder;
        let is_closed = lease == 0 && time & CLOSED != 0;
        if !is_noted && !is_closed {
            // Rounded up: it is to be a lower bound.
            let time = ((now() >> UNIT_BITS) + 1) & TIME;
            let record = u64::from(holder) << TIME_BITS | time;
            let _ =
                self.record
                    .compare_exchange(before.0, record, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// For a holder that is about to give the lock back, and knows that somebody sleeps.
    pub(crate) fn close(self) -> Closed {
        let turn = u64::from(self.turns.fetch_add(1, Ordering::Relaxed));
        // An exchange, so that loom knows that it comes after what was written there.
        self.record.swap(CLOSED | turn, Ordering::AcqRel);
        Closed(turn)
    }

    /// For the same one, when it has given the lock back.
    pub(crate) fn open(self, Closed(turn): Closed) {
        // Unless the next one has closed it again.
        let _ = self.record.compare_exchange(
            CLOSED | turn,
            turn + 1,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }

    /// How long at least a holder has had the lock, for one who has seen that it has; `None` if
    /// nobody waits for it.
    pub(crate) fn held_for(self, holder: u32) -> Option<Duration> {
        // Whoever has seen the lock in one turn does not find the record of a turn before.
        fence(Ordering::Acquire);
        held_for(self.record.load(Ordering::Relaxed), holder)
    }
}

/// The same, for one who only has the record.
pub(crate) fn held_for(record: u64, holder: u32) -> Option<Duration> {
    let (lease, since) = halves(record);
    let units = (now() >> UNIT_BITS).wrapping_sub(since) & TIME;
    // The clock may have been put back, or not have got to the next unit yet.
    let units = if units & CLOSED == 0 { units } else { 0 };
    (lease == holder).then(|| Duration::from_nanos(units << UNIT_BITS))
}

fn halves(record: u64) -> (u32, u64) {
    ((record >> TIME_BITS) as u32, record & TIME)
}
