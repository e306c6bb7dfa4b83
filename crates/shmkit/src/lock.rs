//! Locks that were taken, and what to do after an owner's death. The same for a segment's own lock
//! and for those that live inside a segment.

use std::ops::{Deref, DerefMut};

use crate::backend::{Grant, Taken};

/// A lock that was taken, with its guard.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub enum Acquired<G: Held> {
    /// The one before gave it back.
    Clean(G),
    /// The one before died with it: the data may be half-written.
    OwnerDied(Recovery<G>),
}

/// What holds a lock until it is dropped: a guard of this crate.
pub trait Held: sealed::Held {}

impl<G: sealed::Held> Held for G {}

pub(crate) mod sealed {
    pub trait Held {
        /// Says that the data are right, also after an owner's death.
        fn mark_recovered(&mut self);
    }
}

impl<G: Held> Acquired<G> {
    #[inline]
    pub(crate) fn of(guard: G, grant: Grant) -> Self {
        match grant {
            Grant::Clean => Self::Clean(guard),
            Grant::OwnerDied => Self::OwnerDied(Recovery { guard }),
        }
    }

    /// Whether the one before died with the lock.
    pub fn owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    /// The guard, whatever happened before: for data that cannot be half-written, or that the
    /// caller writes anew anyway. An owner's death counts as recovered.
    pub fn assume_recovered(self) -> G {
        match self {
            Self::Clean(guard) => guard,
            Self::OwnerDied(recovery) => recovery.mark_recovered(),
        }
    }

    /// The guard, after `repair` has mended what a dead owner may have left half-written.
    ///
    /// ```
    /// # use shmkit::{SharedMemory, key::NativeIpcKey};
    /// # fn main() -> shmkit::Result<()> {
    /// # let name = format!("shmkit-doc-repair-{}", std::process::id());
    /// # let segment = SharedMemory::create(&NativeIpcKey::platform_safe(&name), 4096)?;
    /// let bytes = segment.view_mut()?;
    /// let _guard = segment.lock()?.or_repair(|_| bytes.fill(0));
    /// bytes.write(0, &1_u64)?;
    /// # Ok(()) }
    /// ```
    pub fn or_repair(self, repair: impl FnOnce(&mut G)) -> G {
        match self {
            Self::Clean(guard) => guard,
            Self::OwnerDied(mut recovery) => {
                repair(&mut recovery.guard);
                recovery.mark_recovered()
            }
        }
    }
}

/// Holds a lock after an owner's death.
///
/// Repair the data, which it derefs to as the guard does, then
/// [`mark_recovered`](Self::mark_recovered). Dropped without that it gives the lock back all the
/// same. Then the next one to take a segment's own lock is told of the death again, and a lock
/// inside a segment is poisoned.
#[derive(Debug)]
#[must_use = "dropped without `mark_recovered`, it leaves the data in doubt"]
pub struct Recovery<G: Held> {
    guard: G,
}

impl<G: Held> Recovery<G> {
    /// Says that the data are right again.
    pub fn mark_recovered(self) -> G {
        let Self { mut guard } = self;
        guard.mark_recovered();
        guard
    }
}

impl<G: Held + Deref> Deref for Recovery<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: Held + DerefMut> DerefMut for Recovery<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

/// Holds a segment's own lock; dropping it gives the lock back.
///
/// A guard may be sent to another thread and dropped there. In a forked child it is worth
/// nothing: the lock stays with the parent, and dropping the child's copy does nothing.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Guard<'s> {
    taken: Taken<'s>,
    recovered: bool,
}

impl<'s> Guard<'s> {
    #[inline]
    pub(crate) fn clean(taken: Taken<'s>) -> Acquired<Self> {
        Self::acquired((taken, Grant::Clean))
    }

    #[inline]
    pub(crate) fn acquired((taken, grant): (Taken<'s>, Grant)) -> Acquired<Self> {
        let recovered = grant == Grant::Clean;
        Acquired::of(Self { taken, recovered }, grant)
    }

    /// Gives the lock back. The same as dropping the guard, but says so.
    pub fn unlock(self) {}
}

impl sealed::Held for Guard<'_> {
    fn mark_recovered(&mut self) {
        self.recovered = true;
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.taken.give(self.recovered);
    }
}
