//! A System V semaphore, the same that Qt uses: number 0 of the set is Qt's lock, with `SEM_UNDO`,
//! so that the kernel gives it back when its holder dies.
//!
//! The kernel gives it back without a word. So a set that we make has a second semaphore, which Qt
//! never looks at: the lock is taken in one operation that also raises this *mark*, without undo,
//! and given back in one that lowers it. Whoever gets the lock while the mark is up knows that the
//! one before did not give it back: it died, or a Qt `create()` reset the lock under it. A set that
//! Qt made has no room for the mark, and there an owner's death cannot be told.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::key_file::{self, KeyFile};
use super::presence::Presence;
use crate::backend::{Grant, Owners, Suspect, semaphore_mode, user_name};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::sys::fork;
use crate::sys::process;
use crate::sys::system_v::{self, Step};

pub(super) const LOCK: u16 = 0;
pub(super) const MARK: u16 = 1;
pub(super) const COUNT: u16 = 2;

/// How long a sleeper goes without looking whether the set was ever finished.
const SLICE: Duration = Duration::from_secs(1);

/// How often a set may vanish under us before we say so.
const ATTEMPTS: u32 = 1000;

/// A semaphore by key.
#[derive(Debug)]
pub(crate) struct Semaphore {
    path: String,
    project: u8,
    value: u32,
    mode: u32,
    trust: Owners,
    id: AtomicI32,
    marked: AtomicBool,
    /// It made the set, and takes it away.
    made: AtomicBool,
    /// Held while the set is looked for again.
    reopening: Mutex<()>,
}

/// What a guard must give back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    id: i32,
    marked: bool,
    generation: u32,
}

#[derive(Clone, Copy)]
struct Set {
    id: i32,
    marked: bool,
}

const fn take(wait: bool) -> Step {
    Step {
        semaphore: LOCK,
        by: -1,
        undo: true,
        wait,
    }
}

const GIVE: Step = Step {
    semaphore: LOCK,
    by: 1,
    undo: true,
    wait: false,
};
/// A lock that is held has the value 0. If it has not, Qt reset it, and giving would make it 2:
/// two could hold it from then on.
const IF_HELD: Step = Step {
    semaphore: LOCK,
    by: 0,
    undo: false,
    wait: false,
};
const IF_UNMARKED: Step = Step {
    semaphore: MARK,
    by: 0,
    undo: false,
    wait: false,
};
const RAISE_MARK: Step = Step {
    semaphore: MARK,
    by: 1,
    undo: false,
    wait: false,
};
const LOWER_MARK: Step = Step {
    semaphore: MARK,
    by: -1,
    undo: false,
    wait: false,
};

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value`.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        trust: Owners,
        op: Op,
    ) -> Result<Self> {
        let (path, project) = key_file::parts(key, op)?;
        // Guards ask for the generation.
        fork::install();
        let semaphore = Self {
            path: path.to_owned(),
            project,
            value,
            mode: semaphore_mode(mode),
            trust,
            id: AtomicI32::new(-1),
            marked: false.into(),
            made: false.into(),
            reopening: Mutex::new(()),
        };
        semaphore
            .reopen(-1)
            .map_err(|cause| semaphore.explain(cause, op))?;
        Ok(semaphore)
    }

    fn set(&self) -> Set {
        Set {
            id: self.id.load(Ordering::Acquire),
            marked: self.marked.load(Ordering::Relaxed),
        }
    }

    /// Finds or makes the set again after the one of id `gone` was removed.
    #[cold]
    fn reopen(&self, gone: i32) -> io::Result<()> {
        let _one_thread = self
            .reopening
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.set().id != gone {
            return Ok(());
        }
        if let Some(set) = self.find() {
            self.use_set(set, false);
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let (file, _pin, made) = KeyFile::find_or_make(&self.path, self.project)?;
            let (set, is_new_set) = match self.find_or_make(&file) {
                // Removed between two looks.
                Err(error) if is_gone(&error) => continue,
                Err(error) => {
                    // Whoever has begun to use it meanwhile looks whether it is still there.
                    if made {
                        drop(file.remove(&self.path));
                    }
                    return Err(error);
                }
                Ok(found) => found,
            };
            // A set whose key file was removed meanwhile is one that newcomers do not find.
            if file.is_current(&self.path) {
                self.use_set(set, is_new_set);
                return Ok(());
            }
            if is_new_set {
                let _ = system_v::remove_set(set.id);
            }
        }
        Err(io::Error::other(
            "the semaphore was removed by others again and again",
        ))
    }

    fn use_set(&self, set: Set, is_new: bool) {
        self.marked.store(set.marked, Ordering::Relaxed);
        self.made.store(is_new, Ordering::Relaxed);
        self.id.store(set.id, Ordering::Release);
    }

    /// The set that is there, if there is one that may be used. Nothing is made of the key file's
    /// number, so the file needs no pin: once the path still leads to it after the set was found, the
    /// set is the one that newcomers find. Whatever is wrong, the pinned way is there to say it.
    fn find(&self) -> Option<Set> {
        let file = KeyFile::find(&self.path, self.project).ok()?;
        let id = system_v::find_set(file.ipc_key).ok()?;
        let set = self.admitted(id).ok()?;
        file.is_current(&self.path).then_some(set)
    }

    /// A set that exists, if its owner is trusted.
    fn admitted(&self, id: i32) -> io::Result<Set> {
        let status = system_v::set_status(id)?;
        if !self.trust.admits(status.owner) {
            return Err(io::Error::other(ForeignSet(status.owner)));
        }
        let marked = status.count > MARK.into();
        Ok(Set { id, marked })
    }

    /// The set of a key file, and whether it was made for that.
    fn find_or_make(&self, file: &KeyFile) -> io::Result<(Set, bool)> {
        match system_v::find_set(file.ipc_key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return self.admitted(found?).map(|set| (set, false)),
        }
        match system_v::create_set(file.ipc_key, COUNT, self.mode) {
            Ok(id) => match give_birth(id, self.value) {
                Ok(()) => Ok((Set { id, marked: true }, true)),
                Err(error) => {
                    let _ = system_v::remove_set(id);
                    Err(error)
                }
            },
            // Another was faster; find it in the next round.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::from_raw_os_error(libc::EIDRM))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken, Grant)>> {
        self.lock_once(None)
    }

    /// Takes the lock, sleeping at most `limit`; `None` if it was not to be had.
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken, Grant)>> {
        let begun = Instant::now();
        loop {
            let left = interrupt::slice(limit.saturating_sub(begun.elapsed()));
            if let Some(taken) = self.lock_once(Some(left.min(SLICE)))? {
                return Ok(Some(taken));
            }
            self.finish_birth()?;
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    #[inline]
    fn lock_once(&self, limit: Option<Duration>) -> io::Result<Option<(Taken, Grant)>> {
        let wait = limit.is_some();
        loop {
            let set = self.set();
            let Set { id, marked } = set;
            let locked = match marked {
                true => system_v::operate(id, [take(wait), IF_UNMARKED, RAISE_MARK], limit),
                false => system_v::operate(id, [take(wait)], limit),
            };
            match locked {
                Ok(()) => return Ok(Some((Self::taken(set), Grant::Clean))),
                Err(error) if is_gone(&error) => self.reopen(id)?,
                // The caller knows how much of its time is left.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if !marked => return Ok(None),
                // Held, or free with the mark up. Lowering and raising it proves that it is up in
                // the very moment of taking.
                Err(_) => {
                    match system_v::operate(id, [take(false), LOWER_MARK, RAISE_MARK], None) {
                        Ok(()) => return Ok(Some((Self::taken(set), Grant::OwnerDied))),
                        Err(error) if is_gone(&error) => self.reopen(id)?,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    fn taken(Set { id, marked }: Set) -> Taken {
        Taken {
            id,
            marked,
            generation: fork::generation(),
        }
    }

    /// A set is made in two steps, and its maker may die between them. Then nobody ever operated
    /// on it, and its value is 0; the second step is done for the dead.
    fn finish_birth(&self) -> io::Result<()> {
        let id = self.set().id;
        let unfinished = || -> io::Result<bool> {
            Ok(system_v::set_status(id)?.last_operation == 0
                && system_v::value(id, LOCK)? == 0
                && system_v::last_pid(id, LOCK)?.is_none())
        };
        match unfinished() {
            Ok(true) => give_birth(id, 1),
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes one of the value, at once or sleeping at most `limit`; with undo, as Qt does.
    pub(crate) fn acquire_within(&self, limit: Option<Duration>) -> io::Result<bool> {
        let begun = Instant::now();
        loop {
            let left = limit.map(|limit| interrupt::slice(limit.saturating_sub(begun.elapsed())));
            let id = self.set().id;
            match system_v::operate(
                id,
                [take(limit.is_some())],
                left.map(|left| left.min(SLICE)),
            ) {
                Ok(()) => return Ok(true),
                Err(error) if is_gone(&error) => self.reopen(id)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if left.is_none_or(|left| left.is_zero()) => return Ok(false),
                Err(_) => {}
            }
        }
    }

    /// Adds `by` to the value, in one operation; with undo, as Qt does.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        let too_large = |_| io::Error::from_raw_os_error(libc::ERANGE);
        let by = i16::try_from(by).map_err(too_large)?;
        loop {
            let id = self.set().id;
            match system_v::operate(id, [Step { by, ..GIVE }], None) {
                Err(error) if is_gone(&error) => self.reopen(id)?,
                result => return result,
            }
        }
    }

    /// Sets the value, whoever has some of it or waits for it.
    pub(crate) fn set_value(&self, value: u32) -> io::Result<()> {
        loop {
            let id = self.set().id;
            match system_v::set_value(id, LOCK, value.try_into().unwrap_or(i32::MAX)) {
                Err(error) if is_gone(&error) => self.reopen(id)?,
                result => return result,
            }
        }
    }

    /// Whether its key file is this one.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.path == path
    }

    /// Whether this user made the set.
    pub(super) fn is_made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }

    /// What its maker does when it leaves a segment that others use: takes the lock's set away, as
    /// Qt does, but only while it has the lock itself, so that nobody loses it. Whoever needs one
    /// makes another; so the last one, who may be Qt, leaves none behind that it did not make.
    pub(crate) fn leave_to_others(&self, segment: &NativeIpcKey) {
        if self.made.load(Ordering::Relaxed)
            && let Ok(Some((taken, grant))) = self.try_lock()
        {
            match grant {
                Grant::Clean => self.withdraw(segment.native_key()),
                // The next one must still learn of it.
                Grant::OwnerDied => taken.give(false),
            }
        }
    }

    /// Takes the set away again if it was made by this user, for a segment that stays. Only under
    /// the lock.
    pub(super) fn withdraw(&self, segment_path: &str) {
        if !self.made.load(Ordering::Relaxed) {
            return;
        }
        let _ = match self.is_at(segment_path) {
            // The key file is the segment's as well.
            true => system_v::remove_set(self.set().id),
            false => self.remove(),
        };
    }

    /// Removes a lock whose segment does not exist, unless somebody has it.
    pub(crate) fn remove_without_segment(self, segment: &NativeIpcKey) {
        let has_segment = key_file::parts(segment, Op::Detach)
            .map(|(path, project)| KeyFile::find(path, project))
            .is_ok_and(|file| file.is_ok_and(|file| system_v::find_segment(file.ipc_key).is_ok()));
        if !has_segment && matches!(self.try_lock(), Ok(Some(_))) {
            // The lock goes with it.
            let _ = self.remove();
        }
    }

    /// Removes a semaphore that counts unless a user of shmkit counts with it, somebody waits for
    /// it, or it is the lock of a segment. One that shmkit did not make stays unless the caller
    /// `owns` it. Qt's users cannot be seen; they make a new one at their next step, as they do
    /// after Qt's own removals.
    pub(crate) fn remove_counting(self, owns: bool) {
        let Set { id, marked } = self.set();
        let Ok(file) = KeyFile::find(&self.path, self.project) else {
            return;
        };
        let in_use = Presence::of_anyone(&self.path)
            || system_v::find_segment(file.ipc_key).is_ok()
            || !system_v::waiting(id, LOCK).is_ok_and(|count| count == 0);
        if (owns || marked) && !in_use {
            let _ = self.remove();
        }
    }

    /// Who operated last: while it is locked, the holder.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        let Some(pid) = system_v::last_pid(self.set().id, LOCK)? else {
            return Ok(Vec::new());
        };
        let program = process::program(pid).unwrap_or_else(|| "ended".to_owned());
        Ok(vec![Suspect {
            pid,
            program,
            holds: true,
        }])
    }

    /// Removes the set, and its key file if that was made for it. Only under the lock.
    pub(super) fn remove(&self) -> io::Result<()> {
        let id = self.set().id;
        // Where the segment has the same file, that is gone by now, and somebody may have made
        // another one.
        let is_own = |file: &KeyFile| system_v::find_set(file.ipc_key).is_ok_and(|set| set == id);
        // The file first: who waits for the set is told of its end, and must find the file gone
        // to make a new one, which newcomers find, too.
        let _removal = KeyFile::find(&self.path, self.project)
            .ok()
            .filter(is_own)
            .and_then(|file| file.remove(&self.path));
        match system_v::remove_set(id) {
            // Its maker saw the file go before it had looked whether that was still there, and took
            // back the set as well.
            Err(error) if is_gone(&error) => Ok(()),
            removed => removed,
        }
    }

    fn explain(&self, cause: io::Error, op: Op) -> Error {
        if let Some(ForeignSet(owner)) = cause.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Error::new(op, ErrorKind::ForeignOwner)
                .detail(format!(
                    "its semaphore belongs to {}, not to you",
                    user_name(*owner)
                ))
                .hint("accept that owner in the options if you trust it");
        }
        match cause.raw_os_error() {
            Some(libc::ERANGE) => Error::os(op, cause)
                .detail("the value is more than a semaphore's largest")
                .with_kind(ErrorKind::OutOfResources),
            Some(libc::ENOSPC) => Error::os(op, cause)
                .detail("the system has no semaphores left")
                .hint("see `ipcs -ls`; remove unused ones or raise kernel.sem")
                .with_kind(ErrorKind::OutOfResources),
            Some(libc::EACCES | libc::EPERM) => {
                Error::os(op, cause).detail("permission denied at its semaphore or the key file")
            }
            _ => key_file::explain(cause, &self.path, op),
        }
    }
}

/// The second step of making a set: gives it its value, unless somebody has done that for a maker
/// that seemed dead. Whoever has taken the lock since has raised the mark.
fn give_birth(id: i32, value: u32) -> io::Result<()> {
    let by = i16::try_from(value).map_err(|_| io::Error::from_raw_os_error(libc::ERANGE))?;
    if by == 0 {
        return Ok(());
    }
    let give = Step {
        by,
        undo: false,
        ..GIVE
    };
    match system_v::operate(id, [IF_HELD, IF_UNMARKED, give], None) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        born => born,
    }
}

/// A set of another user, on its way into an error.
#[derive(Debug)]
struct ForeignSet(u32);

impl std::fmt::Display for ForeignSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the semaphore belongs to user {}", self.0)
    }
}

impl std::error::Error for ForeignSet {}

impl Taken {
    /// Gives the lock back. `recovered`: the data are right, also after an owner's death.
    pub(crate) fn give(self, recovered: bool) {
        // A forked child inherits the guard, not the lock: the kernel gave it no undo entry.
        if self.generation != fork::generation() {
            return;
        }
        let Self { id, marked, .. } = self;
        if marked && recovered {
            match system_v::operate(id, [IF_HELD, GIVE, LOWER_MARK], None) {
                // Qt has reset the lock under us. What is left is given back piece by piece.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = system_v::operate(id, [LOWER_MARK], None);
                }
                // Done; or the set is gone, and the lock with it.
                _ => return,
            }
        }
        let _ = system_v::operate(id, [IF_HELD, GIVE], None);
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIDRM | libc::EINVAL))
}
