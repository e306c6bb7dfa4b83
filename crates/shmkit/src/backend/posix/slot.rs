//! Who is alive: each user of a semaphore locks a byte of its file, far past the end.
//!
//! The kernel drops the lock with the open file description, so at the death of its process at
//! the latest, and it shows across PID namespaces where a pid would lie. The number of the byte,
//! the *slot*, is what a holder writes into the semaphore.

use std::io;
use std::os::fd::AsFd;

use super::word::Word;
use crate::backend::file::last;
use crate::sys::fork::User;
use crate::sys::lease::{self, Hold};

/// The byte of slot 0, which is no slot.
const BASE: u64 = last::SLOTS;

/// Who has the lock, as far as the word tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// The user of this slot.
    Slot(u32),
    /// Somebody who did not say.
    Unknown,
}

/// The slot of `user`, taken at its first use; 0 if all are taken.
pub(super) fn of(user: &User, word: &Word<'_>) -> io::Result<u32> {
    match user.slot() {
        0 => take(user, word),
        slot => Ok(slot),
    }
}

#[cold]
fn take(user: &User, word: &Word<'_>) -> io::Result<u32> {
    // Begins where the last one was taken, so that a number comes back as late as possible.
    let start = word.next_slot();
    for turn in 0..Word::SLOTS {
        let slot = 1 + (start.wrapping_add(turn)) % Word::SLOTS;
        if !lease::try_lock(user.as_fd(), Hold::Exclusive, BASE + u64::from(slot), 1)? {
            continue;
        }
        // A holder that died left its slot in the word. Until somebody has taken the lock over
        // from it, its number must stay dead.
        if word.holder() == Holder::Slot(slot) {
            lease::unlock(user.as_fd(), BASE + u64::from(slot), 1)?;
            continue;
        }
        word.settle(slot);
        // Two threads may get here together; the second one's byte stays locked and unused.
        return Ok(user.settle_slot(slot));
    }
    Ok(0)
}

/// Whether the user of a slot lives. Its own slot is the caller's to know: the kernel shows only
/// the locks of others.
pub(super) fn is_alive(user: &User, slot: u32) -> io::Result<bool> {
    if slot == user.slot() {
        return Ok(true);
    }
    lease::is_locked(user.as_fd(), BASE + u64::from(slot), 1)
}

/// The process of the user of a slot, where the kernel says so at once.
pub(super) fn process(user: &User, slot: u32) -> Option<u32> {
    lease::pid_of_lock(user.as_fd(), BASE + u64::from(slot))
}

/// The slot that a lock at `start` stands for.
pub(super) fn from_lock(start: u64) -> Option<u32> {
    start.checked_sub(BASE)?.try_into().ok()
}
