//! The primitives, found at a place in a segment.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBool;
use shmkit::{Acquired, sync};

use super::guard::{Guard, OfThread, Taken};
use super::part::{Kept, Live, Part, limit};
use super::place::Place;
use super::tasks::{Give, Waiting, give};
use crate::error::Failure;
use crate::wait;

type Result<T> = shmkit::Result<T>;

/// How long a lock is waited for: `None`, not at all.
type Wait = Option<std::time::Duration>;

/// Understands a time-out: 0 is a try.
fn patience(timeout: Option<f64>) -> PyResult<Wait> {
    Ok(Some(limit(timeout)?).filter(|limit| !limit.is_zero()))
}

/// A holder as a dictionary, or nothing.
type Holder = Option<(
    Option<u32>,
    Option<String>,
    Option<String>,
    Option<f64>,
    bool,
)>;

fn holder(found: Option<sync::LockHolder>) -> Holder {
    let it = found?;
    let held_for = it.held_for.map(|time| time.as_secs_f64());
    Some((it.pid, it.program, it.label, held_for, it.is_alive))
}

macro_rules! mutexes {
    ($($name:ident $find:ident $taken:expr, { $($more:tt)* })*) => {$(
        #[pyclass(module = "shmkit._shmkit", frozen, weakref)]
        pub(crate) struct $name {
            part: Part<sync::$name<()>>,
            place: Place,
        }

        impl $name {
            fn guard(
                &self,
                py: Python<'_>,
                take: impl FnOnce(&'static sync::$name<()>)
                    -> Result<Acquired<Guarded<sync::$name<()>>>> + Send,
            ) -> PyResult<Guard> {
                let lock = self.part.live()?;
                let wrap: fn(Acquired<Guarded<sync::$name<()>>>) -> Taken = $taken;
                let kept = wait::wait(py, || lock.take(|it| take(it).map(wrap)))?;
                Guard::new(kept, &self.place)
            }
        }

        #[pymethods]
        impl $name {
            #[new]
            fn new(place: &Place) -> PyResult<Self> {
                let part = Part::find(place.ground(), |it| it.$find(place.offset()))?;
                let place = place.clone();
                Ok(Self { part, place })
            }

            fn lock(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
                let wait = patience(timeout)?;
                self.guard(py, |lock| match wait {
                    Some(limit) => lock.lock_timeout(limit),
                    None => lock.try_lock(),
                })
            }

            fn lock_poisoned(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
                let limit = limit(timeout)?;
                self.guard(py, |lock| lock.lock_poisoned(limit))
            }

            #[getter]
            fn is_poisoned(&self) -> PyResult<bool> {
                Ok(self.part.live()?.is_poisoned())
            }

            fn clear_poison(&self) -> PyResult<()> {
                Ok(self.part.live()?.clear_poison().map_err(Failure::from)?)
            }

            /// Who holds it: process, program, label, seconds, whether it lives.
            fn holder(&self, py: Python<'_>) -> PyResult<Holder> {
                let lock = self.part.live()?;
                Ok(py.detach(|| holder(lock.holder())))
            }

            $($more)*
        }
    )*};
}

/// The guard that a lock gives.
trait Lock {
    type Guard: shmkit::Held;
}

impl Lock for sync::Mutex<()> {
    type Guard = sync::MutexGuard<'static, ()>;
}

impl Lock for sync::RecursiveMutex<()> {
    type Guard = sync::RecursiveMutexGuard<'static, ()>;
}

type Guarded<L> = <L as Lock>::Guard;

mutexes! {
    Mutex mutex Taken::Mutex, {
        /// The same for a task.
        fn lock_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
            let (lock, limit) = (self.part.live()?, limit(timeout)?);
            let place = self.place.clone();
            Ok(Waiting::taking(lock, place, move |lock| async move {
                lock.lock_timeout_async(limit).await.map(Taken::Mutex)
            }))
        }
    }

    RecursiveMutex recursive_mutex |taken| Taken::Recursive(OfThread::new(taken)), {}
}

#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct RwLock {
    part: Part<sync::RwLock<()>>,
    place: Place,
}

impl RwLock {
    fn guard(
        &self,
        py: Python<'_>,
        take: impl FnOnce(&'static sync::RwLock<()>) -> Result<Taken> + Send,
    ) -> PyResult<Guard> {
        let lock = self.part.live()?;
        let kept = wait::wait(py, || lock.take(take))?;
        Guard::new(kept, &self.place)
    }
}

#[pymethods]
impl RwLock {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        let part = Part::find(place.ground(), |it| it.rw_lock(place.offset()))?;
        let place = place.clone();
        Ok(Self { part, place })
    }

    fn read(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let wait = patience(timeout)?;
        self.guard(py, |lock| {
            let taken = match wait {
                Some(limit) => lock.read_timeout(limit),
                None => lock.try_read(),
            };
            taken.map(Taken::Read)
        })
    }

    fn write(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let wait = patience(timeout)?;
        self.guard(py, |lock| {
            let taken = match wait {
                Some(limit) => lock.write_timeout(limit),
                None => lock.try_write(),
            };
            taken.map(Taken::Write)
        })
    }

    fn write_poisoned(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let limit = limit(timeout)?;
        self.guard(py, |lock| lock.write_poisoned(limit).map(Taken::Write))
    }

    fn read_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (lock, limit) = (self.part.live()?, limit(timeout)?);
        let place = self.place.clone();
        Ok(Waiting::taking(lock, place, move |lock| async move {
            lock.read_timeout_async(limit).await.map(Taken::Read)
        }))
    }

    fn write_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (lock, limit) = (self.part.live()?, limit(timeout)?);
        let place = self.place.clone();
        Ok(Waiting::taking(lock, place, move |lock| async move {
            lock.write_timeout_async(limit).await.map(Taken::Write)
        }))
    }

    #[getter]
    fn is_poisoned(&self) -> PyResult<bool> {
        Ok(self.part.live()?.is_poisoned())
    }

    fn clear_poison(&self) -> PyResult<()> {
        Ok(self.part.live()?.clear_poison().map_err(Failure::from)?)
    }

    /// The writer that has or awaits it; as of a mutex.
    fn writer(&self, py: Python<'_>) -> PyResult<Holder> {
        let lock = self.part.live()?;
        Ok(py.detach(|| holder(lock.writer())))
    }
}

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
        let passed = wait::wait(py, || {
            match wait {
                Some(limit) => event.wait_timeout(limit)?,
                None => event.try_wait()?,
            }
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
        let permit = wait::wait(py, || {
            match wait {
                Some(limit) => semaphore.acquire_timeout(limit)?,
                None => semaphore.try_acquire()?,
            }
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
    segment: Arc<shmkit::typed::Dynamic>,
) -> Kept<Acquired<sync::MutexGuard<'static, ()>>> {
    // SAFETY: a condition gives back a guard of the mutex that it got one of, which lies in this
    // segment.
    unsafe { Kept::new(guard, segment) }
}

/// A `Once`, alone or in a cell.
#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct Once {
    part: Part<sync::Once>,
    place: Place,
}

#[pymethods]
impl Once {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        let part = Part::find(place.ground(), |it| it.once(place.offset()))?;
        let place = place.clone();
        Ok(Self { part, place })
    }

    #[getter]
    fn is_done(&self) -> PyResult<bool> {
        Ok(self.part.live()?.is_done())
    }

    /// Has it done by `act`, unless it has been done; whether it was `act` that did it.
    fn call(&self, py: Python<'_>, act: Py<PyAny>, timeout: Option<f64>) -> PyResult<bool> {
        let act = || Python::attach(|py| act.call0(py).map(drop));
        self.run(py, timeout, act)
    }

    /// Has the value of a cell made by `make`, unless there is one.
    fn make(&self, py: Python<'_>, make: Py<PyAny>, timeout: Option<f64>) -> PyResult<()> {
        let value = self.place.made()?;
        let segment = self.place.ground().segment()?;
        let act = || {
            let bytes = Python::attach(|py| value.encode(make.call0(py)?.bind(py), true))?;
            value
                .initialize(&segment, &bytes)
                .map_err(|error| Failure::from(error).into())
        };
        self.run(py, timeout, act).map(drop)
    }

    /// The value of a cell; `None` as long as there is none.
    fn value(&self) -> PyResult<Option<Place>> {
        match self.part.live()?.is_done() {
            true => self.place.made().map(Some),
            false => Ok(None),
        }
    }

    /// Who is at it.
    fn initializer(&self, py: Python<'_>) -> PyResult<Holder> {
        let once = self.part.live()?;
        Ok(py.detach(|| holder(once.initializer())))
    }
}

impl Once {
    fn run(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        act: impl FnOnce() -> PyResult<()> + Send,
    ) -> PyResult<bool> {
        let (once, limit) = (self.part.live()?, limit(timeout)?);
        let mut did_it = false;
        let counted = || {
            did_it = true;
            act()
        };
        wait::wait(py, || once.call_once_or_fail(limit, counted))??;
        Ok(did_it)
    }
}
