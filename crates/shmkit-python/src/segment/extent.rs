//! The size of a segment: growing, waiting for others to grow it, shrinking; and where it lies.

use pyo3::prelude::*;
use shmkit::{Advice, Medium};

use super::SharedMemory;
use crate::arguments::{Bytes, Timeout, one_of};
use crate::error::Failure;
use crate::wait::wait;

const ADVICE: [(&str, Advice); 7] = [
    ("normal", Advice::Normal),
    ("sequential", Advice::Sequential),
    ("random", Advice::Random),
    ("will_need", Advice::WillNeed),
    ("cold", Advice::Cold),
    ("not_in_dumps", Advice::NotInDumps),
    ("in_dumps", Advice::InDumps),
];

#[pymethods]
impl SharedMemory {
    /// Makes it larger, up to its ``capacity``. Nothing moves: views stay what they are, and new ones
    /// have the new size.
    #[pyo3(signature = (size, /))]
    fn grow(&self, py: Python<'_>, size: Bytes) -> PyResult<()> {
        let segment = self.segment()?;
        wait(py, || segment.grow(size.0))
    }

    /// Notices what others did to the size, and is the size now.
    fn refresh(&self, py: Python<'_>) -> PyResult<usize> {
        let segment = self.segment()?;
        Ok(py.detach(|| segment.refresh()).map_err(Failure::from)?)
    }

    /// Waits until somebody has made it larger than ``size`` bytes; the size then.
    #[pyo3(signature = (size, timeout=Timeout::EVER))]
    fn wait_for_growth(&self, py: Python<'_>, size: Bytes, timeout: Timeout) -> PyResult<usize> {
        let segment = self.segment()?;
        wait(py, || segment.wait_for_growth(size.0, timeout.0))
    }

    /// Makes it smaller, if nobody else is attached: what they touch past the new end would end them.
    /// ``in_use`` shrinks all the same.
    #[pyo3(signature = (size, /, *, in_use=false))]
    fn shrink(&self, py: Python<'_>, size: Bytes, in_use: bool) -> PyResult<()> {
        let mut segment = self.take_alone(py, "shrink")?;
        let done = wait(py, || match in_use {
            true => segment.shrink_in_use(size.0),
            false => segment.shrink(size.0),
        });
        *self.slot() = Some(segment.into());
        done
    }

    /// Writes what was changed to the disk, if it lies on one: ``size`` bytes from ``offset``, or all
    /// to the end. Without ``wait`` it is only begun.
    #[pyo3(signature = (offset=Bytes(0), size=None, *, wait=true))]
    fn flush(
        &self,
        py: Python<'_>,
        offset: Bytes,
        size: Option<Bytes>,
        wait: bool,
    ) -> PyResult<()> {
        let segment = self.segment()?;
        let len = super::region(&segment)
            .part(offset.0, size.map(|size| size.0))?
            .len;
        let range = offset.0..offset.0 + len;
        let flushed = py.detach(|| match wait {
            true => segment.flush(range),
            false => segment.flush_async(range),
        });
        Ok(flushed.map_err(Failure::from)?)
    }

    /// What it lies on: ``"memory"``, ``"disk"``, ``"network"`` or ``"unknown"``, and the name of the
    /// file system.
    fn medium(&self) -> PyResult<(&'static str, String)> {
        let kind = self.segment()?.fs_kind().map_err(Failure::from)?;
        Ok((medium(kind.medium), kind.name))
    }

    /// Tells the kernel how the bytes will be used: ``"sequential"``, ``"random"``, ``"will_need"``,
    /// ``"cold"``, ``"normal"``, ``"not_in_dumps"``, ``"in_dumps"``.
    #[pyo3(signature = (advice, /, offset=Bytes(0), size=None))]
    fn advise(
        &self,
        advice: &Bound<'_, PyAny>,
        offset: Bytes,
        size: Option<Bytes>,
    ) -> PyResult<()> {
        let segment = self.segment()?;
        let advice = one_of("advice", advice, &ADVICE)?;
        let len = super::region(&segment)
            .part(offset.0, size.map(|size| size.0))?
            .len;
        let advised = segment.advise(offset.0..offset.0 + len, advice);
        Ok(advised.map_err(Failure::from)?)
    }
}

pub(crate) fn medium(medium: Medium) -> &'static str {
    match medium {
        Medium::Memory => "memory",
        Medium::Disk => "disk",
        Medium::Network => "network",
        _ => "unknown",
    }
}
