//! One object of the library for all threads: looking at it, changing it, and waiting with it.
//!
//! Nobody waits here with the GIL. A thread that waits for a lock only looks at the object, so that
//! others can do so meanwhile (and give that lock back); it gives way to those who change the object.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use pyo3::prelude::*;

use crate::wait::{wait, wait_or};

#[derive(Debug, Default)]
pub(super) struct Shared<T> {
    object: RwLock<T>,
    /// How many threads want to change the object.
    changes: Arc<AtomicUsize>,
}

impl<T: Send + Sync> Shared<T> {
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.object.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `look` sees; it does not wait for anything.
    pub(super) fn look<R: Send>(&self, py: Python<'_>, look: impl FnOnce(&T) -> R + Send) -> R {
        match self.object.try_read() {
            Ok(object) => look(&object),
            Err(TryLockError::Poisoned(object)) => look(&object.into_inner()),
            Err(TryLockError::WouldBlock) => py.detach(|| look(&self.read())),
        }
    }

    /// Changes the object, which may take a moment.
    pub(super) fn change<R: Send>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&mut T) -> R + Send,
    ) -> PyResult<R> {
        wait(py, || {
            self.changes.fetch_add(1, Ordering::SeqCst);
            let mut object = self.object.write().unwrap_or_else(PoisonError::into_inner);
            self.changes.fetch_sub(1, Ordering::SeqCst);
            Ok(change(&mut object))
        })
    }

    /// Waits until `take` has taken something of the object's; `false` if it says so. If a signal's
    /// handler raises something, what came at the last moment goes back by `give_back`.
    pub(super) fn take(
        &self,
        py: Python<'_>,
        take: impl Fn(&T) -> bool + Sync,
        give_back: impl Fn(&T) + Sync,
    ) -> PyResult<bool> {
        let gave_way = Arc::new(AtomicBool::new(false));
        loop {
            let (changes, gives) = (Arc::clone(&self.changes), Arc::clone(&gave_way));
            let gives_way = move || {
                let is_wanted = changes.load(Ordering::SeqCst) > 0;
                gives.fetch_or(is_wanted, Ordering::SeqCst);
                is_wanted
            };
            let taken = wait_or(py, gives_way, || {
                let is_taken = take(&self.read());
                Ok(Taken(is_taken.then_some(|| give_back(&self.read()))))
            })?;
            let is_taken = taken.keep();
            // Those who change the object have their turn before it can be looked at again.
            if is_taken || !gave_way.swap(false, Ordering::SeqCst) {
                return Ok(is_taken);
            }
        }
    }
}

/// Something that was taken, and how it goes back unless it is kept.
struct Taken<F: Fn()>(Option<F>);

impl<F: Fn()> Taken<F> {
    fn keep(mut self) -> bool {
        mem::take(&mut self.0).is_some()
    }
}

impl<F: Fn()> Drop for Taken<F> {
    fn drop(&mut self) {
        if let Some(give_back) = &self.0 {
            give_back();
        }
    }
}
