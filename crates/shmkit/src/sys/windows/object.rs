//! What all kernel objects have in common: a name, handles, waiting.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Wdk::Foundation::{NtQueryObject, ObjectBasicInformation};
use windows_sys::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, ERROR_FILENAME_EXCED_RANGE, ERROR_INVALID_NAME, GetLastError, HANDLE,
    RtlNtStatusToDosError, SetLastError, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};
use windows_sys::Win32::System::WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION;

/// An object that was made, or found.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) handle: OwnedHandle,
    /// It was there already.
    pub(crate) existed: bool,
}

/// The longest name that the kernel takes, in UTF-16 units.
const LONGEST: usize = 32_000;

/// A name as the API wants it.
pub(super) fn wide(name: &str) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = name.encode_utf16().collect();
    if wide.contains(&0) {
        return Err(io::Error::from_raw_os_error(ERROR_INVALID_NAME as i32));
    }
    if wide.len() > LONGEST {
        return Err(io::Error::from_raw_os_error(
            ERROR_FILENAME_EXCED_RANGE as i32,
        ));
    }
    wide.push(0);
    Ok(wide)
}

/// Calls a function that makes or finds an object.
pub(super) fn make(call: impl FnOnce() -> HANDLE) -> io::Result<Made> {
    // SAFETY: it sets a number of this thread. Not every function that succeeds does.
    unsafe { SetLastError(0) };
    let handle = call();
    // SAFETY: it reads that number.
    let error = unsafe { GetLastError() };
    Ok(Made {
        handle: own(handle, error)?,
        existed: error == ERROR_ALREADY_EXISTS,
    })
}

/// Calls a function that finds an object.
pub(super) fn open(call: impl FnOnce() -> HANDLE) -> io::Result<OwnedHandle> {
    make(call).map(|made| made.handle)
}

fn own(handle: HANDLE, error: u32) -> io::Result<OwnedHandle> {
    match handle.is_null() {
        true => Err(io::Error::from_raw_os_error(error as i32)),
        // SAFETY: the function gave a new handle, which nobody else closes.
        false => Ok(unsafe { OwnedHandle::from_raw_handle(handle) }),
    }
}

/// Waits for an object at most so long, rounded up to milliseconds; `false` if that was too short.
pub(crate) fn wait(object: &OwnedHandle, limit: Duration) -> io::Result<bool> {
    let limit = limit.as_nanos().div_ceil(1_000_000);
    let limit = u32::try_from(limit).unwrap_or(INFINITE).min(INFINITE - 1);
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(object.as_raw_handle(), limit) } {
        WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(true),
        WAIT_TIMEOUT => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How many handles of an object all processes have open.
pub(crate) fn handles(object: &OwnedHandle) -> io::Result<u32> {
    let mut information = MaybeUninit::<PUBLIC_OBJECT_BASIC_INFORMATION>::zeroed();
    // SAFETY: the handle is open, and `information` is as large as we say.
    let status = unsafe {
        NtQueryObject(
            object.as_raw_handle(),
            ObjectBasicInformation,
            information.as_mut_ptr().cast(),
            size_of::<PUBLIC_OBJECT_BASIC_INFORMATION>() as u32,
            ptr::null_mut(),
        )
    };
    if status < 0 {
        // SAFETY: it turns a number into another.
        let error = unsafe { RtlNtStatusToDosError(status) };
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    // SAFETY: a C struct of integers that was zeroed and then filled in.
    Ok(unsafe { information.assume_init() }.HandleCount)
}
