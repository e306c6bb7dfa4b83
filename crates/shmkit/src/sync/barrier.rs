//! A barrier: nobody goes on before all have come.

use std::fmt;
use std::time::{Duration, Instant};

use super::lock::{DEFAULT_TIMEOUT, Wait, refuse_read_only, timed_out};
use super::signal::{Passed, Round};
use super::sleep::{Sleep, Thread};
use crate::atomic::{AtomicU32, Ordering};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};

/// A place inside a segment where a number of threads, of any processes, wait for one another.
///
/// Whoever dies while it waits has come and counts as such in this round; in the next the others
/// wait for it in vain, until their limit is over.
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::Barrier, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-barrier-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let start = unsafe { Shared::open_or_init(&key, || Barrier::new(2)) }?;
/// let leaders = std::thread::scope(|scope| {
///     let other = scope.spawn(|| start.wait());
///     Ok::<_, shmkit::Error>([start.wait()?, other.join().unwrap()?])
/// })?;
/// assert_eq!(leaders.iter().filter(|result| result.is_leader()).count(), 1);
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// A word, and 4 bytes with the number of parties.
#[repr(C, align(8))]
pub struct Barrier {
    pub(super) round: Round,
    parties: AtomicU32,
}

/// How somebody got through a [`Barrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BarrierWaitResult(pub(super) bool);

impl BarrierWaitResult {
    /// Whether this one came last, which is so for one in each round.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// The most that can take part.
    pub const MAX: u32 = Round::MOST;

    /// A barrier for so many; for 0 and 1 it keeps nobody.
    ///
    /// # Panics
    /// If there are more than [`MAX`](Self::MAX).
    pub const fn new(parties: u32) -> Self {
        assert!(
            parties <= Self::MAX,
            "more parties than a barrier can count"
        );
        Self {
            round: Round::new(0),
            parties: AtomicU32::new(parties),
        }
    }

    /// For how many it is.
    pub fn parties(&self) -> u32 {
        self.parties.load(Ordering::Relaxed)
    }

    /// How many wait now.
    pub fn waiting(&self) -> u32 {
        self.round.arrived()
    }

    /// Waits until all have come, at most [`DEFAULT_TIMEOUT`].
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait(&self) -> Result<BarrierWaitResult> {
        self.wait_timeout(DEFAULT_TIMEOUT)
    }

    /// Goes through if all the others have come.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if they have not; otherwise as
    /// [`wait_timeout`](Self::wait_timeout).
    pub fn try_wait(&self) -> Result<BarrierWaitResult> {
        self.wait_for(Wait::No)
    }

    /// Waits until all have come, at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut): then it is as if this one had never come;
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    pub fn wait_timeout(&self, limit: Duration) -> Result<BarrierWaitResult> {
        self.wait_for(Wait::For(limit))
    }

    /// Waits until all have come, at most until about `deadline`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(&self, deadline: Instant) -> Result<BarrierWaitResult> {
        self.wait_for(Wait::Until(deadline))
    }

    fn wait_for(&self, wait: Wait) -> Result<BarrierWaitResult> {
        Thread::waits(self.wait_by(wait, &Thread))
    }

    pub(super) async fn wait_by(
        &self,
        wait: Wait,
        sleeper: &impl Sleep,
    ) -> Result<BarrierWaitResult> {
        refuse_read_only(self)?;
        let begun = Instant::now();
        let limit = wait.limit();
        let passed = self.round.wait(self.parties(), limit, sleeper).await?;
        match passed {
            Some(passed) => Ok(BarrierWaitResult(passed == Passed::Last)),
            None => Err(self.explain(wait, begun)),
        }
    }

    fn explain(&self, wait: Wait, begun: Instant) -> Error {
        let (come, all) = (self.waiting(), self.parties());
        let missing = format!("besides this one {come} of {all} are there");
        timed_out(self, wait, begun, &missing)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .finish()
    }
}
