//! From our errors to Qt's: the number, and the text that programs may search for.

use std::error::Error as _;
use std::io;
use std::path::Path;

use super::error::{Report, SharedMemoryError, SystemSemaphoreError};
use crate::error::{Error, ErrorKind, Op};
use crate::key::{KeyType, NativeIpcKey};

pub(super) type MemoryReport = Report<SharedMemoryError>;
pub(super) type SemaphoreReport = Report<SystemSemaphoreError>;

/// The longest file name, and the longest name of a POSIX semaphore.
const LONGEST_NAME: usize = 255;
const LONGEST_SEMAPHORE: usize = LONGEST_NAME - "sem.".len();

const INVALID_ARGUMENT: &str = "unknown error: Invalid argument";

/// Where Qt looks at keys; its System V half has a colon too many.
fn handle(is_posix: bool) -> &'static str {
    match is_posix {
        true => "QSystemSemaphore::handle",
        false => "QSystemSemaphore::handle:",
    }
}

fn is_posix(key: &NativeIpcKey) -> bool {
    key.key_type() == KeyType::PosixRealtime
}

fn is_windows(key: &NativeIpcKey) -> bool {
    key.key_type() == KeyType::Windows
}

/// What the operating system calls the cause.
fn cause(error: &Error) -> String {
    match error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
    {
        Some(cause) => system_text(cause),
        None => error.kind().to_string(),
    }
}

/// The text of `strerror(3)`, to which std adds the number.
pub(super) fn system_text(cause: &io::Error) -> String {
    let text = cause.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

/// The key of the segment is empty, or of a type that does not work here.
pub(super) fn no_lock_key(has_type: bool, is_posix: bool) -> SemaphoreReport {
    let text = match has_type {
        false => "QSystemSemaphore::setNativeKey: unsupported key type".to_owned(),
        true => format!("{}: key is empty", handle(is_posix)),
    };
    Report::new(SystemSemaphoreError::KeyError, text)
}

/// The key of a Windows segment is empty: there the lock does not mind.
pub(super) fn no_windows_key(creates: bool) -> MemoryReport {
    let text = match creates {
        true => "QSharedMemory::create: key error",
        false => "QSharedMemory::handle: unable to make key",
    };
    Report::new(SharedMemoryError::KeyError, text)
}

/// What Qt says of a semaphore's key that is not empty and yet cannot be one. Nothing is made to
/// find that out.
pub(super) fn bad_semaphore_key(key: &NativeIpcKey) -> Option<SemaphoreReport> {
    if is_windows(key) {
        // Windows says it when it is asked.
        return None;
    }
    let native = key.native_key();
    let refused = |error, text: &str| {
        Some(Report::new(
            error,
            format!("{}: {text}", handle(is_posix(key))),
        ))
    };
    if native.contains('\0') {
        return refused(
            SystemSemaphoreError::KeyError,
            "key has a NUL character inside",
        );
    }
    if is_posix(key) {
        let name = native.trim_start_matches('/');
        return match name.len() {
            _ if name.contains('/') || name.is_empty() => {
                refused(SystemSemaphoreError::UnknownError, INVALID_ARGUMENT)
            }
            _ if matches!(name, "." | "..") => refused(SystemSemaphoreError::KeyError, "bad name"),
            length if length <= LONGEST_SEMAPHORE => None,
            length if length <= LONGEST_NAME => {
                refused(SystemSemaphoreError::KeyError, "key too long")
            }
            _ => refused(SystemSemaphoreError::UnknownError, INVALID_ARGUMENT),
        };
    }
    let path = Path::new(native);
    let is_long = path
        .file_name()
        .is_some_and(|name| name.len() > LONGEST_NAME);
    let has_folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => true,
        Some(folder) => folder.is_dir(),
        None => true,
    };
    match has_folder && !is_long {
        true => None,
        false => refused(SystemSemaphoreError::KeyError, "unable to make key"),
    }
}

/// A semaphore that could not be opened.
pub(super) fn semaphore(key: &NativeIpcKey, error: &Error) -> SemaphoreReport {
    use SystemSemaphoreError as Code;
    let is_limit = matches!(
        error.kind(),
        ErrorKind::OutOfSpace | ErrorKind::OutOfResources
    );
    // A key file that exists will do, so one that does not could not be made.
    let is_file = !is_posix(key) && !is_windows(key);
    let has_no_file = is_file && !is_limit && !Path::new(key.native_key()).exists();
    if has_no_file || error.kind() == ErrorKind::InvalidKey {
        let text = format!("{}: unable to make key", handle(is_posix(key)));
        return Report::new(Code::KeyError, text);
    }
    let (code, text) = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ForeignOwner => {
            (Code::PermissionDenied, "permission denied".to_owned())
        }
        ErrorKind::NotFound => (Code::NotFound, "does not exist".to_owned()),
        ErrorKind::AlreadyExists => (Code::AlreadyExists, "already exists".to_owned()),
        _ if is_limit => (Code::OutOfResources, "out of resources".to_owned()),
        _ => (
            Code::UnknownError,
            format!("unknown error: {}", cause(error)),
        ),
    };
    Report::new(code, format!("QSystemSemaphore::handle: {text}"))
}

/// The semaphore's error as the segment's.
pub(super) fn on_lock(semaphore: SemaphoreReport) -> MemoryReport {
    let text = format!(
        "QSharedMemoryPrivate::initKey: unable to set key on lock ({})",
        semaphore.text
    );
    Report::new(semaphore.error.into(), text)
}

/// A segment that could not be created or attached.
pub(super) fn memory(key: &NativeIpcKey, op: Op, error: &Error) -> MemoryReport {
    use SharedMemoryError as Code;
    let creates = op == Op::Create;
    if is_windows(key) {
        return windows_memory(creates, error);
    }
    let at = match (is_posix(key), creates) {
        (true, _) => "QSharedMemory::attach (shm_open)",
        (false, true) => "QSharedMemory::create",
        (false, false) => "QSharedMemory::attach (shmget)",
    };
    let (code, at, text) = match error.kind() {
        ErrorKind::AlreadyExists => (Code::AlreadyExists, at, "already exists".into()),
        ErrorKind::NotASegment if creates => (Code::AlreadyExists, at, "already exists".into()),
        // Qt takes the lock first, and for that makes the file of a key that is not a legacy one.
        ErrorKind::NotFound
            if !is_posix(key)
                && key.legacy_key().is_some()
                && !Path::new(key.native_key()).exists() =>
        {
            (
                Code::NotFound,
                "QSharedMemory::handle",
                "doesn't exist".into(),
            )
        }
        ErrorKind::NotFound => (Code::NotFound, at, "doesn't exist".into()),
        // The lock is what is refused first.
        ErrorKind::PermissionDenied | ErrorKind::ForeignOwner => {
            let label = match is_posix(key) && creates {
                true => "QSystemSemaphore::handle (sem_unlink)",
                false => "QSystemSemaphore::handle",
            };
            let code = SystemSemaphoreError::PermissionDenied;
            return on_lock(Report::new(code, format!("{label}: permission denied")));
        }
        ErrorKind::InvalidKey => return on_lock(semaphore(key, error)),
        ErrorKind::OutOfResources if is_posix(key) => return on_lock(semaphore(key, error)),
        ErrorKind::OutOfSpace | ErrorKind::OutOfResources => {
            let at = match is_posix(key) {
                true => "QSharedMemory::attach (mmap)",
                false => at,
            };
            (Code::OutOfResources, at, "out of resources".into())
        }
        ErrorKind::InvalidSize => (
            Code::InvalidSize,
            "QSharedMemory::handle",
            "system-imposed size restrictions".into(),
        ),
        ErrorKind::TimedOut => {
            let at = match creates {
                true => "QSharedMemory::create",
                false => "QSharedMemory::attach",
            };
            (Code::LockError, at, "unable to lock".into())
        }
        ErrorKind::NotASegment => match error.source().and_then(|cause| cause.downcast_ref()) {
            Some(cause) if io::Error::kind(cause) == io::ErrorKind::IsADirectory => {
                (Code::KeyError, at, "bad name".into())
            }
            Some(cause) => (
                Code::UnknownError,
                at,
                format!("unknown error: {}", system_text(cause)),
            ),
            None => (
                Code::UnknownError,
                "QSharedMemory::attach (mmap)",
                INVALID_ARGUMENT.into(),
            ),
        },
        _ => (
            Code::UnknownError,
            at,
            format!("unknown error: {}", cause(error)),
        ),
    };
    Report::new(code, format!("{at}: {text}"))
}

/// The same on Windows, where the lock is never in the way.
fn windows_memory(creates: bool, error: &Error) -> MemoryReport {
    use SharedMemoryError as Code;
    let at = match creates {
        true => "QSharedMemory::create",
        false => "QSharedMemory::handle",
    };
    let (code, text) = match error.kind() {
        ErrorKind::AlreadyExists => (Code::AlreadyExists, "already exists".to_owned()),
        ErrorKind::NotFound => (Code::NotFound, "doesn't exist".to_owned()),
        ErrorKind::PermissionDenied | ErrorKind::ForeignOwner => {
            (Code::PermissionDenied, "permission denied".to_owned())
        }
        ErrorKind::OutOfSpace | ErrorKind::OutOfResources => {
            (Code::OutOfResources, "out of resources".to_owned())
        }
        ErrorKind::InvalidSize => (Code::InvalidSize, "invalid size".to_owned()),
        _ => (
            Code::UnknownError,
            format!("unknown error: {}", cause(error)),
        ),
    };
    Report::new(code, format!("{at}: {text}"))
}
