//! Some bytes of a segment that somebody else is attached to.
#![expect(unsafe_code, reason = "Python's buffers are pointers")]

use std::ffi::c_int;
use std::sync::{Arc, Weak};

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{
    PyBufferError, PyIndexError, PyNotImplementedError, PyTypeError, PyValueError,
};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice};
use shmkit::mapping::{Ro, Rw, View};
use shmkit::{Access, SharedMemory};

use crate::buffer::{self, Region};
use crate::error::Failure;

/// Copies of more bytes than this let other threads run meanwhile.
const LARGE: usize = 64 << 10;

/// Some bytes of a segment. They do not keep it attached: once its owner has left it there are none.
#[derive(Debug, Clone)]
pub(super) struct Window {
    segment: Weak<SharedMemory>,
    offset: usize,
    pub(super) len: usize,
    pub(super) is_writable: bool,
}

/// What an index means.
pub(super) enum Place {
    One(usize),
    Part(Window),
}

fn told<T>(result: shmkit::Result<T>) -> PyResult<T> {
    Ok(result.map_err(Failure::from)?)
}

impl Window {
    pub(super) fn of(segment: &Arc<SharedMemory>, is_writable: bool) -> Self {
        Self {
            segment: Arc::downgrade(segment),
            offset: 0,
            len: segment.size(),
            is_writable: is_writable && segment.access() == Access::ReadWrite,
        }
    }

    /// The same bytes from `offset` on.
    pub(super) fn part(&self, offset: usize, len: usize) -> Self {
        let offset = self.offset + offset;
        let segment = Weak::clone(&self.segment);
        Self {
            segment,
            offset,
            len,
            is_writable: self.is_writable,
        }
    }

    /// The segment, which is not left as long as anybody has this.
    pub(super) fn segment(&self) -> PyResult<Arc<SharedMemory>> {
        self.segment.upgrade().ok_or_else(|| {
            PyValueError::new_err(
                "the segment was detached: ask for its memory again once attached",
            )
        })
    }

    pub(super) fn may_be_written(&self) -> PyResult<bool> {
        Ok(self.segment()?.access() == Access::ReadWrite)
    }

    /// How many bytes there are from the beginning of the window to the end of the segment.
    pub(super) fn room(&self) -> PyResult<usize> {
        Ok(self.segment()?.size() - self.offset)
    }

    /// Where the first byte is.
    pub(super) fn address(&self) -> PyResult<usize> {
        let segment = self.segment()?;
        Ok(self.view(&segment)?.as_ptr().addr())
    }

    fn view<'s>(&self, segment: &'s SharedMemory) -> PyResult<View<'s, Ro>> {
        told(segment.view().get(self.offset..self.offset + self.len))
    }

    fn view_mut<'s>(&self, segment: &'s SharedMemory) -> PyResult<View<'s, Rw>> {
        let whole = told(segment.view_mut())?;
        told(whole.get(self.offset..self.offset + self.len))
    }

    /// The place of a number, or of a slice of step 1; `class` is who asks.
    pub(super) fn place(&self, index: &Bound<'_, PyAny>, class: &str) -> PyResult<Place> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(self.len.try_into()?)?;
            if range.step != 1 {
                return Err(PyNotImplementedError::new_err("a slice has step 1 here"));
            }
            let begin = usize::try_from(range.start)?;
            return Ok(Place::Part(self.part(begin, range.slicelength)));
        }
        if !index.hasattr("__index__")? {
            let name = index.get_type().name()?;
            let text = format!("cannot index a shmkit.qt.{class} object using '{name}'");
            return Err(PyTypeError::new_err(text));
        }
        let index: isize = index
            .extract()
            .map_err(|_| PyIndexError::new_err("cannot fit 'int' into an index-sized integer"))?;
        let at = match index < 0 {
            true => self.len.checked_sub(index.unsigned_abs()),
            false => usize::try_from(index).ok(),
        };
        match at.filter(|&at| at < self.len) {
            Some(at) => Ok(Place::One(at)),
            None => Err(PyIndexError::new_err("index out of bounds")),
        }
    }

    pub(super) fn byte(&self, at: usize) -> PyResult<u8> {
        let segment = self.segment()?;
        told(self.view(&segment)?.read(at))
    }

    pub(super) fn set_byte(&self, at: usize, byte: u8) -> PyResult<()> {
        let segment = self.segment()?;
        told(self.view_mut(&segment)?.write(at, &byte))
    }

    /// A copy of the bytes.
    pub(super) fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let segment = self.segment()?;
        let view = self.view(&segment)?;
        PyBytes::new_with(py, self.len, |bytes| {
            told(match self.len {
                ..LARGE => view.copy_to(0, bytes),
                _ => py.detach(|| view.copy_to(0, bytes)),
            })
        })
    }

    /// Overwrites all bytes by those of `source`, anything with a buffer of bytes; `class` is who asks.
    pub(super) fn overwrite(&self, source: &Bound<'_, PyAny>, class: &str) -> PyResult<()> {
        let py = source.py();
        let buffer = PyUntypedBuffer::get(source)?;
        if buffer.item_size() != 1 {
            let name = source.get_type().fully_qualified_name()?;
            let text = format!("'{name}' must have an item size of 1");
            return Err(PyTypeError::new_err(text));
        }
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not C-contiguous"));
        }
        if buffer.len_bytes() != self.len {
            return Err(PyValueError::new_err(format!(
                "cannot modify the size of a shmkit.qt.{class} object"
            )));
        }
        // SAFETY: the buffer, which lives to the end of this function, vouches for so many bytes in
        // a row; that others may write to them is what views are for.
        let source: View<'_, Ro> =
            unsafe { View::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) };
        let segment = self.segment()?;
        let view = self.view_mut(&segment)?;
        told(match self.len {
            ..LARGE => view.copy_from_view(0, source),
            _ => py.detach(|| view.copy_from_view(0, source)),
        })
    }

    /// Lends the bytes to Python. The segment is not left before [`Window::take_back`].
    ///
    /// # Safety
    /// `view` is what Python gave to `__getbuffer__` of `owner`; it comes back to `take_back` once.
    pub(super) unsafe fn lend(
        &self,
        owner: Bound<'_, PyAny>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let segment = self.segment()?;
        let region = Region {
            start: self.view(&segment)?.as_ptr().cast_mut(),
            len: self.len,
            is_read_only: !self.is_writable,
        };
        // SAFETY: the caller vouches for `view`; the segment stays mapped by the reference below.
        unsafe { buffer::export(owner, region, view, flags)? };
        let keeps = Arc::into_raw(segment).cast_mut().cast();
        // SAFETY: `export` has filled in the view, and this field is the exporter's own.
        unsafe { (*view).internal = keeps };
        Ok(())
    }

    /// Takes back what was lent.
    ///
    /// # Safety
    /// `view` was filled in by [`Window::lend`], and is not used any more.
    pub(super) unsafe fn take_back(view: *mut ffi::Py_buffer) {
        // SAFETY: `lend` has put a reference there, which nobody else takes out.
        let keeps = unsafe { (*view).internal };
        // SAFETY: it is the one that `into_raw` gave.
        drop(unsafe { Arc::from_raw(keeps.cast::<SharedMemory>()) });
    }
}
