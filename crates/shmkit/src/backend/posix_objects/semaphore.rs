//! A named POSIX semaphore (`sem_open(3)`), Qt's lock, with an owner.
//!
//! Such a semaphore knows no owner, cannot be waited for with a limit on macOS, and does not tell its
//! value there. So users of shmkit first agree among themselves, in a word of its anchor, who may ask
//! for it:
//!
//! ```text
//! word            | meaning
//! 0               | none of us has it or asks for it
//! slot, asking    | that one is about to take the semaphore, or to give it back
//! slot, holding   | that one has it
//! ```
//!
//! A slot is a byte that its user keeps locked at the anchor. Who finds the slot of a dead holder puts
//! its own there, and has the lock. Who finds one that died asking asks itself: if the semaphore gives,
//! nothing was lost; if not, the dead one had it, or a program without shmkit has it, and which of them
//! nobody can tell: so it waits. The next `create` without other users makes it free.
#![expect(
    unsafe_code,
    reason = "the semaphore functions, and atomics in a mapped file"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::name::{Beside, anchor, system_name};
use super::segment;
use crate::backend::backoff::Backoff;
use crate::backend::file::Name;
use crate::backend::file::explain::explain;
use crate::backend::file::last::{self, SLOTS};
use crate::backend::{Grant, Owners, Suspect, semaphore_key, semaphore_mode};
use crate::error::{Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::file::{self, EPHEMERAL};
use crate::sys::fork::{self, User};
use crate::sys::lease::{self, Hold};
use crate::sys::memory::Window;
use crate::sys::process;

/// How much of the anchor is used.
const SIZE: usize = 64;

/// Where the words are in it.
const OWNER: usize = 0;
const LOST: usize = 4;
const NEXT_SLOT: usize = 8;

const HOLDING: u32 = 1 << 31;
const MOST_SLOTS: u32 = 1 << 15;

/// A semaphore by name.
#[derive(Debug)]
pub(crate) struct Semaphore {
    named: Named,
    anchor: User,
}

/// An open semaphore.
#[derive(Debug)]
struct Named(NonNull<libc::sem_t>);

// SAFETY: all that is done with the pointer are the semaphore functions, which any thread may call.
unsafe impl Send for Named {}
// SAFETY: as above.
unsafe impl Sync for Named {}

/// What a guard must give back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'s> {
    lock: &'s Semaphore,
    ticket: Ticket,
}

/// The same without the borrow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    slot: u32,
    generation: u32,
    lost: bool,
}

impl Named {
    /// Opens it, or makes it with this value.
    fn open(name: &CString, value: u32, mode: u32) -> io::Result<Self> {
        // SAFETY: the name ends with a NUL; the two further arguments are those of `O_CREAT`.
        let at = unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT, mode, value) };
        match NonNull::new(at) {
            Some(at) if at.as_ptr() != libc::SEM_FAILED => Ok(Self(at)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Opens it if it is there.
    fn open_existing(name: &CString) -> io::Result<Self> {
        // SAFETY: the name ends with a NUL.
        let at = unsafe { libc::sem_open(name.as_ptr(), 0) };
        match NonNull::new(at) {
            Some(at) if at.as_ptr() != libc::SEM_FAILED => Ok(Self(at)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whether nobody would get it now.
    #[cfg(not(target_vendor = "apple"))]
    fn is_taken(&self) -> Option<bool> {
        let mut value = 0;
        // SAFETY: it is open while `self` lives, and `value` is an int of ours.
        let told = unsafe { libc::sem_getvalue(self.0.as_ptr(), &raw mut value) };
        (told == 0).then_some(value <= 0)
    }

    /// Apple's system does not tell.
    #[cfg(target_vendor = "apple")]
    fn is_taken(&self) -> Option<bool> {
        None
    }

    fn take(&self) -> bool {
        // SAFETY: it is open while `self` lives.
        unsafe { libc::sem_trywait(self.0.as_ptr()) == 0 }
    }

    fn give(&self) -> bool {
        // SAFETY: as above.
        unsafe { libc::sem_post(self.0.as_ptr()) == 0 }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // SAFETY: it is open, and not used any more.
        unsafe { libc::sem_close(self.0.as_ptr()) };
    }
}

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value` if nothing has the name.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        _trust: Owners,
        op: Op,
    ) -> Result<Self> {
        let name = system_name(key, op)?;
        let _steady = fork::steady();
        let open = || {
            let anchor = open_anchor(&name, mode)?;
            let named = Named::open(&name, value, semaphore_mode(mode))?;
            Ok(Self { named, anchor })
        };
        open().map_err(|error| explain(error, "sem_open", op).on(key))
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset + 4 <= SIZE);
        // SAFETY: the offset is one of the constants above, within the mapping.
        let at = unsafe { self.anchor.address().add(offset) };
        // SAFETY: mapped while `self` lives, aligned, and used as an atomic by all.
        unsafe { AtomicU32::from_ptr(at.cast().as_ptr()) }
    }

    /// This user's slot, taken at its first use.
    fn slot(&self) -> io::Result<u32> {
        if self.anchor.slot() != 0 {
            return Ok(self.anchor.slot());
        }
        for _ in 0..MOST_SLOTS {
            let slot = 1 + self.word(NEXT_SLOT).fetch_add(1, Ordering::Relaxed) % MOST_SLOTS;
            let byte = SLOTS + u64::from(slot);
            if !lease::try_lock(self.anchor.as_fd(), Hold::Exclusive, byte, 1)? {
                continue;
            }
            // A holder that died left its slot in the word; until then its number stays dead.
            if self.word(OWNER).load(Ordering::Acquire) & !HOLDING == slot {
                lease::unlock(self.anchor.as_fd(), byte, 1)?;
                continue;
            }
            return Ok(self.anchor.settle_slot(slot));
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    fn is_alive(&self, slot: u32) -> io::Result<bool> {
        Ok(slot == self.anchor.slot()
            || self.anchor.is_blind()
            || lease::is_locked(self.anchor.as_fd(), SLOTS + u64::from(slot), 1)?)
    }

    /// Nothing is had without a system call.
    pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
        None
    }

    /// Takes the lock if it is free, or a dead one's.
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        let slot = self.slot()?;
        let word = self.word(OWNER);
        let before = word.load(Ordering::Acquire);
        if before != 0 && self.is_alive(before & !HOLDING)? {
            return Ok(None);
        }
        let next = match before & HOLDING {
            0 => slot,
            _ => slot | HOLDING,
        };
        let swapped = word.compare_exchange(before, next, Ordering::SeqCst, Ordering::Acquire);
        if swapped.is_err() {
            return Ok(None);
        }
        if before & HOLDING != 0 {
            self.word(LOST).store(1, Ordering::Relaxed);
            return Ok(Some(self.taken(slot)));
        }
        match self.named.take() {
            true => {
                word.store(slot | HOLDING, Ordering::SeqCst);
                Ok(Some(self.taken(slot)))
            }
            false => {
                word.store(0, Ordering::SeqCst);
                Ok(None)
            }
        }
    }

    fn taken(&self, slot: u32) -> (Taken<'_>, Grant) {
        let lost = self.word(LOST).load(Ordering::Relaxed) != 0;
        let ticket = Ticket {
            slot,
            generation: fork::generation(),
            lost,
        };
        let grant = if lost { Grant::OwnerDied } else { Grant::Clean };
        (Taken { lock: self, ticket }, grant)
    }

    /// Takes the lock, sleeping at most about `limit`; `None` if it was not to be had.
    #[cold]
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        let mut backoff = Backoff::new(limit);
        loop {
            if let Some(taken) = self.try_lock()? {
                return Ok(Some(taken));
            }
            if !backoff.again() {
                return Ok(None);
            }
        }
    }

    /// Who has the lock, if that is a user of shmkit.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        let word = self.word(OWNER).load(Ordering::Acquire);
        let slot = word & !HOLDING;
        let pid = match slot {
            0 => None,
            _ if slot == self.anchor.slot() => Some(std::process::id()),
            _ => lease::pid_of_lock(self.anchor.as_fd(), SLOTS + u64::from(slot)),
        };
        let suspect = |pid| Suspect {
            pid,
            program: process::program(pid).unwrap_or_default(),
            holds: word & HOLDING != 0,
        };
        Ok(pid.map(suspect).into_iter().collect())
    }

    /// The lock of a ticket.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Taken<'_>> {
        (ticket.slot == self.anchor.slot()).then_some(Taken { lock: self, ticket })
    }

    /// Takes one of the value, sleeping at most about `limit`; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        let mut backoff = Backoff::new(limit);
        loop {
            if self.named.take() {
                return Ok(true);
            }
            if limit.is_zero() || !backoff.again() {
                return Ok(false);
            }
        }
    }

    /// Adds `by` to the value, all or nothing.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        for done in 0..by {
            if !self.named.give() {
                (0..done).for_each(|_| _ = self.named.take());
                return Err(io::Error::from_raw_os_error(libc::EOVERFLOW));
            }
        }
        Ok(())
    }

    /// Sets the value, for everybody who has the semaphore open.
    pub(crate) fn set_value(&self, value: u32) -> io::Result<()> {
        self.word(OWNER).store(0, Ordering::SeqCst);
        while self.named.take() {}
        self.release(value)
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // Explicitly, since a child that has not reached its exec yet may keep the description.
        let _ = last::be_gone(self.anchor.as_fd());
    }
}

impl Taken<'_> {
    pub(crate) fn ticket(self) -> Ticket {
        self.ticket
    }

    /// Gives the lock back. `recovered`: the data are right again after an owner's death.
    pub(crate) fn give(self, recovered: bool) {
        let Ticket {
            slot,
            generation,
            lost,
        } = self.ticket;
        let word = self.lock.word(OWNER);
        // A forked child inherits the guard, not the lock.
        if generation != fork::generation() {
            return;
        }
        if recovered && lost {
            self.lock.word(LOST).store(0, Ordering::Relaxed);
        }
        // Somebody may have set the value meanwhile, and then it is no longer ours.
        let asking =
            word.compare_exchange(slot | HOLDING, slot, Ordering::SeqCst, Ordering::Relaxed);
        if asking.is_ok() {
            self.lock.named.give();
            word.store(0, Ordering::SeqCst);
        }
    }
}

/// Joins those at the anchor of a semaphore, which is made if there is none.
fn open_anchor(name: &CString, mode: u32) -> io::Result<User> {
    let place = anchor(Beside::Semaphore, name, file::user())?;
    loop {
        let fd = match file::open(&place, Access::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mode = EPHEMERAL | semaphore_mode(mode);
                match file::make_sized(&place, SIZE as u64, mode) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => continue,
                }
            }
            other => other?,
        };
        let user = User::map(fd, Window::whole(SIZE, Access::ReadWrite))?;
        last::come(user.as_fd())?;
        if file::status(&user)?.links > 0 {
            last::be_present(user.as_fd())?;
            last::have_come(user.as_fd())?;
            return Ok(user);
        }
    }
}

/// Removes the semaphore of a segment unless a user of shmkit has it open: also before a new segment
/// gets the name, since a crash may have left it taken.
pub(super) fn remove_unused(segment: &NativeIpcKey) {
    if let Ok(name) = system_name(&semaphore_key(segment), Op::Detach) {
        unlink_unused(&name);
    }
}

/// Removes the semaphore of a segment that does not exist, unless a user of shmkit has it open.
pub(crate) fn remove_without_segment(segment: &NativeIpcKey) {
    if !segment::exists(segment) {
        remove_unused(segment);
    }
}

/// Removes a semaphore that counts unless a user of shmkit has it open. Who made it, it does not say.
pub(crate) fn remove_counting(key: &NativeIpcKey, _owns: bool) {
    if let Ok(name) = system_name(key, Op::Detach) {
        unlink_unused(&name);
    }
}

/// Removes a semaphore and its anchor if nobody is at the anchor. What cannot be removed stays.
fn unlink_unused(name: &CString) {
    let _steady = fork::steady();
    let Ok(place) = anchor(Beside::Semaphore, name, file::user()) else {
        return;
    };
    let Ok(fd) = file::open(&place, Access::ReadWrite) else {
        return;
    };
    if let Ok(status) = file::status(&fd) {
        let remove = || {
            unlink(name);
            Ok(())
        };
        let _ = last::unlink_if_last(fd.as_fd(), Name::new(&place, Some(&remove)), status.id);
    }
}

/// Takes the name of a semaphore away, if it has one.
pub(super) fn unlink(name: &CString) {
    // SAFETY: the name ends with a NUL.
    unsafe { libc::sem_unlink(name.as_ptr()) };
}

/// A lock as it looks from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Whether one of us has it, or asks for it.
    pub(super) held: bool,
    /// The process of that one, if it can be told.
    pub(super) pid: Option<u32>,
    /// That one is dead, or somebody died before and nobody has repaired the data.
    pub(super) owner_died: bool,
    /// Whether the semaphore itself is taken, where that can be told (on macOS it cannot).
    pub(super) taken: Option<bool>,
}

/// Looks at the lock of this name, whose anchor is this user's.
pub(super) fn look(name: &CString) -> io::Result<Sight> {
    let fd = file::open(
        anchor(Beside::Semaphore, name, file::user())?,
        Access::ReadOnly,
    )?;
    let mut bytes = [0; SIZE];
    file::read_from(fd.as_fd(), 0, &mut bytes)?;
    let word = |offset: usize| {
        let word = bytes[offset..].first_chunk().copied();
        u32::from_ne_bytes(word.unwrap_or_default())
    };
    let slot = word(OWNER) & !HOLDING;
    let byte = SLOTS + u64::from(slot);
    let is_alive = slot != 0 && lease::is_locked(fd.as_fd(), byte, 1)?;
    Ok(Sight {
        held: is_alive && word(OWNER) & HOLDING != 0,
        pid: match is_alive {
            true => lease::pid_of_lock(fd.as_fd(), byte),
            false => None,
        },
        owner_died: word(LOST) != 0 || word(OWNER) & HOLDING != 0 && !is_alive,
        taken: Named::open_existing(name)
            .ok()
            .and_then(|named| named.is_taken()),
    })
}
