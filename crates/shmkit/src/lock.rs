//! The segment's own lock: guards, and what to do after an owner's death.

use crate::backend::{Grant, Taken};

/// A lock that was taken.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub enum Acquired<'s> {
    /// The one before gave it back.
    Clean(Guard<'s>),
    /// The one before died with it: the data may be half-written.
    OwnerDied(Recovery<'s>),
}

impl<'s> Acquired<'s> {
    #[inline]
    pub(crate) fn clean(taken: Taken<'s>) -> Self {
        Self::Clean(Guard {
            taken,
            recovered: true,
        })
    }

    pub(crate) fn new((taken, grant): (Taken<'s>, Grant)) -> Self {
        let guard = Guard {
            taken,
            recovered: grant == Grant::Clean,
        };
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
    pub fn assume_recovered(self) -> Guard<'s> {
        match self {
            Self::Clean(guard) => guard,
            Self::OwnerDied(recovery) => recovery.mark_recovered(),
        }
    }
}

/// Holds the lock; dropping it gives the lock back.
///
/// A guard may be sent to another thread and dropped there. In a forked child it is worth
/// nothing: the lock stays with the parent, and dropping the child's copy does nothing.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Guard<'s> {
    taken: Taken<'s>,
    recovered: bool,
}

impl Guard<'_> {
    /// Gives the lock back. The same as dropping the guard, but says so.
    pub fn unlock(self) {}
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.taken.give(self.recovered);
    }
}

/// Holds the lock after an owner's death.
///
/// Repair the data, then [`mark_recovered`](Self::mark_recovered). Dropped without that it gives
/// the lock back all the same, but the next locker is told of the death again, until one repairs
/// the data.
#[derive(Debug)]
#[must_use = "dropped without `mark_recovered`, the next locker is told of the death again"]
pub struct Recovery<'s> {
    guard: Guard<'s>,
}

impl<'s> Recovery<'s> {
    /// Says that the data are right again.
    pub fn mark_recovered(self) -> Guard<'s> {
        let Self { mut guard } = self;
        guard.recovered = true;
        guard
    }
}
