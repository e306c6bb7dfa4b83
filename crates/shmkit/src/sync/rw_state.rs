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
use super::sleep::{Sleep, Undo};
use super::word::{Flagged, Refusal, SLICE, Word};
use crate::atomic::{AtomicU32, Ordering};
use crate::backend::Grant;
use crate::error::Result;

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

/// Whether one who is to write has the word already.
#[derive(Debug, Clone, Copy)]
pub(super) struct HasWord(pub(super) bool);

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
    pub(super) async fn read(
        &self,
        peers: &impl Peers,
        hint: u32,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Result<Seat, u32>> {
        loop {
            match self.try_read(peers.me(), hint) {
                Ok(seat) => return Ok(Ok(seat)),
                Err(Some(seat)) => {
                    self.readers.leave(seat);
                    let free = self.word.wait_until_free(peers, limit, sleeper).await?;
                    if let Err(writer) = free {
                        return Ok(Err(writer));
                    }
                }
                Err(None) => {
                    self.readers.strike_off_the_dead(peers);
                    match (limit.left(SLICE), self.readers.anybody()) {
                        (None, Some(reader)) => return Ok(Err(reader)),
                        (Some(left), Some(_)) => {
                            self.readers
                                .wait_for_a_slot(peers.me(), left, sleeper)
                                .await?;
                        }
                        (_, None) => {}
                    }
                }
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

    /// Begins to write in the usual case: nobody has the lock, and nothing is in doubt. Otherwise
    /// whether the word was taken, for [`write`](Self::write).
    #[inline]
    pub(super) fn try_write_whole(&self, me: u32) -> Result<(), HasWord> {
        if !self.word.take_free_and_look(me) {
            return Err(HasWord(false));
        }
        // A reader that has left may have poisoned the data meanwhile.
        let is_whole = self.readers.are_none()
            && !self.word.is_flagged()
            && self.inside.load(Ordering::Relaxed) == 0;
        if !is_whole {
            return Err(HasWord(true));
        }
        self.inside.store(me, Ordering::Relaxed);
        Ok(())
    }

    /// Begins to write, sleeping until nobody else has the lock; the one that is in the way if
    /// `limit` is over first. Whoever goes half-way, or its future, gives the word back.
    pub(super) async fn write(
        &self,
        peers: &impl Peers,
        HasWord(has_word): HasWord,
        flagged: Flagged,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Result<Grant, Refusal>> {
        if !has_word {
            let taken = self.word.take_by(peers, flagged, limit, sleeper).await?;
            if let Err(refusal) = taken {
                return Ok(Err(refusal));
            }
        }
        let word = Undo::unless_kept(|| self.word.unlock_untouched(peers));
        let drained = self.readers.drain(peers, limit, sleeper).await?;
        if let Err(reader) = drained {
            return Ok(Err(Refusal::Held(reader)));
        }
        word.keep();
        let grant = match self.word.is_flagged() {
            true => Grant::OwnerDied,
            false => self.grant(),
        };
        self.inside.store(peers.me(), Ordering::Relaxed);
        Ok(Ok(grant))
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
