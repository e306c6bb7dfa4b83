//! A named POSIX semaphore, the same that Qt uses: shared by name, followed when Qt renews it, and
//! taken over from the dead.
//!
//! Qt renews semaphores: a `create()`, even one that fails, unlinks the name and makes a new
//! semaphore behind it, and old and new users no longer exclude each other. We look whether the
//! name still leads to the semaphore we have, once a clock tick (1 to 10 ms) while the lock is
//! busy and each time when it is not, and follow the name if it leads elsewhere. If the name is
//! gone we stay where everybody is who is still there.
#![expect(unsafe_code, reason = "the lock's word lies in a mapped file")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::name::{segment_path, semaphore_path};
use super::slot::{self, Holder};
use super::word::{self, Word};
use crate::backend::file::explain::{Squatted, explain};
use crate::backend::file::last;
use crate::backend::{Grant, Owners, Suspect, semaphore_key, semaphore_mode};
use crate::error::{Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::clock;
use crate::sys::file::{self, EPHEMERAL, FileId, Kind, MEMORY_DIRECTORY, Newborn};
use crate::sys::fork::{self, User};
use crate::sys::lease::{self, Users};
use crate::sys::memory::Window;
use crate::sys::process;

/// How long a sleeper goes without asking whether the holder lives.
const SLICE: Duration = Duration::from_millis(10);

/// How long a lock must be stuck before all processes are looked through.
const SEARCH_EVERY: Duration = Duration::from_millis(250);

/// A semaphore by name.
#[derive(Debug)]
pub(crate) struct Semaphore {
    path: String,
    first: Mapped,
    /// When the name was last seen to lead to the newest of `first` and its successors.
    checked: AtomicU64,
    trust: Owners,
}

/// One semaphore that the name led to, and the one that it led to next.
#[derive(Debug)]
struct Mapped {
    user: User,
    id: FileId,
    next: OnceLock<Box<Mapped>>,
}

/// What a guard must give back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'s> {
    word: Word<'s>,
    generation: u32,
    slot: u16,
    /// A holder died, and the word says so.
    lost: bool,
}

/// The same without the borrow, for those who keep the semaphore beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    address: usize,
    slot: u16,
    generation: u32,
    lost: bool,
}

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value` if nothing has the name.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        trust: Owners,
        op: Op,
    ) -> Result<Self> {
        let path = semaphore_path(key, op)?;
        let _steady = fork::steady();
        let first = loop {
            match Mapped::open(&path, trust) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => break result,
            }
            match make(&path, value, mode) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => break Err(error),
                Ok(()) => {}
            }
        };
        let first = first.map_err(|cause| explain(cause, &path, op))?;
        Ok(Self {
            path,
            first,
            checked: AtomicU64::new(0),
            trust,
        })
    }

    /// The newest semaphore that the name led to.
    #[inline]
    fn newest(&self) -> &Mapped {
        let mut mapped = &self.first;
        while let Some(next) = mapped.next.get() {
            mapped = next;
        }
        mapped
    }

    /// Takes the lock in the usual case: free, nobody waiting, no owner lost, all of it as at the
    /// last time. `None` says nothing.
    #[inline]
    pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
        let mapped = &self.first;
        if self.checked.load(Ordering::Relaxed) != clock::tick() || mapped.next.get().is_some() {
            return None;
        }
        let (word, slot) = (mapped.word(), mapped.user.slot());
        match slot != 0 && word.take_free(slot) {
            true => Some(Taken {
                word,
                generation: fork::generation(),
                slot: slot as u16,
                lost: false,
            }),
            false => None,
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        loop {
            let mapped = self.newest();
            let slot = mapped.slot()?;
            let taken = mapped.word().try_take(slot);
            if self.is_right(mapped, taken.then_some(slot))? {
                return Ok(taken.then(|| mapped.taken(slot)));
            }
        }
    }

    /// Whether the name leads to `mapped`, or nowhere. If it leads elsewhere, or to what cannot be
    /// used, the lock that was taken by `slot` is given back. Looked at after taking, so that what
    /// is checked is what was taken.
    fn is_right(&self, mapped: &Mapped, slot: Option<u32>) -> io::Result<bool> {
        if self.is_current(mapped) {
            return Ok(true);
        }
        let moved = self.follow(mapped);
        if let (Some(slot), Ok(true) | Err(_)) = (slot, &moved) {
            mapped.word().give(slot);
        }
        Ok(!moved?)
    }

    /// Takes the lock, sleeping at most about `limit`; `None` if it was not to be had.
    #[cold]
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        let begun = Instant::now();
        let mut searched = begun;
        loop {
            if let Some(taken) = self.try_lock()? {
                return Ok(Some(taken));
            }
            let mapped = self.newest();
            let slot = mapped.slot()?;
            let left = interrupt::left(limit.saturating_sub(begun.elapsed()));
            if mapped.word().take_within(slot, left.min(SLICE))? {
                match self.is_right(mapped, Some(slot))? {
                    true => return Ok(Some(mapped.taken(slot))),
                    false => continue,
                }
            }
            let search = searched.elapsed() >= SEARCH_EVERY;
            if search {
                searched = Instant::now();
            }
            if let Some(holder) = mapped.dead_holder(search)?
                && mapped.word().take_over(holder, slot)
            {
                mapped.word().set_lost(true);
                return Ok(Some(mapped.taken(slot)));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// The semaphore that the name leads to, or the last one that it led to.
    fn latest(&self) -> io::Result<&Mapped> {
        loop {
            let mapped = self.newest();
            if self.is_right(mapped, None)? {
                return Ok(mapped);
            }
        }
    }

    /// Takes one of the value, as `sem_trywait(3)`: without an owner.
    pub(crate) fn try_acquire(&self) -> io::Result<bool> {
        Ok(self.latest()?.word().try_take(0))
    }

    /// Takes one of the value, sleeping at most about `limit`; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        loop {
            if self.try_acquire()? {
                return Ok(true);
            }
            let left = interrupt::left(limit.saturating_sub(begun.elapsed()));
            if left.is_zero() {
                return Ok(false);
            }
            if self.newest().word().take_within(0, left.min(SLICE))? {
                return Ok(true);
            }
        }
    }

    /// Adds `by` to the value, all or nothing.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        match self.latest()?.word().add(by) {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::EOVERFLOW)),
        }
    }

    /// Sets the value, for everybody who has the semaphore open. Qt makes a new one instead, and
    /// leaves those behind.
    pub(crate) fn set_value(&self, value: u32) -> io::Result<()> {
        self.latest()?.word().set(value);
        Ok(())
    }

    /// The lock of a ticket; `None` if it is no ticket of this semaphore.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Taken<'_>> {
        let mut mapped = &self.first;
        while mapped.word().address() != ticket.address {
            mapped = mapped.next.get()?;
        }
        let Ticket {
            slot,
            generation,
            lost,
            ..
        } = ticket;
        Some(Taken {
            word: mapped.word(),
            slot,
            generation,
            lost,
        })
    }

    /// Whether the name was seen to lead to `mapped` within this clock tick.
    #[cold]
    fn is_current(&self, mapped: &Mapped) -> bool {
        let tick = clock::tick();
        if self.checked.load(Ordering::Relaxed) == tick {
            return true;
        }
        self.checked.store(tick, Ordering::Relaxed);
        match file::status_of_name(&self.path) {
            Ok(status) => status.id == mapped.id,
            Err(_) => true,
        }
    }

    /// Goes where the name leads now; says whether that is elsewhere. Where there are no leases this
    /// waits for whoever is about to remove it, however long the caller wanted to wait.
    #[cold]
    fn follow(&self, mapped: &Mapped) -> io::Result<bool> {
        let _steady = fork::steady();
        match Mapped::open(&self.path, self.trust) {
            Ok(next) if next.id == mapped.id => Ok(false),
            Ok(next) => {
                // Another thread may have been first; its successor is as good.
                let _ = mapped.next.set(Box::new(next));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Who has the semaphore open, and so may hold the lock; the holder alone where it is known
    /// and can be seen from here.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        let mapped = self.newest();
        let holder = mapped.word().holder();
        if let Holder::Slot(slot) = holder
            && let Some(pid) = slot::process(&mapped.user, slot)
        {
            return Ok(vec![Suspect {
                pid,
                program: process::program(pid).unwrap_or_default(),
                holds: true,
            }]);
        }
        let is_holder = |process: &process::Holder| {
            let mut slots = process
                .locks
                .iter()
                .filter_map(|&start| slot::from_lock(start));
            slots.any(|slot| Holder::Slot(slot) == holder)
        };
        let found = process::holders_of(mapped.id)?.found;
        let mut suspects: Vec<Suspect> = found
            .into_iter()
            .map(|process| Suspect {
                holds: is_holder(&process),
                pid: process.pid,
                program: process.program,
            })
            .collect();
        match suspects.iter().any(|suspect| suspect.holds) {
            true => suspects.retain(|suspect| suspect.holds),
            // The others are innocent: the holder gave its slot, and is none of them.
            false if matches!(holder, Holder::Slot(_)) => suspects.clear(),
            false => {}
        }
        Ok(suspects)
    }
}

/// A semaphore as it looks to somebody who does not use it.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) id: FileId,
    pub(super) holder: Holder,
    /// Whether the holder of a slot lives.
    pub(super) is_alive: bool,
    pub(super) lost: bool,
    pub(super) sleepers: Option<u64>,
    /// Everybody who has it open but this look.
    pub(super) users: Vec<process::Holder>,
}

/// Looks at the semaphore of a path; one that does not exist is not made.
pub(super) fn look(path: &str) -> io::Result<Sight> {
    let _steady = fork::steady();
    let mapped = Mapped::see(path, Owners::Anyone)?;
    let mut users = process::holders_of(mapped.id)?.found;
    let me = std::process::id();
    if let Some(this) = users.iter_mut().find(|user| user.pid == me) {
        this.mappings -= 1;
        this.descriptors -= 1;
    }
    users.retain(|user| user.mappings > 0 || user.descriptors > 0);
    let word = mapped.word();
    let holder = word.holder();
    Ok(Sight {
        id: mapped.id,
        holder,
        is_alive: match holder {
            Holder::Slot(slot) => slot::is_alive(&mapped.user, slot)?,
            _ => true,
        },
        lost: word.is_lost(),
        sleepers: word.sleepers(),
        users,
    })
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // Explicitly, since a child that has not reached its exec yet may keep the description
        // for a moment.
        let _ = last::be_gone(self.user.as_fd());
    }
}

impl Mapped {
    fn open(path: &str, trust: Owners) -> io::Result<Self> {
        let this = Self::see(path, trust)?;
        if !lease::are_granted() {
            let fd = this.user.as_fd();
            last::come(fd)?;
            if file::status(fd)?.links == 0 {
                return Err(io::ErrorKind::NotFound.into());
            }
            // Where the kernel does not count those who have it open, they say so themselves.
            if lease::ONLY_OURS_COUNT {
                last::be_present(fd)?;
            }
            last::have_come(fd)?;
        }
        Ok(this)
    }

    /// For a look, which does not keep others from removing it.
    fn see(path: &str, trust: Owners) -> io::Result<Self> {
        let fd = file::open(path, Access::ReadWrite)?;
        let status = file::status(&fd)?;
        if status.links == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        check(&status, trust)?;
        Self::new(fd, status.id)
    }

    fn new(fd: OwnedFd, id: FileId) -> io::Result<Self> {
        let user = User::map(fd, Window::whole(word::SIZE, Access::ReadWrite))?;
        Ok(Self {
            user,
            id,
            next: OnceLock::new(),
        })
    }

    #[inline]
    fn word(&self) -> Word<'_> {
        // SAFETY: `user` maps a page at least, for as long as `self` lives; `check` saw that the
        // file is as large as a semaphore, and its name says that it is one.
        unsafe { Word::new(self.user.address()) }
    }

    #[inline]
    fn slot(&self) -> io::Result<u32> {
        slot::of(&self.user, &self.word())
    }

    #[inline]
    fn taken(&self, slot: u32) -> (Taken<'_>, Grant) {
        let lost = self.word().is_lost();
        let grant = if lost { Grant::OwnerDied } else { Grant::Clean };
        let generation = fork::generation();
        (
            Taken {
                word: self.word(),
                generation,
                slot: slot as u16,
                lost,
            },
            grant,
        )
    }

    /// The holder, if it is sure to be dead. `search`: also look through all processes, which
    /// takes long.
    fn dead_holder(&self, search: bool) -> io::Result<Option<Holder>> {
        let holder = self.word().holder();
        let is_dead = match holder {
            // Another thread with this handle may hold it without a slot, too.
            Holder::Unknown if self.user.slot() == 0 => false,
            Holder::Nobody => false,
            Holder::Slot(slot) => !slot::is_alive(&self.user, slot)? && !self.user.is_blind(),
            // Qt leaves no name. Then the lock is free only if nobody could hold it.
            Holder::Unknown => self.is_only_user(search)? || search && self.are_all_ours()?,
        };
        Ok(is_dead.then_some(holder))
    }

    /// Whether no other process, and no other handle in this one, has the semaphore open.
    fn is_only_user(&self, search: bool) -> io::Result<bool> {
        match lease::users(self.user.as_fd())? {
            Users::OnlyMe(_) => Ok(!self.user.is_blind()),
            Users::Others => Ok(false),
            Users::Unknown if search => {
                let holders = process::holders_of(self.id)?;
                let only = matches!(
                    &*holders.found,
                    [holder] if holder.pid == std::process::id()
                        && holder.descriptors == 1
                        && holder.mappings == 1
                );
                Ok(holders.complete && only)
            }
            Users::Unknown => Ok(false),
        }
    }

    /// Whether all that have the semaphore open are users of shmkit, who write down their slot
    /// when they take the lock, so that nobody has it if none is written.
    fn are_all_ours(&self) -> io::Result<bool> {
        let holders = process::holders_of(self.id)?;
        let slots_of = |holder: &process::Holder| {
            let starts = holder.locks.iter();
            starts
                .filter_map(|&start| slot::from_lock(start))
                .collect::<Vec<u32>>()
        };
        let is_ours = |holder: &process::Holder| {
            holder.mappings.max(holder.descriptors) <= slots_of(holder).len()
        };
        let slots: Vec<u32> = holders.found.iter().flat_map(slots_of).collect();
        let word = self.word();
        Ok(holders.complete
            && holders.found.iter().all(is_ours)
            && word.is_settled(&slots)
            && word.holder() == Holder::Unknown
            && word.is_settled(&slots))
    }
}

impl Taken<'_> {
    /// See [`Semaphore::redeem`].
    pub(crate) fn ticket(self) -> Ticket {
        Ticket {
            address: self.word.address(),
            slot: self.slot,
            generation: self.generation,
            lost: self.lost,
        }
    }

    /// Gives the lock back. `recovered`: the data are right again after an owner's death.
    #[inline]
    pub(crate) fn give(self, recovered: bool) {
        // A forked child inherits the guard, not the lock.
        if self.generation != fork::generation() {
            return;
        }
        if recovered && self.lost {
            self.word.set_lost(false);
        }
        self.word.give(self.slot.into());
    }
}

/// Makes a semaphore of this value under a name that nothing has, complete or not at all.
fn make(path: &str, value: u32, mode: u32) -> io::Result<()> {
    let Newborn { fd, unnamed } = Newborn::new(MEMORY_DIRECTORY, EPHEMERAL | semaphore_mode(mode))?;
    file::write_start(fd.as_fd(), &Word::image(value))?;
    unnamed.publish(fd.as_fd(), path)
}

fn check(status: &file::Status, trust: Owners) -> io::Result<()> {
    match status.kind {
        Kind::Regular if !trust.admits(status.owner) => Err(Squatted::Owner(status.owner).into()),
        Kind::Regular => match status.size {
            size if size == word::SIZE as u64 => Ok(()),
            32 => Err(Squatted::By("the semaphore of a 64-bit program").into()),
            16 => Err(Squatted::By("the semaphore of a 32-bit program").into()),
            ..16 => Err(Squatted::By("a file that is too short for a semaphore").into()),
            _ => Err(Squatted::By("a file that is no semaphore").into()),
        },
        kind => Err(Squatted::by(kind).into()),
    }
}

/// Makes a semaphore that a crash left without value free again, before a new segment gets the
/// name that it belongs to: whoever attaches to the segment, Qt too, locks it first. Left alone
/// if anybody has it open.
pub(super) fn mend_abandoned(path: &str) {
    let _steady = fork::steady();
    let Ok(fd) = file::open(path, Access::ReadWrite) else {
        return;
    };
    let Ok(status) = file::status(&fd) else {
        return;
    };
    if check(&status, Owners::Mine).is_err() {
        return;
    }
    // What cannot be mended is as it was.
    let _ = last::while_alone(fd.as_fd(), status.id, || {
        let mapped = Mapped::new(fd.try_clone()?, status.id)?;
        mapped.word().reset(1);
        mapped.word().set_lost(false);
        Ok(())
    });
}

/// Removes the semaphore of a name unless somebody has it open.
pub(super) fn remove_unused(path: &str) {
    let _steady = fork::steady();
    let Ok(fd) = file::open(path, Access::ReadWrite) else {
        return;
    };
    let Ok(status) = file::status(&fd) else {
        return;
    };
    if status.links == 0 || check(&status, Owners::Mine).is_err() {
        return;
    }
    // What cannot be removed stays: a semaphore without a segment does no harm.
    let _ = last::unlink_if_last(fd.as_fd(), Path::new(path).into(), status.id);
}

/// Removes the semaphore of a segment that does not exist, unless somebody has it open.
pub(crate) fn remove_without_segment(segment: &NativeIpcKey) {
    let [Ok(segment), Ok(semaphore)] = [
        segment_path(segment, Op::Detach),
        semaphore_path(&semaphore_key(segment), Op::Detach),
    ] else {
        return;
    };
    if file::status_of_name(&segment).is_err() {
        remove_unused(&semaphore);
    }
}

/// Removes a semaphore that counts unless somebody has it open. One that shmkit did not make stays
/// unless the caller `owns` it.
pub(crate) fn remove_counting(key: &NativeIpcKey, owns: bool) {
    if let Ok(path) = semaphore_path(key, Op::Detach)
        && file::status_of_name(&path).is_ok_and(|status| owns || status.is_ephemeral())
    {
        remove_unused(&path);
    }
}
