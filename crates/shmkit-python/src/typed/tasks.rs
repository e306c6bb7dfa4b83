//! Waits of tasks: futures of the library's, for whichever event loop Python has.
//!
//! A future is polled by the library's own threads, in the moment in which what it waits for may have
//! come, so they need neither the GIL nor a thread for each. Only its end is told to the loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::guard::{Guard, Taken};
use super::part::{Kept, Live};
use super::place::Place;
use crate::error::Failure;

/// What a future ends with: makes an object of what it got, or drops it, which gives it back.
pub(super) type Give = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

pub(super) fn give(act: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static) -> Give {
    Box::new(act)
}

type Pending = Pin<Box<dyn Future<Output = shmkit::Result<Give>> + Send>>;

/// A wait that goes on without a thread.
#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct Waiting(Arc<Task>);

struct Task {
    state: Mutex<State>,
}

enum State {
    New(Pending),
    /// It is called, once, when there is an end.
    Begun(Pending, Py<PyAny>),
    /// Somebody polls it.
    Polled {
        is_woken: bool,
    },
    Ended(shmkit::Result<Give>),
    Over,
}

impl Waiting {
    pub(super) fn giving(
        future: impl Future<Output = shmkit::Result<Give>> + Send + 'static,
    ) -> Self {
        let state = Mutex::new(State::New(Box::pin(future)));
        Self(Arc::new(Task { state }))
    }

    /// Waits for a lock.
    pub(super) fn taking<T, F>(
        lock: Live<T>,
        data: Place,
        take: impl FnOnce(&'static T) -> F + Send + 'static,
    ) -> Self
    where
        T: Sync + 'static,
        F: Future<Output = shmkit::Result<Taken>> + Send + 'static,
    {
        Self::giving(async move {
            let taken = keep(lock, take).await?;
            Ok(give(move |py| {
                let guard = Guard::new(taken, &data);
                Ok(Py::new(py, guard)?.into_any())
            }))
        })
    }
}

/// Takes a lock, and keeps the segment beside what was taken.
#[expect(
    unsafe_code,
    reason = "the future and its guard are kept beside the segment"
)]
async fn keep<T: Sync + 'static, F: Future<Output = shmkit::Result<Taken>>>(
    lock: Live<T>,
    take: impl FnOnce(&'static T) -> F,
) -> shmkit::Result<Kept<Taken>> {
    let segment = Arc::clone(lock.segment());
    // SAFETY: the future is dropped here, before `lock`; what it ends with is put beside the segment.
    let primitive = unsafe { lock.forever() };
    let taken = take(primitive).await?;
    // SAFETY: it was taken of a lock in this segment.
    Ok(unsafe { Kept::new(taken, segment) })
}

impl Task {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with the future; the one to tell if it has ended.
    fn advance(self: &Arc<Self>) -> Option<Py<PyAny>> {
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        loop {
            let (mut future, tell) = {
                let mut state = self.state();
                match std::mem::replace(&mut *state, State::Polled { is_woken: false }) {
                    State::Begun(future, tell) => (future, tell),
                    State::Polled { .. } => {
                        // By another thread, which looks again.
                        *state = State::Polled { is_woken: true };
                        return None;
                    }
                    other => {
                        *state = other;
                        return None;
                    }
                }
            };
            let polled = future.as_mut().poll(&mut context);
            let mut state = self.state();
            if matches!(*state, State::Over) {
                // Nobody wants it any more. What it got is given back, without the state's lock.
                drop(state);
                return None;
            }
            match (polled, &*state) {
                (Poll::Ready(end), _) => {
                    *state = State::Ended(end);
                    return Some(tell);
                }
                (Poll::Pending, State::Polled { is_woken: true }) => {
                    *state = State::Begun(future, tell);
                }
                (Poll::Pending, _) => {
                    *state = State::Begun(future, tell);
                    return None;
                }
            }
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if let Some(tell) = self.advance() {
            // While the interpreter ends there is no loop to tell any more.
            Python::try_attach(|py| {
                if let Err(error) = tell.call0(py) {
                    error.write_unraisable(py, None);
                }
            });
        }
    }
}

#[pymethods]
impl Waiting {
    /// Begins to wait; `tell` is called when there is an end, from any thread. Whether there is one
    /// already, and then nobody is told.
    fn begin(&self, tell: Py<PyAny>) -> PyResult<bool> {
        {
            let mut state = self.0.state();
            match std::mem::replace(&mut *state, State::Over) {
                State::New(future) => *state = State::Begun(future, tell),
                other => {
                    *state = other;
                    return Err(PyRuntimeError::new_err("it has been awaited before"));
                }
            }
        }
        Ok(self.0.advance().is_some())
    }

    /// What came of it.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let ended = std::mem::replace(&mut *self.0.state(), State::Over);
        match ended {
            State::Ended(end) => end.map_err(Failure::from)?(py),
            _ => Err(PyRuntimeError::new_err("it has not ended")),
        }
    }

    /// Waits no longer; what it has got meanwhile goes back.
    fn cancel(&self, py: Python<'_>) {
        let state = std::mem::replace(&mut *self.0.state(), State::Over);
        py.detach(|| drop(state));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.0.state(), State::Over);
        drop(state);
    }
}
