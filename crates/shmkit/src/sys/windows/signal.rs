//! Named semaphores, events and mutexes.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateMutexW, CreateSemaphoreW, OpenEventW, OpenSemaphoreW, ReleaseMutex,
    ReleaseSemaphore, SEMAPHORE_MODIFY_STATE, SYNCHRONIZATION_SYNCHRONIZE, SetEvent,
};

use super::object::{self, Made, wide};
use super::security::Descriptor;

/// The largest value of a semaphore, which Qt's have, too.
const MOST: i32 = i32::MAX;

/// Makes a semaphore of this value, or opens the one that has the name.
pub(crate) fn semaphore(text: &str, value: u32, security: &Descriptor) -> io::Result<Made> {
    let name = wide(text)?;
    let value = i32::try_from(value).unwrap_or(MOST);
    let attributes = security.attributes();
    // SAFETY: the descriptor and the name, which ends with a zero, live during the call.
    let made = object::make(|| unsafe { CreateSemaphoreW(attributes, value, MOST, name.as_ptr()) });
    match made {
        // The right to make one includes all; those who may only use it open it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Made {
            handle: open_semaphore(text)?,
            existed: true,
        }),
        made => made,
    }
}

/// Opens the semaphore of a name.
pub(crate) fn open_semaphore(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    let rights = SEMAPHORE_MODIFY_STATE | SYNCHRONIZATION_SYNCHRONIZE;
    // SAFETY: the name ends with a zero and lives during the call.
    object::open(|| unsafe { OpenSemaphoreW(rights, 0, name.as_ptr()) })
}

/// Adds to the value, all or nothing.
pub(crate) fn release(semaphore: &OwnedHandle, by: u32) -> io::Result<()> {
    let by = i32::try_from(by).unwrap_or(MOST);
    // SAFETY: the handle is open, and the value before is not asked for.
    succeeded(unsafe { ReleaseSemaphore(semaphore.as_raw_handle(), by, ptr::null_mut()) })
}

/// Makes an event that wakes one sleeper each time it is set, or opens the one that has the name.
pub(crate) fn event(name: &str, security: &Descriptor) -> io::Result<Made> {
    let name = wide(name)?;
    let attributes = security.attributes();
    // SAFETY: the descriptor and the name, which ends with a zero, live during the call.
    object::make(|| unsafe { CreateEventW(attributes, 0, 0, name.as_ptr()) })
}

/// Sets an event.
pub(crate) fn set(event: &OwnedHandle) -> io::Result<()> {
    // SAFETY: the handle is open.
    succeeded(unsafe { SetEvent(event.as_raw_handle()) })
}

/// Opens the event of a name.
pub(crate) fn open_event(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    // SAFETY: the name ends with a zero and lives during the call.
    object::open(|| unsafe { OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, name.as_ptr()) })
}

/// Whether there is an event of this name.
pub(crate) fn is_there(name: &str) -> io::Result<bool> {
    match open_event(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes a mutex that nobody has, or opens the one that has the name.
pub(crate) fn mutex(name: &str, security: &Descriptor) -> io::Result<Made> {
    let name = wide(name)?;
    let attributes = security.attributes();
    // SAFETY: the descriptor and the name, which ends with a zero, live during the call.
    object::make(|| unsafe { CreateMutexW(attributes, 0, name.as_ptr()) })
}

/// Gives a mutex back that this thread has.
pub(crate) fn give(mutex: &OwnedHandle) -> io::Result<()> {
    // SAFETY: the handle is open.
    succeeded(unsafe { ReleaseMutex(mutex.as_raw_handle()) })
}

fn succeeded(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
