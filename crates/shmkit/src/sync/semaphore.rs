//! A counting semaphore.

use std::fmt;
use std::time::{Duration, Instant};

use super::lock::{Wait, refuse_read_only, timed_out};
use super::signal::Permits;
use super::sleep::{Sleep, Thread};
use crate::atomic::AtomicU32;
use crate::error::{Error, ErrorKind, Op, Result};

/// A number of permits inside a segment, as `sem_t` has it.
///
/// Permits belong to nobody: one process may add what another takes, and what a process took goes
/// with it when it dies. It is for counting what there is (items in a queue, say). What must come
/// back also from the dead needs an owner: a [`Mutex`](super::Mutex) each.
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::Semaphore, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-semaphore-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let items = unsafe { Shared::open_or_init(&key, || Semaphore::new(0)) }?;
/// items.release(2)?;
/// items.acquire()?;
/// assert_eq!(items.available(), 1);
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// A word and 4 bytes that are 0. All zeros is no permits.
#[doc(alias = "sem_t")]
#[repr(C, align(8))]
pub struct Semaphore {
    pub(super) permits: Permits,
    reserved: AtomicU32,
}

impl Semaphore {
    /// The most permits that there can be.
    pub const MAX: u32 = Permits::MOST;

    /// So many permits.
    ///
    /// # Panics
    /// If there are more than [`MAX`](Self::MAX).
    pub const fn new(permits: u32) -> Self {
        assert!(
            permits <= Self::MAX,
            "more permits than a semaphore can count"
        );
        Self {
            permits: Permits::new(permits),
            reserved: AtomicU32::new(0),
        }
    }

    /// How many permits there are now.
    pub fn available(&self) -> u32 {
        self.permits.available()
    }

    /// Takes a permit, waiting for as long as it takes.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    #[inline]
    pub fn acquire(&self) -> Result<()> {
        self.take(Wait::Ever)
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if there is none; otherwise as
    /// [`acquire`](Self::acquire).
    #[inline]
    pub fn try_acquire(&self) -> Result<()> {
        self.take(Wait::No)
    }

    /// Takes a permit, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_timeout(&self, limit: Duration) -> Result<()> {
        self.take(Wait::For(limit))
    }

    /// Takes a permit, waiting for it at most until about `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_deadline(&self, deadline: Instant) -> Result<()> {
        self.take(Wait::Until(deadline))
    }

    #[inline]
    fn take(&self, wait: Wait) -> Result<()> {
        refuse_read_only(self)?;
        match self.permits.try_acquire() {
            true => Ok(()),
            false => self.wait(wait),
        }
    }

    #[cold]
    fn wait(&self, wait: Wait) -> Result<()> {
        Thread::waits(self.wait_by(wait, &Thread))
    }

    pub(super) async fn wait_by(&self, wait: Wait, sleeper: &impl Sleep) -> Result<()> {
        let begun = Instant::now();
        match self.permits.acquire(wait.limit(), sleeper).await? {
            true => Ok(()),
            false => Err(timed_out(self, wait, begun, "there is no permit")),
        }
    }

    /// Adds so many permits, all of them or none.
    ///
    /// # Errors
    /// [`OutOfResources`](ErrorKind::OutOfResources) if there would be more than
    /// [`MAX`](Self::MAX); [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    #[inline]
    pub fn release(&self, permits: u32) -> Result<()> {
        refuse_read_only(self)?;
        match self.permits.release(permits) {
            true => Ok(()),
            false => Err(Error::new(Op::Unlock, ErrorKind::OutOfResources)
                .detail(format!("a semaphore counts to {} at most", Self::MAX))),
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .finish()
    }
}
