//! Segments and semaphores of the types that Unix systems have.

use std::io;
use std::ptr::NonNull;
use std::time::Duration;

use super::{
    Detached, Grant, InUse, Lifetime, Origin, Owners, Removal, Spec, Suspect, posix, system_v,
    unsupported,
};
use crate::error::{Op, Result};
use crate::key::{KeyType, NativeIpcKey};

/// An attached segment.
#[derive(Debug)]
pub(crate) enum Segment {
    Posix(posix::segment::Segment),
    SystemV(system_v::segment::Segment),
}

/// Qt's lock, and a counting semaphore between processes.
#[derive(Debug)]
pub(crate) enum Semaphore {
    Posix(posix::semaphore::Semaphore),
    SystemV(system_v::semaphore::Semaphore),
}

/// What the holder of a lock gives back.
#[derive(Debug)]
pub(crate) enum Taken<'s> {
    Posix(posix::semaphore::Taken<'s>),
    SystemV(system_v::semaphore::Taken),
}

/// Whether this system has segments and locks of a type.
pub(crate) fn is_supported(kind: KeyType) -> bool {
    matches!(kind, KeyType::PosixRealtime | KeyType::SystemV(_))
}

/// Makes a segment; an orphan of the key is removed first. A semaphore that was needed for it
/// comes with it.
pub(crate) fn create(
    key: &NativeIpcKey,
    spec: &Spec,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    match key.key_type() {
        KeyType::PosixRealtime => {
            posix::segment::create(key, spec, op).map(|segment| (Segment::Posix(segment), None))
        }
        KeyType::SystemV(_) => system_v::segment::create(key, spec, op)
            .map(|(segment, lock)| (Segment::SystemV(segment), Some(Semaphore::SystemV(lock)))),
        KeyType::Windows => Err(unsupported(key, op)),
    }
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(
    key: &NativeIpcKey,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    Ok(match key.key_type() {
        KeyType::PosixRealtime => {
            posix::segment::attach(key, spec, op)?.map(|segment| (Segment::Posix(segment), None))
        }
        KeyType::SystemV(_) => system_v::segment::attach(key, spec, op)?
            .map(|(segment, lock)| (Segment::SystemV(segment), lock.map(Semaphore::SystemV))),
        KeyType::Windows => return Err(unsupported(key, op)),
    })
}

/// Removes a segment by name.
pub(crate) fn remove(key: &NativeIpcKey, spec: &Spec, in_use: InUse) -> Result<()> {
    match key.key_type() {
        KeyType::PosixRealtime => posix::segment::remove(key, in_use),
        KeyType::SystemV(_) => system_v::segment::remove(key, spec, in_use),
        KeyType::Windows => Err(unsupported(key, Op::Remove)),
    }
}

macro_rules! each {
    ($type:ident, $value:expr, $name:ident => $body:expr) => {
        match $value {
            $type::Posix($name) => $body,
            $type::SystemV($name) => $body,
        }
    };
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        each!(Self, self, segment => segment.address())
    }

    pub(crate) fn size(&self) -> usize {
        each!(Self, self, segment => segment.size)
    }

    pub(crate) fn mode(&self) -> u32 {
        each!(Self, self, segment => segment.mode)
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        each!(Self, self, segment => segment.lifetime)
    }

    pub(crate) fn origin(&self) -> Origin {
        each!(Self, self, segment => segment.origin)
    }

    /// Leaves; the last one out removes what is to be removed.
    pub(crate) fn detach(
        self,
        key: &NativeIpcKey,
        removal: Removal,
        lock: Option<Semaphore>,
    ) -> Result<Detached> {
        match (self, lock) {
            (Self::Posix(segment), lock) => {
                // Its descriptor would look like another user's.
                drop(lock);
                segment.detach(key, removal)
            }
            (Self::SystemV(segment), Some(Semaphore::SystemV(lock))) => {
                segment.detach(key, removal, Some(&lock))
            }
            (Self::SystemV(segment), _) => segment.detach(key, removal, None),
        }
    }
}

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value`.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        trust: Owners,
        op: Op,
    ) -> Result<Self> {
        match key.key_type() {
            KeyType::PosixRealtime => {
                posix::semaphore::Semaphore::open(key, value, mode, trust, op).map(Self::Posix)
            }
            KeyType::SystemV(_) => {
                system_v::semaphore::Semaphore::open(key, value, mode, trust, op).map(Self::SystemV)
            }
            KeyType::Windows => Err(unsupported(key, op)),
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        Ok(match self {
            Self::Posix(lock) => lock.try_lock()?.map(|(t, grant)| (Taken::Posix(t), grant)),
            Self::SystemV(lock) => lock
                .try_lock()?
                .map(|(t, grant)| (Taken::SystemV(t), grant)),
        })
    }

    /// Takes the lock, sleeping at most `limit`; `None` if it was not to be had.
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        Ok(match self {
            Self::Posix(lock) => lock
                .lock_within(limit)?
                .map(|(taken, grant)| (Taken::Posix(taken), grant)),
            Self::SystemV(lock) => lock
                .lock_within(limit)?
                .map(|(taken, grant)| (Taken::SystemV(taken), grant)),
        })
    }

    /// Who may hold the lock.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        each!(Self, self, lock => lock.suspects())
    }

    /// Takes one of the value if it is above 0.
    pub(crate) fn try_acquire(&self) -> io::Result<bool> {
        match self {
            Self::Posix(semaphore) => Ok(semaphore.try_acquire()),
            Self::SystemV(semaphore) => semaphore.acquire_within(None),
        }
    }

    /// Takes one of the value, sleeping for a second at most; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        match self {
            Self::Posix(semaphore) => semaphore.acquire_within(limit),
            Self::SystemV(semaphore) => semaphore.acquire_within(Some(limit)),
        }
    }

    /// Adds `by` to the value.
    pub(crate) fn release(&self, by: u16) -> io::Result<()> {
        match self {
            Self::Posix(semaphore) => {
                (0..by).for_each(|_| semaphore.release());
                Ok(())
            }
            Self::SystemV(semaphore) => {
                semaphore.release(by.try_into().map_err(|_| io::ErrorKind::InvalidInput)?)
            }
        }
    }
}

impl Taken<'_> {
    /// Gives the lock back. `recovered`: the data are right, also after an owner's death.
    #[inline]
    pub(crate) fn give(self, recovered: bool) {
        each!(Taken, self, taken => taken.give(recovered));
    }
}

impl Owners {
    /// Whether a segment of this user is accepted.
    pub(crate) fn admits(self, owner: u32) -> bool {
        match self {
            Self::Anyone => true,
            Self::User(user) if user == owner => true,
            Self::Mine | Self::User(_) => owner == 0 || owner == crate::sys::file::user(),
        }
    }
}

/// A user's name for people, or the number if it has none.
pub(crate) fn user_name(user: u32) -> String {
    match crate::sys::user::name(user) {
        Some(name) => format!("{name} (user {user})"),
        None => format!("user {user}"),
    }
}

/// A size for people; the exact number where the rounded one would hide it.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} bytes");
    }
    let unit = (size.ilog2() / 10) as usize;
    let value = size as f64 / 2f64.powi(unit as i32 * 10);
    let digits = usize::from(value.fract() != 0.0);
    format!("{value:.digits$} {}", UNITS[unit - 1])
}

/// Processes in a sentence.
pub(crate) fn name_suspects(suspects: &[Suspect]) -> String {
    match suspects {
        [] => "a process that cannot be seen from here (another PID namespace or user)".to_owned(),
        suspects => suspects
            .iter()
            .map(|suspect| format!("process {} ({})", suspect.pid, suspect.program))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
