//! The same waits for tasks: they leave the thread to their executor, whichever that is.
//!
//! A future that is dropped waits no longer, and holds nothing.

use std::time::Duration;

use super::barrier::{Barrier, BarrierWaitResult};
use super::condvar::{Condvar, WaitTimeoutResult};
use super::event::Event;
use super::limit::Limit;
use super::lock::{DEFAULT_TIMEOUT, Wait, refuse_read_only};
use super::mutex::{Mutex, MutexGuard};
use super::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use super::semaphore::Semaphore;
use super::sleep::Task;
use super::word::Flagged;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lock::Acquired;

impl<T> Mutex<T> {
    /// Takes the lock, as [`lock`](Self::lock), without keeping the thread.
    ///
    /// ```
    /// use shmkit::{key::NativeIpcKey, sync::Mutex, typed::Shared};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # let name = format!("shmkit-doc-async-{}", std::process::id());
    /// # let key = NativeIpcKey::platform_safe(&name);
    /// // SAFETY: every program that opens this key is ours.
    /// let count = unsafe { Shared::open_or_init(&key, || Mutex::new(0_u64)) }?;
    /// # pollster::block_on(async {
    /// *count.lock_async().await?.assume_recovered() += 1;
    /// # Ok(()) })
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn lock_async(&self) -> Result<Acquired<MutexGuard<'_, T>>> {
        self.lock_timeout_async(DEFAULT_TIMEOUT).await
    }

    /// Takes the lock, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`lock_async`](Self::lock_async).
    pub async fn lock_timeout_async(&self, limit: Duration) -> Result<Acquired<MutexGuard<'_, T>>> {
        let (wait, flagged) = (Wait::For(limit), Flagged::Refuse);
        self.take_by(wait, flagged, &Task).await
    }
}

impl<T, const LINES: usize> RwLock<T, LINES> {
    /// Locks to read, as [`read`](Self::read), without keeping the thread.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn read_async(&self) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.read_timeout_async(DEFAULT_TIMEOUT).await
    }

    /// Locks to read, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`read_async`](Self::read_async).
    pub async fn read_timeout_async(
        &self,
        limit: Duration,
    ) -> Result<Acquired<RwLockReadGuard<'_, T, LINES>>> {
        self.read_by(Wait::For(limit), &Task).await
    }

    /// Locks to write, as [`write`](Self::write), without keeping the thread.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn write_async(&self) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.write_timeout_async(DEFAULT_TIMEOUT).await
    }

    /// Locks to write, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`write_async`](Self::write_async).
    pub async fn write_timeout_async(
        &self,
        limit: Duration,
    ) -> Result<Acquired<RwLockWriteGuard<'_, T, LINES>>> {
        self.write_by(Wait::For(limit), &Task).await
    }
}

impl Condvar {
    /// Gives the mutex back, waits for a notification, and takes the mutex again; as
    /// [`wait`](Self::wait).
    ///
    /// # Errors
    /// As [`wait`](Self::wait); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn wait_async<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> Result<Acquired<MutexGuard<'a, T>>> {
        let waited = self.wait_by(guard, Limit::Never, &Task).await;
        waited.map(|(guard, _)| guard)
    }

    /// Waits, at most about `limit`.
    ///
    /// # Errors
    /// As [`wait_async`](Self::wait_async). That the limit is over is no error.
    pub async fn wait_timeout_async<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: Duration,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        self.wait_by(guard, Limit::after(limit), &Task).await
    }
}

impl Event {
    /// Waits until it is set, for as long as it takes; as [`wait`](Self::wait).
    ///
    /// # Errors
    /// As [`wait`](Self::wait); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn wait_async(&self) -> Result<()> {
        self.wait_by(Wait::Ever, &Task).await
    }

    /// Waits until it is set, at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`wait_async`](Self::wait_async).
    pub async fn wait_timeout_async(&self, limit: Duration) -> Result<()> {
        self.wait_by(Wait::For(limit), &Task).await
    }
}

impl Semaphore {
    /// Takes a permit, waiting for as long as it takes; as [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn acquire_async(&self) -> Result<()> {
        refuse_read_only(self)?;
        self.wait_by(Wait::Ever, &Task).await
    }

    /// Takes a permit, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`acquire_async`](Self::acquire_async).
    pub async fn acquire_timeout_async(&self, limit: Duration) -> Result<()> {
        refuse_read_only(self)?;
        self.wait_by(Wait::For(limit), &Task).await
    }
}

impl Barrier {
    /// Waits until all have come, at most [`DEFAULT_TIMEOUT`]; as [`wait`](Self::wait).
    ///
    /// # Errors
    /// As [`wait`](Self::wait); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn wait_async(&self) -> Result<BarrierWaitResult> {
        self.wait_timeout_async(DEFAULT_TIMEOUT).await
    }

    /// Waits until all have come, at most about `limit`. A future that is dropped has never come.
    ///
    /// # Errors
    /// As [`wait_async`](Self::wait_async).
    pub async fn wait_timeout_async(&self, limit: Duration) -> Result<BarrierWaitResult> {
        self.wait_by(Wait::For(limit), &Task).await
    }
}
