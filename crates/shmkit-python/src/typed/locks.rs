//! The locks around data: `Mutex`, `RecursiveMutex`, `RwLock`.

use pyo3::prelude::*;
use shmkit::{Acquired, Result, sync};

use super::guard::{Guard, OfThread, Taken};
use super::part::{Holder, Part, holder, limit, patience};
use super::place::Place;
use super::tasks::Waiting;
use crate::error::Failure;
use crate::wait;

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
