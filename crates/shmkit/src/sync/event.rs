//! An event that processes wait for.

use std::fmt;
use std::time::{Duration, Instant};

use super::lock::{Wait, refuse_read_only, timed_out};
use super::park;
use super::signal::Flag;
use super::sleep::{Sleep, Thread};
use crate::atomic::{AtomicU32, Ordering};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;

/// Something inside a segment that happens, and that other processes wait for.
///
/// A *manual* one ([`new_manual`](Self::new_manual)) stays set until it is reset, and lets everybody
/// through; whoever was waiting goes on also if it is reset at once. It can be waited for by those
/// that have the segment attached read-only. An *automatic* one ([`new_auto`](Self::new_auto)) lets
/// one through and is then reset by itself.
///
/// What was written before [`set`](Self::set) is visible to whoever was let through.
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::Event, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-event-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let ready = unsafe { Shared::open_or_init(&key, Event::new_manual) }?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| ready.set());
///     ready.wait()
/// })?;
/// assert!(ready.is_set());
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// A word, and 4 bytes that are 0 for a manual and 1 for an automatic one. All zeros is a manual one
/// that is not set.
#[repr(C, align(8))]
pub struct Event {
    pub(super) flag: Flag,
    is_auto: AtomicU32,
}

impl Default for Event {
    fn default() -> Self {
        Self::new_manual()
    }
}

impl Event {
    /// One that stays set until it is reset.
    pub const fn new_manual() -> Self {
        Self {
            flag: Flag::new(0),
            is_auto: AtomicU32::new(0),
        }
    }

    /// One that lets one through each time that it is set.
    pub const fn new_auto() -> Self {
        Self {
            flag: Flag::new(0),
            is_auto: AtomicU32::new(1),
        }
    }

    /// Whether it resets itself.
    pub fn is_auto(&self) -> bool {
        self.is_auto.load(Ordering::Relaxed) != 0
    }

    /// Whether it is set now.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.flag.is_set()
    }

    /// Sets it, and lets those through who wait: all, or one if it is automatic.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    pub fn set(&self) -> Result<()> {
        refuse_read_only(self)?;
        self.flag.set(if self.is_auto() { 1 } else { park::ALL });
        Ok(())
    }

    /// Resets it; whether it was set.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    pub fn reset(&self) -> Result<bool> {
        refuse_read_only(self)?;
        Ok(self.flag.reset())
    }

    /// Waits until it is set, for as long as it takes.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if it is automatic and the segment is attached so: being
    /// let through changes it.
    pub fn wait(&self) -> Result<()> {
        self.wait_for(Wait::Ever)
    }

    /// Goes through if it is set.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if it is not; otherwise as [`wait`](Self::wait).
    pub fn try_wait(&self) -> Result<()> {
        self.wait_for(Wait::No)
    }

    /// Waits until it is set, at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`wait`](Self::wait).
    pub fn wait_timeout(&self, limit: Duration) -> Result<()> {
        self.wait_for(Wait::For(limit))
    }

    /// Waits until it is set, at most until about `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`wait`](Self::wait).
    pub fn wait_deadline(&self, deadline: Instant) -> Result<()> {
        self.wait_for(Wait::Until(deadline))
    }

    fn wait_for(&self, wait: Wait) -> Result<()> {
        Thread::waits(self.wait_by(wait, &Thread))
    }

    pub(super) async fn wait_by(&self, wait: Wait, sleeper: &impl Sleep) -> Result<()> {
        let begun = Instant::now();
        let limit = wait.limit();
        let is_through = match self.is_auto() {
            false => self.flag.wait(self.flag.now(), limit, sleeper).await?,
            true => {
                refuse_read_only(self)?;
                self.flag.take(limit, sleeper).await?
            }
        };
        match is_through {
            true => Ok(()),
            false => Err(timed_out(self, wait, begun, "the event is not set")),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .field("is_auto", &self.is_auto())
            .finish()
    }
}
