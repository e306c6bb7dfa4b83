//! `voidptr` and `array`: memory in the manners of PyQt's sip module, without its dangers.
//!
//! A pointer does not keep its segment attached, as a program that detaches expects it to be left.
//! Who uses a pointer after that is told so. What was lent by the buffer protocol stays mapped for as
//! long as it is used.
#![expect(unsafe_code, reason = "Python's buffers and capsules are pointers")]

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};
use shmkit::SharedMemory;

use super::window::{Place, Window};

const VOIDPTR: &str = "voidptr";
const ARRAY: &str = "array";

/// A pointer to a segment's bytes, with a size that can be set, up to what there is.
#[pyclass(name = "voidptr", module = "shmkit.qt", frozen)]
#[derive(Debug)]
pub(crate) struct VoidPtr {
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct State {
    window: Window,
    /// A negative size means that it is not known.
    unknown: Option<isize>,
}

impl VoidPtr {
    pub(super) fn of(window: Window) -> Self {
        let unknown = None;
        let state = State { window, unknown }.into();
        Self { state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes, if the size is known.
    fn sized(&self) -> PyResult<Window> {
        let state = self.state();
        match state.unknown {
            None => Ok(state.window.clone()),
            Some(_) => Err(PyIndexError::new_err(
                "shmkit.qt.voidptr object has an unknown size",
            )),
        }
    }

    /// The first `size` bytes, or as many as the pointer says if that is negative.
    fn first(&self, size: isize) -> PyResult<Window> {
        let state = self.state().clone();
        let Ok(size) = usize::try_from(size) else {
            return match state.unknown {
                None => Ok(state.window),
                Some(_) => Err(PyValueError::new_err(
                    "a size must be given or the shmkit.qt.voidptr object must have a size",
                )),
            };
        };
        check_room(&state.window, size)?;
        Ok(state.window.part(0, size))
    }
}

fn check_room(window: &Window, size: usize) -> PyResult<()> {
    let room = window.room()?;
    match size <= room {
        true => Ok(()),
        false => Err(PyValueError::new_err(format!(
            "{size} bytes reach past the end of the segment, which has {room} from here"
        ))),
    }
}

fn check_writable(window: &Window, class: &str) -> PyResult<()> {
    match window.is_writable {
        true => Ok(()),
        false => Err(PyTypeError::new_err(format!(
            "cannot modify a read-only shmkit.qt.{class} object"
        ))),
    }
}

#[pymethods]
impl VoidPtr {
    /// The size in bytes; -1 if it is not known.
    fn getsize(&self) -> PyResult<isize> {
        let state = self.state();
        Ok(match state.unknown {
            Some(size) => size,
            None => state.window.len.try_into()?,
        })
    }

    /// Sets the size in bytes, at most as many as the segment has; a negative one means that it is
    /// not known.
    #[pyo3(signature = (size, /))]
    fn setsize(&self, size: &Bound<'_, PyAny>) -> PyResult<()> {
        if !size.is_instance_of::<PyInt>() {
            return Err(PyTypeError::new_err("an integer is required"));
        }
        let size: isize = size.extract().map_err(|_| {
            PyOverflowError::new_err("Python int too large to convert to C ssize_t")
        })?;
        let mut state = self.state();
        match usize::try_from(size) {
            Ok(known) => {
                check_room(&state.window, known)?;
                state.window.len = known;
                state.unknown = None;
            }
            Err(_) => state.unknown = Some(size),
        }
        Ok(())
    }

    /// Whether the bytes may be written to by way of this pointer.
    fn getwriteable(&self) -> bool {
        self.state().window.is_writable
    }

    /// Sets whether the bytes may be written to by way of this pointer. A segment that is attached
    /// read-only cannot be written to at all: ``ValueError``.
    #[pyo3(signature = (writeable, /))]
    fn setwriteable(&self, writeable: &Bound<'_, PyAny>) -> PyResult<()> {
        let writeable = writeable.is_truthy()?;
        let mut state = self.state();
        if writeable && !state.window.may_be_written()? {
            return Err(PyValueError::new_err("the segment is attached read-only"));
        }
        state.window.is_writable = writeable;
        Ok(())
    }

    /// A copy of the first `size` bytes, or of all if it is negative.
    #[pyo3(signature = (size=-1))]
    fn asstring<'py>(&self, py: Python<'py>, size: isize) -> PyResult<Bound<'py, PyBytes>> {
        self.first(size)?.to_bytes(py)
    }

    /// The first `size` bytes, or all if it is negative, as an array of numbers.
    #[pyo3(signature = (size=-1))]
    fn asarray(&self, size: isize) -> PyResult<Array> {
        let window = self.first(size)?;
        window.segment()?;
        Ok(Array { window })
    }

    /// A capsule without a name that holds the address. The segment stays mapped as long as it lives.
    fn ascapsule<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let window = self.first(0)?;
        let segment = window.segment()?;
        let address = window.address()? as *mut c_void;
        // SAFETY: the address is not null, and there is no name that would have to live.
        let capsule =
            unsafe { ffi::PyCapsule_New(address, std::ptr::null(), Some(forget_segment)) };
        // SAFETY: it is a new reference, or null with an exception set.
        let capsule = unsafe { Bound::from_owned_ptr_or_err(py, capsule)? };
        let keeps = Arc::into_raw(segment).cast_mut().cast();
        // SAFETY: it is the capsule from above; its destructor takes the reference back.
        match unsafe { ffi::PyCapsule_SetContext(capsule.as_ptr(), keeps) } {
            0 => Ok(capsule),
            _ => Err(PyErr::fetch(py)),
        }
    }

    fn __int__(&self) -> PyResult<usize> {
        self.first(0)?.address()
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.sized()?.len)
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        Ok(match self.sized()?.place(index, VOIDPTR)? {
            Place::One(at) => self.sized()?.part(at, 1).to_bytes(py)?.into_any(),
            Place::Part(window) => Bound::new(py, Self::of(window))?.into_any(),
        })
    }

    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let window = self.sized()?;
        check_writable(&window, VOIDPTR)?;
        let part = match window.place(index, VOIDPTR)? {
            Place::One(at) => window.part(at, 1),
            Place::Part(part) => part,
        };
        part.overwrite(value, VOIDPTR)
    }

    // SAFETY: Python gives its view, and gives it back.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let window = slf.get().sized()?;
        // SAFETY: as above.
        unsafe { window.lend(slf.into_any(), view, flags) }
    }

    // SAFETY: Python gives back what `__getbuffer__` has filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: as above.
        unsafe { Window::take_back(view) }
    }
}

/// Drops the reference that a capsule has kept.
unsafe extern "C" fn forget_segment(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with the capsule that goes.
    let keeps = unsafe { ffi::PyCapsule_GetContext(capsule) };
    if !keeps.is_null() {
        // SAFETY: `ascapsule` has put it there by `into_raw`, and nobody takes it out but we.
        drop(unsafe { Arc::from_raw(keeps.cast::<SharedMemory>()) });
    }
}

/// A segment's bytes as numbers from 0 to 255.
#[pyclass(name = "array", module = "shmkit.qt", frozen)]
#[derive(Debug)]
pub(crate) struct Array {
    window: Window,
}

#[pymethods]
impl Array {
    fn __len__(&self) -> usize {
        self.window.len
    }

    fn __repr__(&self) -> String {
        format!("shmkit.qt.array(unsigned char, {})", self.window.len)
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        Ok(match self.window.place(index, ARRAY)? {
            Place::One(at) => self.window.byte(at)?.into_pyobject(py)?.into_any(),
            Place::Part(window) => Bound::new(py, Self { window })?.into_any(),
        })
    }

    fn __setitem__(&self, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if !self.window.is_writable {
            let text = "shmkit.qt.array object is read-only";
            return Err(PyTypeError::new_err(text));
        }
        let part = match self.window.place(index, ARRAY)? {
            Place::One(at) => return self.window.set_byte(at, byte(value)?),
            Place::Part(part) => part,
        };
        let Ok(source) = value.cast::<Self>() else {
            return Err(PyTypeError::new_err(
                "can only assign another array of unsigned char to the slice",
            ));
        };
        let len = source.get().window.len;
        match len == part.len {
            true => part.overwrite(value, ARRAY),
            false => Err(PyTypeError::new_err(format!(
                "the array being assigned must have length {}",
                part.len
            ))),
        }
    }

    // SAFETY: Python gives its view, and gives it back.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let window = slf.get().window.clone();
        // SAFETY: as above.
        unsafe { window.lend(slf.into_any(), view, flags) }
    }

    // SAFETY: Python gives back what `__getbuffer__` has filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: as above.
        unsafe { Window::take_back(view) }
    }
}

fn byte(value: &Bound<'_, PyAny>) -> PyResult<u8> {
    if !value.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err("an integer is required"));
    }
    let byte = value.extract();
    byte.map_err(|_| PyOverflowError::new_err("value must be in the range 0 to 255"))
}
