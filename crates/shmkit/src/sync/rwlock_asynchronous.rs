//! Tasks that read or write what a [`RwLock`] protects.

use std::time::Duration;

use super::lock::{DEFAULT_TIMEOUT, Hold, Lock, Wait};
use super::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use super::task::Task;
use super::thread;
use super::word::{Flagged, SLICE};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lock::Acquired;

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
        let mut task = Task::new(Wait::For(limit));
        let hold = self.lock.hold()?;
        loop {
            match self.state().try_read(hold.lease(), thread::number()) {
                Ok(seat) => return self.begin_reading(hold, seat),
                Err(Some(seat)) => {
                    self.state().readers.leave(seat);
                    self.wait_for_the_writer(hold, &mut task).await?;
                }
                Err(None) => self.wait_for_readers(hold, &task).await?,
            }
        }
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
        let mut task = Task::new(Wait::For(limit));
        let hold = self.lock.hold()?;
        while self
            .lock
            .try_for_task(hold, &mut task, Flagged::Refuse)?
            .is_none()
        {
            self.lock.sleep(&mut task).await?;
        }
        let word = Word {
            lock: &self.lock,
            hold,
        };
        // As for a thread: from here on no new readers come.
        while !self.state().readers.are_none() {
            self.wait_for_readers(hold, &task).await?;
        }
        std::mem::forget(word);
        let grant = self.state().go_inside(hold.lease());
        Ok(self.begin_writing(hold, grant))
    }

    /// Lets a task sleep until the writer may have gone. A dead one's lock is given back for it.
    async fn wait_for_the_writer(&self, hold: Hold, task: &mut Task) -> Result<()> {
        let here = self.lock.here(hold);
        if let Err(holder) = self
            .lock
            .word
            .wait_until_free(&here, super::limit::Limit::Now)
        {
            if task.is_over() {
                return Err(self.lock.explain_holder(holder, task.wait, task.begun));
            }
            self.lock.sleep(task).await?;
        }
        Ok(())
    }

    /// Lets a task sleep until a reader may have left.
    async fn wait_for_readers(&self, hold: Hold, task: &Task) -> Result<()> {
        let readers = self.state().readers;
        readers.strike_off_the_dead(&self.lock.here(hold));
        let Some((reader, before)) = readers.await_leaving() else {
            return Ok(());
        };
        if task.is_over() {
            return Err(self.lock.explain_holder(reader, task.wait, task.begun));
        }
        task.sleep_on(readers.atomic(), before, SLICE).await
    }
}

/// The writers' word, held by a task that has touched nothing yet; given back when it is dropped.
struct Word<'l> {
    lock: &'l Lock,
    hold: Hold,
}

impl Drop for Word<'_> {
    fn drop(&mut self) {
        if self.hold.is_of_this_process() {
            self.lock.word.unlock_untouched(&self.lock.here(self.hold));
        }
    }
}
