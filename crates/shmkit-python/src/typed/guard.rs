//! Held locks: what `with mutex.lock() as held` has.
#![expect(unsafe_code, reason = "a guard that never leaves its thread")]

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use shmkit::Acquired;
use shmkit::sync;
use shmkit::typed::Dynamic;

use super::part::Kept;
use super::place::Place;
use crate::buffer::{Use, Uses};
use crate::error::of_kind;

/// A guard of one of the locks, around data that are reached by their offset.
pub(super) enum Taken {
    Mutex(Acquired<sync::MutexGuard<'static, ()>>),
    Recursive(OfThread<Acquired<sync::RecursiveMutexGuard<'static, ()>>>),
    Read(Acquired<sync::RwLockReadGuard<'static, (), 4>>),
    Write(Acquired<sync::RwLockWriteGuard<'static, (), 4>>),
}

/// What is of the thread that made it.
pub(super) struct OfThread<T> {
    of: std::thread::ThreadId,
    value: T,
}

impl<T> OfThread<T> {
    pub(super) fn new(value: T) -> Self {
        let of = std::thread::current().id();
        Self { of, value }
    }

    fn is_here(&self) -> bool {
        self.of == std::thread::current().id()
    }
}

// SAFETY: of a recursive mutex's guard only its drop is used by other threads, when all of `Hold` is
// dropped there. That compares the owner's number, an atomic, with that of its own thread, and does
// nothing if it is another.
unsafe impl Send for OfThread<Acquired<sync::RecursiveMutexGuard<'static, ()>>> {}

impl Taken {
    fn owner_died(&self) -> bool {
        match self {
            Self::Mutex(taken) => taken.owner_died(),
            Self::Recursive(taken) => taken.value.owner_died(),
            Self::Read(taken) => taken.owner_died(),
            Self::Write(taken) => taken.owner_died(),
        }
    }

    fn mark_recovered(self) -> Self {
        match self {
            Self::Mutex(taken) => Self::Mutex(Acquired::Clean(taken.assume_recovered())),
            Self::Recursive(OfThread { of, value }) => {
                let value = Acquired::Clean(value.assume_recovered());
                Self::Recursive(OfThread { of, value })
            }
            Self::Read(taken) => Self::Read(Acquired::Clean(taken.assume_recovered())),
            Self::Write(taken) => Self::Write(Acquired::Clean(taken.assume_recovered())),
        }
    }

    fn may_write(&self) -> bool {
        !matches!(self, Self::Read(_))
    }

    fn is_of_another_thread(&self) -> bool {
        matches!(self, Self::Recursive(taken) if !taken.is_here())
    }

    /// Gives it back; what was half-done is poisoned. After an owner's death it is so anyway, unless
    /// it has been recovered.
    fn give(self, in_doubt: bool) {
        match self {
            Self::Mutex(Acquired::Clean(guard)) if in_doubt => sync::MutexGuard::poison(guard),
            Self::Write(Acquired::Clean(guard)) if in_doubt => {
                sync::RwLockWriteGuard::poison(guard)
            }
            Self::Recursive(OfThread {
                value: Acquired::Clean(guard),
                ..
            }) if in_doubt => {
                sync::RecursiveMutexGuard::poison(guard);
            }
            taken => drop(taken),
        }
    }
}

/// A lock that is held, for the guard and for the views of what it protects.
pub(super) struct Hold {
    state: Mutex<State>,
    /// Whether something may have been written, so that an error leaves it half-done.
    wrote: AtomicBool,
    /// The buffers, in words.
    uses: Arc<Uses>,
}

enum State {
    Held {
        kept: Kept<Taken>,
        /// How many buffers of Python's look at what is protected.
        exports: usize,
        /// It is given back when they are gone.
        is_over: Option<bool>,
    },
    Gone,
}

impl Hold {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `act` read or write what the lock protects. No Python runs in it.
    pub(super) fn with<R>(&self, writes: bool, act: impl FnOnce(&Dynamic) -> R) -> PyResult<R> {
        let state = self.state();
        let State::Held {
            kept,
            is_over: None,
            ..
        } = &*state
        else {
            return Err(gone());
        };
        if writes && !kept.guard().may_write() {
            return Err(PyTypeError::new_err(
                "the lock is held to read, not to write",
            ));
        }
        if kept.guard().is_of_another_thread() {
            return Err(of_another_thread());
        }
        if writes {
            self.wrote.store(true, Ordering::Relaxed);
        }
        Ok(act(kept.segment()))
    }

    /// Counts a buffer that looks at what is protected, until [`forget_export`](Self::forget_export).
    pub(super) fn export(&self, what: &str) -> PyResult<(bool, Use)> {
        let mut state = self.state();
        let State::Held {
            kept,
            exports,
            is_over: None,
        } = &mut *state
        else {
            return Err(gone());
        };
        *exports += 1;
        let may_write = kept.guard().may_write();
        if may_write {
            self.wrote.store(true, Ordering::Relaxed);
        }
        Ok((may_write, self.uses.begin(what)))
    }

    pub(super) fn forget_export(&self) {
        let mut state = self.state();
        if let State::Held {
            kept,
            exports,
            is_over,
        } = &mut *state
        {
            *exports -= 1;
            // What another thread has taken, that one gives back when it releases it once more.
            if let (0, Some(in_doubt), false) =
                (*exports, *is_over, kept.guard().is_of_another_thread())
            {
                give(mem::replace(&mut *state, State::Gone), in_doubt);
            }
        }
    }

    fn release(&self, failed: bool) -> PyResult<()> {
        let in_doubt = failed && self.wrote.load(Ordering::Relaxed);
        let mut state = self.state();
        let State::Held {
            kept,
            exports,
            is_over,
        } = &mut *state
        else {
            return Ok(());
        };
        if kept.guard().is_of_another_thread() {
            return Err(of_another_thread());
        }
        match *exports {
            0 => {
                give(mem::replace(&mut *state, State::Gone), in_doubt);
                Ok(())
            }
            _ => {
                *is_over = Some(in_doubt);
                // What makes an error of it is Python.
                drop(state);
                let views = self.uses.in_words();
                let why = format!("the lock is given back when what looks at it is gone: {views}");
                Err(of_kind("StillInUseError", why))
            }
        }
    }

    /// Takes the guard of a mutex out, for a wait that gives it back meanwhile.
    pub(super) fn lend(&self) -> PyResult<Kept<sync::MutexGuard<'static, ()>>> {
        let mut state = self.state();
        match &*state {
            State::Held {
                kept,
                exports: 0,
                is_over: None,
            } => match kept.guard() {
                Taken::Mutex(Acquired::Clean(_)) => {}
                Taken::Mutex(_) => {
                    return Err(PyRuntimeError::new_err(
                        "the owner before died: repair the data, and `mark_recovered`, first",
                    ));
                }
                _ => return Err(PyTypeError::new_err("a condition waits with a held Mutex")),
            },
            State::Held { .. } => {
                drop(state);
                let views = self.uses.in_words();
                let why = format!("the lock cannot be given back: alive is {views}");
                return Err(of_kind("StillInUseError", why));
            }
            State::Gone => return Err(gone()),
        }
        let State::Held { kept, .. } = mem::replace(&mut *state, State::Gone) else {
            return Err(gone());
        };
        Ok(kept.map(|taken| match taken {
            Taken::Mutex(taken) => taken.assume_recovered(),
            _ => unreachable!("it was looked at before"),
        }))
    }

    /// Puts the guard back after the wait.
    pub(super) fn give_back(&self, kept: Kept<Acquired<sync::MutexGuard<'static, ()>>>) {
        *self.state() = State::held(kept.map(Taken::Mutex));
    }
}

impl State {
    fn held(kept: Kept<Taken>) -> Self {
        Self::Held {
            kept,
            exports: 0,
            is_over: None,
        }
    }
}

fn give(state: State, in_doubt: bool) {
    if let State::Held { kept, .. } = state {
        let (taken, _segment) = kept.into_parts();
        taken.give(in_doubt);
    }
}

fn gone() -> PyErr {
    PyValueError::new_err("the lock has been given back")
}

fn of_another_thread() -> PyErr {
    PyRuntimeError::new_err("the lock is held by another thread")
}

/// A held lock. Forgotten, it gives the lock back.
#[pyclass(module = "shmkit._shmkit", frozen, weakref)]
pub(crate) struct Guard {
    pub(super) hold: Arc<Hold>,
    /// What it protects.
    data: Place,
}

impl Guard {
    /// Of a lock that was taken, around what is there.
    pub(super) fn new(kept: Kept<Taken>, data: &Place) -> Self {
        let hold = Arc::new(Hold {
            state: Mutex::new(State::held(kept)),
            wrote: AtomicBool::new(false),
            uses: Arc::default(),
        });
        let data = data.under(&hold);
        Self { hold, data }
    }
}

#[pymethods]
impl Guard {
    /// Whether the owner before died with the lock, and nobody has repaired the data.
    #[getter]
    fn owner_died(&self) -> bool {
        let state = self.hold.state();
        matches!(&*state, State::Held { kept, .. } if kept.guard().owner_died())
    }

    /// Whether it has been given back.
    #[getter]
    fn released(&self) -> bool {
        !matches!(&*self.hold.state(), State::Held { is_over: None, .. })
    }

    /// Says that the data are right again.
    fn mark_recovered(&self) -> PyResult<()> {
        let mut state = self.hold.state();
        if matches!(&*state, State::Held { kept, .. } if kept.guard().is_of_another_thread()) {
            return Err(of_another_thread());
        }
        match mem::replace(&mut *state, State::Gone) {
            State::Held {
                kept,
                exports,
                is_over,
            } => {
                let kept = kept.map(Taken::mark_recovered);
                *state = State::Held {
                    kept,
                    exports,
                    is_over,
                };
                Ok(())
            }
            State::Gone => Err(gone()),
        }
    }

    /// Gives the lock back; `failed`, half-way: what was written may be in doubt.
    fn release(&self, failed: bool) -> PyResult<()> {
        self.hold.release(failed)
    }

    /// Gives the lock back with its data in doubt.
    fn poison(&self) -> PyResult<()> {
        self.hold.wrote.store(true, Ordering::Relaxed);
        self.hold.release(true)
    }

    /// What it protects.
    #[getter]
    fn place(&self) -> PyResult<Place> {
        match self.released() {
            false => Ok(self.data.clone()),
            true => Err(gone()),
        }
    }
}
