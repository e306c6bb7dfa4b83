//! Python's views of memory that shmkit has mapped.
//!
//! What looks at the bytes holds a `Buffer`, and that holds the mapping: NumPy, for one, gives a
//! buffer back at once and keeps nothing but a reference to the object that it had it from.
#![expect(unsafe_code, reason = "Python's buffer protocol is one of pointers")]

mod dlpack;
mod item;
mod uses;

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMemoryView, PyTuple};
use shmkit::Access;

use self::item::Item;
pub(crate) use self::uses::{Use, Uses};
use crate::arguments::Bytes;

/// Bytes that stay mapped for as long as their owner lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
    pub(crate) is_read_only: bool,
}

// SAFETY: an address, and what is known of it. What is done with it has a proof of its own.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// All bytes of a segment.
    pub(crate) fn of(segment: &shmkit::SharedMemory) -> Self {
        let bytes = segment.view();
        Self {
            start: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
            is_read_only: segment.access() == Access::ReadOnly,
        }
    }

    /// A part of it, or an error that says what there is.
    pub(crate) fn part(self, offset: usize, len: Option<usize>) -> PyResult<Self> {
        let rest = self.len.checked_sub(offset);
        let len = len.or(rest).unwrap_or_default();
        if rest.is_none_or(|rest| len > rest) {
            let all = self.len;
            let why = format!("{len} bytes at offset {offset} are not inside of {all} bytes");
            return Err(crate::error::of_kind("OutOfBoundsError", why));
        }
        Ok(Self {
            start: self.start.wrapping_add(offset),
            len,
            ..self
        })
    }
}

/// Elements in shared memory, for whoever understands the buffer protocol, NumPy's array interface or
/// DLPack. It keeps the memory mapped, and so does what is made of it.
#[pyclass(module = "shmkit", frozen, weakref)]
pub(crate) struct Buffer {
    mapped: Arc<dyn Any + Send + Sync>,
    region: Region,
    item: Item,
    shape: Box<[ffi::Py_ssize_t]>,
    strides: Box<[ffi::Py_ssize_t]>,
    used: Arc<Use>,
}

impl Buffer {
    /// The bytes of a region, which lie in `mapped`.
    pub(crate) fn bytes(mapped: Arc<dyn Any + Send + Sync>, region: Region, used: Use) -> Self {
        Self {
            mapped,
            region,
            item: Item::BYTE,
            // No more than `isize::MAX` can be mapped.
            shape: [region.len as ffi::Py_ssize_t].into(),
            strides: [1].into(),
            used: Arc::new(used),
        }
    }

    /// The same bytes as elements, in the order of C.
    pub(crate) fn shaped(mut self, shape: Option<&Bound<'_, PyAny>>, item: &str) -> PyResult<Self> {
        let shape: Option<Vec<usize>> = match shape {
            None => None,
            Some(shape) => match shape.extract::<Bytes>() {
                Ok(one) => Some(vec![one.0]),
                Err(_) => Some(shape.extract()?),
            },
        };
        self.item = Item::named(item)?;
        let size = self.item.size;
        let whole = [self.region.len / size];
        let shape = shape.as_deref().unwrap_or(&whole);
        let needed = shape.iter().try_fold(size, |all, &n| all.checked_mul(n));
        let needed = needed.ok_or_else(|| PyValueError::new_err("the shape is too large"))?;
        self.region = self.region.part(0, Some(needed))?;
        if !self.region.start.addr().is_multiple_of(size.min(8)) {
            return Err(PyValueError::new_err(format!(
                "the offset is not a multiple of {}, the alignment of {}",
                size.min(8),
                self.item.name
            )));
        }
        let mut stride = size;
        let mut strides: Vec<ffi::Py_ssize_t> = Vec::with_capacity(shape.len());
        for &n in shape.iter().rev() {
            strides.push(stride as ffi::Py_ssize_t);
            stride = stride.saturating_mul(n);
        }
        strides.reverse();
        self.shape = shape.iter().map(|&n| n as ffi::Py_ssize_t).collect();
        self.strides = strides.into();
        self.used.is(format!("a {}", self.in_words()));
        Ok(self)
    }

    fn in_words(&self) -> String {
        let name = self.item.name;
        format!("shmkit.Buffer of shape {:?} and dtype {name}", self.shape)
    }

    /// As an array of NumPy's, which keeps the buffer.
    pub(crate) fn into_ndarray<'py>(
        self,
        py: Python<'py>,
        shape: &Bound<'py, PyAny>,
        dtype: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let numpy = py.import("numpy")?;
        let dtype = dtype.map_or_else(|| numpy.getattr("uint8"), Ok)?;
        let dtype = numpy.getattr("dtype")?.call1((dtype,))?;
        // NumPy would take the bytes for pointers.
        if dtype.getattr("hasobject")?.extract()? {
            let why = "references to objects mean nothing to other processes";
            return Err(PyValueError::new_err(why));
        }
        let buffer = Bound::new(py, self)?;
        let made = numpy.getattr("ndarray")?.call1((shape, &dtype, &buffer));
        let made = made.inspect_err(|error| {
            let has = buffer.get().region.len;
            let note = format!("there are {has} bytes from the offset to the end");
            // Without the note it is the same error.
            let _ = error.value(py).call_method1("add_note", (note,));
        })?;
        let (shape, dtype) = (made.getattr("shape")?.repr()?, dtype.str()?);
        let what = format!("a numpy.ndarray of shape {shape} and dtype {dtype}");
        buffer.get().used.is(what);
        Ok(made)
    }

    /// As a memoryview, which is the only one to have it.
    pub(crate) fn into_memoryview(self, py: Python<'_>) -> PyResult<Bound<'_, PyMemoryView>> {
        PyMemoryView::from(Bound::new(py, self)?.as_any())
    }
}

#[pymethods]
impl Buffer {
    /// How many bytes there are.
    #[getter]
    fn nbytes(&self) -> usize {
        self.region.len
    }

    /// Whether they can only be read.
    #[getter]
    fn readonly(&self) -> bool {
        self.region.is_read_only
    }

    /// How many elements there are in each dimension.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// The name of the elements' type, as NumPy calls it.
    #[getter]
    fn dtype(&self) -> &'static str {
        self.item.name
    }

    fn __repr__(&self) -> String {
        let access = match self.region.is_read_only {
            true => ", read-only",
            false => "",
        };
        format!("<{}{access}>", self.in_words())
    }

    /// The array interface of NumPy, version 3.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("version", 3)?;
        dict.set_item("shape", self.shape(py)?)?;
        dict.set_item("typestr", self.item.typestr())?;
        dict.set_item("data", (self.region.start.addr(), self.region.is_read_only))?;
        Ok(dict)
    }

    /// The memory as a DLPack capsule: of the CPU, never a copy.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if stream.is_some() || dl_device.is_some_and(|device| device != dlpack::CPU) {
            return Err(PyBufferError::new_err("shared memory is memory of the CPU"));
        }
        if copy == Some(true) {
            return Err(PyBufferError::new_err("a copy would be shared with nobody"));
        }
        let is_versioned = max_version.is_some_and(|(major, _)| major >= 1);
        dlpack::capsule(py, self, is_versioned)
    }

    /// ``(1, 0)``: the CPU.
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::CPU
    }

    // SAFETY: `view` is what Python gave; it gets a reference to this buffer, which keeps the memory.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no buffer to fill in"));
        }
        // SAFETY: it is not null and Python's to write to; nothing is read of it.
        let owner = unsafe { &raw mut (*view).obj };
        // As Python demands it of a failure.
        // SAFETY: as above.
        unsafe { owner.write(ptr::null_mut()) };
        let wants = |flag| flags & flag == flag;
        if wants(ffi::PyBUF_WRITABLE) && this.region.is_read_only {
            return Err(PyBufferError::new_err("the segment is attached read-only"));
        }
        let is_flat = this.shape.len() <= 1;
        if wants(ffi::PyBUF_F_CONTIGUOUS) && !wants(ffi::PyBUF_C_CONTIGUOUS) && !is_flat {
            return Err(PyBufferError::new_err("the elements lie in the order of C"));
        }
        let or_null = |flag, pointer: *mut ffi::Py_ssize_t| match wants(flag) {
            true => pointer,
            false => ptr::null_mut(),
        };
        let format = match wants(ffi::PyBUF_FORMAT) {
            true => this.item.format.as_ptr().cast_mut(),
            false => ptr::null_mut(),
        };
        let filled = ffi::Py_buffer {
            buf: this.region.start.cast::<c_void>(),
            obj: slf.as_ptr(),
            len: this.region.len as ffi::Py_ssize_t,
            itemsize: this.item.size as ffi::Py_ssize_t,
            readonly: c_int::from(this.region.is_read_only),
            ndim: this.shape.len() as c_int,
            format,
            // Never written to: the protocol has no pointers to constants.
            shape: or_null(ffi::PyBUF_ND, this.shape.as_ptr().cast_mut()),
            strides: or_null(ffi::PyBUF_STRIDES, this.strides.as_ptr().cast_mut()),
            suboffsets: ptr::null_mut(),
            internal: ptr::null_mut(),
        };
        // SAFETY: as above.
        unsafe { view.write(filled) };
        // The view owns it now, and gives it back.
        std::mem::forget(slf);
        Ok(())
    }
}

/// Fills in `view`, which keeps `owner` alive, as Python asks for it by `flags`.
///
/// # Safety
/// `view` is null or may be written to. The bytes of `region` are mapped, with the access that it
/// says, until `owner` is gone or has seen its `__releasebuffer__`.
pub(crate) unsafe fn export(
    owner: Bound<'_, PyAny>,
    region: Region,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    if view.is_null() {
        return Err(PyBufferError::new_err("there is no buffer to fill in"));
    }
    let py = owner.py();
    let len = ffi::Py_ssize_t::try_from(region.len)?;
    let is_read_only = c_int::from(region.is_read_only);
    let start = region.start.cast();
    // SAFETY: the caller vouches for `view` and the bytes; `owner` is a living object, of which a
    // new reference goes into the view.
    let status =
        unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start, len, is_read_only, flags) };
    match status {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}
