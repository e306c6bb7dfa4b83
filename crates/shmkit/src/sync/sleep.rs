//! How those sleep who wait. Each wait is written once, as a future. A thread's is ready when it is
//! polled for the first time, as it sleeps within; a task's leaves the thread to others meanwhile.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::park;
use crate::atomic::AtomicU32;
use crate::error::Result;
use crate::lease;

/// See the module.
pub(crate) trait Sleep: Sync {
    /// How often it may look at a word before it sleeps.
    const SPINS: u32;

    /// Looks a few times whether there is something else to do than to sleep.
    #[inline]
    fn spins_until(&self, is_over: impl Fn() -> bool) {
        for _ in 0..Self::SPINS {
            if is_over() {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Sleeps while `word` is `expected`, at most `limit`. It may end early: callers look again.
    fn on(
        &self,
        word: &AtomicU32,
        expected: u32,
        limit: Duration,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A thread that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thread;

impl Sleep for Thread {
    /// Which costs less than a sleep.
    const SPINS: u32 = if cfg!(loom) { 0 } else { 100 };

    #[inline]
    async fn on(&self, word: &AtomicU32, expected: u32, limit: Duration) -> Result<()> {
        park::wait(word, expected, limit);
        Ok(())
    }
}

impl Thread {
    /// Waits here and now.
    #[inline]
    pub(crate) fn waits<T>(wait: impl Future<Output = T>) -> T {
        match pin!(wait).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(end) => end,
            Poll::Pending => unreachable!("a thread sleeps within"),
        }
    }
}

/// A task that waits, of any executor.
#[cfg(feature = "async")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task;

#[cfg(feature = "async")]
impl Sleep for Task {
    const SPINS: u32 = 0;

    #[cfg(not(loom))]
    async fn on(&self, word: &AtomicU32, expected: u32, limit: Duration) -> Result<()> {
        use crate::error::{Error, Op};

        let slept = super::reactor::changed(word, expected, limit).await;
        slept.map_err(|cause| Error::os(Op::Lock, cause).detail("no thread can watch for the task"))
    }

    #[cfg(loom)]
    async fn on(&self, word: &AtomicU32, expected: u32, limit: Duration) -> Result<()> {
        park::changed(word, expected, limit).await;
        Ok(())
    }
}

/// What is undone if a wait is given up half-way: its limit is over, or its future is dropped. Not
/// so in a forked child, which only has a copy of the future.
pub(crate) struct Undo<F: FnMut()> {
    undo: F,
    generation: u32,
}

impl<F: FnMut()> Undo<F> {
    pub(crate) fn unless_kept(undo: F) -> Self {
        let generation = lease::generation();
        Self { undo, generation }
    }

    /// Leaves it as it is.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl<F: FnMut()> Drop for Undo<F> {
    fn drop(&mut self) {
        #[cfg(loom)]
        if crate::atomic::death::has_come() {
            return;
        }
        if self.generation == lease::generation() {
            (self.undo)();
        }
    }
}
