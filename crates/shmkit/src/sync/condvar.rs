//! A condition variable.

use std::fmt;
use std::time::{Duration, Instant};

use super::limit::Limit;
use super::lock::{self, Wait, refuse_read_only};
use super::mutex::{Mutex, MutexGuard};
use super::park;
use super::signal::Sequence;
use super::sleep::{Sleep, Thread};
use super::word::Flagged;
use crate::atomic::AtomicU32;
use crate::error::{ErrorKind, Result};
use crate::interrupt;
use crate::lock::Acquired;

/// Lets threads wait until another, of whichever process, has changed what a
/// [`Mutex`] protects.
///
/// As everywhere, a wait may end without a notification, so the condition is to be looked at again:
/// [`wait_while`](Self::wait_while) does that. It is looked at every 50 ms in any case, so nobody
/// waits for one who died after it changed the data and before it notified, or who was notified and
/// died before it went on. The mutex's holder may die meanwhile, so the guard comes back as
/// [`Acquired`].
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::{Condvar, Mutex}, typed::Shared};
/// use shmkit::typed::ShmSafe;
///
/// #[derive(ShmSafe)]
/// #[repr(C)]
/// struct Mailbox {
///     letters: Mutex<u64>,
///     arrived: Condvar,
/// }
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-condvar-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// let empty = || Mailbox { letters: Mutex::new(0), arrived: Condvar::new() };
/// // SAFETY: every program that opens this key is ours.
/// let mailbox = unsafe { Shared::open_or_init(&key, empty) }?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| -> shmkit::Result<()> {
///         *mailbox.letters.lock()?.assume_recovered() += 1;
///         mailbox.arrived.notify_one()
///     });
///     let letters = mailbox.letters.lock()?.assume_recovered();
///     let letters = mailbox.arrived.wait_while(letters, |letters| *letters == 0)?;
///     assert_eq!(*letters.assume_recovered(), 1);
///     Ok(())
/// })
/// # }
/// ```
///
/// # Layout
///
/// A word and 4 bytes that are 0. All zeros is one that nobody waits for.
#[repr(C, align(8))]
pub struct Condvar {
    pub(super) sequence: Sequence,
    reserved: AtomicU32,
}

/// Whether a wait ended by its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WaitTimeoutResult(pub(super) bool);

impl WaitTimeoutResult {
    /// Whether the limit was over before a notification came.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl Condvar {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            sequence: Sequence::new(0),
            reserved: AtomicU32::new(0),
        }
    }

    /// Gives the mutex back, waits for a notification for as long as it takes, and takes the mutex
    /// again.
    ///
    /// # Errors
    /// As [`Mutex::lock`]; the guard is gone then.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> Result<Acquired<MutexGuard<'a, T>>> {
        self.wait_for(guard, Limit::Never).map(|(guard, _)| guard)
    }

    /// Waits, at most about `limit`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait). That the limit is over is no error.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        self.wait_for(guard, Limit::after(limit))
    }

    /// Waits, at most until about `deadline`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        self.wait_for(guard, Limit::At(deadline))
    }

    /// Waits for as long as `condition` is true, or until the mutex's owner has died: then the data
    /// are in doubt, and the condition is not asked.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> Result<Acquired<MutexGuard<'a, T>>> {
        self.repeat(guard, Limit::Never, condition)
            .map(|(guard, _)| guard)
    }

    /// Waits for as long as `condition` is true, at most about `limit`; as
    /// [`wait_while`](Self::wait_while).
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_timeout_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        self.repeat(guard, Limit::after(limit), condition)
    }

    fn repeat<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        limit: Limit,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        let mut end = WaitTimeoutResult(false);
        while condition(&mut guard) {
            if end.timed_out() {
                return Ok((Acquired::Clean(guard), end));
            }
            guard = match self.wait_for(guard, limit)? {
                (Acquired::Clean(guard), how) => {
                    end = how;
                    guard
                }
                in_doubt => return Ok(in_doubt),
            };
        }
        Ok((Acquired::Clean(guard), WaitTimeoutResult(false)))
    }

    fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Limit,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        Thread::waits(self.wait_by(guard, limit, &Thread))
    }

    pub(super) async fn wait_by<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        let mutex = Mutex::of(&guard);
        // Before the mutex is free: whoever notifies after that is seen.
        let before = self.sequence.now();
        drop(guard);
        let is_notified = self.sequence.wait(before, limit, sleeper).await?;
        if !is_notified && interrupt::has_come() {
            let address = std::ptr::from_ref(self).addr();
            return Err(lock::error(ErrorKind::Interrupted, address));
        }
        let guard = mutex.take_by(Wait::USUAL, Flagged::Refuse, sleeper).await?;
        Ok((guard, WaitTimeoutResult(!is_notified)))
    }

    /// Lets one of those go on that wait.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    pub fn notify_one(&self) -> Result<()> {
        refuse_read_only(self)?;
        self.sequence.signal(1);
        Ok(())
    }

    /// Lets all go on that wait.
    ///
    /// # Errors
    /// As [`notify_one`](Self::notify_one).
    pub fn notify_all(&self) -> Result<()> {
        refuse_read_only(self)?;
        self.sequence.signal(park::ALL);
        Ok(())
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
