//! A primitive in a segment, and what was taken of it.
#![expect(
    unsafe_code,
    reason = "a guard is kept beside the segment that it borrows"
)]

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shmkit::sync;
use shmkit::typed::Dynamic;

use super::segment::Ground;
use crate::error::Failure;

/// A primitive in a segment that may be closed.
pub(super) struct Part<T> {
    ground: Arc<Ground>,
    at: NonNull<T>,
}

// SAFETY: it is an `&T` into a segment, for as long as that is attached.
unsafe impl<T: Sync> Send for Part<T> {}

// SAFETY: as above.
unsafe impl<T: Sync> Sync for Part<T> {}

impl<T> Part<T> {
    pub(super) fn find(
        ground: &Arc<Ground>,
        find: impl FnOnce(&Dynamic) -> shmkit::Result<&T>,
    ) -> PyResult<Self> {
        let segment = ground.segment()?;
        let at = find(&segment).map_err(Failure::from)?.into();
        let ground = Arc::clone(ground);
        Ok(Self { ground, at })
    }

    /// The primitive, in a segment that stays attached as long as the answer lives.
    pub(super) fn live(&self) -> PyResult<Live<T>> {
        let segment = self.ground.segment()?;
        let at = self.at;
        Ok(Live { segment, at })
    }
}

/// A primitive in a segment that is attached.
pub(super) struct Live<T> {
    segment: Arc<Dynamic>,
    at: NonNull<T>,
}

// SAFETY: it is an `&T` that keeps itself alive.
unsafe impl<T: Sync> Send for Live<T> {}

// SAFETY: as above.
unsafe impl<T: Sync> Sync for Live<T> {}

impl<T> Deref for Live<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `Part::find` got it as a reference into the segment, which a ground never replaces
        // by another, and which is attached at the same address for as long as it lives.
        unsafe { self.at.as_ref() }
    }
}

/// A guard, with the segment that it borrows from.
pub(super) struct Kept<G> {
    guard: G,
    // Dropped after the guard: fields are dropped in their order.
    segment: Arc<Dynamic>,
}

impl<T: 'static> Live<T> {
    /// A reference for guards that are kept.
    ///
    /// # Safety
    /// It, and what borrows from it, is gone before the segment is.
    pub(super) unsafe fn forever(&self) -> &'static T {
        // SAFETY: as for `deref`; the caller sees to the end.
        unsafe { self.at.as_ref() }
    }

    /// Keeps what `take` takes of it.
    pub(super) fn take<G>(
        self,
        take: impl FnOnce(&'static T) -> shmkit::Result<G>,
    ) -> shmkit::Result<Kept<G>> {
        // SAFETY: the guard is dropped before the segment, which is kept beside it.
        let primitive = unsafe { self.forever() };
        let guard = take(primitive)?;
        let segment = self.segment;
        Ok(Kept { guard, segment })
    }

    /// The segment that it lies in.
    pub(super) fn segment(&self) -> &Arc<Dynamic> {
        &self.segment
    }
}

impl<G> Kept<G> {
    /// # Safety
    /// The guard borrows from this segment and from nothing else.
    pub(super) unsafe fn new(guard: G, segment: Arc<Dynamic>) -> Self {
        Self { guard, segment }
    }

    pub(super) fn map<H>(self, map: impl FnOnce(G) -> H) -> Kept<H> {
        let Self { guard, segment } = self;
        let guard = map(guard);
        Kept { guard, segment }
    }

    pub(super) fn guard(&self) -> &G {
        &self.guard
    }

    pub(super) fn segment(&self) -> &Arc<Dynamic> {
        &self.segment
    }

    /// Both, the guard to be dropped first.
    pub(super) fn into_parts(self) -> (G, Arc<Dynamic>) {
        (self.guard, self.segment)
    }
}

/// A time-out in seconds as Python gives it; `None` is for as long as it takes.
pub(super) fn limit(timeout: Option<f64>) -> PyResult<Duration> {
    match timeout {
        None => Ok(Duration::MAX),
        Some(seconds) if seconds.is_nan() || seconds < 0.0 => Err(PyValueError::new_err(
            "a time-out is a number of seconds, 0 or more, or None",
        )),
        // More than clocks can count is as good as for ever.
        Some(seconds) => Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
    }
}

/// How long a lock is waited for: `None`, not at all.
pub(super) type Wait = Option<Duration>;

/// Understands a time-out: 0 is a try.
pub(super) fn patience(timeout: Option<f64>) -> PyResult<Wait> {
    Ok(Some(limit(timeout)?).filter(|limit| !limit.is_zero()))
}

/// A holder as a dictionary, or nothing.
pub(super) type Holder = Option<(
    Option<u32>,
    Option<String>,
    Option<String>,
    Option<f64>,
    bool,
)>;

pub(super) fn holder(found: Option<sync::LockHolder>) -> Holder {
    let it = found?;
    let held_for = it.held_for.map(|time| time.as_secs_f64());
    Some((it.pid, it.program, it.label, held_for, it.is_alive))
}
