//! The same waits for tasks: they leave the thread to their executor, whichever that is.
//!
//! A future that is dropped waits no longer, and holds nothing.

use std::mem::ManuallyDrop;
use std::time::Duration;

use super::barrier::{Barrier, BarrierWaitResult};
use super::condvar::{Condvar, WaitTimeoutResult};
use super::event::Event;
use super::lock::{DEFAULT_TIMEOUT, Hold, Lock, Wait, refuse_read_only, timed_out};
use super::mutex::{Mutex, MutexGuard};
use super::peers::Peers as _;
use super::semaphore::Semaphore;
use super::signal::{Passed, RECHECK, Round};
use super::task::Task;
use super::word::{Flagged, Refusal, SLICE};
use crate::backend::Grant;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lock::Acquired;

impl Lock {
    /// Takes the lock for a task, if it can be had now; `None` if it is held and there is time left.
    pub(super) fn try_for_task(
        &self,
        hold: Hold,
        task: &mut Task,
        flagged: Flagged,
    ) -> Result<Option<Grant>> {
        let here = self.here(hold);
        let taken = match task.has_slept {
            false => self.word.try_take(&here, flagged),
            true => self.word.try_take_after_sleep(&here, flagged),
        };
        match taken {
            Ok(grant) => Ok(Some(grant)),
            Err(Refusal::Flagged) => Err(self.explain_poison()),
            Err(Refusal::Held(holder)) if task.is_over() => {
                Err(self.explain_holder(holder, task.wait, task.begun))
            }
            Err(Refusal::Held(holder)) => {
                here.sleeps_for(holder);
                Ok(None)
            }
        }
    }

    /// Lets a task sleep until the lock may have become free.
    pub(super) async fn sleep(&self, task: &mut Task) -> Result<()> {
        if let Some(state) = self.word.announce() {
            task.has_slept = true;
            task.sleep_on(self.word.atomic(), state, SLICE).await?;
        }
        Ok(())
    }
}

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
        if let Some(guard) = self.at_once() {
            return Ok(Acquired::Clean(guard));
        }
        let mut task = Task::new(Wait::For(limit));
        let hold = self.lock.hold()?;
        loop {
            if let Some(grant) = self.lock.try_for_task(hold, &mut task, Flagged::Refuse)? {
                return Ok(Acquired::of(self.guard(hold, grant.is_in_doubt()), grant));
            }
            self.lock.sleep(&mut task).await?;
        }
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
        Ok(self.wait_for_task(guard, Wait::Ever).await?.0)
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
        self.wait_for_task(guard, Wait::For(limit)).await
    }

    async fn wait_for_task<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        wait: Wait,
    ) -> Result<(Acquired<MutexGuard<'a, T>>, WaitTimeoutResult)> {
        let task = Task::new(wait);
        let mutex = Mutex::of(&guard);
        let before = self.sequence.now();
        drop(guard);
        // Once only, as in `Sequence::wait`: whoever was to notify may have died.
        if self.sequence.now() == before && !task.is_over() {
            task.sleep_on(self.sequence.atomic(), before, RECHECK)
                .await?;
        }
        let timed_out = self.sequence.now() == before && task.is_over();
        let guard = mutex.lock_async().await?;
        Ok((guard, WaitTimeoutResult(timed_out)))
    }
}

impl Event {
    /// Waits until it is set, for as long as it takes; as [`wait`](Self::wait).
    ///
    /// # Errors
    /// As [`wait`](Self::wait); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn wait_async(&self) -> Result<()> {
        self.wait_for_task(Wait::Ever).await
    }

    /// Waits until it is set, at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`wait_async`](Self::wait_async).
    pub async fn wait_timeout_async(&self, limit: Duration) -> Result<()> {
        self.wait_for_task(Wait::For(limit)).await
    }

    async fn wait_for_task(&self, wait: Wait) -> Result<()> {
        let is_auto = self.is_auto();
        if is_auto {
            refuse_read_only(self)?;
        }
        let task = Task::new(wait);
        let before = self.flag.now();
        loop {
            let state = self.flag.now();
            let is_through = match is_auto {
                true => self.flag.reset(),
                false => self.flag.was_set_since(before),
            };
            if is_through {
                return Ok(());
            }
            if task.is_over() {
                return Err(timed_out(self, wait, task.begun, "the event is not set"));
            }
            task.sleep_on(self.flag.atomic(), state, RECHECK).await?;
        }
    }
}

impl Semaphore {
    /// Takes a permit, waiting for as long as it takes; as [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire); [`Os`](ErrorKind::Os) if no thread can be had that watches.
    pub async fn acquire_async(&self) -> Result<()> {
        self.acquire_for_task(Wait::Ever).await
    }

    /// Takes a permit, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); otherwise as [`acquire_async`](Self::acquire_async).
    pub async fn acquire_timeout_async(&self, limit: Duration) -> Result<()> {
        self.acquire_for_task(Wait::For(limit)).await
    }

    async fn acquire_for_task(&self, wait: Wait) -> Result<()> {
        refuse_read_only(self)?;
        let mut task = Task::new(wait);
        loop {
            let is_taken = match task.has_slept {
                false => self.permits.try_acquire(),
                true => self.permits.try_acquire_after_sleep(),
            };
            if is_taken {
                return Ok(());
            }
            let is_over = task.is_over();
            if is_over && !task.has_slept {
                return Err(timed_out(self, wait, task.begun, "there is no permit"));
            }
            let Some(state) = self.permits.announce() else {
                continue;
            };
            if is_over {
                return Err(timed_out(self, wait, task.begun, "there is no permit"));
            }
            task.has_slept = true;
            task.sleep_on(self.permits.atomic(), state, RECHECK).await?;
        }
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
        refuse_read_only(self)?;
        let task = Task::new(Wait::For(limit));
        let round = match self.round.come(self.parties()) {
            Ok(passed) => return Ok(BarrierWaitResult(passed == Passed::Last)),
            Err(round) => round,
        };
        let come = Come {
            to: &self.round,
            round,
        };
        while let Some(state) = self.round.awaits(round) {
            if task.is_over() {
                return match come.go_away() {
                    true => Err(self.explain(task.wait, task.begun)),
                    false => Ok(BarrierWaitResult(false)),
                };
            }
            task.sleep_on(self.round.atomic(), state, RECHECK).await?;
        }
        Ok(BarrierWaitResult(false))
    }
}

/// Somebody has come to a barrier, and goes away when this is dropped before the round is over.
struct Come<'b> {
    to: &'b Round,
    round: u32,
}

impl Come<'_> {
    /// Goes away for good; `false` if the round is over.
    fn go_away(self) -> bool {
        ManuallyDrop::new(self).leave()
    }

    fn leave(&self) -> bool {
        while self.to.awaits(self.round).is_some() {
            if self.to.go_away(self.round) {
                return true;
            }
        }
        false
    }
}

impl Drop for Come<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
