//! What hands a segment to others: descriptors, seals, pickles.

use std::os::fd::IntoRawFd as _;

use pyo3::prelude::*;

use super::SharedMemory;
use super::options::{access, names_of_seals, seals};
use crate::error::Failure;
use crate::sealed::Sealed;
use crate::wait::wait;

#[pymethods]
impl SharedMemory {
    /// A descriptor of the segment with this access and no more. It is the caller's to close, and not
    /// inherited by children.
    #[pyo3(signature = (*, readonly=false))]
    fn to_fd(&self, readonly: bool) -> PyResult<i32> {
        let fd = self.segment()?.to_fd(access(readonly));
        Ok(fd.map_err(Failure::from)?.into_raw_fd())
    }

    /// The names of its seals: ``"seal"``, ``"shrink"``, ``"grow"``, ``"write"``, ``"future_write"``.
    #[getter]
    fn seals(&self) -> PyResult<Vec<&'static str>> {
        let seals = self.segment()?.seals().map_err(Failure::from)?;
        Ok(names_of_seals(seals))
    }

    /// Adds seals to a memfd, by their names. They stay.
    #[pyo3(signature = (*names))]
    fn add_seals(&self, names: &Bound<'_, PyAny>) -> PyResult<()> {
        let seals = seals(names)?;
        Ok(self.segment()?.add_seals(seals).map_err(Failure::from)?)
    }

    /// Makes constants of the bytes of a memfd: nobody can change them any more. This handle is closed;
    /// if somebody else can still write, that is an error and it stays open.
    fn seal(&self, py: Python<'_>) -> PyResult<Sealed> {
        let segment = self.take_alone(py, "seal")?;
        match wait(py, || Ok(segment.seal()))? {
            Ok(sealed) => Ok(Sealed::of(sealed)),
            Err(unsealed) => {
                let shmkit::Unsealed { segment, error, .. } = *unsealed;
                *self.slot() = Some(segment.into());
                Err(Failure::from(error).into())
            }
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let pickle = slf.py().import("shmkit._pickle")?;
        pickle.call_method1("reduce", (slf,))
    }
}
