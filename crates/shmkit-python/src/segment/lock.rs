//! The segment's own lock, the same as Qt's.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::Borrowed;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use self_cell::self_cell;
use shmkit::{Acquired, ErrorKind, Guard};

use super::SharedMemory;
use crate::arguments::Timeout;
use crate::buffer::Use;
use crate::error::Failure;
use crate::wait::wait;

type Taken<'s> = Option<Acquired<Guard<'s>>>;

self_cell!(
    /// A lock that was taken, and the segment that it belongs to.
    struct Holding {
        owner: Arc<shmkit::SharedMemory>,

        #[covariant]
        dependent: Taken,
    }
);

impl Holding {
    fn take(
        segment: Arc<shmkit::SharedMemory>,
        take: impl FnOnce(&shmkit::SharedMemory) -> shmkit::Result<Acquired<Guard<'_>>>,
    ) -> shmkit::Result<Self> {
        Self::try_new(segment, |segment| take(segment).map(Some))
    }
}

/// Holds a segment's lock; leaving the ``with`` statement gives it back, and so does forgetting it.
///
/// It may be given back by any thread. In a forked child it is worth nothing.
#[pyclass(module = "shmkit", frozen)]
pub(crate) struct Held {
    holding: Mutex<Option<(Holding, Use)>>,
    owner_died: bool,
    name: String,
}

impl Held {
    fn of(segment: &SharedMemory, holding: Holding) -> Self {
        let taken = holding.borrow_dependent().as_ref();
        Self {
            owner_died: taken.is_some_and(Acquired::owner_died),
            holding: Mutex::new(Some((
                holding,
                segment.begin_use("its lock, which is held"),
            ))),
            name: segment.name().to_owned(),
        }
    }

    fn give_back(&self) -> bool {
        let held = self.holding.lock();
        let held = held.unwrap_or_else(PoisonError::into_inner).take();
        held.is_some()
    }

    fn is_held(&self) -> bool {
        let held = self.holding.lock();
        held.unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

#[pymethods]
impl Held {
    /// Whether the one before died with the lock: then the data may be half-written. Repair them, and
    /// say so with ``mark_recovered()``; otherwise the next one is told again.
    #[getter]
    fn owner_died(&self) -> bool {
        self.owner_died
    }

    /// Whether the lock has been given back.
    #[getter]
    fn released(&self) -> bool {
        !self.is_held()
    }

    /// Says that the data are right again.
    fn mark_recovered(&self) -> PyResult<()> {
        let held = self.holding.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        let Some((holding, _)) = held.as_mut() else {
            return Err(PyRuntimeError::new_err("the lock has been given back"));
        };
        holding.with_dependent_mut(|_, taken| {
            let guard = taken.take().map(Acquired::assume_recovered);
            *taken = guard.map(Acquired::Clean);
        });
        Ok(())
    }

    /// Gives the lock back. Once: a second time is a ``RuntimeError``.
    fn release(&self) -> PyResult<()> {
        match self.give_back() {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err("the lock has been given back")),
        }
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.give_back();
    }

    fn __repr__(&self) -> String {
        let state = match (self.is_held(), self.owner_died) {
            (false, _) => "given back",
            (true, false) => "held",
            (true, true) => "held, its owner died",
        };
        format!("<shmkit.Held lock of {}, {state}>", self.name)
    }
}

/// How long to wait for the lock.
#[derive(Debug, Clone, Copy)]
enum Patience {
    /// As long as the segment was opened with.
    Usual,
    Limit(Timeout),
}

impl<'py> FromPyObject<'_, 'py> for Patience {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self::Limit)
    }
}

impl SharedMemory {
    fn take_lock_at_once(&self) -> PyResult<Option<Held>> {
        match Holding::take(self.segment()?, shmkit::SharedMemory::try_lock) {
            Ok(holding) => Ok(Some(Held::of(self, holding))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(Failure::from(error).into()),
        }
    }
}

#[pymethods]
impl SharedMemory {
    /// Takes the segment's lock: ``with segment.lock(timeout=1.0) as held: ...``.
    ///
    /// ``timeout`` is in seconds, ``None`` for as long as it takes; if it is not given, it is what the
    /// segment was opened with (``lock_timeout``, 30 seconds). A ``TimedOutError`` names the holder.
    #[pyo3(signature = (timeout=Patience::Usual))]
    fn lock(&self, py: Python<'_>, timeout: Patience) -> PyResult<Held> {
        if let Some(held) = self.take_lock_at_once()? {
            return Ok(held);
        }
        let segment = self.segment()?;
        let holding = wait(py, || {
            Holding::take(segment, |segment| match timeout {
                Patience::Usual => segment.lock(),
                Patience::Limit(Timeout(limit)) => segment.lock_timeout(limit),
            })
        })?;
        Ok(Held::of(self, holding))
    }

    /// Takes the lock if it is free, and is ``None`` otherwise.
    fn try_lock(&self) -> PyResult<Option<Held>> {
        self.take_lock_at_once()
    }

    /// Takes the lock without keeping the event loop: ``async with segment.lock_async(): ...``, or
    /// ``held = await segment.lock_async()``. Who is cancelled meanwhile does not have it.
    #[pyo3(signature = (timeout=Patience::Usual))]
    fn lock_async<'py>(slf: &Bound<'py, Self>, timeout: Patience) -> PyResult<Bound<'py, PyAny>> {
        let acquiring = slf.py().import("shmkit._asyncio")?.getattr("Acquiring")?;
        let lock = slf.getattr("lock")?;
        match timeout {
            Patience::Usual => acquiring.call1((lock,)),
            Patience::Limit(timeout) => {
                acquiring.call1((lock, timeout.limit().map(|time| time.as_secs_f64())))
            }
        }
    }
}
