//! The lock inside a `sem_t` whose layout is the C library's secret: on 32-bit machines.
//!
//! The value is taken and given with `sem_trywait(3)` and `sem_post(3)`, and a holder of ours
//! writes its slot into a word of its own, one step later. Between the two steps its *intent* is
//! up, a counter of its slot in the rest of the page: who finds no value and no owner, and knows
//! all users, can tell whether one that lives is just there. Waiting looks every millisecond,
//! because `sem_timedwait` follows a clock that people set.
//!
//! The file may be as short as a `sem_t`; on the memory file system the rest of its page is
//! shared, too.
#![expect(
    unsafe_code,
    reason = "the semaphore functions, and atomics inside a mapped file"
)]

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::slot::Holder;
use crate::sys::semaphore_image;

const LOST: usize = 16;
const NEXT_SLOT: usize = 20;
const OWNER: usize = 24;
/// One byte for each slot, to the end of the smallest page.
const INTENTS: usize = 64;

const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The size of the file.
pub(super) const SIZE: usize = semaphore_image::SIZE;

/// A semaphore in a mapped file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'m> {
    at: NonNull<u8>,
    mapped: PhantomData<&'m AtomicU32>,
}

// SAFETY: a word is an address of atomics that stay mapped for `'m`.
unsafe impl Send for Word<'_> {}
// SAFETY: as above.
unsafe impl Sync for Word<'_> {}

impl<'m> Word<'m> {
    /// The number of slots.
    pub(super) const SLOTS: u32 = 4000;

    /// The bytes of a new semaphore.
    pub(super) fn image(value: u32) -> [u8; SIZE] {
        semaphore_image::new(value)
    }

    /// # Safety
    /// At `at` begins a mapped, writable page that stays for `'m`, and everybody who maps it treats
    /// its beginning as a `sem_t` of this process's C library.
    pub(super) unsafe fn new(at: NonNull<u8>) -> Self {
        Self {
            at,
            mapped: PhantomData,
        }
    }

    fn semaphore(&self) -> *mut libc::sem_t {
        self.at.cast().as_ptr()
    }

    /// Where it is mapped: which one of several.
    pub(super) fn address(&self) -> usize {
        self.at.addr().get()
    }

    fn spare(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset + 4 <= 32);
        // SAFETY: `offset` is one of the constants above, within the 32 bytes.
        let at = unsafe { self.at.add(offset) };
        // SAFETY: mapped and aligned as in `new`, and used by shmkit only, as atomics.
        unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) }
    }

    /// How many threads of a user are between the two steps.
    fn intent(&self, slot: u32) -> &AtomicU8 {
        debug_assert!(slot <= Self::SLOTS);
        // SAFETY: the last slot's counter lies within the page that `new` demands.
        let at = unsafe { self.at.add(INTENTS + slot as usize) };
        // SAFETY: mapped as in `new`, and used by shmkit only, as atomics.
        unsafe { AtomicU8::from_ptr(at.as_ptr()) }
    }

    fn between<R>(&self, slot: u32, steps: impl FnOnce() -> R) -> R {
        self.intent(slot).fetch_add(1, Ordering::SeqCst);
        let result = steps();
        self.intent(slot).fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Whether none of these users is in the middle of taking or giving.
    pub(super) fn is_settled(&self, slots: &[u32]) -> bool {
        let is_settled =
            |&slot: &u32| slot <= Self::SLOTS && self.intent(slot).load(Ordering::SeqCst) == 0;
        slots.iter().all(is_settled)
    }

    /// Forgets what the last user of a slot was in the middle of.
    pub(super) fn settle(&self, slot: u32) {
        self.intent(slot).store(0, Ordering::SeqCst);
    }

    /// Takes a lock that is free, that nobody waits for and that lost no owner; whether that is so
    /// is not known here.
    pub(super) fn take_free(&self, _slot: u32) -> bool {
        false
    }

    /// Takes one of the value, at once or not at all.
    pub(super) fn try_take(&self, slot: u32) -> bool {
        self.between(slot, || {
            // SAFETY: the contract of `new` says that this is a semaphore.
            let taken = unsafe { libc::sem_trywait(self.semaphore()) } == 0;
            if taken {
                self.spare(OWNER).store(slot, Ordering::SeqCst);
            }
            taken
        })
    }

    /// Takes one of the value, sleeping for it at most `limit`.
    pub(super) fn take_within(&self, slot: u32, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            if self.try_take(slot) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(left.min(LOOK_AGAIN));
        }
    }

    /// Gives one back. The lock's holder gives its slot back with it, and nothing is given if the
    /// lock is no longer its own.
    pub(super) fn give(&self, slot: u32) {
        if slot != 0 && self.spare(OWNER).load(Ordering::SeqCst) != slot {
            return;
        }
        self.between(slot, || {
            self.spare(OWNER).store(0, Ordering::SeqCst);
            // SAFETY: the contract of `new` says that this is a semaphore.
            unsafe { libc::sem_post(self.semaphore()) };
        });
    }

    /// Adds to the value; `false`, and nothing is added, if it would be too much for `sem_post(3)`.
    pub(super) fn add(&self, by: u32) -> bool {
        for done in 0..by {
            if !self.post() {
                (0..done).for_each(|_| self.take_back());
                return false;
            }
        }
        true
    }

    /// Sets the value, whoever sleeps or holds the lock.
    pub(super) fn set(&self, value: u32) {
        self.spare(OWNER).store(0, Ordering::SeqCst);
        let now = self.count();
        (value..now).for_each(|_| self.take_back());
        (now..value).for_each(|_| _ = self.post());
    }

    fn post(&self) -> bool {
        // SAFETY: the contract of `new` says that this is a semaphore.
        unsafe { libc::sem_post(self.semaphore()) == 0 }
    }

    fn take_back(&self) {
        // SAFETY: as in `post`.
        unsafe { libc::sem_trywait(self.semaphore()) };
    }

    /// Who has the lock.
    pub(super) fn holder(&self) -> Holder {
        match (self.count(), self.spare(OWNER).load(Ordering::SeqCst)) {
            (1.., _) => Holder::Nobody,
            (0, 0) => Holder::Unknown,
            (0, slot) => Holder::Slot(slot),
        }
    }

    /// Takes the lock over from a holder that is known to be dead. Only one of many succeeds.
    pub(super) fn take_over(&self, from: Holder, slot: u32) -> bool {
        let dead = match from {
            Holder::Nobody => return self.try_take(slot),
            Holder::Slot(dead) => dead,
            Holder::Unknown => 0,
        };
        // A thread of this process may be between the two steps. It is not if nobody was before
        // and after the word was seen to be without value and owner.
        let quiet = || self.is_settled(&[slot]);
        let unchanged = || self.count() == 0 && self.spare(OWNER).load(Ordering::SeqCst) == dead;
        quiet()
            && unchanged()
            && quiet()
            && unchanged()
            && self
                .spare(OWNER)
                .compare_exchange(dead, slot, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }

    /// Makes it free, whoever had it. Only for one that nobody else uses.
    pub(super) fn reset(&self, value: u32) {
        self.spare(OWNER).store(0, Ordering::SeqCst);
        // SAFETY: the bytes are a semaphore's, and the caller says that nobody else uses it.
        unsafe { libc::sem_init(self.semaphore(), 1, value) };
    }

    /// The value that `sem_getvalue(3)` gives.
    pub(super) fn count(&self) -> u32 {
        let mut value = 0;
        // SAFETY: the contract of `new` says that this is a semaphore; `value` is writable.
        unsafe { libc::sem_getvalue(self.semaphore(), &mut value) };
        value.try_into().unwrap_or(0)
    }

    /// Whether a holder died and nobody has said since that the data are right again.
    pub(super) fn is_lost(&self) -> bool {
        self.spare(LOST).load(Ordering::Relaxed) != 0
    }

    /// Remembers it; for the holder only.
    pub(super) fn set_lost(&self, lost: bool) {
        self.spare(LOST).store(lost.into(), Ordering::Relaxed);
    }

    /// How many sleep for it is the C library's secret.
    pub(super) fn sleepers(&self) -> Option<u64> {
        None
    }

    /// Where to look for a free slot.
    pub(super) fn next_slot(&self) -> u32 {
        self.spare(NEXT_SLOT).fetch_add(1, Ordering::Relaxed)
    }
}
