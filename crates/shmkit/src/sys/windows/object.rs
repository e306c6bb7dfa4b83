//! What all kernel objects have in common: a name, handles, waiting.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Wdk::Foundation::{
    NtQueryObject, OBJECT_INFORMATION_CLASS, ObjectBasicInformation, ObjectTypeInformation,
};
use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_ALREADY_EXISTS, ERROR_FILENAME_EXCED_RANGE,
    ERROR_INVALID_NAME, GetLastError, HANDLE, NTSTATUS, RtlNtStatusToDosError, SetLastError,
    UNICODE_STRING, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, INFINITE, WaitForSingleObject};
use windows_sys::Win32::System::WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION;

/// An object that was made, or found.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) handle: OwnedHandle,
    /// It was there already.
    pub(crate) existed: bool,
}

/// The class of `NtQueryObject` that tells a name.
const OBJECT_NAME_INFORMATION: OBJECT_INFORMATION_CLASS = 1;

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

/// A handle of the same object for a process, with these rights or those that it has.
pub(crate) fn duplicate(
    object: &impl AsHandle,
    process: HANDLE,
    rights: Option<u32>,
    goes_to_children: bool,
) -> io::Result<HANDLE> {
    let mut copy = ptr::null_mut();
    let options = match rights {
        Some(_) => 0,
        None => DUPLICATE_SAME_ACCESS,
    };
    // SAFETY: it gives a number that needs no closing.
    let here = unsafe { GetCurrentProcess() };
    // SAFETY: both processes and the object are open, and `copy` is written to.
    let done = unsafe {
        DuplicateHandle(
            here,
            object.as_handle().as_raw_handle(),
            process,
            &mut copy,
            rights.unwrap_or(0),
            goes_to_children.into(),
            options,
        )
    };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(copy),
    }
}

/// A handle of the same object for this process, with these rights.
pub(crate) fn copy_of(
    object: &impl AsHandle,
    rights: u32,
    goes_to_children: bool,
) -> io::Result<OwnedHandle> {
    // SAFETY: it gives a number that needs no closing.
    let here = unsafe { GetCurrentProcess() };
    let copy = duplicate(object, here, Some(rights), goes_to_children)?;
    // SAFETY: a new handle, which nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(copy) })
}

/// Whether what a handle leads to is a file, and not an object without one.
pub(crate) fn is_file(object: &OwnedHandle) -> io::Result<bool> {
    Ok(text_about(object, ObjectTypeInformation)? == "File")
}

/// The kernel's own name of an object, `\Sessions\1\BaseNamedObjects\...`; empty if it has none.
pub(crate) fn name(object: &OwnedHandle) -> io::Result<String> {
    text_about(object, OBJECT_NAME_INFORMATION)
}

/// The text with which what the kernel says about an object begins.
fn text_about(object: &OwnedHandle, class: OBJECT_INFORMATION_CLASS) -> io::Result<String> {
    // A header, aligned, and the text behind it.
    let mut buffer = vec![0_u64; 8192];
    let size = size_of_val(&buffer[..]) as u32;
    // SAFETY: the handle is open, and the buffer as long as we say.
    let status = unsafe {
        NtQueryObject(
            object.as_raw_handle(),
            class,
            buffer.as_mut_ptr().cast(),
            size,
            ptr::null_mut(),
        )
    };
    if status < 0 {
        return Err(failed(status));
    }
    // SAFETY: the API has written this struct there, and a buffer of zeros is one, too.
    let told = unsafe { &*buffer.as_ptr().cast::<UNICODE_STRING>() };
    // SAFETY: the text lies in the buffer.
    Ok(unsafe { text(told) })
}

/// What the kernel's own interface says, as the API would.
pub(super) fn failed(status: NTSTATUS) -> io::Error {
    // SAFETY: it turns a number into another.
    let error = unsafe { RtlNtStatusToDosError(status) };
    io::Error::from_raw_os_error(error as i32)
}

/// A text of the kernel's.
///
/// # Safety
/// It points to as many bytes as it says, or nowhere.
pub(super) unsafe fn text(text: &UNICODE_STRING) -> String {
    if text.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: as the caller says.
    let units = unsafe { std::slice::from_raw_parts(text.Buffer, usize::from(text.Length) / 2) };
    String::from_utf16_lossy(units)
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
        return Err(failed(status));
    }
    // SAFETY: a C struct of integers that was zeroed and then filled in.
    Ok(unsafe { information.assume_init() }.HandleCount)
}
