//! What signals rather than excludes: `Event`, `Semaphore`, `Barrier`, `Condvar`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBool;
use shmkit::typed::Dynamic;
use shmkit::{Acquired, ErrorKind, Result, sync};

use super::guard::Guard;
use super::part::{Kept, Live, Part, Wait, limit, patience};
use super::place::Place;
use super::tasks::{Give, Waiting, give};
use crate::error::Failure;
use crate::wait;

macro_rules! part {
    ($name:ident $find:ident) => {
        #[pyclass(module = "shmkit._shmkit", frozen, weakref)]
        pub(crate) struct $name(Part<sync::$name>);

        impl $name {
            fn find(place: &Place) -> PyResult<Self> {
                Part::find(place.ground(), |it| it.$find(place.offset())).map(Self)
            }
        }
    };
}

part!(Event event);
part!(Semaphore semaphore);
part!(Barrier barrier);
part!(Condvar condvar);

#[pymethods]
impl Event {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        Self::find(place)
    }

    fn set(&self) -> PyResult<()> {
        Ok(self.0.live()?.set().map_err(Failure::from)?)
    }

    fn reset(&self) -> PyResult<bool> {
        Ok(self.0.live()?.reset().map_err(Failure::from)?)
    }

    #[getter]
    fn is_set(&self) -> PyResult<bool> {
        Ok(self.0.live()?.is_set())
    }

    #[getter]
    fn is_auto(&self) -> PyResult<bool> {
        Ok(self.0.live()?.is_auto())
    }

    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let (event, wait) = (self.0.live()?, patience(timeout)?);
        let Some(limit) = has_to_wait(event.try_wait(), wait)? else {
            return Ok(());
        };
        let passed = wait::wait(py, || {
            event.wait_timeout(limit)?;
            Ok(Got::new(event, pass_on))
        })?;
        passed.keep();
        Ok(())
    }

    fn wait_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (event, limit) = (self.0.live()?, limit(timeout)?);
        Ok(Waiting::giving(async move {
            event.wait_timeout_async(limit).await?;
            Ok(Got::new(event, pass_on).given())
        }))
    }
}

#[pymethods]
impl Semaphore {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        Self::find(place)
    }

    #[getter]
    fn available(&self) -> PyResult<u32> {
        Ok(self.0.live()?.available())
    }

    fn release(&self, permits: u32) -> PyResult<()> {
        Ok(self.0.live()?.release(permits).map_err(Failure::from)?)
    }

    fn acquire(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let (semaphore, wait) = (self.0.live()?, patience(timeout)?);
        let Some(limit) = has_to_wait(semaphore.try_acquire(), wait)? else {
            return Ok(());
        };
        let permit = wait::wait(py, || {
            semaphore.acquire_timeout(limit)?;
            Ok(Got::new(semaphore, put_back))
        })?;
        permit.keep();
        Ok(())
    }

    fn acquire_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (semaphore, limit) = (self.0.live()?, limit(timeout)?);
        Ok(Waiting::giving(async move {
            semaphore.acquire_timeout_async(limit).await?;
            Ok(Got::new(semaphore, put_back).given())
        }))
    }
}

#[pymethods]
impl Barrier {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        Self::find(place)
    }

    #[getter]
    fn parties(&self) -> PyResult<u32> {
        Ok(self.0.live()?.parties())
    }

    #[getter]
    fn waiting(&self) -> PyResult<u32> {
        Ok(self.0.live()?.waiting())
    }

    /// Whether this one came last.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let (barrier, wait) = (self.0.live()?, patience(timeout)?);
        wait::wait(py, || {
            let passed = match wait {
                Some(limit) => barrier.wait_timeout(limit)?,
                None => barrier.try_wait()?,
            };
            Ok(passed.is_leader())
        })
    }

    fn wait_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (barrier, limit) = (self.0.live()?, limit(timeout)?);
        Ok(Waiting::giving(async move {
            let is_leader = barrier.wait_timeout_async(limit).await?.is_leader();
            Ok(give(move |py| {
                Ok(PyBool::new(py, is_leader).to_owned().into_any().unbind())
            }))
        }))
    }
}

#[pymethods]
impl Condvar {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        Self::find(place)
    }

    fn notify_one(&self) -> PyResult<()> {
        Ok(self.0.live()?.notify_one().map_err(Failure::from)?)
    }

    fn notify_all(&self) -> PyResult<()> {
        Ok(self.0.live()?.notify_all().map_err(Failure::from)?)
    }

    /// Gives the mutex back, waits, and takes it again; whether a notification came in time.
    fn wait(&self, py: Python<'_>, held: &Guard, timeout: Option<f64>) -> PyResult<bool> {
        let (condvar, limit) = (self.0.live()?, limit(timeout)?);
        let hold = Arc::clone(&held.hold);
        let (guard, segment) = hold.lend()?.into_parts();
        let again = wait::wait(py, || {
            let (guard, end) = condvar.wait_timeout(guard, limit)?;
            // SAFETY: the guard is of the same mutex as before, in this segment.
            Ok((again(guard, segment), end.timed_out()))
        })?;
        let (kept, timed_out) = again;
        hold.give_back(kept);
        Ok(!timed_out)
    }

    fn wait_async(&self, held: &Guard, timeout: Option<f64>) -> PyResult<Waiting> {
        let (condvar, limit) = (self.0.live()?, limit(timeout)?);
        let hold = Arc::clone(&held.hold);
        let (guard, segment) = hold.lend()?.into_parts();
        Ok(Waiting::giving(async move {
            let (guard, end) = condvar.wait_timeout_async(guard, limit).await?;
            let kept = again(guard, segment);
            let is_notified = !end.timed_out();
            Ok(give(move |py| {
                hold.give_back(kept);
                Ok(PyBool::new(py, is_notified).to_owned().into_any().unbind())
            }))
        }))
    }
}

/// A mutex's guard after a wait, with the segment that it was in before.
#[expect(unsafe_code, reason = "the guard is of the same mutex")]
fn again(
    guard: Acquired<sync::MutexGuard<'static, ()>>,
    segment: Arc<Dynamic>,
) -> Kept<Acquired<sync::MutexGuard<'static, ()>>> {
    // SAFETY: a condition gives back a guard of the mutex that it got one of, which lies in this
    // segment.
    unsafe { Kept::new(guard, segment) }
}

/// How long there is to wait, if what could not be had at once is to be waited for.
fn has_to_wait(at_once: Result<()>, wait: Wait) -> PyResult<Wait> {
    match at_once {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::WouldBlock && wait.is_some() => Ok(wait),
        Err(error) => Err(Failure::from(error).into()),
    }
}

/// What came of a wait, and goes to the next one unless it is kept: who waited may have been
/// interrupted, or cancelled, at the last moment.
struct Got<T: 'static> {
    of: Option<Live<T>>,
    give_back: fn(&T) -> Result<()>,
}

impl<T: Sync> Got<T> {
    fn new(of: Live<T>, give_back: fn(&T) -> Result<()>) -> Self {
        let of = Some(of);
        Self { of, give_back }
    }

    fn keep(mut self) {
        self.of = None;
    }

    fn given(self) -> Give {
        give(move |py| {
            self.keep();
            Ok(py.None())
        })
    }
}

impl<T> Drop for Got<T> {
    fn drop(&mut self) {
        if let Some(of) = &self.of {
            // It was had a moment ago, so it can be given; if there is no room now, there are enough.
            let _ = (self.give_back)(of);
        }
    }
}

fn put_back(semaphore: &sync::Semaphore) -> Result<()> {
    semaphore.release(1)
}

/// An automatic event has been reset for the one that it let through.
fn pass_on(event: &sync::Event) -> Result<()> {
    match event.is_auto() {
        true => event.set(),
        false => Ok(()),
    }
}
