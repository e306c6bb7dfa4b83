//! Who is the last one out, when several leave at once.
//!
//! The kernel's word is the write lease: it is granted only to the sole user of a file. But two
//! who leave at the same moment still see each other, and if each took the other for one who
//! stays, both would go and nobody would remove the file. So every user of shmkit shares a byte of
//! the file (its *presence*) for as long as it is attached, and gives it back before it asks for
//! the lease. Then:
//!
//! * lease refused, somebody present: that one will ask later. We go.
//! * lease refused, nobody present: somebody else is on the way out or in, or a program that
//!   does not know shmkit is attached. One of those who leave takes *charge* (`flock`) and asks
//!   again for a while; the others go.
//!
//! Whoever has charge and sees somebody present gives charge back and looks once more: had that one
//! left in between, it found charge taken and relied on us.
//!
//! A descriptor may also live on for a moment in a child between fork and exec, or in a process
//! that is being killed; asking again is good for that, too.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::backoff::Backoff;
use crate::interrupt;
use crate::sys::file::{self, FileId};
use crate::sys::lease::{self, Hold, Users};
use crate::sys::process;

/// The presence of those that are attached to a segment.
const PRESENCE: u64 = 1 << 32;

/// Held while the size of a segment is changed.
const RESIZE: u64 = PRESENCE - 1;

/// The presence of those that lock a semaphore: one byte each, from here on. See `posix/slot.rs`.
pub(in crate::backend) const SLOTS: u64 = PRESENCE + 1;

const PRESENCES: u64 = 1 << 16;

/// How long somebody who is on the way out or in may need. It passes in vain only where a program
/// that does not know shmkit stays attached.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long somebody who changes the size may need: it takes as long as reserving memory does.
const RESIZE_PATIENCE: Duration = Duration::from_secs(60);

/// What became of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Outcome {
    Removed,
    /// Somebody uses the file.
    InUse,
    /// Somebody else is about to remove it, or has just done so.
    LeftToOthers,
}

/// Says that `fd` stands for somebody who is attached.
pub(in crate::backend) fn be_present(fd: BorrowedFd<'_>) -> io::Result<()> {
    lease::try_lock(fd, Hold::Shared, PRESENCE, 1).map(drop)
}

/// The same for a file that others may be about to remove; `false` if they have. A lease sees the
/// description of one who comes; where there are none, charge keeps the two apart.
pub(in crate::backend) fn join(fd: BorrowedFd<'_>) -> io::Result<bool> {
    if lease::are_granted() {
        be_present(fd)?;
        return Ok(true);
    }
    // Those who leave have charge most of the time while they wait to be alone, which they are not
    // before we are through: a sleep would miss the moments in between.
    let deadline = Instant::now() + PATIENCE * 40;
    while !file::try_claim(fd)? {
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::yield_now();
    }
    be_present(fd)?;
    let is_named = file::status(fd)?.links > 0;
    file::unclaim(fd)?;
    Ok(is_named)
}

/// Says that `fd` no longer stands for anybody: explicitly, since a child that has not reached
/// its exec yet may keep the description for a moment.
pub(in crate::backend) fn be_gone(fd: BorrowedFd<'_>) -> io::Result<()> {
    lease::unlock(fd, PRESENCE, PRESENCES)
}

pub(in crate::backend) fn is_anybody_present(fd: BorrowedFd<'_>) -> io::Result<bool> {
    lease::is_locked(fd, PRESENCE, PRESENCES)
}

/// Whether nobody but the one who asks uses the file of `fd`, which has no mapping.
pub(in crate::backend) fn is_alone(fd: BorrowedFd<'_>, id: FileId) -> io::Result<bool> {
    Ok(while_alone(fd, id, || Ok(()))?.is_some())
}

/// Removes `path` if it leads to `fd`'s file and nobody else has that open. Until it is done an
/// opener waits, and then finds that the file has no name any more.
pub(in crate::backend) fn unlink_if_last(
    fd: BorrowedFd<'_>,
    path: impl AsRef<Path>,
    id: FileId,
) -> io::Result<Outcome> {
    let path = path.as_ref();
    let mut deadline = None;
    loop {
        if let Some(outcome) = try_unlink(fd, path, id)? {
            return Ok(outcome);
        }
        if is_anybody_present(fd)? {
            return Ok(Outcome::InUse);
        }
        if !file::try_claim(fd)? {
            return Ok(Outcome::LeftToOthers);
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        while !is_anybody_present(fd)? {
            if let Some(outcome) = try_unlink(fd, path, id)? {
                return Ok(outcome);
            }
            if Instant::now() >= deadline {
                // The asker may stay attached, and must not keep charge.
                file::unclaim(fd)?;
                return Ok(Outcome::InUse);
            }
            thread::yield_now();
        }
        file::unclaim(fd)?;
    }
}

/// Does `then` while nobody else uses the file of `fd`, which has no mapping; `None` if somebody
/// does. An opener waits until it is done.
pub(in crate::backend) fn while_alone<R>(
    fd: BorrowedFd<'_>,
    id: FileId,
    then: impl FnOnce() -> io::Result<R>,
) -> io::Result<Option<R>> {
    match lease::users(fd)? {
        Users::OnlyMe(_sole) => then().map(Some),
        Users::Others => Ok(None),
        Users::Unknown => while_found_alone(fd, id, then),
    }
}

/// The same without a lease, never on a guess: nobody may be present, and nobody else may be found
/// by a look that overlooks nothing. Others who ask the same are kept out by charge.
#[cold]
fn while_found_alone<R>(
    fd: BorrowedFd<'_>,
    id: FileId,
    then: impl FnOnce() -> io::Result<R>,
) -> io::Result<Option<R>> {
    if is_anybody_present(fd)? || !file::try_claim(fd)? {
        return Ok(None);
    }
    let done = match is_only_holder(id)? {
        true => then().map(Some),
        false => Ok(None),
    };
    file::unclaim(fd)?;
    done
}

/// Does `then` while nobody else who changes sizes does; `fd` is open for writing.
pub(in crate::backend) fn while_resizing<R>(
    fd: BorrowedFd<'_>,
    then: impl FnOnce() -> io::Result<R>,
) -> io::Result<R> {
    let mut backoff = Backoff::new(RESIZE_PATIENCE);
    while !lease::try_lock(fd, Hold::Exclusive, RESIZE, 1)? {
        if !backoff.again() {
            return Err(interrupt::over_for_system());
        }
    }
    let done = then();
    lease::unlock(fd, RESIZE, 1)?;
    done
}

/// Does `then` while nobody but the one user of `fd`, who has it mapped once, uses the file;
/// `None` if somebody does.
pub(in crate::backend) fn while_alone_and_mapped<R>(
    fd: BorrowedFd<'_>,
    id: FileId,
    then: impl FnOnce() -> io::Result<R>,
) -> io::Result<Option<R>> {
    let alone = match lease::users(fd)? {
        Users::OnlyMe(_sole) => return then().map(Some),
        Users::Others => false,
        Users::Unknown => !is_anybody_present(fd)? && is_only_user(id)?,
    };
    match alone {
        true => then().map(Some),
        false => Ok(None),
    }
}

/// Whether there is but one description, with one mapping, and it is this process's.
fn is_only_user(id: FileId) -> io::Result<bool> {
    if lease::ONLY_OURS_COUNT {
        return Ok(true);
    }
    let holders = process::holders_of(id)?;
    let me = std::process::id();
    let is_only = holders
        .found
        .iter()
        .all(|holder| holder.pid == me && holder.mappings <= 1 && holder.descriptors <= 1);
    Ok(holders.complete && is_only)
}

/// Removes the name if that can be decided now and in favour of removing.
fn try_unlink(fd: BorrowedFd<'_>, path: &Path, id: FileId) -> io::Result<Option<Outcome>> {
    while_alone(fd, id, || unlink_if_same(path, id))
}

fn unlink_if_same(path: &Path, id: FileId) -> io::Result<Outcome> {
    match file::status_of_name(path) {
        Ok(status) if status.id == id => match file::unlink(path) {
            Ok(()) => Ok(Outcome::Removed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::LeftToOthers),
            Err(error) => Err(error),
        },
        _ => Ok(Outcome::LeftToOthers),
    }
}

/// Whether this process alone has the file, and nowhere mapped. Its descriptors are those of
/// threads that ask the same question: whoever is attached would be present, or have a mapping.
fn is_only_holder(id: FileId) -> io::Result<bool> {
    if lease::ONLY_OURS_COUNT {
        return Ok(true);
    }
    let holders = process::holders_of(id)?;
    let me = std::process::id();
    let mut others = holders
        .found
        .iter()
        .filter(|holder| holder.pid != me || holder.mappings > 0);
    Ok(holders.complete && others.next().is_none())
}
