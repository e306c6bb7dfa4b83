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
//!
//! Where there are no leases, presence is asked and `/proc` is looked through, which takes
//! milliseconds, and a busy machine makes them seconds. So charge is what keeps the others out
//! meanwhile: only who has it removes or attaches. Whoever comes says so first (one more byte),
//! which keeps all but those who come from looking, then waits for charge, and sees whether the
//! name is still there and somebody has the file. Those who only ask have it open, too; they
//! *mark* their descriptions (another byte), lest they take one another for users. Each look takes
//! charge anew, so several who leave may look at the same time; one of them removes.

use std::io;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use super::name::Name;
use crate::backend::backoff::Backoff;
use crate::interrupt;
use crate::sys::file::{self, FileId};
use crate::sys::lease::{self, Hold, Users};
use crate::sys::process::{self, Holder};

/// The presence of those that are attached to a segment.
const PRESENCE: u64 = 1 << 32;

/// Held while the size of a segment is changed.
const RESIZE: u64 = PRESENCE - 1;

/// Shared by those that have the file open to ask who uses it.
const ASKING: u64 = PRESENCE - 16;

/// The presence of those that lock a semaphore: one byte each, from here on. See `posix/slot.rs`.
pub(in crate::backend) const SLOTS: u64 = PRESENCE + 1;

const PRESENCES: u64 = 1 << 16;

/// Shared by those that are about to attach.
const COMING: u64 = PRESENCE + PRESENCES;

/// How long somebody who is on the way out or in may need. It passes in vain only where a program
/// that does not know shmkit stays attached.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often at least it is asked whether somebody who is on the way out has gone, however long an
/// answer takes.
const ANSWERS: u32 = 3;

/// How long those who look through `/proc` may need, one after the other.
pub(super) const CHARGE_PATIENCE: Duration = Duration::from_secs(20);

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
    #[cfg(anchored)]
    lease::sign(fd)?;
    lease::try_lock(fd, Hold::Shared, PRESENCE, 1).map(drop)
}

/// Where there are no leases: says that `fd` stands for somebody who comes, and takes charge.
/// Those who leave or look meanwhile see that, and rely on it.
pub(in crate::backend) fn come(fd: BorrowedFd<'_>) -> io::Result<()> {
    only_ask(fd)?;
    lease::try_lock(fd, Hold::Shared, COMING, 1)?;
    take_charge(fd)
}

/// Ends what [`come`] began: whoever stays is present or has a mapping by now.
pub(in crate::backend) fn have_come(fd: BorrowedFd<'_>) -> io::Result<()> {
    let given_back = file::unclaim(fd);
    lease::unlock(fd, COMING, 1)?;
    given_back
}

/// Whether one who has charge is the only one. Others may be coming.
pub(in crate::backend) fn is_first(fd: BorrowedFd<'_>, id: FileId) -> io::Result<bool> {
    Ok(!lease::is_locked(fd, PRESENCE, PRESENCES)? && is_only_holder(fd, id)?)
}

/// Waits for charge.
pub(in crate::backend) fn take_charge(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut backoff = Backoff::new(CHARGE_PATIENCE);
    while !file::try_claim(fd)? {
        if !backoff.again() {
            return Err(interrupt::over_for_system());
        }
    }
    Ok(())
}

/// Says that `fd` no longer stands for anybody: explicitly, since a child that has not reached
/// its exec yet may keep the description for a moment.
pub(in crate::backend) fn be_gone(fd: BorrowedFd<'_>) -> io::Result<()> {
    if !lease::are_granted() {
        only_ask(fd)?;
    }
    #[cfg(anchored)]
    lease::sign_off(fd)?;
    lease::unlock(fd, PRESENCE, PRESENCES)
}

/// Says that `fd` is none of those that count, unless it is mapped.
fn only_ask(fd: BorrowedFd<'_>) -> io::Result<()> {
    if lease::ONLY_OURS_COUNT {
        return Ok(());
    }
    lease::try_lock(fd, Hold::Shared, ASKING, 1).map(drop)
}

pub(in crate::backend) fn is_anybody_present(fd: BorrowedFd<'_>) -> io::Result<bool> {
    lease::is_locked(fd, PRESENCE, PRESENCES + 1)
}

/// Whether nobody but the one who asks uses the file of `fd`, which has no mapping.
pub(in crate::backend) fn is_alone(fd: BorrowedFd<'_>, id: FileId) -> io::Result<bool> {
    // Without charge: whoever finds that taken relies on a removal.
    Ok(match lease::users(fd)? {
        Users::OnlyMe(_) => true,
        Users::Others => false,
        Users::Unknown => !is_anybody_present(fd)? && is_only_holder(fd, id)?,
    })
}

/// Removes the name if it leads to `fd`'s file and nobody else has that open. Until it is done an
/// opener waits, and then finds that the file has no name any more.
pub(in crate::backend) fn unlink_if_last(
    fd: BorrowedFd<'_>,
    name: Name<'_>,
    id: FileId,
) -> io::Result<Outcome> {
    let (mut deadline, mut answers) = (None, 0);
    loop {
        if let Some(outcome) = try_unlink(fd, name, id)? {
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
            if let Some(outcome) = try_unlink(fd, name, id)? {
                return Ok(outcome);
            }
            answers += 1;
            if answers >= ANSWERS && Instant::now() >= deadline {
                // The asker may stay attached, and must not keep charge. Whoever left since the
                // last answer found it taken, and relied on us.
                file::unclaim(fd)?;
                return Ok(try_unlink(fd, name, id)?.unwrap_or(Outcome::InUse));
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
    // Somebody may have come, and had charge, since that was asked.
    let done = match !is_anybody_present(fd)? && is_only_holder(fd, id)? {
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
fn try_unlink(fd: BorrowedFd<'_>, name: Name<'_>, id: FileId) -> io::Result<Option<Outcome>> {
    while_alone(fd, id, || unlink_if_same(name, id))
}

pub(in crate::backend) fn unlink_if_same(name: Name<'_>, id: FileId) -> io::Result<Outcome> {
    match file::status_of_name(name.path) {
        Ok(status) if status.id == id => match name.unlink() {
            Ok(()) => Ok(Outcome::Removed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Outcome::LeftToOthers),
            Err(error) => Err(error),
        },
        _ => Ok(Outcome::LeftToOthers),
    }
}

/// Whether nobody has the file mapped, and nobody has it open but to ask the same question.
fn is_only_holder(fd: BorrowedFd<'_>, id: FileId) -> io::Result<bool> {
    if lease::ONLY_OURS_COUNT {
        return Ok(true);
    }
    only_ask(fd)?;
    let holders = process::holders_of(id)?;
    Ok(holders.complete && holders.found.iter().all(only_asks))
}

/// A child between fork and exec shows its parent's marks.
fn only_asks(holder: &Holder) -> bool {
    let marks = holder.locks.iter().filter(|&&start| start == ASKING);
    let is_me = holder.pid == std::process::id();
    holder.mappings == 0 && (is_me || holder.descriptors <= marks.count())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::mapping::Access;

    /// A file, removed when this is dropped.
    struct Named(PathBuf);

    impl Named {
        fn new(name: &str) -> Self {
            let this = Self(
                Path::new(file::MEMORY_DIRECTORY)
                    .join(format!("shmkit-last-{name}-{}", std::process::id())),
            );
            File::create(&this.0).unwrap();
            this
        }

        fn open(&self) -> OwnedFd {
            file::open(&self.0, Access::ReadWrite).unwrap()
        }
    }

    impl Drop for Named {
        fn drop(&mut self) {
            _ = file::unlink(&self.0);
        }
    }

    /// Ends with the test.
    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            _ = self.0.kill();
            _ = self.0.wait();
        }
    }

    #[test]
    fn whoever_comes_is_seen_and_waits_for_charge() {
        let named = Named::new("charge");
        let charged = named.open();
        only_ask(charged.as_fd()).unwrap();
        let sees_all = process::holders_of(file::status(&charged).unwrap().id);
        let sees_all = sees_all.unwrap().complete;
        for removes in [false, true] {
            assert!(file::try_claim(charged.as_fd()).unwrap());
            let joins = thread::scope(|scope| {
                let joins = scope.spawn(|| {
                    let fd = named.open();
                    let id = file::status(&fd).unwrap().id;
                    come(fd.as_fd()).unwrap();
                    assert!(is_first(fd.as_fd(), id).unwrap() || !sees_all);
                    have_come(fd.as_fd()).unwrap();
                    file::status(&fd).unwrap().links
                });
                // So nobody begins to look for others any more.
                while !is_anybody_present(charged.as_fd()).unwrap() {
                    thread::yield_now();
                }
                assert!(!joins.is_finished());
                if removes {
                    file::unlink(&named.0).unwrap();
                }
                file::unclaim(charged.as_fd()).unwrap();
                joins.join().unwrap()
            });
            assert_eq!(joins, u64::from(!removes));
        }
    }

    #[test]
    fn those_who_ask_do_not_take_one_another_for_users() {
        if lease::ONLY_OURS_COUNT {
            // Nobody looks for descriptors there, so there is nothing to mark.
            return;
        }
        let named = Named::new("asking");
        let fd = named.open();
        let id = file::status(&fd).unwrap().id;
        let elsewhere = named.open();
        let mark = elsewhere.try_clone().unwrap();
        let other = Sleeper(
            Command::new("sleep")
                .arg("1000")
                .stdin(Stdio::from(elsewhere))
                .spawn()
                .unwrap(),
        );
        let look = || {
            let found = process::holders_of(id).unwrap().found;
            let other = found.iter().find(|holder| holder.pid == other.0.id());
            only_asks(other.expect("it has the file open"))
        };
        let before = look();
        only_ask(mark.as_fd()).unwrap();
        let marked = look();
        assert!(!before, "it may be a user that does not know shmkit");
        assert!(marked);
    }

    #[test]
    fn a_look_takes_no_charge() {
        let named = Named::new("look");
        let (fd, charged) = (named.open(), named.open());
        let id = file::status(&fd).unwrap().id;
        assert!(file::try_claim(charged.as_fd()).unwrap());
        only_ask(charged.as_fd()).unwrap();
        // Leases are not granted while `charged` is open.
        let sees_all = process::holders_of(id).unwrap().complete;
        assert_eq!(
            is_alone(fd.as_fd(), id).unwrap(),
            lease::ONLY_OURS_COUNT || (sees_all && !lease::are_granted())
        );
    }
}
