//! A mutex inside a segment.
#![expect(unsafe_code, reason = "the data belong to whoever holds the lock")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::holder::LockHolder;
use super::lock::{Hold, Lock, Wait};
use super::sleep::Sleep;
use super::word::Flagged;
use crate::backend::Grant;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lock::{Acquired, sealed::Held};

/// A lock around data inside a segment, between all processes that have it attached.
///
/// It reads as [`std::sync::Mutex`], with two more things that can happen: the holder may die, in
/// which case the next one to lock gets [`Acquired::OwnerDied`] with the guard; and a wait may end
/// by its limit, with an error that names the holder.
///
/// ```
/// use shmkit::{Acquired, key::NativeIpcKey, sync::Mutex, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-mutex-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let visits = unsafe { Shared::open_or_init(&key, || Mutex::new(0_u64)) }?;
///
/// let mut visits = match visits.lock()? {
///     Acquired::Clean(guard) => guard,
///     Acquired::OwnerDied(mut recovery) => {
///         *recovery = 0; // whatever makes it right again
///         recovery.mark_recovered()
///     }
/// };
/// *visits += 1;
/// # Ok(()) }
/// ```
///
/// # Poison
///
/// The lock is poisoned when a thread panics while it holds it, and when a [`Recovery`] is dropped
/// without [`mark_recovered`](crate::Recovery::mark_recovered). From then on locking is
/// [`Poisoned`](ErrorKind::Poisoned) for everybody, until somebody repairs the data under
/// [`lock_poisoned`](Self::lock_poisoned), or says that they are right
/// ([`clear_poison`](Self::clear_poison)).
///
/// # Death
///
/// A holder's death is noticed within 10 ms by those who wait and at once by those who come, by
/// whatever the holder died of, also in another PID namespace or when its pid has been given to
/// another process. A holder that is stopped is not dead. A holder that leaves the segment with its
/// guard forgotten, or becomes another program (`execve(2)`), has died. A forked child holds none
/// of its parent's locks.
///
/// # Layout
///
/// 16 bytes of lock and the data, at a multiple of 8, the same for 32- and 64-bit processes. All
/// zeros is a lock that is free. It works in POSIX, memfd and file segments, not in System V ones.
///
/// [`Recovery`]: crate::Recovery
#[repr(C, align(8))]
pub struct Mutex<T> {
    pub(super) lock: Lock,
    data: UnsafeCell<T>,
}

// SAFETY: the lock gives the data to one thread at a time, of whichever process, as with std's.
unsafe impl<T: Send> Sync for Mutex<T> {}

// As std's: what a panic left half-changed is poisoned.
impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// Where the data are, in bytes from the beginning.
    pub(super) const DATA: usize = std::mem::offset_of!(Self, data);

    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self {
            lock: Lock::new(),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the lock, waiting for it at most [`DEFAULT_TIMEOUT`](super::DEFAULT_TIMEOUT).
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut), naming the holder; [`Poisoned`](ErrorKind::Poisoned);
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so;
    /// [`Unsupported`](ErrorKind::Unsupported) if the lock does not lie in an attached segment of
    /// a type that can tell who is alive.
    #[inline]
    pub fn lock(&self) -> Result<Acquired<MutexGuard<'_, T>>> {
        self.lock_within(Wait::USUAL)
    }

    /// Takes the lock if it is free or its holder is dead.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if it is held; otherwise as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired<MutexGuard<'_, T>>> {
        self.lock_within(Wait::No)
    }

    /// Takes the lock, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_timeout(&self, limit: Duration) -> Result<Acquired<MutexGuard<'_, T>>> {
        self.lock_within(Wait::For(limit))
    }

    /// Takes the lock, waiting for it at most until about `deadline`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Acquired<MutexGuard<'_, T>>> {
        self.lock_within(Wait::Until(deadline))
    }

    /// Takes the lock also if it is poisoned, to repair the data, waiting at most about `limit`.
    ///
    /// If it was poisoned the answer is [`Acquired::OwnerDied`], for a panic, too.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), but never `Poisoned`.
    pub fn lock_poisoned(&self, limit: Duration) -> Result<Acquired<MutexGuard<'_, T>>> {
        let (hold, grant) = self.lock.take(Wait::For(limit), Flagged::Accept)?;
        Ok(self.acquired(hold, grant))
    }

    #[inline]
    fn lock_within(&self, wait: Wait) -> Result<Acquired<MutexGuard<'_, T>>> {
        let (hold, grant) = match self.lock.take_at_once() {
            Some(hold) => (hold, Grant::Clean),
            None => self.lock.take(wait, Flagged::Refuse)?,
        };
        Ok(self.acquired(hold, grant))
    }

    pub(super) async fn take_by(
        &self,
        wait: Wait,
        flagged: Flagged,
        sleeper: &impl Sleep,
    ) -> Result<Acquired<MutexGuard<'_, T>>> {
        let (hold, grant) = self.lock.take_by(wait, flagged, sleeper).await?;
        Ok(self.acquired(hold, grant))
    }

    #[inline]
    fn acquired(&self, hold: Hold, grant: Grant) -> Acquired<MutexGuard<'_, T>> {
        let guard = MutexGuard {
            mutex: self,
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

    /// Who holds the lock now, if anybody. Takes long: it looks at all processes.
    pub fn holder(&self) -> Option<LockHolder> {
        self.lock.holder()
    }

    /// The data, without locking: nobody else can have them.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// The data of a mutex that is no longer in a segment.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }

    /// The mutex of a guard, for one who gives it back and takes it again.
    pub(super) fn of<'a>(guard: &MutexGuard<'a, T>) -> &'a Self {
        guard.mutex
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    /// Looking does not lock, so the data are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Holds a [`Mutex`] and gives access to its data; dropping it gives the lock back.
///
/// It may be sent to another thread and dropped there. In a forked child it is worth nothing:
/// the lock and the data stay with the parent, and dropping the child's copy does nothing.
#[must_use = "the lock is given back when this is dropped"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    hold: Hold,
    /// The owner before died, and the data have not been repaired yet.
    in_doubt: bool,
    /// The thread was panicking already when it took the lock.
    panicking: bool,
    _data: PhantomData<&'a mut T>,
}

impl<T> MutexGuard<'_, T> {
    /// Gives the lock back poisoned, as a panic does: for who gives up half-way without one.
    ///
    /// It is an associated function, so as not to hide a method of the data.
    pub fn poison(mut guard: Self) {
        guard.in_doubt = true;
    }
}

impl<T> Held for MutexGuard<'_, T> {
    fn mark_recovered(&mut self) {
        self.in_doubt = false;
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let panicked = !self.panicking && std::thread::panicking();
        self.mutex.lock.give(self.hold, self.in_doubt || panicked);
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so no other thread or process that follows the protocol (which
        // opening the segment took for granted) has the data.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed alone.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
