//! One error type that knows what was tried, on which key, why it failed and what to do about it.
//!
//! `kind()` is for `match`, `Display` for people, and the operating system's own cause sits in
//! `source()`. There is no blanket conversion from `io::Error`: it would lose the operation and
//! the key.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed, for `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no segment of that key.
    NotFound,
    /// A segment of that key exists and may not be reclaimed.
    AlreadyExists,
    /// The operating system refuses this user.
    PermissionDenied,
    /// The name belongs to another user than the caller trusts (see `Options::owner`).
    ForeignOwner,
    /// Something that is not a segment has the name: a symbolic link, a directory, an empty file.
    NotASegment,
    /// Somebody is attached to the segment.
    InUse,
    /// The key's text or the name in it cannot be used.
    InvalidKey,
    /// The size is zero or larger than the system allows.
    InvalidSize,
    /// An offset or a length lies outside the segment.
    OutOfBounds,
    /// The segment is attached read-only.
    ReadOnly,
    /// A seal forbids it, or one that was demanded is missing.
    Sealed,
    /// What was received is not one of shmkit's messages.
    BadMessage,
    /// Somebody has cut the segment: bytes that it had are not there any more.
    Truncated,
    /// There is not enough memory or room in the memory file system.
    OutOfSpace,
    /// Another limit is used up: descriptors, segments, semaphores.
    OutOfResources,
    /// The lock was not free in time.
    TimedOut,
    /// The wait was ended early; see [`interrupt`](crate::interrupt).
    Interrupted,
    /// The lock is held by somebody else and the caller did not want to wait.
    WouldBlock,
    /// The data of a lock are in doubt: a holder panicked, or died and nobody repaired them.
    Poisoned,
    /// A typed segment is of another type, version or format, or its header cannot be right.
    BadHeader,
    /// The operating system or this build cannot do it.
    Unsupported,
    /// Anything else that the operating system said; see `source()`.
    Os,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "there is no such segment",
            Self::AlreadyExists => "it already exists",
            Self::PermissionDenied => "permission denied",
            Self::ForeignOwner => "it belongs to another user",
            Self::NotASegment => "the name is taken by something that is not a segment",
            Self::InUse => "it is in use",
            Self::InvalidKey => "the key cannot be used",
            Self::InvalidSize => "the size cannot be used",
            Self::OutOfBounds => "outside the segment",
            Self::ReadOnly => "the segment is attached read-only",
            Self::Sealed => "a seal forbids it",
            Self::BadMessage => "the message is not one of shmkit's",
            Self::Truncated => "somebody has cut it",
            Self::OutOfSpace => "not enough memory",
            Self::OutOfResources => "a system limit is used up",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
            Self::WouldBlock => "the lock is held",
            Self::Poisoned => "the lock is poisoned",
            Self::BadHeader => "it does not hold what is asked for",
            Self::Unsupported => "not supported here",
            Self::Os => "the operating system refused",
        }
    }

    /// The kind that an operating-system error stands for where nothing more is known.
    pub(crate) fn of(cause: &io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::Interrupted => Self::Interrupted,
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            io::ErrorKind::Unsupported => Self::Unsupported,
            io::ErrorKind::OutOfMemory | io::ErrorKind::StorageFull => Self::OutOfSpace,
            io::ErrorKind::InvalidFilename => Self::InvalidKey,
            io::ErrorKind::FileTooLarge => Self::InvalidSize,
            _ => Self::Os,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Reading a key from its text form or making one from a name.
    MakeKey,
    /// Creating a segment.
    Create,
    /// Attaching to a segment.
    Attach,
    /// Creating a segment or attaching to it.
    CreateOrAttach,
    /// Detaching from a segment.
    Detach,
    /// Removing a segment by name.
    Remove,
    /// Taking the segment's lock, or acquiring a system semaphore.
    Lock,
    /// Giving the segment's lock back, or releasing a system semaphore.
    Unlock,
    /// Reading from a segment.
    Read,
    /// Writing to a segment.
    Write,
    /// Looking at a segment or listing segments.
    Inspect,
    /// Making a segment larger.
    Grow,
    /// Making a segment smaller.
    Shrink,
    /// Writing a segment to the disk.
    Flush,
    /// Having pages in memory, huge, kept there or on a node.
    Place,
    /// Adding seals.
    Seal,
    /// Giving a segment to another process.
    Send,
    /// Getting a segment from another process.
    Receive,
    /// Waiting for something to happen to a segment.
    Wait,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MakeKey => "use key",
            Self::Create => "create",
            Self::Attach => "attach",
            Self::CreateOrAttach => "create or attach",
            Self::Detach => "detach",
            Self::Remove => "remove",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Read => "read",
            Self::Write => "write",
            Self::Inspect => "inspect",
            Self::Grow => "grow",
            Self::Shrink => "shrink",
            Self::Flush => "flush",
            Self::Place => "place",
            Self::Seal => "seal",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Wait => "wait for",
        })
    }
}

/// An operation that failed: what, on which key, why, and what to do.
#[derive(Debug)]
pub struct Error(Details);

/// Dropped out of line, so that a result of a lock with an error in it can stay in registers.
#[derive(Debug)]
struct Details(Option<Box<Inner>>);

impl Deref for Details {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        self.0.as_deref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Details {
    fn deref_mut(&mut self) -> &mut Inner {
        self.0
            .as_deref_mut()
            .expect("it is there until it is dropped")
    }
}

impl Drop for Details {
    #[inline]
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            discard(inner);
        }
    }
}

#[cold]
#[inline(never)]
fn discard(inner: Box<Inner>) {
    drop(inner);
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    op: Op,
    key: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(op: Op, kind: ErrorKind) -> Self {
        Self(Details(Some(Box::new(Inner {
            kind,
            op,
            key: None,
            detail: None,
            hint: None,
            source: None,
        }))))
    }

    pub(crate) fn os(op: Op, cause: io::Error) -> Self {
        Self::new(op, ErrorKind::of(&cause)).because(cause)
    }

    /// The key in its text form; the first one said stays.
    pub(crate) fn on(mut self, key: impl fmt::Display) -> Self {
        self.0.key.get_or_insert_with(|| key.to_string());
        self
    }

    /// The cause in words, instead of the kind's general ones.
    pub(crate) fn detail(mut self, text: impl Into<String>) -> Self {
        self.0.detail = Some(text.into());
        self
    }

    /// What the user can do about it.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.0.hint = Some(text.into());
        self
    }

    pub(crate) fn because(mut self, cause: io::Error) -> Self {
        self.0.source = Some(cause);
        self
    }

    /// A kind that is truer than what the system's error number stands for in general.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Why it failed, for `match`.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was tried.
    pub fn op(&self) -> Op {
        self.0.op
    }

    /// The key, in its text form, where one was involved.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// What can be done about it, as a sentence without a full stop, where there is advice.
    pub fn help(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The operating system's error number (`errno`, `GetLastError`), where it was the cause.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.as_ref()?.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.0.op)?;
        if let Some(key) = &self.0.key {
            write!(f, " {key}")?;
        }
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}")?,
            None => write!(f, ": {}", self.0.kind)?,
        }
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|cause| cause as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::AlreadyExists => io::ErrorKind::AlreadyExists,
            ErrorKind::PermissionDenied
            | ErrorKind::ForeignOwner
            | ErrorKind::ReadOnly
            | ErrorKind::Sealed => io::ErrorKind::PermissionDenied,
            ErrorKind::InvalidKey | ErrorKind::InvalidSize | ErrorKind::OutOfBounds => {
                io::ErrorKind::InvalidInput
            }
            ErrorKind::NotASegment | ErrorKind::BadHeader | ErrorKind::Poisoned => {
                io::ErrorKind::InvalidData
            }
            ErrorKind::InUse => io::ErrorKind::ResourceBusy,
            ErrorKind::OutOfSpace | ErrorKind::OutOfResources => io::ErrorKind::OutOfMemory,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Interrupted => io::ErrorKind::Interrupted,
            ErrorKind::WouldBlock => io::ErrorKind::WouldBlock,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::BadMessage => io::ErrorKind::InvalidData,
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::Os => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
