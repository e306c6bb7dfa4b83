//! DLPack: tensors from one library to another (dlpack.h, versions 0 and 1).

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::Arc;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::{Buffer, Use};

/// `kDLCPU`, and its only device.
pub(super) const CPU: (i32, i32) = (1, 0);

const VERSION: Version = Version { major: 1, minor: 0 };
const READ_ONLY: u64 = 1;

#[repr(C)]
struct Version {
    major: u32,
    minor: u32,
}

#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
struct Managed {
    tensor: Tensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct ManagedVersioned {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    tensor: Tensor,
}

/// What a tensor points to, and what keeps that: nothing of Python's, as the other library may let
/// it go without the GIL.
struct Context {
    _mapped: Arc<dyn Any + Send + Sync>,
    _used: Arc<Use>,
    shape: Box<[i64]>,
    strides: Box<[i64]>,
}

/// A tensor of one of the two forms.
trait Form {
    /// What a capsule is called until somebody has taken the tensor out.
    const NAME: &'static CStr;

    fn context(&self) -> *mut c_void;
}

impl Form for Managed {
    const NAME: &'static CStr = c"dltensor";

    fn context(&self) -> *mut c_void {
        self.context
    }
}

impl Form for ManagedVersioned {
    const NAME: &'static CStr = c"dltensor_versioned";

    fn context(&self) -> *mut c_void {
        self.context
    }
}

pub(super) fn capsule<'py>(
    py: Python<'py>,
    buffer: &Buffer,
    is_versioned: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let is_read_only = buffer.region.is_read_only;
    if is_read_only && !is_versioned {
        return Err(PyBufferError::new_err(
            "the memory is read-only, which only DLPack 1.0 and later can say",
        ));
    }
    let size = buffer.item.size as i64;
    let mut context = Box::new(Context {
        _mapped: Arc::clone(&buffer.mapped),
        _used: Arc::clone(&buffer.used),
        shape: buffer.shape.iter().map(|&n| n as i64).collect(),
        strides: buffer.strides.iter().map(|&n| n as i64 / size).collect(),
    });
    let tensor = Tensor {
        data: buffer.region.start.cast(),
        device_type: CPU.0,
        device_id: CPU.1,
        ndim: buffer.shape.len() as i32,
        code: buffer.item.code,
        bits: (buffer.item.size * 8) as u8,
        lanes: 1,
        shape: context.shape.as_mut_ptr(),
        strides: context.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let context = Box::into_raw(context).cast();
    match is_versioned {
        true => wrap(
            py,
            ManagedVersioned {
                version: VERSION,
                context,
                deleter: Some(delete),
                flags: if is_read_only { READ_ONLY } else { 0 },
                tensor,
            },
        ),
        false => wrap(
            py,
            Managed {
                tensor,
                context,
                deleter: Some(delete),
            },
        ),
    }
}

fn wrap<T: Form>(py: Python<'_>, managed: T) -> PyResult<Bound<'_, PyAny>> {
    let managed = Box::into_raw(Box::new(managed));
    // SAFETY: the name is a constant; the destructor is for what this pointer points to.
    let capsule =
        unsafe { ffi::PyCapsule_New(managed.cast(), T::NAME.as_ptr(), Some(drop_untaken::<T>)) };
    // SAFETY: a new reference, or null with an exception.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, capsule) };
    if made.is_err() {
        // SAFETY: there is no capsule, so nobody else has it.
        unsafe { delete(managed) };
    }
    made
}

/// Lets go of what a capsule has if nobody has taken it, which renames the capsule.
unsafe extern "C" fn drop_untaken<T: Form>(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with the capsule that is about to go.
    if unsafe { ffi::PyCapsule_IsValid(capsule, T::NAME.as_ptr()) } == 1 {
        // SAFETY: it is valid under that name.
        let managed = unsafe { ffi::PyCapsule_GetPointer(capsule, T::NAME.as_ptr()) };
        // SAFETY: it was not taken, so this is the last pointer to it.
        unsafe { delete(managed.cast::<T>()) };
    }
}

/// Called once, by whoever has the tensor, with or without the GIL.
unsafe extern "C" fn delete<T: Form>(managed: *mut T) {
    debug_assert_ne!(managed, ptr::null_mut());
    // SAFETY: `wrap` made it of a box, and it is called once.
    let managed = unsafe { Box::from_raw(managed) };
    // SAFETY: `capsule` made it of a box, and nothing else frees it.
    drop(unsafe { Box::from_raw(managed.context().cast::<Context>()) });
}
