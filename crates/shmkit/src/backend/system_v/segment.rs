//! A System V segment: created, attached and removed under its lock, as Qt does, so that nobody
//! loses it in between. The kernel counts who is attached.
#![expect(
    unsafe_code,
    reason = "shmdt, and an address that may go to other threads"
)]

use std::io;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::key_file::{self, KeyFile};
use super::semaphore::{Semaphore, Taken};
use crate::backend::{
    Detached, Grant, InUse, Lifetime, Origin, Orphans, Removal, Spec, bytes, semaphore_key,
    user_name,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::memory::Pages;
use crate::sys::system_v::{self, SegmentStatus};

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment {
    at: NonNull<u8>,
    id: i32,
    file: KeyFile,
    path: String,
    pub(crate) size: usize,
    pub(crate) mode: u32,
    pub(crate) lifetime: Lifetime,
    pub(crate) origin: Origin,
}

// SAFETY: `at` is an address of memory shared between processes; only `detach` uses it.
unsafe impl Send for Segment {}
// SAFETY: as above; there are no methods on `&self` that use it.
unsafe impl Sync for Segment {}

/// How long a creator waits for somebody who holds the lock of a segment that nobody is attached
/// to: another creator, or one that is just leaving.
const CREATE_PATIENCE: Duration = Duration::from_secs(5);

/// How long one who attaches or leaves waits for the lock. Who holds it longer works with the
/// segment, is therefore attached, and so keeps it from being removed.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// How often a key file or a segment may vanish under us before we say so.
pub(super) const ATTEMPTS: u32 = 1000;

/// Makes a segment; an orphan of the key is removed first.
pub(crate) fn create(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<(Segment, Semaphore)> {
    let (path, project) = key_file::parts(key, op)?;
    // Said before anything is made that would have to be removed again.
    if let Ok(file) = KeyFile::find(path, project) {
        refuse_taken(&file, path, op).map_err(|error| error.on(key))?;
    }
    let semaphore = open_semaphore(key, spec, op)?;
    let taken = lock_for_create(&semaphore, op).map_err(|error| error.on(key))?;
    let created = create_locked(path, project, spec, op);
    match &created {
        // New data are right, whoever died with the old ones.
        Ok(_) => taken.0.give(true),
        Err(_) => {
            leave_nothing(path, project, &semaphore);
            give_unchanged(taken);
        }
    }
    Ok((created.map_err(|error| error.on(key))?, semaphore))
}

fn open_semaphore(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Semaphore> {
    Semaphore::open(&semaphore_key(key), 1, spec.mode, spec.trust, op)
        .map_err(|error| error.on(key))
}

fn lock_for_create(semaphore: &Semaphore, op: Op) -> Result<(Taken, Grant)> {
    match semaphore.lock_within(CREATE_PATIENCE) {
        Ok(Some(taken)) => Ok(taken),
        Ok(None) => Err(interrupt::over(op, || {
            format!(
                "its lock has been held for {} s by {}",
                CREATE_PATIENCE.as_secs(),
                crate::backend::name_suspects(&semaphore.suspects().unwrap_or_default()),
            )
        })),
        Err(error) => Err(Error::os(op, error)),
    }
}

/// An error if the key has a segment that may not be reclaimed.
fn refuse_taken(file: &KeyFile, path: &str, op: Op) -> Result<Option<i32>> {
    let exists = || Error::new(op, ErrorKind::AlreadyExists);
    let id = match system_v::find_segment(file.ipc_key) {
        Ok(id) => id,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => {
            return Err(exists()
                .detail("it already exists")
                .hint("attach to it, or remove it by name (`shmkit rm`)")
                .because(error));
        }
    };
    let status = match system_v::segment_status(id) {
        Ok(status) => status,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => {
            return Err(Error::os(op, error)
                .detail("permission denied: it already exists, and belongs to another user")
                .hint("choose another name"));
        }
    };
    if status.attached > 0 {
        return Err(exists()
            .detail("it already exists and is in use")
            .hint("attach to it, or choose another name"));
    }
    if key_file::is_kept(path) {
        return Err(exists()
            .detail("it already exists, and is kept")
            .hint("attach to it, or remove it by name (`shmkit rm`)"));
    }
    if !crate::backend::Owners::Mine.admits(status.owner) {
        return Err(foreign(&status, op));
    }
    Ok(Some(id))
}

fn foreign(status: &SegmentStatus, op: Op) -> Error {
    Error::new(op, ErrorKind::ForeignOwner)
        .detail(format!(
            "it belongs to {}, not to you",
            user_name(status.owner)
        ))
        .hint("accept that owner in the options if you trust it, or choose another name")
}

fn create_locked(path: &str, project: u8, spec: &Spec, op: Op) -> Result<Segment> {
    let mut origin = Origin::Created;
    for _ in 0..ATTEMPTS {
        let (file, _pin, _) = KeyFile::find_or_make(path, project)
            .map_err(|error| key_file::explain(error, path, op))?;
        if let Some(orphan) = refuse_taken(&file, path, op)? {
            match system_v::remove_segment(orphan) {
                Err(error) if !is_gone(&error) => return Err(Error::os(op, error)),
                _ => origin = Origin::Reclaimed,
            }
        }
        let id = match system_v::create_segment(file.ipc_key, spec.size, spec.mode, spec.reserve) {
            Ok(id) => id,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(explain_size(error, spec.size, op)),
        };
        let at = match system_v::attach(id, Access::ReadWrite) {
            Ok(at) => at,
            // Somebody without its lock took it for an orphan before it was attached.
            Err(error) if is_gone(&error) => continue,
            Err(error) => {
                let _ = system_v::remove_segment(id);
                return Err(explain_size(error, spec.size, op));
            }
        };
        let Spec {
            size,
            mode,
            lifetime,
            ..
        } = *spec;
        let path = path.to_owned();
        let segment = Segment {
            at,
            id,
            file,
            path,
            size,
            mode,
            lifetime,
            origin,
        };
        let marked = match lifetime {
            Lifetime::Kept => key_file::mark_kept(&segment.path),
            Lifetime::Ephemeral => Ok(()),
        };
        // A segment whose key file was removed meanwhile is one that newcomers do not find.
        if marked.is_ok() && file.is_current(&segment.path) {
            return Ok(segment);
        }
        segment.leave();
        let _ = system_v::remove_segment(id);
        marked.map_err(|error| key_file::explain(error, &segment.path, op))?;
    }
    Err(Error::new(op, ErrorKind::Os).detail("its key file was removed by others again and again"))
}

/// After a create that failed: removes what it made and nobody uses. Under the lock.
fn leave_nothing(path: &str, project: u8, semaphore: &Semaphore) {
    let _removal = match KeyFile::find(path, project) {
        Ok(file) if !system_v::find_segment(file.ipc_key).is_err_and(|e| is_gone(&e)) => {
            return semaphore.withdraw(path);
        }
        Ok(file) => file.remove(path),
        // Another was faster with the segment's key file, which is not the lock's.
        Err(_) => None,
    };
    let _ = semaphore.remove();
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(
    key: &NativeIpcKey,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    let (path, project) = key_file::parts(key, op)?;
    let exists = KeyFile::find(path, project).and_then(|file| system_v::find_segment(file.ipc_key));
    // Said before the semaphore is made, which would be left behind.
    exists.map_err(|error| explain_missing(error, path, op).on(key))?;
    // Who may only read cannot lock, and attaches without: it removes nothing either.
    let semaphore = match open_semaphore(key, spec, op) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        semaphore => Some(semaphore?),
    };
    let taken = match &semaphore {
        Some(semaphore) => lock_to_attach(semaphore, path, project)
            .map_err(|error| Error::os(op, error).on(key))?,
        None => None,
    };
    let attached = attach_locked(path, project, spec, op).map_err(|error| error.on(key));
    let attached = match (attached, spec.orphans, &semaphore, taken.is_some()) {
        (Ok(segment), Orphans::Remove, Some(lock), true) if segment.is_orphan() => {
            segment.leave();
            segment
                .remove(lock)
                .map(|_| None)
                .map_err(|error| Error::os(op, error).on(key))
        }
        (Err(error), _, Some(lock), true) if error.kind() == ErrorKind::NotFound => {
            // Gone since we looked, and our waiting for its lock may have made a new one.
            leave_nothing(path, project, lock);
            Err(error)
        }
        (attached, ..) => attached.map(Some),
    };
    if let Some(taken) = taken {
        give_unchanged(taken);
    }
    Ok(attached?.map(|segment| (segment, semaphore)))
}

/// The lock, or nothing if somebody works with the segment and has it for long.
fn lock_to_attach(
    semaphore: &Semaphore,
    path: &str,
    project: u8,
) -> io::Result<Option<(Taken, Grant)>> {
    lock_unless_attached(semaphore, || {
        KeyFile::find(path, project).and_then(|file| system_v::find_segment(file.ipc_key))
    })
}

/// The lock, or nothing if it is held for long while somebody is attached. Who has it while nobody
/// is attached is about to remove the segment, to attach, or has just made or left it, however
/// slow it is.
fn lock_unless_attached(
    semaphore: &Semaphore,
    segment: impl Fn() -> io::Result<i32>,
) -> io::Result<Option<(Taken, Grant)>> {
    let begun = Instant::now();
    loop {
        if let Some(taken) = semaphore.lock_within(PATIENCE)? {
            return Ok(Some(taken));
        }
        let is_anybody_attached = segment()
            .and_then(system_v::segment_status)
            .is_ok_and(|status| status.attached > 0);
        if is_anybody_attached || begun.elapsed() >= CREATE_PATIENCE {
            return Ok(None);
        }
        if interrupt::has_come() {
            return Err(interrupt::over_for_system());
        }
    }
}

/// Gives the lock back as it was got: we have not looked at the data, so the next one who takes it
/// must still learn that an owner died.
pub(super) fn give_unchanged((taken, grant): (Taken, Grant)) {
    taken.give(grant == Grant::Clean);
}

/// The key file has been looked at before there was a lock, and is looked at twice more: now, as the
/// wait for the lock may have been long, and what is attached of an old number would be a
/// stranger's; and once attached, as only then what the path leads to stays what newcomers find.
fn attach_locked(path: &str, project: u8, spec: &Spec, op: Op) -> Result<Segment> {
    for _ in 0..ATTEMPTS {
        let missing = |error| explain_missing(error, path, op);
        let file = KeyFile::find(path, project).map_err(missing)?;
        let id = system_v::find_segment(file.ipc_key).map_err(missing)?;
        let at = match system_v::attach(id, spec.access) {
            Ok(at) => at,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(explain_missing(error, path, op)),
        };
        let status = match system_v::segment_status(id) {
            Ok(status) => status,
            Err(error) => {
                leave(at);
                return Err(explain_missing(error, path, op));
            }
        };
        // The inode of a key file that was removed may be another's by now.
        let lifetime = match file.lifetime(path) {
            Some(lifetime) if !status.removed => lifetime,
            _ => {
                leave(at);
                continue;
            }
        };
        let origin = match lifetime {
            Lifetime::Ephemeral if status.attached == 1 => Origin::Adopted,
            _ => Origin::Attached,
        };
        let SegmentStatus { size, mode, .. } = status;
        let segment = Segment {
            at,
            id,
            file,
            path: path.to_owned(),
            size,
            mode,
            lifetime,
            origin,
        };
        if !spec.trust.admits(status.owner) {
            segment.leave();
            return Err(foreign(&status, op));
        }
        return Ok(segment);
    }
    Err(Error::new(op, ErrorKind::Os).detail("it was removed by others again and again"))
}

fn leave(at: NonNull<u8>) {
    // SAFETY: `at` came from `system_v::attach`, and views borrow the segment that is consumed.
    let left = unsafe { system_v::detach(at) };
    debug_assert!(left.is_ok(), "it was attached");
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.at
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The pages that hold `len` bytes from `offset` on; as many of them as there are.
    pub(crate) fn pages(&self, offset: usize, len: usize) -> Pages<'_> {
        let offset = offset.min(self.size);
        let len = len.min(self.size - offset);
        // SAFETY: the range lies in the segment.
        let at = unsafe { self.at.add(offset) };
        // SAFETY: as above, and it stays attached while `self` lives.
        unsafe { Pages::around(at, len) }
    }

    pub(crate) fn mode(&self) -> u32 {
        self.mode
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    fn leave(&self) {
        leave(self.at);
    }

    /// Leaves the segment; the last one out removes it, with its semaphore and key files.
    pub(crate) fn detach(
        self,
        key: &NativeIpcKey,
        removal: Removal,
        semaphore: Option<&Semaphore>,
    ) -> Result<Detached> {
        self.leave();
        let removes = match removal {
            Removal::Always => true,
            Removal::IfEphemeral => self.lifetime == Lifetime::Ephemeral,
            Removal::Never => false,
        };
        let (Some(semaphore), true) = (semaphore, removes) else {
            return Ok(Detached::Remains);
        };
        if system_v::segment_status(self.id).is_ok_and(|status| status.attached > 0) {
            semaphore.leave_to_others(key);
            return Ok(Detached::Remains);
        }
        // Nobody is attached. Who holds the lock now is about to attach, and will be the last one
        // then, or has just left as we have, and may have seen us attached.
        let taken = interrupt::without(|| lock_unless_attached(semaphore, || Ok(self.id)))
            .map_err(|error| Error::os(Op::Detach, error).on(key))?;
        if taken.is_none() {
            return Ok(Detached::Remains);
        }
        let removed = match system_v::segment_status(self.id) {
            Ok(status) if status.attached > 0 || key_file::is_kept(&self.path) => {
                Ok(Detached::Remains)
            }
            Ok(_) => self.remove(semaphore),
            // Another one was faster, or somebody removed it by hand. Our waiting for its lock may
            // have made a new one.
            Err(_) => {
                let (path, project) = key_file::parts(key, Op::Detach)?;
                let _removal = self.file.begun_removal(path);
                leave_nothing(path, project, semaphore);
                Ok(Detached::Remains)
            }
        };
        if let Some(taken) = taken {
            give_unchanged(taken);
        }
        removed.map_err(|error| Error::os(Op::Detach, error).on(key))
    }

    fn is_orphan(&self) -> bool {
        self.origin == Origin::Adopted
    }

    /// Removes everything. Under the lock, which goes with it.
    fn remove(&self, semaphore: &Semaphore) -> io::Result<Detached> {
        match system_v::remove_segment(self.id) {
            // Another user's, who is not here any more; its next creator will reclaim it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(Detached::Remains);
            }
            result => result?,
        }
        let _removal = self.file.remove(&self.path);
        let _ = semaphore.remove();
        Ok(Detached::Removed)
    }
}

/// Removes a segment by name, with its semaphore and key files.
pub(crate) fn remove(key: &NativeIpcKey, spec: &Spec, in_use: InUse) -> Result<()> {
    let op = Op::Remove;
    let (path, project) = key_file::parts(key, op)?;
    let missing = |error| explain_missing(error, path, op).on(key);
    let file = KeyFile::find(path, project).map_err(missing)?;
    system_v::find_segment(file.ipc_key).map_err(missing)?;
    let semaphore = open_semaphore(key, spec, op)?;
    let taken = lock_for_create(&semaphore, op).map_err(|error| error.on(key));
    let taken = match (taken, in_use) {
        (Ok(taken), _) => Some(taken),
        (Err(error), _) if error.kind() == ErrorKind::Interrupted => return Err(error),
        (Err(_), InUse::RemoveAnyway) => None,
        (Err(error), InUse::Refuse) => return Err(error),
    };
    let removed = remove_locked(&file, path, &semaphore, in_use).map_err(|error| error.on(key));
    if let Some(taken) = taken {
        give_unchanged(taken);
    }
    removed
}

fn remove_locked(file: &KeyFile, path: &str, semaphore: &Semaphore, in_use: InUse) -> Result<()> {
    let op = Op::Remove;
    let missing = |error| explain_missing(error, path, op);
    let id = system_v::find_segment(file.ipc_key).map_err(missing)?;
    let status = system_v::segment_status(id).map_err(missing)?;
    if status.attached > 0 && in_use == InUse::Refuse {
        return Err(Error::new(op, ErrorKind::InUse)
            .detail(format!("{} are attached to it", status.attached))
            .hint("end those programs first, or ask for it to be removed all the same"));
    }
    system_v::remove_segment(id).map_err(missing)?;
    let _ = key_file::forget_kept(path);
    let removal = file.remove(path);
    if status.attached == 0 {
        let _ = semaphore.remove();
    } else if semaphore.is_at(path)
        && let Some(removal) = removal
    {
        // Those who are attached have their lock still, which the last of them takes along.
        removal.leave_to_others();
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::EIDRM | libc::EINVAL)
    )
}

pub(super) fn explain_missing(cause: io::Error, path: &str, op: Op) -> Error {
    match cause.raw_os_error() {
        Some(libc::ENOENT | libc::EIDRM | libc::EINVAL) => Error::new(op, ErrorKind::NotFound),
        Some(libc::EACCES | libc::EPERM) => {
            Error::os(op, cause).detail("permission denied by its owner and mode")
        }
        _ => Error::os(op, cause).detail(format!("the kernel refused (key file {path})")),
    }
}

fn explain_size(cause: io::Error, size: usize, op: Op) -> Error {
    let size = bytes(size as u64);
    match cause.raw_os_error() {
        Some(libc::EINVAL) => Error::os(op, cause)
            .detail(format!("{size} is more than kernel.shmmax allows, or less than 1 byte"))
            .with_kind(ErrorKind::InvalidSize),
        Some(libc::ENOSPC) => Error::os(op, cause)
            .detail("all System V segments (kernel.shmmni) or all their memory (kernel.shmall) are in use")
            .hint("see `ipcs -ls` and `shmkit ls`; remove unused ones or raise the limit with sysctl")
            .with_kind(ErrorKind::OutOfResources),
        Some(libc::ENOMEM) => Error::os(op, cause)
            .detail(format!("no memory or address space for {size}"))
            .hint("see `ulimit -v`, the container's memory limit and `free -m`")
            .with_kind(ErrorKind::OutOfSpace),
        _ => Error::os(op, cause),
    }
}
