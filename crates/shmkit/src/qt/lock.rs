//! The lock of a segment without guards: an object has it or has it not.
//!
//! Qt remembers that in a plain `bool`, so that two threads with one object both get in. Here a
//! thread gets what it has already, and another one waits.

use std::io;
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::backend::{self, Grant, Owners, Semaphore, Taken, Ticket, semaphore_key};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;

/// For this user only, as Qt makes it.
const MODE: u32 = 0o600;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SegmentLock {
    /// The segment that it is the lock of, once the object was to create or attach it.
    segment: Option<NativeIpcKey>,
    semaphore: OnceLock<Semaphore>,
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    ticket: Ticket,
    /// A forked child inherits the word, not the lock.
    process: u32,
    thread: ThreadId,
    owner_died: bool,
    recovered: bool,
}

impl SegmentLock {
    /// From now on it can be locked.
    pub(super) fn set_up(&mut self, segment: &NativeIpcKey) {
        self.segment.get_or_insert_with(|| segment.clone());
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the semaphore now.
    pub(super) fn open(&self) -> Result<&Semaphore> {
        if let Some(semaphore) = self.semaphore.get() {
            return Ok(semaphore);
        }
        let Some(segment) = &self.segment else {
            return Err(Error::new(Op::Lock, ErrorKind::InvalidKey)
                .detail("nothing was created or attached yet"));
        };
        let key = semaphore_key(segment);
        let opened = Semaphore::open(&key, 1, MODE, Owners::Anyone, Op::Lock)?;
        // Another thread may have been faster.
        Ok(self.semaphore.get_or_init(|| opened))
    }

    /// Takes the lock if it is free; says whether this thread has it now.
    pub(super) fn try_lock(&self) -> Result<bool> {
        if self.held().as_ref().is_some_and(Held::is_mine) {
            return Ok(true);
        }
        self.note(self.open()?.try_lock())
    }

    /// Takes the lock, waiting at most about `limit`; `Err` with who has it, if that was too short.
    pub(super) fn lock(&self, limit: Duration) -> Result<Result<(), String>> {
        if self.try_lock()? {
            return Ok(Ok(()));
        }
        let semaphore = self.open()?;
        match self.note(semaphore.lock_within(limit))? {
            true => Ok(Ok(())),
            false => Ok(Err(backend::name_holder(semaphore))),
        }
    }

    /// Remembers what was taken, if anything was.
    fn note(&self, taken: io::Result<Option<(Taken<'_>, Grant)>>) -> Result<bool> {
        let taken = taken.map_err(|cause| Error::os(Op::Lock, cause))?;
        let Some((taken, grant)) = taken else {
            return Ok(false);
        };
        *self.held() = Some(Held {
            ticket: taken.ticket(),
            process: process::id(),
            thread: thread::current().id(),
            owner_died: grant == Grant::OwnerDied,
            recovered: grant == Grant::Clean,
        });
        Ok(true)
    }

    /// Gives the lock back, whichever thread took it; says whether there was anything to give.
    pub(super) fn unlock(&self) -> bool {
        let Some(held) = self.held().take() else {
            return false;
        };
        if let Some(taken) = self
            .semaphore
            .get()
            .and_then(|semaphore| semaphore.redeem(held.ticket))
        {
            taken.give(held.recovered);
        }
        held.process == process::id()
    }

    /// Whether the one before died with the lock that is held now.
    pub(super) fn owner_died(&self) -> bool {
        self.held().as_ref().is_some_and(|held| held.owner_died)
    }

    /// Says that the data are right again; `false` if the lock is not held.
    pub(super) fn mark_recovered(&self) -> bool {
        match self.held().as_mut() {
            Some(held) => {
                held.recovered = true;
                true
            }
            None => false,
        }
    }

    /// Closes the semaphore; what is to be removed goes with the segment.
    pub(super) fn close(&mut self) {
        self.unlock();
        if let (Some(semaphore), Some(segment)) = (self.semaphore.take(), &self.segment) {
            semaphore.leave_with(segment);
        }
    }

    /// Ends the use of the lock without a segment: what was made for it goes, if nobody else uses
    /// it. Then it can no longer be locked.
    pub(super) fn leave(&mut self) {
        self.unlock();
        if let (Some(semaphore), Some(segment)) = (self.semaphore.take(), self.segment.take()) {
            semaphore.leave_lock(&segment);
        }
        self.segment = None;
    }
}

impl Held {
    fn is_mine(&self) -> bool {
        self.process == process::id() && self.thread == thread::current().id()
    }
}
