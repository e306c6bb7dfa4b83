//! Waiting: other threads run meanwhile, and Ctrl+C ends it.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use shmkit::interrupt;

use crate::error::Failure;

/// Runs `act`, which may wait for something of shmkit's, without the GIL.
///
/// In the main thread Python's signal handlers run meanwhile, as Python promises; what one of them
/// raises (`KeyboardInterrupt`) ends the wait, and is the error. What came at the last moment is
/// dropped then. So what `act` returns must give back, when it is dropped, whatever it stands for.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    act: impl FnOnce() -> shmkit::Result<T> + Send,
) -> PyResult<T> {
    if CANCELLATION.with_borrow(Option::is_none) && !is_main_thread(py)? {
        // Nothing could end it early, so nothing needs to be asked.
        return Ok(py.detach(act).map_err(Failure::from)?);
    }
    wait_or(py, || false, act)
}

/// As [`wait`]; also ends the wait, without an exception, once `gives_way` says so.
pub(crate) fn wait_or<T: Send>(
    py: Python<'_>,
    gives_way: impl Fn() -> bool + Send + 'static,
    act: impl FnOnce() -> shmkit::Result<T> + Send,
) -> PyResult<T> {
    let flag = CANCELLATION.with_borrow(Clone::clone);
    let is_cancelled = move || {
        flag.as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
    };
    let ends = move || gives_way() || is_cancelled();
    if !is_main_thread(py)? {
        let ended = py.detach(|| interrupt::with(ends, act));
        return Ok(ended.map_err(Failure::from)?);
    }
    let (ended, raised) = py.detach(|| {
        let raised = Rc::new(OnceCell::new());
        let handlers = Rc::clone(&raised);
        let check = move || ends() || Python::attach(|py| raises(py, &handlers));
        let ended = interrupt::with(check, act);
        (ended, Rc::into_inner(raised).and_then(OnceCell::into_inner))
    });
    match raised {
        Some(error) => Err(error),
        None => Ok(ended.map_err(Failure::from)?),
    }
}

thread_local! {
    /// What can end the waits of this thread.
    static CANCELLATION: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Ends the waits of another thread.
#[pyclass(module = "shmkit._shmkit", frozen)]
#[derive(Default)]
pub(crate) struct Cancellation(Arc<AtomicBool>);

#[pymethods]
impl Cancellation {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ends the wait that ``run`` is in, and each one that it begins.
    fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Calls ``act()``, whose waits in this thread can be ended from now on.
    fn run<'py>(&self, act: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let before = CANCELLATION.replace(Some(Arc::clone(&self.0)));
        let done = act.call0();
        CANCELLATION.set(before);
        done
    }
}

/// Runs the handlers of signals that have come; whether one of them has raised something.
fn raises(py: Python<'_>, raised: &OnceCell<PyErr>) -> bool {
    match py.check_signals() {
        Ok(()) => false,
        Err(error) => {
            // There is nothing in it: nobody asks again after this.
            let _ = raised.set(error);
            true
        }
    }
}

/// Only the main thread runs signal handlers. Others need not ask for the GIL, which they may never
/// get again while the interpreter ends.
fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static THREADING: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let threading =
        THREADING.get_or_try_init(py, || PyModule::import(py, "threading").map(Bound::unbind))?;
    let threading = threading.bind(py);
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    main.eq(threading.call_method0("get_ident")?)
}
