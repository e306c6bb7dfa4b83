//! The bytes of a segment: as views, and copied.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::{SharedMemory, region};
use crate::arguments::{Bytes, Given, Target};
use crate::buffer::Buffer;
use crate::error::Failure;

/// Copies of fewer bytes are done before another thread could begin.
const LARGE: usize = 64 << 10;

/// Runs a copy, without the GIL if it takes long.
fn copying<T: Send>(
    py: Python<'_>,
    len: usize,
    copy: impl FnOnce() -> shmkit::Result<T> + Send,
) -> PyResult<T> {
    let done = match len {
        LARGE.. => py.detach(copy),
        _ => copy(),
    };
    Ok(done.map_err(Failure::from)?)
}

impl SharedMemory {
    fn bytes_from(&self, offset: usize, size: Option<usize>, what: &str) -> PyResult<Buffer> {
        let segment = self.segment()?;
        let part = region(&segment).part(offset, size)?;
        let used = self.begin_use(what);
        Ok(Buffer::bytes(segment, part, used))
    }
}

#[pymethods]
impl SharedMemory {
    /// The bytes, as a memoryview. Other processes may change them at any time.
    #[getter]
    fn buf<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        let what = format!("a memoryview of {} bytes", self.segment()?.size());
        self.bytes_from(0, None, &what)?.into_memoryview(py)
    }

    /// Elements in the segment for whoever understands the buffer protocol, NumPy's array interface or
    /// DLPack: ``torch.from_dlpack(segment.buffer((480, 640, 3)))``.
    ///
    /// ``dtype`` is one of NumPy's names: ``"uint8"``, ``"float32"``. Without a shape it is all that
    /// there is from ``offset``, in bytes, to the end.
    #[pyo3(signature = (shape=None, dtype="uint8", offset=Bytes(0)))]
    fn buffer(
        &self,
        shape: Option<&Bound<'_, PyAny>>,
        dtype: &str,
        offset: Bytes,
    ) -> PyResult<Buffer> {
        self.bytes_from(offset.0, None, "a shmkit.Buffer")?
            .shaped(shape, dtype)
    }

    /// An array of NumPy's that lies in the segment, ``offset`` bytes from its beginning.
    ///
    /// It keeps the segment attached, also after ``with``.
    #[pyo3(signature = (shape, dtype=None, offset=Bytes(0)))]
    fn ndarray<'py>(
        &self,
        py: Python<'py>,
        shape: Bound<'py, PyAny>,
        dtype: Option<Bound<'py, PyAny>>,
        offset: Bytes,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.bytes_from(offset.0, None, "a numpy.ndarray")?;
        bytes.into_ndarray(py, &shape, dtype)
    }

    /// Copies bytes out: ``size`` of them from ``offset``, or all to the end.
    ///
    /// ``checked`` copies so that bytes that somebody has cut off meanwhile are a ``TruncatedError``
    /// and not the end of this process (SIGBUS).
    #[pyo3(signature = (offset=Bytes(0), size=None, *, checked=false))]
    fn read_at<'py>(
        &self,
        py: Python<'py>,
        offset: Bytes,
        size: Option<Bytes>,
        checked: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let segment = self.segment()?;
        let len = region(&segment)
            .part(offset.0, size.map(|size| size.0))?
            .len;
        PyBytes::new_with(py, len, |bytes| {
            copying(py, len, || match checked {
                true => segment.try_copy_to(offset.0, bytes),
                false => segment.read_at(offset.0, bytes),
            })
        })
    }

    /// Copies bytes from ``offset`` into a buffer, as many as it has.
    #[pyo3(signature = (offset, buffer, *, checked=false))]
    fn read_into(
        &self,
        py: Python<'_>,
        offset: Bytes,
        buffer: Target,
        checked: bool,
    ) -> PyResult<()> {
        let segment = self.segment()?;
        let target = buffer.view();
        copying(py, target.len(), || match checked {
            true => {
                let mut bytes = vec![0; target.len()];
                segment.try_copy_to(offset.0, &mut bytes)?;
                target.copy_from(0, &bytes)
            }
            false => {
                let end = offset.0.saturating_add(target.len());
                target.copy_from_view(0, segment.view().get(offset.0..end)?)
            }
        })
    }

    /// Copies bytes in, from any object that has some.
    #[pyo3(signature = (offset, data, *, checked=false))]
    fn write_at(&self, py: Python<'_>, offset: Bytes, data: Given, checked: bool) -> PyResult<()> {
        let segment = self.segment()?;
        let bytes = data.view();
        copying(py, bytes.len(), || match checked {
            true => segment.try_copy_from(offset.0, &bytes.to_vec()),
            false => segment.view_mut()?.copy_from_view(offset.0, bytes),
        })
    }

    /// Reads and writes by copies, so that there is nothing to release.
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let view = self.buf(py)?;
        let part = view.get_item(index);
        let taken = match part {
            Ok(part) if part.is_instance_of::<PyMemoryView>() => {
                let bytes = part.call_method0("tobytes");
                part.call_method0("release")?;
                bytes
            }
            other => other,
        };
        view.call_method0("release")?;
        taken
    }

    fn __setitem__(
        &self,
        py: Python<'_>,
        index: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let view = self.buf(py)?;
        let done = view.set_item(index, value);
        view.call_method0("release")?;
        done
    }
}
