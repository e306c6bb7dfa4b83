//! Qt's errors: their numbers, and where an object keeps its last one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What went wrong with a [`QSharedMemory`](super::QSharedMemory), with Qt's numbers.
///
/// ```
/// # use shmkit::qt::SharedMemoryError;
/// assert_eq!(SharedMemoryError::NotFound.number(), 5);
/// ```
#[doc(alias = "QSharedMemory::SharedMemoryError")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum SharedMemoryError {
    /// Nothing.
    #[default]
    NoError = 0,
    /// The caller may not do that.
    PermissionDenied = 1,
    /// The size is not above 0, or above what the system allows.
    InvalidSize = 2,
    /// The key is empty or cannot be used.
    KeyError = 3,
    /// There is a segment of that key.
    AlreadyExists = 4,
    /// There is no segment of that key.
    NotFound = 5,
    /// The lock was not to be had.
    LockError = 6,
    /// There is not enough memory, or another limit is used up.
    OutOfResources = 7,
    /// Anything else.
    UnknownError = 8,
}

impl SharedMemoryError {
    /// Qt's number.
    ///
    /// ```
    /// # use shmkit::qt::SharedMemoryError;
    /// assert_eq!(SharedMemoryError::UnknownError.number(), 8);
    /// ```
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// What went wrong with a [`QSystemSemaphore`](super::QSystemSemaphore), with Qt's numbers, which
/// are not those of [`SharedMemoryError`].
///
/// ```
/// # use shmkit::qt::SystemSemaphoreError;
/// assert_eq!(SystemSemaphoreError::NotFound.number(), 4);
/// ```
#[doc(alias = "QSystemSemaphore::SystemSemaphoreError")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum SystemSemaphoreError {
    /// Nothing.
    #[default]
    NoError = 0,
    /// The caller may not do that.
    PermissionDenied = 1,
    /// The key is empty or cannot be used.
    KeyError = 2,
    /// There is a semaphore of that key.
    AlreadyExists = 3,
    /// There is no semaphore of that key.
    NotFound = 4,
    /// A limit is used up.
    OutOfResources = 5,
    /// Anything else.
    UnknownError = 6,
}

impl SystemSemaphoreError {
    /// Qt's number.
    ///
    /// ```
    /// # use shmkit::qt::SystemSemaphoreError;
    /// assert_eq!(SystemSemaphoreError::UnknownError.number(), 6);
    /// ```
    pub const fn number(self) -> i32 {
        self as i32
    }
}

impl From<SystemSemaphoreError> for SharedMemoryError {
    /// The error of the same name.
    fn from(error: SystemSemaphoreError) -> Self {
        match error {
            SystemSemaphoreError::NoError => Self::NoError,
            SystemSemaphoreError::PermissionDenied => Self::PermissionDenied,
            SystemSemaphoreError::KeyError => Self::KeyError,
            SystemSemaphoreError::AlreadyExists => Self::AlreadyExists,
            SystemSemaphoreError::NotFound => Self::NotFound,
            SystemSemaphoreError::OutOfResources => Self::OutOfResources,
            SystemSemaphoreError::UnknownError => Self::UnknownError,
        }
    }
}

/// An error with its text.
#[derive(Debug, Clone, Default)]
pub(super) struct Report<E> {
    pub(super) error: E,
    pub(super) text: String,
}

impl<E> Report<E> {
    pub(super) fn new(error: E, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { error, text }
    }
}

/// The last error of an object. Methods that share the object set it too.
#[derive(Debug, Default)]
pub(super) struct LastError<E>(Mutex<Report<E>>);

impl<E: Copy + Default> LastError<E> {
    fn report(&self) -> MutexGuard<'_, Report<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, report: Report<E>) {
        *self.report() = report;
    }

    pub(super) fn clear(&self) {
        self.set(Report::default());
    }

    pub(super) fn error(&self) -> E {
        self.report().error
    }

    pub(super) fn text(&self) -> String {
        self.report().text.clone()
    }
}
