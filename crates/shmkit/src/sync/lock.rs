//! The lock inside `Mutex`, `RecursiveMutex` and `RwLock`: a word, and who is waited for.

use std::time::{Duration, Instant};

use super::blame::Blame;
use super::holder::{self, LockHolder};
use super::limit::Limit;
use super::peers::{Peers, Process};
use super::sleep::{Sleep, Thread};
use super::word::{Flagged, Refusal, Word};
use crate::atomic::{AtomicU32, AtomicU64};
use crate::backend::Grant;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::lease;
use crate::sys::attachment;

/// How long a lock is waited for where the caller did not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// 16 bytes, the same everywhere; all zeros is a lock that is free.
#[derive(Debug)]
#[repr(C, align(8))]
pub(super) struct Lock {
    pub(super) word: Word,
    /// Who is waited for: see [`Blame`].
    turns: AtomicU32,
    blamed: AtomicU64,
}

/// Where the record is of who is waited for, in bytes from the beginning of a lock.
pub(crate) const BLAMED: usize = std::mem::offset_of!(Lock, blamed);

const _: () = assert!(size_of::<Lock>() == 16 && align_of::<Lock>() == 8);

/// This process, at a lock that remembers who is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here<'a> {
    process: Process,
    lock: &'a Lock,
}

impl Peers for Here<'_> {
    fn me(&self) -> u32 {
        self.process.me()
    }

    fn is_alive(&self, lease: u32) -> bool {
        self.process.is_alive(lease)
    }

    fn blame(&self) -> Option<Blame<'_>> {
        Some(self.lock.blame())
    }
}

/// How a lock is taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// Only if it is free.
    No,
    For(Duration),
    Until(Instant),
    /// As long as it takes.
    Ever,
}

impl Wait {
    pub(super) const USUAL: Self = Self::For(DEFAULT_TIMEOUT);

    pub(super) fn limit(self) -> Limit {
        match self {
            Self::No => Limit::Now,
            Self::For(time) => Limit::after(time),
            Self::Until(deadline) => Limit::At(deadline),
            Self::Ever => Limit::Never,
        }
    }
}

/// A lock that this process holds: what giving it back needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    lease: u32,
    generation: u32,
}

impl Hold {
    pub(super) fn lease(self) -> u32 {
        self.lease
    }

    #[inline]
    pub(super) fn is_of_this_process(self) -> bool {
        self.generation == lease::generation()
    }
}

impl Lock {
    pub(super) const fn new() -> Self {
        Self {
            word: Word::new(),
            turns: AtomicU32::new(0),
            blamed: AtomicU64::new(0),
        }
    }

    fn blame(&self) -> Blame<'_> {
        Blame {
            turns: &self.turns,
            record: &self.blamed,
        }
    }

    #[inline]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Takes the lock in the usual case: this thread knows its lease, and the lock is free, with
    /// nobody asleep and nothing in doubt. `None` says nothing.
    #[inline]
    pub(super) fn take_at_once(&self) -> Option<Hold> {
        let hold = self.remembered_hold()?;
        self.take_free(hold).then_some(hold)
    }

    /// What this process would hold the lock by, if this thread remembers it.
    #[inline]
    pub(super) fn remembered_hold(&self) -> Option<Hold> {
        Some(Hold {
            lease: lease::remembered(self.address())?,
            generation: lease::generation(),
        })
    }

    #[inline]
    pub(super) fn take_free(&self, hold: Hold) -> bool {
        self.word.take_free(hold.lease)
    }

    /// What this process would hold the lock by.
    #[inline]
    pub(super) fn hold(&self) -> Result<Hold> {
        let generation = lease::generation();
        match lease::of(self.address()) {
            Ok(lease) => Ok(Hold { lease, generation }),
            Err(why) => Err(lease::explain(why, Op::Lock)),
        }
    }

    /// Takes the lock, keeping the thread until it is free or `wait` is over. Out of line, and
    /// without a guard, so that the guard of the usual case stays in registers.
    #[cold]
    pub(super) fn take(&self, wait: Wait, flagged: Flagged) -> Result<(Hold, Grant)> {
        Thread::waits(self.take_by(wait, flagged, &Thread))
    }

    /// Takes the lock, sleeping until it is free or `wait` is over.
    pub(super) async fn take_by(
        &self,
        wait: Wait,
        flagged: Flagged,
        sleeper: &impl Sleep,
    ) -> Result<(Hold, Grant)> {
        let hold = self.hold()?;
        if self.take_free(hold) {
            return Ok((hold, Grant::Clean));
        }
        let here = self.here(hold);
        let begun = Instant::now();
        let limit = wait.limit();
        match self.word.take_by(&here, flagged, limit, sleeper).await? {
            Ok(grant) => Ok((hold, grant)),
            Err(refusal) => Err(self.explain(refusal, wait, begun)),
        }
    }

    pub(super) fn here(&self, hold: Hold) -> Here<'_> {
        let process = Process {
            lease: hold.lease,
            address: self.address(),
        };
        Here {
            process,
            lock: self,
        }
    }

    /// Gives the lock back; its data are in doubt or not.
    #[inline]
    pub(super) fn give(&self, hold: Hold, in_doubt: bool) {
        // A forked child inherits the guard, not the lock.
        if hold.is_of_this_process() {
            self.word.unlock(&self.here(hold), in_doubt, 1);
        }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.word.is_flagged()
    }

    pub(super) fn clear_poison(&self) -> Result<()> {
        refuse_read_only(self)?;
        self.word.set_flag(false);
        Ok(())
    }

    pub(super) fn holder(&self) -> Option<LockHolder> {
        Some(self.describe(self.word.holder()?))
    }

    fn describe(&self, holder: u32) -> LockHolder {
        let held_for = self.blame().held_for(holder);
        holder::of_lease(self.address(), holder, held_for)
    }

    #[cold]
    pub(super) fn explain(&self, refusal: Refusal, wait: Wait, begun: Instant) -> Error {
        match refusal {
            Refusal::Flagged => self.explain_poison(),
            Refusal::Held(holder) => self.explain_holder(holder, wait, begun),
        }
    }

    #[cold]
    pub(super) fn explain_poison(&self) -> Error {
        error(ErrorKind::Poisoned, self.address())
            .detail(
                "it is poisoned: a holder panicked, or died and nobody has repaired the data since",
            )
            .hint("repair the data under `lock_poisoned`, or call `clear_poison` if they are right")
    }

    #[cold]
    pub(super) fn explain_holder(&self, holder: u32, wait: Wait, begun: Instant) -> Error {
        let kind = refused(wait);
        if kind == ErrorKind::Interrupted {
            return error(kind, self.address());
        }
        let time = begun.elapsed().as_secs_f64();
        let held = match wait {
            // A try must be quick: who it is costs a look at all processes.
            Wait::No => "it is held".to_owned(),
            _ => {
                let holder = self.describe(holder);
                format!("timed out after {time:.3} s, held by {holder}")
            }
        };
        error(kind, self.address()).detail(held)
    }
}

/// A refusal to wait any longer for what lies at this address, with the key of its segment.
pub(super) fn error(kind: ErrorKind, address: usize) -> Error {
    let error = Error::new(Op::Lock, kind);
    match attachment::name(address) {
        Some(name) => error.on(name),
        None => error,
    }
}

/// An error if what is to be written to lies in a segment that is attached read-only.
#[inline]
pub(super) fn refuse_read_only<T>(what: &T) -> Result<()> {
    let address = std::ptr::from_ref(what).addr();
    match lease::is_writable(address) {
        true => Ok(()),
        false => Err(lease::explain(attachment::NoLease::ReadOnly, Op::Write)),
    }
}

/// Why a wait has ended in vain.
pub(super) fn refused(wait: Wait) -> ErrorKind {
    match wait {
        Wait::No => ErrorKind::WouldBlock,
        _ if interrupt::has_come() => ErrorKind::Interrupted,
        _ => ErrorKind::TimedOut,
    }
}

/// What was waited for did not come.
#[cold]
pub(super) fn timed_out<T>(what: &T, wait: Wait, begun: Instant, state: &str) -> Error {
    let address = std::ptr::from_ref(what).addr();
    match refused(wait) {
        kind @ ErrorKind::TimedOut => {
            let time = begun.elapsed().as_secs_f64();
            error(kind, address).detail(format!("timed out after {time:.3} s: {state}"))
        }
        kind @ ErrorKind::Interrupted => error(kind, address),
        kind => error(kind, address).detail(state),
    }
}
