//! The protocol of a lock for many readers or one writer, over the words that it is made of.
//!
//! A writer takes the word, waits until the readers have left, and says that it is inside; only
//! then does it touch the data. So after its death they are in doubt if it was inside, and not if it
//! only had the word. Whoever notices the death leaves it written down that one was inside, until
//! the data are repaired or poisoned.

use super::limit::Limit;
use super::park;
use super::peers::Peers;
use super::readers::{Readers, Seat};
use super::word::{Flagged, Refusal, SLICE, Word};
use crate::atomic::{AtomicU32, Ordering};
use crate::backend::Grant;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct RwState<'a, const LINES: usize> {
    /// The writers' lock; flagged if the data are poisoned.
    pub(super) word: &'a Word,
    /// The writer that is inside, or has died there; 0 if the data are as they should be, or
    /// poisoned.
    pub(super) inside: &'a AtomicU32,
    pub(super) readers: &'a Readers<LINES>,
}

impl<const LINES: usize> RwState<'_, LINES> {
    /// Begins to read, if no writer is there and there is a slot; otherwise the seat that was found,
    /// for [`read`](Self::read).
    #[inline]
    pub(super) fn try_read(&self, me: u32, hint: u32) -> Result<Seat, Option<Seat>> {
        match self.readers.join(me, hint) {
            Some(seat) if !self.word.is_held() => Ok(seat),
            seat => Err(seat),
        }
    }

    /// Begins to read in the usual case: there is a slot and no writer, and nothing is in doubt.
    #[inline]
    pub(super) fn try_read_whole(&self, me: u32, hint: u32) -> Option<Seat> {
        let seat = self.readers.join(me, hint)?;
        match self.word.is_free() && self.inside.load(Ordering::Acquire) == 0 {
            true => Some(seat),
            false => {
                self.readers.leave(seat);
                None
            }
        }
    }

    /// Begins to read, sleeping until no writer is there and there is a slot; the one that is in the
    /// way if `limit` is over first.
    #[cold]
    pub(super) fn read(
        &self,
        peers: &impl Peers,
        hint: u32,
        found: Option<Seat>,
        limit: Limit,
    ) -> Result<Seat, u32> {
        let mut found = found;
        loop {
            match found {
                Some(seat) => {
                    self.readers.leave(seat);
                    self.word.wait_until_free(peers, limit)?;
                }
                None => {
                    self.readers.strike_off_the_dead(peers);
                    match (limit.left(SLICE), self.readers.anybody()) {
                        (None, Some(reader)) => return Err(reader),
                        (Some(left), Some(_)) => self.readers.wait_for_a_slot(peers.me(), left),
                        (_, None) => {}
                    }
                }
            }
            match self.try_read(peers.me(), hint) {
                Ok(seat) => return Ok(seat),
                Err(seat) => found = seat,
            }
        }
    }

    /// Whether the data are in doubt, for a reader; `None` if they are poisoned, and it has left.
    #[inline]
    pub(super) fn look(&self, seat: Seat) -> Option<Grant> {
        // In this order: a reader that gives up on a dead writer's data first sets the one, then
        // clears the other.
        let grant = self.grant();
        if self.word.is_flagged() {
            self.readers.leave(seat);
            return None;
        }
        Some(grant)
    }

    /// Says, by a reader, that what a dead writer has left is right.
    pub(super) fn mark_recovered(&self) {
        self.inside.store(0, Ordering::Release);
    }

    #[inline]
    pub(super) fn leave_reading(&self, seat: Seat, in_doubt: bool) {
        if in_doubt {
            // From here on the poison alone says so, and whoever clears that has cleared all.
            self.word.set_flag(true);
            self.inside.store(0, Ordering::Release);
        }
        self.readers.leave(seat);
    }

    /// Begins to write, sleeping until nobody else has the lock; the one that is in the way if
    /// `limit`, which is asked for only then, is over first.
    #[inline]
    pub(super) fn write(
        &self,
        peers: &impl Peers,
        flagged: Flagged,
        limit: impl FnOnce() -> Limit,
    ) -> Result<Grant, Refusal> {
        if !self.word.take_free(peers.me()) {
            let limit = limit();
            self.word.take(peers, flagged, limit)?;
            self.drain(peers, limit)?;
        } else if !self.readers.are_none() {
            self.drain(peers, limit())?;
        }
        Ok(self.go_inside(peers.me()))
    }

    /// Says that a writer is inside, for one who has the word and has seen the readers leave.
    #[inline]
    pub(super) fn go_inside(&self, me: u32) -> Grant {
        let grant = match self.word.is_flagged() {
            true => Grant::OwnerDied,
            false => self.grant(),
        };
        self.inside.store(me, Ordering::Relaxed);
        grant
    }

    /// Waits for the readers that were there before; gives the lock back if they stay too long.
    #[cold]
    fn drain(&self, peers: &impl Peers, limit: Limit) -> Result<(), Refusal> {
        self.readers.drain(peers, limit).map_err(|reader| {
            self.word.unlock_untouched(peers);
            Refusal::Held(reader)
        })
    }

    /// Whether a writer died inside, for one who has the lock.
    fn grant(&self) -> Grant {
        match self.inside.load(Ordering::Acquire) {
            0 => Grant::Clean,
            _ => Grant::OwnerDied,
        }
    }

    #[inline]
    pub(super) fn leave_writing(&self, peers: &impl Peers, in_doubt: bool) {
        // Poisoned first: whoever comes after a death in between finds the data in doubt either way.
        if in_doubt {
            self.word.set_flag(true);
        }
        self.inside.store(0, Ordering::Release);
        // All, as readers do not take the word and so wake nobody in turn.
        self.word.unlock(peers, in_doubt, park::ALL);
    }
}
