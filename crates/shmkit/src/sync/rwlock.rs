//! A lock for many readers or one writer.
#![expect(unsafe_code, reason = "the data belong to whoever holds the lock")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::holder::LockHolder;
use super::lock::{Hold, Lock, Wait};
use super::readers::{Readers, Seat};
use super::rw_state::{HasWord, RwState};
use super::sleep::{Sleep, Thread};
use super::thread;
use super::word::Flagged;
use crate::atomic::AtomicU32;
use crate::backend::Grant;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lock::{Acquired, sealed::Held};

/// A lock inside a segment that many may have to read or one to write.
///
/// A writer that waits keeps new readers out, so writers do not starve; a thread that reads must
/// therefore not read a second time while it does. Owner death, poison and limits are as with
/// [`Mutex`](super::Mutex): when a writer died in the middle everybody gets
/// [`Acquired::OwnerDied`], readers too, until one of them has marked the data as recovered. A
/// reader's death hinders nobody.
///
/// `LINES` is how many cache lines of slots there are for readers, eight in each: as many
/// processes can read at the same time, and threads of different lines do not slow each other down.
/// More processes wait for a slot.
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::RwLock, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-rwlock-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let table = unsafe { Shared::<RwLock<[u32; 4]>>::open_or_init(&key, Default::default) }?;
/// table.write()?.assume_recovered()[2] = 7;
/// assert_eq!(table.read()?.assume_recovered()[2], 7);
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// 16 bytes of lock, the writer that is in (4 bytes, its lease), 4 that are 0, 8 + 64 × `LINES`
/// bytes of readers, the data. All zeros is a lock that is free.
#[repr(C, align(8))]
pub struct RwLock<T, const LINES: usize = 4> {
    /// The writers' lock.
    pub(super) lock: Lock,
    /// The writer that has the data to itself, so that they are in doubt if it dies.
    inside: AtomicU32,
    reserved: AtomicU32,
    readers: Readers<LINES>,
    data: UnsafeCell<T>,
}

// SAFETY: the lock gives the data to one writer or to readers, as std's does.
unsafe impl<T: Send + Sync, const LINES: usize> Sync for RwLock<T, LINES> {}

// As std's: what a panic left half-changed is poisoned.
impl<T, const LINES: usize> UnwindSafe for RwLock<T, LINES> {}
impl<T, const LINES: usize> RefUnwindSafe for RwLock<T, LINES> {}

impl<T, const LINES: usize> RwLock<T, LINES> {
    /// Where the data are, in bytes from the beginning.
    pub(super) const DATA: usize = std::mem::offset_of!(Self, data);

    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        const { assert!(LINES > 0, "a RwLock needs a line of slots for readers") };
        Self {
            lock: Lock::new(),
            inside: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            readers: Readers::new(),
            data: UnsafeCell::new(data),
        }
    }

    /// Locks to read, waiting for it at most [`DEFAULT_TIMEOUT`](super::DEFAULT_TIMEOUT).
    ///
    /// # Errors
    /// As [`Mutex::lock`](super::Mutex::lock).
    #[inline]
    pub fn read(&self) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.take_to_read(Wait::USUAL)
    }

    /// Locks to read if no writer has it.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if one has it; otherwise as [`read`](Self::read).
    #[inline]
    pub fn try_read(&self) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.take_to_read(Wait::No)
    }

    /// Locks to read, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_timeout(&self, limit: Duration) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.take_to_read(Wait::For(limit))
    }

    /// Locks to read, waiting for it at most until about `deadline`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn read_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.take_to_read(Wait::Until(deadline))
    }

    /// Locks to write, waiting for it at most [`DEFAULT_TIMEOUT`](super::DEFAULT_TIMEOUT).
    ///
    /// # Errors
    /// As [`Mutex::lock`](super::Mutex::lock); a time-out names the writer or a reader.
    #[inline]
    pub fn write(&self) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.take_to_write(Wait::USUAL, Flagged::Refuse)
    }

    /// Locks to write if nobody has it.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if somebody has it; otherwise as
    /// [`write`](Self::write).
    #[inline]
    pub fn try_write(&self) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.take_to_write(Wait::No, Flagged::Refuse)
    }

    /// Locks to write, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_timeout(
        &self,
        limit: Duration,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.take_to_write(Wait::For(limit), Flagged::Refuse)
    }

    /// Locks to write, waiting for it at most until about `deadline`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_deadline(
        &self,
        deadline: Instant,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.take_to_write(Wait::Until(deadline), Flagged::Refuse)
    }

    /// Locks to write also if it is poisoned, to repair the data, waiting at most about `limit`;
    /// see [`Mutex::lock_poisoned`](super::Mutex::lock_poisoned).
    ///
    /// # Errors
    /// As [`write`](Self::write), but never `Poisoned`.
    pub fn write_poisoned(
        &self,
        limit: Duration,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.take_to_write(Wait::For(limit), Flagged::Accept)
    }

    #[inline]
    pub(super) fn state(&self) -> RwState<'_, LINES> {
        RwState {
            word: &self.lock.word,
            inside: &self.inside,
            readers: &self.readers,
        }
    }

    /// Always in line: else the guard would go through memory.
    #[inline(always)]
    fn take_to_read(&self, wait: Wait) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        let (hold, seat, grant) = match self.read_at_once() {
            Some((hold, seat)) => (hold, seat, Grant::Clean),
            None => self.take_to_read_slowly(wait)?,
        };
        Ok(self.reading(hold, seat, grant))
    }

    /// Locks to read in the usual case: this thread knows its lease, there is a slot and no writer,
    /// and nothing in doubt. `None` says nothing.
    #[inline]
    fn read_at_once(&self) -> Option<(Hold, Seat)> {
        let hold = self.lock.remembered_hold()?;
        let seat = self
            .state()
            .try_read_whole(hold.lease(), thread::number())?;
        Some((hold, seat))
    }

    /// Out of line, as [`Lock::take`] is.
    #[cold]
    fn take_to_read_slowly(&self, wait: Wait) -> Result<(Hold, Seat, Grant)> {
        Thread::waits(self.take_to_read_by(wait, &Thread))
    }

    async fn take_to_read_by(
        &self,
        wait: Wait,
        sleeper: &impl Sleep,
    ) -> Result<(Hold, Seat, Grant)> {
        let hold = self.lock.hold()?;
        let (here, state) = (self.lock.here(hold), self.state());
        let (begun, limit) = (Instant::now(), wait.limit());
        let seat = match state.read(&here, thread::number(), limit, sleeper).await? {
            Ok(seat) => seat,
            Err(holder) => return Err(self.lock.explain_holder(holder, wait, begun)),
        };
        match state.look(seat) {
            Some(grant) => Ok((hold, seat, grant)),
            None => Err(self.lock.explain_poison()),
        }
    }

    #[cfg(feature = "async")]
    pub(super) async fn read_by(
        &self,
        wait: Wait,
        sleeper: &impl Sleep,
    ) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        let (hold, seat, grant) = self.take_to_read_by(wait, sleeper).await?;
        Ok(self.reading(hold, seat, grant))
    }

    #[inline]
    fn reading(
        &self,
        hold: Hold,
        seat: Seat,
        grant: Grant,
    ) -> Acquired<RwLockReadGuard<'_, T, LINES>> {
        let guard = RwLockReadGuard {
            lock: self,
            hold,
            seat,
            in_doubt: grant.is_in_doubt(),
            _data: PhantomData,
        };
        Acquired::of(guard, grant)
    }

    #[inline]
    fn take_to_write(
        &self,
        wait: Wait,
        flagged: Flagged,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        let (hold, grant) = match self.write_at_once() {
            Ok(hold) => (hold, Grant::Clean),
            Err(has_word) => self.take_to_write_slowly(has_word, wait, flagged)?,
        };
        Ok(self.writing(hold, grant))
    }

    /// Locks to write in the usual case: this thread knows its lease, nobody has the lock, and nothing
    /// is in doubt.
    #[inline]
    fn write_at_once(&self) -> Result<Hold, HasWord> {
        match self.lock.remembered_hold() {
            Some(hold) => self.state().try_write_whole(hold.lease()).map(|()| hold),
            None => Err(HasWord(false)),
        }
    }

    /// Out of line, as [`Lock::take`] is.
    #[cold]
    fn take_to_write_slowly(
        &self,
        has_word: HasWord,
        wait: Wait,
        flagged: Flagged,
    ) -> Result<(Hold, Grant)> {
        Thread::waits(self.take_to_write_by(has_word, wait, flagged, &Thread))
    }

    async fn take_to_write_by(
        &self,
        has_word: HasWord,
        wait: Wait,
        flagged: Flagged,
        sleeper: &impl Sleep,
    ) -> Result<(Hold, Grant)> {
        let hold = self.lock.hold()?;
        let (here, state) = (self.lock.here(hold), self.state());
        let (begun, limit) = (Instant::now(), wait.limit());
        let taken = state.write(&here, has_word, flagged, limit, sleeper);
        match taken.await? {
            Ok(grant) => Ok((hold, grant)),
            Err(refusal) => Err(self.lock.explain(refusal, wait, begun)),
        }
    }

    #[cfg(feature = "async")]
    pub(super) async fn write_by(
        &self,
        wait: Wait,
        sleeper: &impl Sleep,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        let (has_word, flagged) = (HasWord(false), Flagged::Refuse);
        let taken = self.take_to_write_by(has_word, wait, flagged, sleeper);
        let (hold, grant) = taken.await?;
        Ok(self.writing(hold, grant))
    }

    #[inline]
    fn writing(&self, hold: Hold, grant: Grant) -> Acquired<RwLockWriteGuard<'_, T, LINES>> {
        let guard = RwLockWriteGuard {
            lock: self,
            hold,
            in_doubt: grant.is_in_doubt(),
            panicking: std::thread::panicking(),
            _data: PhantomData,
        };
        Acquired::of(guard, grant)
    }

    /// Whether the data are in doubt and nobody has repaired them yet.
    pub fn is_poisoned(&self) -> bool {
        self.lock.is_poisoned()
    }

    /// Says that the data are right although the lock was poisoned.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly).
    pub fn clear_poison(&self) -> Result<()> {
        self.lock.clear_poison()
    }

    /// The writer that has or awaits the lock now, if there is one. Takes long: it looks at all
    /// processes.
    pub fn writer(&self) -> Option<LockHolder> {
        self.lock.holder()
    }

    /// The data, without locking: nobody else can have them.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Default, const LINES: usize> Default for RwLock<T, LINES> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, const LINES: usize> fmt::Debug for RwLock<T, LINES> {
    /// Looking does not lock, so the data are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("lock", &self.lock)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

/// Holds a [`RwLock`] to read; dropping it gives the lock back.
///
/// In a forked child it is worth nothing: the lock stays with the parent.
#[must_use = "the lock is given back when this is dropped"]
pub struct RwLockReadGuard<'a, T, const LINES: usize> {
    lock: &'a RwLock<T, LINES>,
    hold: Hold,
    seat: Seat,
    /// A writer died inside, and the data have not been found right yet.
    in_doubt: bool,
    _data: PhantomData<&'a T>,
}

impl<T, const LINES: usize> Held for RwLockReadGuard<'_, T, LINES> {
    fn mark_recovered(&mut self) {
        self.in_doubt = false;
        self.lock.state().mark_recovered();
    }
}

impl<T, const LINES: usize> Drop for RwLockReadGuard<'_, T, LINES> {
    #[inline]
    fn drop(&mut self) {
        if self.hold.is_of_this_process() {
            self.lock.state().leave_reading(self.seat, self.in_doubt);
        }
    }
}

impl<T, const LINES: usize> Deref for RwLockReadGuard<'_, T, LINES> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this reader is written down, so no writer that follows the protocol is inside.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: fmt::Debug, const LINES: usize> fmt::Debug for RwLockReadGuard<'_, T, LINES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Holds a [`RwLock`] to write; dropping it gives the lock back.
///
/// In a forked child it is worth nothing: the lock stays with the parent.
#[must_use = "the lock is given back when this is dropped"]
pub struct RwLockWriteGuard<'a, T, const LINES: usize> {
    lock: &'a RwLock<T, LINES>,
    hold: Hold,
    in_doubt: bool,
    panicking: bool,
    _data: PhantomData<&'a mut T>,
}

impl<T, const LINES: usize> RwLockWriteGuard<'_, T, LINES> {
    /// Gives the lock back poisoned; see [`MutexGuard::poison`](super::MutexGuard::poison).
    pub fn poison(mut guard: Self) {
        guard.in_doubt = true;
    }
}

impl<T, const LINES: usize> Held for RwLockWriteGuard<'_, T, LINES> {
    fn mark_recovered(&mut self) {
        self.in_doubt = false;
    }
}

impl<T, const LINES: usize> Drop for RwLockWriteGuard<'_, T, LINES> {
    #[inline]
    fn drop(&mut self) {
        if !self.hold.is_of_this_process() {
            return;
        }
        let panicked = !self.panicking && std::thread::panicking();
        let here = self.lock.lock.here(self.hold);
        let in_doubt = self.in_doubt || panicked;
        self.lock.state().leave_writing(&here, in_doubt);
    }
}

impl<T, const LINES: usize> Deref for RwLockWriteGuard<'_, T, LINES> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the writers' lock is held and all readers have left, so no other thread or
        // process that follows the protocol has the data.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T, const LINES: usize> DerefMut for RwLockWriteGuard<'_, T, LINES> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed alone.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: fmt::Debug, const LINES: usize> fmt::Debug for RwLockWriteGuard<'_, T, LINES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
