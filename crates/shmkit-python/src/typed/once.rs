//! What is done once: `Once`, and the value of a `OnceCell`.

use pyo3::prelude::*;
use shmkit::sync;

use super::part::{Holder, Part, holder, limit};
use super::place::Place;
use crate::error::Failure;
use crate::wait;

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
