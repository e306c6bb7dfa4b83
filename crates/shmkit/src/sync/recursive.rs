//! A mutex that its holder may take again.
#![expect(
    unsafe_code,
    reason = "the data belong to the thread that holds the lock"
)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::holder::LockHolder;
use super::lock::{self, Hold, Lock, Wait};
use super::recursive_state::{RecursiveState, Token};
use super::thread;
use super::word::Flagged;
use crate::atomic::{AtomicU32, AtomicU64};
use crate::backend::Grant;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Acquired, sealed::Held};

/// A lock inside a segment that the thread which holds it may take again.
///
/// As a thread may have several guards at once, they give only `&T`: what is to change must be
/// atomics. Everything else is as with [`Mutex`](super::Mutex): owner death, poison, limits.
/// After an owner's death only the first of the new holder's guards is a
/// [`Recovery`](crate::Recovery).
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use shmkit::{key::NativeIpcKey, sync::RecursiveMutex, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-recursive-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// let init = || RecursiveMutex::new(AtomicU32::new(0));
/// // SAFETY: every program that opens this key is ours.
/// let depth = unsafe { Shared::open_or_init(&key, init) }?;
/// let outer = depth.lock()?.assume_recovered();
/// let inner = depth.lock()?.assume_recovered();
/// inner.fetch_add(1, Ordering::Relaxed);
/// assert_eq!(outer.load(Ordering::Relaxed), 1);
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// 16 bytes of lock, the holder's thread (8), how often it has the lock (4), 4 that are 0, the
/// data.
#[doc(alias = "ReentrantMutex")]
#[repr(C, align(8))]
pub struct RecursiveMutex<T> {
    lock: Lock,
    /// The lease of the holder and its thread's number in the halves; 0 if nobody has it.
    owner: AtomicU64,
    depth: AtomicU32,
    reserved: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: the data are only reached by the thread that holds the lock, as with a `Mutex`.
unsafe impl<T: Send> Sync for RecursiveMutex<T> {}

// What a panic left half-changed is poisoned.
impl<T> UnwindSafe for RecursiveMutex<T> {}
impl<T> RefUnwindSafe for RecursiveMutex<T> {}

impl<T> RecursiveMutex<T> {
    /// Where the data are, in bytes from the beginning.
    pub(super) const DATA: usize = std::mem::offset_of!(Self, data);

    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self {
            lock: Lock::new(),
            owner: AtomicU64::new(0),
            depth: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the lock, waiting for it at most [`DEFAULT_TIMEOUT`](super::DEFAULT_TIMEOUT).
    ///
    /// # Errors
    /// As [`Mutex::lock`](super::Mutex::lock); [`OutOfResources`](ErrorKind::OutOfResources) if
    /// this thread has it `u32::MAX` times.
    #[inline]
    pub fn lock(&self) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        self.lock_within(Wait::USUAL)
    }

    /// Takes the lock if it is free, this thread's, or its holder is dead.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if it is held; otherwise as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        self.lock_within(Wait::No)
    }

    /// Takes the lock, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_timeout(&self, limit: Duration) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        self.lock_within(Wait::For(limit))
    }

    /// Takes the lock, waiting for it at most until about `deadline`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_deadline(&self, deadline: Instant) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        self.lock_within(Wait::Until(deadline))
    }

    /// Takes the lock also if it is poisoned, to repair the data, waiting at most about `limit`;
    /// see [`Mutex::lock_poisoned`](super::Mutex::lock_poisoned).
    ///
    /// # Errors
    /// As [`lock`](Self::lock), but never `Poisoned`.
    pub fn lock_poisoned(&self, limit: Duration) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        let (hold, grant) = self.take(Wait::For(limit), Flagged::Accept)?;
        Ok(self.acquired(hold, grant))
    }

    #[inline]
    fn lock_within(&self, wait: Wait) -> Result<Acquired<RecursiveMutexGuard<'_, T>>> {
        let (hold, grant) = match self.take_at_once() {
            Some(hold) => (hold, Grant::Clean),
            None => self.take(wait, Flagged::Refuse)?,
        };
        Ok(self.acquired(hold, grant))
    }

    /// Takes the lock in the usual cases: it is free, or this thread has it.
    #[inline]
    fn take_at_once(&self) -> Option<Hold> {
        let hold = self.lock.remembered_hold()?;
        self.state().take_at_once(token(hold)).then_some(hold)
    }

    /// Out of line, as [`Lock::take`] is.
    #[cold]
    fn take(&self, wait: Wait, flagged: Flagged) -> Result<(Hold, Grant)> {
        let mine = self.lock.hold()?;
        let me = token(mine);
        if self.state().is_of(me) {
            return match self.state().take_at_once(me) {
                true => Ok((mine, Grant::Clean)),
                false => Err(self.explain_depth()),
            };
        }
        let (hold, grant) = self.lock.take(wait, flagged)?;
        self.state().settle_in(me);
        Ok((hold, grant))
    }

    #[inline]
    fn state(&self) -> RecursiveState<'_> {
        RecursiveState {
            word: &self.lock.word,
            owner: &self.owner,
            depth: &self.depth,
        }
    }

    #[cold]
    fn explain_depth(&self) -> Error {
        lock::error(ErrorKind::OutOfResources, std::ptr::from_ref(self).addr())
            .detail("this thread has taken it as often as can be counted")
    }

    #[inline]
    fn acquired(&self, hold: Hold, grant: Grant) -> Acquired<RecursiveMutexGuard<'_, T>> {
        let guard = RecursiveMutexGuard {
            mutex: self,
            hold,
            in_doubt: grant.is_in_doubt(),
            panicking: std::thread::panicking(),
            _of_this_thread: PhantomData,
        };
        Acquired::of(guard, grant)
    }

    #[inline]
    fn give(&self, hold: Hold, in_doubt: bool) {
        // A forked child inherits the guard, not the lock.
        if hold.is_of_this_process() {
            let here = self.lock.here(hold);
            self.state().give(&here, token(hold), in_doubt);
        }
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
}

/// This thread, for all processes that are attached to the segment.
#[inline]
fn token(hold: Hold) -> Token {
    Token::of(hold.lease(), thread::number())
}

impl<T: Default> Default for RecursiveMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for RecursiveMutex<T> {
    /// Looking does not lock, so the data are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecursiveMutex")
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Holds a [`RecursiveMutex`]; when the thread's last one is dropped, the lock is given back.
///
/// It stays with its thread. In a forked child it is worth nothing.
#[must_use = "the lock is given back when this is dropped"]
pub struct RecursiveMutexGuard<'a, T> {
    mutex: &'a RecursiveMutex<T>,
    hold: Hold,
    in_doubt: bool,
    panicking: bool,
    _of_this_thread: PhantomData<*const T>,
}

impl<T> RecursiveMutexGuard<'_, T> {
    /// Gives the lock back poisoned, with the thread's last guard; see
    /// [`MutexGuard::poison`](super::MutexGuard::poison).
    pub fn poison(mut guard: Self) {
        guard.in_doubt = true;
    }
}

impl<T> Held for RecursiveMutexGuard<'_, T> {
    fn mark_recovered(&mut self) {
        self.in_doubt = false;
        if self.mutex.lock.is_poisoned() {
            // It was written to when it was taken.
            let _ = self.mutex.lock.clear_poison();
        }
    }
}

impl<T> Drop for RecursiveMutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let panicked = !self.panicking && std::thread::panicking();
        self.mutex.give(self.hold, self.in_doubt || panicked);
    }
}

impl<T> Deref for RecursiveMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock, and all its guards give shared references.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: fmt::Debug> fmt::Debug for RecursiveMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
