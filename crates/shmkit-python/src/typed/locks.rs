//! The locks around data: `Mutex`, `RecursiveMutex`, `RwLock`.

use std::time::Duration;

use pyo3::prelude::*;
use shmkit::{Acquired, ErrorKind, Result, sync};

use super::guard::{Guard, OfThread, Taken};
use super::part::{Holder, Part, Wait, holder, limit, patience};
use super::place::Place;
use super::tasks::Waiting;
use crate::error::Failure;
use crate::wait;

/// Takes a lock at once if it can be had; only to wait for it is a reason to let Python's other threads
/// run.
fn take<L: Sync + 'static>(
    py: Python<'_>,
    (part, data): (&Part<L>, &Place),
    wait: Wait,
    at_once: impl FnOnce(&'static L) -> Result<Taken>,
    waiting: impl FnOnce(&'static L, Duration) -> Result<Taken> + Send,
) -> PyResult<Guard> {
    let kept = match (part.live()?.take(at_once), wait) {
        (Err(error), Some(limit)) if error.kind() == ErrorKind::WouldBlock => {
            let lock = part.live()?;
            wait::wait(py, || lock.take(|lock| waiting(lock, limit)))?
        }
        (taken, _) => taken.map_err(Failure::from)?,
    };
    Ok(Guard::new(kept, data))
}

fn recursive(taken: Acquired<sync::RecursiveMutexGuard<'static, ()>>) -> Taken {
    Taken::Recursive(OfThread::new(taken))
}

macro_rules! mutexes {
    ($($name:ident $find:ident $taken:expr, { $($more:tt)* })*) => {$(
        #[pyclass(module = "shmkit._shmkit", frozen, weakref)]
        pub(crate) struct $name {
            part: Part<sync::$name<()>>,
            data: Place,
        }

        #[pymethods]
        impl $name {
            #[new]
            fn new(place: &Place) -> PyResult<Self> {
                let part = Part::find(place.ground(), |it| it.$find(place.offset()))?;
                let data = place.data()?;
                Ok(Self { part, data })
            }

            fn lock(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
                let wait = patience(timeout)?;
                let at_once = |lock: &'static sync::$name<()>| lock.try_lock().map($taken);
                take(py, (&self.part, &self.data), wait, at_once, |lock, limit| {
                    lock.lock_timeout(limit).map($taken)
                })
            }

            fn lock_poisoned(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
                let (lock, limit) = (self.part.live()?, limit(timeout)?);
                let take = || lock.take(|lock| lock.lock_poisoned(limit).map($taken));
                Ok(Guard::new(wait::wait(py, take)?, &self.data))
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

mutexes! {
    Mutex mutex Taken::Mutex, {
        /// The same for a task.
        fn lock_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
            let (lock, limit) = (self.part.live()?, limit(timeout)?);
            let data = self.data.clone();
            Ok(Waiting::taking(lock, data, move |lock| async move {
                lock.lock_timeout_async(limit).await.map(Taken::Mutex)
            }))
        }
    }

    RecursiveMutex recursive_mutex recursive, {}
}

#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct RwLock {
    part: Part<sync::RwLock<()>>,
    data: Place,
}

#[pymethods]
impl RwLock {
    #[new]
    fn new(place: &Place) -> PyResult<Self> {
        let part = Part::find(place.ground(), |it| it.rw_lock(place.offset()))?;
        let data = place.data()?;
        Ok(Self { part, data })
    }

    fn read(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let wait = patience(timeout)?;
        let at_once = |lock: &'static sync::RwLock<()>| lock.try_read().map(Taken::Read);
        take(
            py,
            (&self.part, &self.data),
            wait,
            at_once,
            |lock, limit| lock.read_timeout(limit).map(Taken::Read),
        )
    }

    fn write(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let wait = patience(timeout)?;
        let at_once = |lock: &'static sync::RwLock<()>| lock.try_write().map(Taken::Write);
        take(
            py,
            (&self.part, &self.data),
            wait,
            at_once,
            |lock, limit| lock.write_timeout(limit).map(Taken::Write),
        )
    }

    fn write_poisoned(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Guard> {
        let (lock, limit) = (self.part.live()?, limit(timeout)?);
        let take = || lock.take(|lock| lock.write_poisoned(limit).map(Taken::Write));
        Ok(Guard::new(wait::wait(py, take)?, &self.data))
    }

    fn read_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (lock, limit) = (self.part.live()?, limit(timeout)?);
        let data = self.data.clone();
        Ok(Waiting::taking(lock, data, move |lock| async move {
            lock.read_timeout_async(limit).await.map(Taken::Read)
        }))
    }

    fn write_async(&self, timeout: Option<f64>) -> PyResult<Waiting> {
        let (lock, limit) = (self.part.live()?, limit(timeout)?);
        let data = self.data.clone();
        Ok(Waiting::taking(lock, data, move |lock| async move {
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
