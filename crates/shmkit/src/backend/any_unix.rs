//! Segments and semaphores of the types that Unix systems have.

use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use super::file::Left;
use super::target::directory_of;
use super::{
    Detached, Examined, FsKind, Grant, InUse, Lifetime, Medium, Origin, Owners, Removal, Seals,
    Spec, Suspect, Target, file, posix, system_v, unsupported,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;

/// An attached segment.
#[derive(Debug)]
pub(crate) enum Segment {
    Posix(file::Segment),
    File(file::Segment),
    SystemV(system_v::segment::Segment),
}

/// Qt's lock, and a counting semaphore between processes.
#[derive(Debug)]
pub(crate) enum Semaphore {
    Posix(posix::semaphore::Semaphore),
    SystemV(system_v::semaphore::Semaphore),
}

/// What the holder of a lock gives back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken<'s> {
    Posix(posix::semaphore::Taken<'s>),
    SystemV(system_v::semaphore::Taken),
}

/// Makes a segment; an orphan of the name is removed first. A semaphore that was needed for it
/// comes with it.
pub(crate) fn create(target: &Target, spec: &Spec, op: Op) -> Result<(Segment, Option<Semaphore>)> {
    let made = match target {
        Target::Key(key) => return create_named(key, spec, op),
        Target::File(path) => file::directory::check(directory_of(path), spec, op)
            .and_then(|()| file::create(path, spec, op, || {})),
        Target::Unnamed(directory) => file::create_unnamed(directory, spec, op),
        Target::Memory(name) => file::create_memory(name, spec, op),
    };
    match made {
        Ok(segment) => Ok((Segment::File(segment), None)),
        Err(error) => Err(error.on(target)),
    }
}

fn create_named(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<(Segment, Option<Semaphore>)> {
    match key.key_type() {
        KeyType::PosixRealtime => {
            posix::segment::create(key, spec, op).map(|segment| (Segment::Posix(segment), None))
        }
        KeyType::SystemV(_) => {
            check_system_v(key, spec, op)?;
            system_v::segment::create(key, spec, op)
                .map(|(segment, lock)| (Segment::SystemV(segment), Some(Semaphore::SystemV(lock))))
        }
        KeyType::Windows => Err(unsupported(key, op)),
    }
}

/// Makes a segment of the contents and of their size; an orphan of the name is removed first.
pub(crate) fn create_from(
    target: &Target,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    let made = match target {
        Target::Key(key) => return create_named_from(key, spec, contents, op),
        Target::File(path) => file::directory::check(directory_of(path), spec, op)
            .and_then(|()| file::create_from(path, spec, contents, op, || {})),
        Target::Unnamed(directory) => file::create_unnamed_from(directory, spec, contents, op),
        Target::Memory(name) => file::create_memory_from(name, spec, contents, op),
    };
    match made {
        Ok(segment) => Ok((Segment::File(segment), None)),
        Err(error) => Err(error.on(target)),
    }
}

fn create_named_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    match key.key_type() {
        KeyType::PosixRealtime => posix::segment::create_from(key, spec, contents, op)
            .map(|segment| (Segment::Posix(segment), None)),
        KeyType::SystemV(_) => {
            check_system_v(key, spec, op)?;
            system_v::contents::create_from(key, spec, contents, op)
                .map(|(segment, lock)| (Segment::SystemV(segment), Some(Semaphore::SystemV(lock))))
        }
        KeyType::Windows => Err(unsupported(key, op)),
    }
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(
    target: &Target,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    match target {
        Target::Key(key) => attach_named(key, spec, op),
        Target::File(path) => match file::attach(path, spec, op) {
            Ok(segment) => Ok(segment.map(|segment| (Segment::File(segment), None))),
            Err(error) => Err(error.on(target)),
        },
        Target::Unnamed(_) | Target::Memory(_) => {
            Err(Error::new(op, ErrorKind::NotFound).on(target))
        }
    }
}

fn attach_named(
    key: &NativeIpcKey,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    Ok(match key.key_type() {
        KeyType::PosixRealtime => {
            posix::segment::attach(key, spec, op)?.map(|segment| (Segment::Posix(segment), None))
        }
        KeyType::SystemV(_) => {
            check_system_v(key, spec, op)?;
            system_v::segment::attach(key, spec, op)?
                .map(|(segment, lock)| (Segment::SystemV(segment), lock.map(Semaphore::SystemV)))
        }
        KeyType::Windows => return Err(unsupported(key, op)),
    })
}

/// Attaches to what a descriptor leads to.
pub(crate) fn adopt(fd: OwnedFd, target: &Target, spec: &Spec, op: Op) -> Result<Segment> {
    match file::adopt(fd, spec, op) {
        Ok(segment) if target.key().is_some() => Ok(Segment::Posix(segment)),
        Ok(segment) => Ok(Segment::File(segment)),
        Err(error) => Err(error.on(target)),
    }
}

/// Whether a descriptor leads to the segment that the key leads to.
pub(crate) fn is_of_key(fd: &OwnedFd, key: &NativeIpcKey) -> bool {
    key.key_type() == KeyType::PosixRealtime && posix::segment::is_of_key(fd, key)
}

/// What a descriptor leads to: a file, if it still has its name.
pub(crate) fn target_of(fd: &OwnedFd) -> Target {
    use crate::sys::file as files;
    let path = files::path_of(fd.as_fd()).unwrap_or_default();
    let named = files::status_of_name(&path);
    if let (Ok(named), Ok(status)) = (named, files::status(fd))
        && named.id == status.id
    {
        return Target::File(path);
    }
    let name = path.to_string_lossy();
    let name = name.strip_prefix("/memfd:").unwrap_or(&name);
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    Target::Memory(name.to_owned())
}

pub(crate) use file::{sweep, temporary_name};

/// System V has no files, so nothing that only files can do.
fn check_system_v(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<()> {
    if spec.offset == 0 && spec.length.is_none() && !spec.private && spec.capacity == 0 {
        return Ok(());
    }
    Err(Error::new(op, ErrorKind::Unsupported)
        .on(key)
        .detail("System V segments are attached as a whole, shared, and do not grow")
        .hint("use a POSIX key, a file or a memfd"))
}

pub(crate) use crate::sys::checked::copy as copy_checked;

/// What a directory is like.
pub(crate) fn examine_directory(directory: &Path) -> Result<Examined> {
    file::directory::examine(directory)
}

/// Removes a file that is a segment.
pub(crate) fn remove_file(target: &Target, path: &Path, in_use: InUse) -> Result<()> {
    file::remove(path, in_use).map_err(|error| error.on(target))
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

macro_rules! each_segment {
    ($value:expr, $name:ident => $body:expr) => {
        match $value {
            Segment::Posix($name) | Segment::File($name) => $body,
            Segment::SystemV($name) => $body,
        }
    };
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        each_segment!(self, segment => segment.address())
    }

    pub(crate) fn size(&self) -> usize {
        each_segment!(self, segment => segment.size())
    }

    pub(crate) fn mode(&self) -> u32 {
        each_segment!(self, segment => segment.mode())
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        each_segment!(self, segment => segment.lifetime())
    }

    pub(crate) fn origin(&self) -> Origin {
        each_segment!(self, segment => segment.origin())
    }

    /// The file, for what only files can do.
    pub(crate) fn file(&self) -> Option<&file::Segment> {
        match self {
            Self::Posix(segment) | Self::File(segment) => Some(segment),
            Self::SystemV(_) => None,
        }
    }

    /// Whether it can only be read, whatever it was attached for.
    pub(crate) fn reads_only(&self) -> bool {
        self.file()
            .is_some_and(|segment| segment.access() == Access::ReadOnly)
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        self.file().and_then(file::Segment::warning)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.file().map_or(self.size(), file::Segment::capacity)
    }

    pub(crate) fn grow(&self, size: usize) -> Result<()> {
        self.file_for(Op::Grow)?.grow(size)
    }

    pub(crate) fn shrink(&self, size: usize, in_use: bool) -> Result<()> {
        self.file_for(Op::Shrink)?.shrink(size, in_use)
    }

    pub(crate) fn refresh(&self) -> Result<usize> {
        self.file().map_or(Ok(self.size()), file::Segment::refresh)
    }

    pub(crate) fn wait_for_growth(&self, size: usize, limit: Duration) -> Result<Option<usize>> {
        self.file_for(Op::Inspect)?.wait_for_growth(size, limit)
    }

    /// Memory without a file has nowhere to be written to.
    pub(crate) fn flush(&self, offset: usize, len: usize, wait: bool) -> Result<()> {
        self.file()
            .map_or(Ok(()), |segment| segment.flush(offset, len, wait))
    }

    pub(crate) fn seals(&self) -> Result<Seals> {
        self.file().map_or(Ok(Seals::NONE), file::Segment::seals)
    }

    pub(crate) fn add_seals(&self, seals: Seals) -> Result<()> {
        self.file_for(Op::Seal)?.add_seals(seals)
    }

    /// Gives up writing and seals it for good; it is as it was if that fails.
    /// Afterwards it may be attached for reading only, and then `reads_only` says so.
    pub(crate) fn seal(&mut self) -> Result<()> {
        match self {
            Self::File(segment) => segment.seal(),
            Self::Posix(_) | Self::SystemV(_) => Err(Error::new(Op::Seal, ErrorKind::Unsupported)
                .detail("it takes no seals")
                .hint("memfds take seals; files and named segments do not")),
        }
    }

    /// A descriptor of the file for others, with a description that is not this user's.
    pub(crate) fn to_fd(&self, access: Access) -> Result<OwnedFd> {
        self.file_for(Op::Send)?.to_fd(access)
    }

    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        match self.file() {
            Some(segment) => segment.fs_kind(),
            None => Ok(FsKind {
                medium: Medium::Memory,
                name: "System V".to_owned(),
            }),
        }
    }

    fn file_for(&self, op: Op) -> Result<&file::Segment> {
        self.file().ok_or_else(|| {
            let error = Error::new(op, ErrorKind::Unsupported);
            match op {
                Op::Send => error
                    .detail("a System V segment has no descriptor")
                    .hint("send its key, or use a memfd or a file"),
                _ => error
                    .detail("a System V segment is as it was made")
                    .hint("use a POSIX key, a file or a memfd"),
            }
        })
    }

    /// Leaves; the last one out removes what is to be removed.
    pub(crate) fn detach(
        self,
        target: &Target,
        removal: Removal,
        lock: Option<Semaphore>,
    ) -> Result<Detached> {
        match (self, target, lock) {
            (Self::Posix(segment), Target::Key(key), lock) => {
                // Its descriptor would look like another user's.
                drop(lock);
                posix::segment::detach(segment, key, removal)
            }
            (Self::SystemV(segment), Target::Key(key), Some(Semaphore::SystemV(lock))) => {
                segment.detach(key, removal, Some(&lock))
            }
            (Self::SystemV(segment), Target::Key(key), _) => segment.detach(key, removal, None),
            (Self::Posix(segment) | Self::File(segment), _, _) => {
                match segment.leave(removal).map_err(|error| error.on(target))? {
                    Left::Removed => Ok(Detached::Removed),
                    Left::Remains | Left::WithoutName => Ok(Detached::Remains),
                }
            }
            (Self::SystemV(_), _, _) => unreachable!("System V segments have keys"),
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

    /// Takes the lock if that needs no system call. `None` says nothing.
    #[inline]
    pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
        match self {
            Self::Posix(lock) => lock.lock_at_once().map(Taken::Posix),
            Self::SystemV(_) => None,
        }
    }

    /// Takes the lock if it is free.
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

    /// The lock of a ticket; `None` if it is no ticket of this semaphore.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Taken<'_>> {
        match (self, ticket) {
            (Self::Posix(lock), Ticket::Posix(ticket)) => lock.redeem(ticket).map(Taken::Posix),
            (Self::SystemV(_), Ticket::SystemV(taken)) => Some(Taken::SystemV(taken)),
            _ => None,
        }
    }

    /// Takes one of the value, sleeping at most about `limit`; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        match self {
            Self::Posix(semaphore) => semaphore.acquire_within(limit),
            Self::SystemV(semaphore) => {
                semaphore.acquire_within(Some(limit).filter(|limit| !limit.is_zero()))
            }
        }
    }

    /// Adds `by` to the value, all or nothing.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        each!(Self, self, semaphore => semaphore.release(by))
    }

    /// Sets the value, for all who have the semaphore open.
    pub(crate) fn set_value(&self, value: u32) -> io::Result<()> {
        each!(Self, self, semaphore => semaphore.set_value(value))
    }

    /// Ends the use of a lock whose segment is about to be left as well.
    pub(crate) fn leave_with(self, segment: &NativeIpcKey) {
        if let Self::SystemV(lock) = self {
            lock.leave_to_others(segment);
        }
    }

    /// Ends the use of a lock that was opened beside `segment`, and removes it if there is no such
    /// segment and nobody else uses it.
    pub(crate) fn leave_lock(self, segment: &NativeIpcKey) {
        match self {
            Self::Posix(lock) => {
                drop(lock);
                posix::semaphore::remove_without_segment(segment);
            }
            Self::SystemV(lock) => lock.remove_without_segment(segment),
        }
    }

    /// Ends the use of a semaphore that counts; the last one out removes it if shmkit made it or
    /// the caller `owns` it.
    pub(crate) fn leave_counting(self, key: &NativeIpcKey, presence: Option<Presence>, owns: bool) {
        drop(presence);
        match self {
            Self::Posix(semaphore) => {
                drop(semaphore);
                posix::semaphore::remove_counting(key, owns);
            }
            Self::SystemV(semaphore) => semaphore.remove_counting(owns),
        }
    }
}

/// What the holder of a lock gives back, without the borrow; see [`Semaphore::redeem`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ticket {
    Posix(posix::semaphore::Ticket),
    SystemV(system_v::semaphore::Taken),
}

/// Says that its owner counts with a semaphore, where the kernel cannot say so.
#[derive(Debug)]
pub(crate) struct Presence(system_v::presence::Presence);

impl Presence {
    /// `None` where it is of no use.
    pub(crate) fn announce(key: &NativeIpcKey) -> Option<Self> {
        match key.key_type() {
            KeyType::SystemV(_) => system_v::presence::Presence::announce(key).map(Self),
            KeyType::PosixRealtime | KeyType::Windows => None,
        }
    }

    /// Whether it is this process's own, and not the one of the process that it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.0.is_own()
    }
}

impl Taken<'_> {
    /// See [`Semaphore::redeem`].
    pub(crate) fn ticket(self) -> Ticket {
        match self {
            Self::Posix(taken) => Ticket::Posix(taken.ticket()),
            Self::SystemV(taken) => Ticket::SystemV(taken),
        }
    }

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

/// A counting semaphore's refusal.
pub(crate) fn explain(cause: io::Error, op: Op) -> Error {
    let is_limit = cause.raw_os_error() == Some(libc::ERANGE);
    let error = Error::os(op, cause);
    match is_limit {
        true => error.with_kind(ErrorKind::OutOfResources),
        false => error,
    }
}

/// Whoever may read or write the segment may lock it, and locking is writing.
pub(crate) fn semaphore_mode(mode: u32) -> u32 {
    [6, 3, 0]
        .into_iter()
        .filter(|class| mode >> class & 0o6 != 0)
        .map(|class| 0o6 << class)
        .sum()
}

/// A user's name for people, or the number if it has none.
pub(crate) fn user_name(user: u32) -> String {
    match crate::sys::user::name(user) {
        Some(name) => format!("{name} (user {user})"),
        None => format!("user {user}"),
    }
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
