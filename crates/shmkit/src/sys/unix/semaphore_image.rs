//! The bytes of a new semaphore, as this process's C library makes them.
#![expect(unsafe_code, reason = "sem_init")]

use std::mem::{MaybeUninit, size_of};

/// The size of a semaphore.
pub(crate) const SIZE: usize = size_of::<libc::sem_t>();

/// A shared semaphore of this value that nobody has touched yet.
pub(crate) fn new(value: u32) -> [u8; SIZE] {
    let mut semaphore = MaybeUninit::<libc::sem_t>::zeroed();
    // SAFETY: the memory is writable and a `sem_t`'s; a semaphore that is never waited on needs
    // no `sem_destroy` (sem_init(3)).
    unsafe { libc::sem_init(semaphore.as_mut_ptr(), 1, value) };
    let mut image = [0; SIZE];
    // SAFETY: the memory began as zeros, so all its bytes are initialised; they are copied out
    // while it lives.
    let bytes = unsafe { std::slice::from_raw_parts(semaphore.as_ptr().cast::<u8>(), SIZE) };
    image.copy_from_slice(bytes);
    image
}
