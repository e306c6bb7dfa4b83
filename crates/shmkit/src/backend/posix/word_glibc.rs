//! The lock inside glibc's `sem_t` on 64-bit machines, with its owner written beside the value.
//! Also for programs built on musl: it keeps named semaphores under other names than glibc, so
//! only programs built on glibc, Qt ones too, can be met here.
//!
//! glibc keeps a semaphore in one little-endian 64-bit word: the value in the low half, the
//! number of sleepers in the high half. It looks at the number only to decide whether a release
//! must wake somebody, and changes it by adding and subtracting one. That leaves room: while one
//! of ours holds the lock its slot stands in the top twelve bits, put there by the very
//! compare-exchange that takes the value. So there is no instant at which a holder of ours can
//! die unknown, a lock is one atomic operation, and Qt sees a semaphore like any other.
//!
//! ```text
//! 63     52  51  50        32 31            0
//! |  slot  |lost|  sleepers  |     value     |
//!     0      any     any             1          free
//!     n      any     any             0          held by the user of slot n
//!     0      any     any             0          held by somebody else: Qt, or a user without slot
//! ```
//!
//! *Lost*: a holder died, and nobody has said since that the data are right again. It stands in
//! the word so that finding it unset costs nothing.
//!
//! A sleeper that is killed leaves the number one too high: a wasted wake-up at each release,
//! nothing else. Half a million of them would reach the bit above, and the death of an owner
//! would be told that did not happen.
#![expect(unsafe_code, reason = "atomics inside a mapped file")]

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::slot::Holder;
use crate::sys::futex;

const VALUE: u64 = u32::MAX as u64;
const SLEEPER: u64 = 1 << 32;
const SLEEPERS: u64 = (1 << 51) - SLEEPER;
const LOST: u64 = 1 << 51;
const SLOT_SHIFT: u32 = 52;
const SLOT: u64 = !0 << SLOT_SHIFT;

/// Free, nobody asleep, nothing lost: what an uncontended locker finds.
const FREE: u64 = 1;

/// The largest value (`SEM_VALUE_MAX`).
const MOST: u64 = i32::MAX as u64;

/// What says that a semaphore is shared: the number with which glibc undoes `FUTEX_PRIVATE_FLAG`.
const SHARED_AT: usize = 8;
const SHARED: u32 = 128;

/// Bytes 16 to 31 of the 32 are not used by glibc, and zero in a new semaphore.
const NEXT_SLOT: usize = 16;

/// The size of the file.
pub(super) const SIZE: usize = 32;

/// A semaphore in a mapped file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'m> {
    at: NonNull<u8>,
    mapped: PhantomData<&'m AtomicU64>,
}

// SAFETY: a word is an address of atomics that stay mapped for `'m`.
unsafe impl Send for Word<'_> {}
// SAFETY: as above.
unsafe impl Sync for Word<'_> {}

impl<'m> Word<'m> {
    /// The number of slots.
    pub(super) const SLOTS: u32 = (1 << (u64::BITS - SLOT_SHIFT)) - 1;

    /// The bytes of a new semaphore.
    pub(super) fn image(value: u32) -> [u8; SIZE] {
        let mut image = [0; SIZE];
        image[..4].copy_from_slice(&value.to_le_bytes());
        image[SHARED_AT..][..4].copy_from_slice(&SHARED.to_le_bytes());
        image
    }

    /// # Safety
    /// At `at` begins a mapped, writable page that stays for `'m`, and everybody who maps it treats
    /// its beginning as a `sem_t`.
    #[inline]
    pub(super) unsafe fn new(at: NonNull<u8>) -> Self {
        Self {
            at,
            mapped: PhantomData,
        }
    }

    #[inline]
    fn state(&self) -> &AtomicU64 {
        // SAFETY: by the contract of `new` the bytes are mapped, aligned, and used as atomics.
        unsafe { AtomicU64::from_ptr(self.at.cast().as_ptr()) }
    }

    /// What the kernel sleeps on: the half that holds the value.
    fn value(&self) -> &AtomicU32 {
        // SAFETY: as in `state`; on a little-endian machine the low half comes first. Only its
        // address is used, by the kernel.
        unsafe { AtomicU32::from_ptr(self.at.cast().as_ptr()) }
    }

    /// Where it is mapped: which one of several.
    pub(super) fn address(&self) -> usize {
        self.at.addr().get()
    }

    fn spare(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset + 4 <= SIZE);
        // SAFETY: `offset` is the constant above, within the 32 bytes.
        let at = unsafe { self.at.add(offset) };
        // SAFETY: mapped and aligned as in `new`, and used by shmkit only, as atomics.
        unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) }
    }

    /// Takes a lock that is free, that nobody waits for and that lost no owner.
    #[inline]
    pub(super) fn take_free(&self, slot: u32) -> bool {
        let taken = u64::from(slot) << SLOT_SHIFT;
        self.state()
            .compare_exchange(FREE, taken, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes one of the value, at once or not at all.
    pub(super) fn try_take(&self, slot: u32) -> bool {
        let mut state = self.state().load(Ordering::Relaxed);
        while state & VALUE != 0 {
            let taken = (state - 1) & !SLOT | u64::from(slot) << SLOT_SHIFT;
            match self.state().compare_exchange_weak(
                state,
                taken,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes one of the value, sleeping for it at most `limit`.
    #[cold]
    pub(super) fn take_within(&self, slot: u32, limit: Duration) -> io::Result<bool> {
        // A release looks for sleepers after it has raised the value, so one that announces
        // itself and then finds no value is woken.
        self.state().fetch_add(SLEEPER, Ordering::Relaxed);
        let slept = match self.try_take(slot) {
            true => Ok(true),
            false => futex::wait(self.value(), 0, limit).map(|()| self.try_take(slot)),
        };
        self.state().fetch_sub(SLEEPER, Ordering::Relaxed);
        slept
    }

    /// Gives one back. The lock's holder gives its slot back with it, and nothing is given if the
    /// lock is no longer its own.
    #[inline]
    pub(super) fn give(&self, slot: u32) {
        let given = FREE.wrapping_sub(u64::from(slot) << SLOT_SHIFT);
        let before = self.state().fetch_add(given, Ordering::Release);
        // As long as the word names a holder, only that one changes the value and the slot; so
        // it is looked at afterwards, which spares the lock's line a visit.
        if before & (SLOT | VALUE) != u64::from(slot) << SLOT_SHIFT {
            return self.take_back(given);
        }
        if before & SLEEPERS != 0 {
            futex::wake_one(self.value());
        }
    }

    /// Somebody has reset the lock under its holder, who then had nothing to give.
    #[cold]
    fn take_back(&self, given: u64) {
        self.state().fetch_sub(given, Ordering::Relaxed);
    }

    /// Adds to the value; `false`, and nothing is added, if it would be too much for `sem_post(3)`.
    pub(super) fn add(&self, by: u32) -> bool {
        let by = u64::from(by);
        self.change(|state| match (state & VALUE).saturating_add(by) {
            ..=MOST => Some((state & !SLOT) + by),
            _ => None,
        })
    }

    /// Sets the value, whoever sleeps or holds the lock.
    pub(super) fn set(&self, value: u32) {
        self.change(|state| Some(state & !SLOT & !VALUE | u64::from(value)));
    }

    /// Changes the state for those that count, and wakes as many as may go on.
    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let changed = self
            .state()
            .fetch_update(Ordering::Release, Ordering::Relaxed, &next);
        let Ok(before) = changed else { return false };
        let free = next(before).unwrap_or_default() & VALUE;
        let sleepers = (before & SLEEPERS) / SLEEPER;
        (0..free.min(sleepers)).for_each(|_| futex::wake_one(self.value()));
        true
    }

    /// Who has the lock.
    pub(super) fn holder(&self) -> Holder {
        let state = self.state().load(Ordering::Acquire);
        match (state & VALUE, (state >> SLOT_SHIFT) as u32) {
            (1.., _) => Holder::Nobody,
            (0, 0) => Holder::Unknown,
            (0, slot) => Holder::Slot(slot),
        }
    }

    /// Takes the lock over from a holder that is known to be dead. Only one of many succeeds.
    pub(super) fn take_over(&self, from: Holder, slot: u32) -> bool {
        let dead = match from {
            Holder::Nobody => return self.try_take(slot),
            Holder::Slot(dead) => u64::from(dead),
            Holder::Unknown => 0,
        };
        let mut state = self.state().load(Ordering::Relaxed);
        while state & VALUE == 0 && state >> SLOT_SHIFT == dead {
            let taken = state & !SLOT | u64::from(slot) << SLOT_SHIFT;
            match self.state().compare_exchange_weak(
                state,
                taken,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Whether none of these users is in the middle of taking or giving. There is no middle.
    pub(super) fn is_settled(&self, _slots: &[u32]) -> bool {
        true
    }

    /// Forgets what the last user of a slot was in the middle of.
    pub(super) fn settle(&self, _slot: u32) {}

    /// Makes it free, whoever had it. Only for one that nobody else uses.
    pub(super) fn reset(&self, value: u32) {
        self.state().store(value.into(), Ordering::Release);
    }

    /// Whether a holder died and nobody has said since that the data are right again.
    pub(super) fn is_lost(&self) -> bool {
        self.state().load(Ordering::Relaxed) & LOST != 0
    }

    /// Remembers it; for the holder only.
    pub(super) fn set_lost(&self, lost: bool) {
        match lost {
            true => self.state().fetch_or(LOST, Ordering::Relaxed),
            false => self.state().fetch_and(!LOST, Ordering::Relaxed),
        };
    }

    /// How many sleep for it, or were killed asleep.
    pub(super) fn sleepers(&self) -> Option<u64> {
        Some((self.state().load(Ordering::Relaxed) & SLEEPERS) / SLEEPER)
    }

    /// Where to look for a free slot.
    pub(super) fn next_slot(&self) -> u32 {
        self.spare(NEXT_SLOT).fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::sys::semaphore_image;

    #[test]
    fn a_new_semaphore_is_one_of_glibcs() {
        for value in [0, 1, 7] {
            assert_eq!(Word::image(value), semaphore_image::new(value));
        }
    }
}
