//! The word of a lock: who has it, and whether somebody sleeps.
//!
//! ```text
//! WAITERS | FLAG | lease  | meaning
//!    0    |  0   |   0    | free
//!    0    |  1   |   0    | free and flagged: a mutex is poisoned, a `Once` is done
//!    0    |  f   |   n    | held by lease n, nobody asleep
//!    1    |  f   |   n    | held; somebody may be asleep, so whoever gives it back wakes one
//!   any   | any  | n dead | the next one to look swaps in its own lease: the owner died
//! ```
//!
//! Every step is one atomic operation, so there is no instant at which a holder can die unseen.
//! What a death can swallow is a wake-up: of one who dies between giving back and waking, or of a
//! sleeper that dies of something else just after it was woken. So nobody sleeps longer than
//! [`SLICE`] without looking again.

use std::time::Duration;

use super::blame::{Before, Blame};
use super::limit::{Limit, Watch};
use super::park;
use super::peers::Peers;
use super::sleep::{Sleep, Thread};
use crate::atomic::{AtomicU32, Ordering, fence};
use crate::backend::Grant;
use crate::error::Result;

const WAITERS: u32 = 1 << 31;
const FLAG: u32 = 1 << 30;
const LEASE: u32 = FLAG - 1;

/// How long a sleeper goes without asking whether the holder lives.
pub(super) const SLICE: Duration = Duration::from_millis(8);

/// See the module.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Word(AtomicU32);

/// Whether a free lock with the flag may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flagged {
    Refuse,
    Accept,
}

/// Why the lock was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This lease has it.
    Held(u32),
    Flagged,
}

/// Who has a lock with a word like this, and whether it has the flag: for those who only look.
pub(crate) fn peek(state: u32) -> (Option<u32>, bool) {
    let lease = Some(state & LEASE).filter(|&lease| lease != Word::FREE);
    (lease, state & FLAG != 0)
}

impl Word {
    pub(super) const FREE: u32 = 0;

    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(Self::FREE))
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(Self::FREE))
    }

    /// Takes the lock in the usual case: free, nobody asleep, no flag.
    #[inline]
    pub(crate) fn take_free(&self, me: u32) -> bool {
        self.swap(Self::FREE, me, Ordering::Acquire)
    }

    /// The same for one who looks next who else is there; see `readers`.
    #[inline]
    pub(crate) fn take_free_and_look(&self, me: u32) -> bool {
        self.swap(Self::FREE, me, Ordering::SeqCst)
    }

    /// Takes the lock if it is free or its holder is dead. One that was flagged counts as its
    /// owner's death.
    pub(crate) fn try_take(&self, peers: &impl Peers, flagged: Flagged) -> Result<Grant, Refusal> {
        loop {
            let state = self.0.load(Ordering::Relaxed);
            let holder = match self.try_take_free(state, peers.me(), flagged) {
                Some(Err(Refusal::Held(holder))) => holder,
                Some(result) => return result,
                None => continue,
            };
            if peers.is_alive(holder) {
                return Err(Refusal::Held(holder));
            }
            if self.take_over(state, peers.me()) {
                return Ok(Grant::OwnerDied);
            }
        }
    }

    /// Takes the lock, keeping the thread until it is free or `limit` is over.
    #[cold]
    pub(crate) fn take(
        &self,
        peers: &impl Peers,
        flagged: Flagged,
        limit: Limit,
    ) -> Result<Result<Grant, Refusal>> {
        Thread::waits(self.take_by(peers, flagged, limit, &Thread))
    }

    /// Takes the lock, sleeping until it is free or `limit` is over.
    pub(crate) async fn take_by(
        &self,
        peers: &impl Peers,
        flagged: Flagged,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Result<Grant, Refusal>> {
        if limit == Limit::Now {
            return Ok(self.try_take(peers, flagged));
        }
        sleeper.spins_until(|| {
            let state = self.0.load(Ordering::Relaxed);
            state & LEASE == Self::FREE || state & WAITERS != 0
        });
        let mut watch = Watch::now_and_every(SLICE);
        // Whoever has slept cannot know who else still does.
        let mut asleep = 0;
        loop {
            let before = peers.blame().map(Blame::look);
            let state = self.0.load(Ordering::Relaxed);
            let holder = match self.try_take_free(state, peers.me() | asleep, flagged) {
                Some(Err(Refusal::Held(holder))) => holder,
                Some(result) => return Ok(result),
                None => continue,
            };
            let left = limit.left(SLICE);
            if (watch.is_over() || left.is_none())
                && !peers.is_alive(holder)
                && self.take_over(state, peers.me() | asleep)
            {
                return Ok(Ok(Grant::OwnerDied));
            }
            // Also by one who has slept and goes: it may have been woken, and whoever took the lock
            // instead does not know of the others.
            let is_needed = left.is_some() || asleep != 0;
            if is_needed && !self.mark(state) {
                continue;
            }
            let Some(left) = left else {
                return Ok(Err(Refusal::Held(holder)));
            };
            note(peers, before, holder);
            asleep = WAITERS;
            sleeper.on(&self.0, state | WAITERS, left).await?;
        }
    }

    /// Sleeps until nobody has the lock or `limit` is over, without taking it; the holder if it
    /// still has it. From a dead one it is taken and given back.
    pub(crate) async fn wait_until_free(
        &self,
        peers: &impl Peers,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Result<(), u32>> {
        let mut watch = Watch::now_and_every(SLICE);
        loop {
            let before = peers.blame().map(Blame::look);
            let state = self.0.load(Ordering::SeqCst);
            let holder = state & LEASE;
            if holder == Self::FREE {
                return Ok(Ok(()));
            }
            let left = limit.left(SLICE);
            if (watch.is_over() || left.is_none())
                && !peers.is_alive(holder)
                && self.take_over(state, peers.me())
            {
                self.unlock_untouched(peers);
                continue;
            }
            let Some(left) = left else {
                return Ok(Err(holder));
            };
            if !self.mark(state) {
                continue;
            }
            note(peers, before, holder);
            sleeper.on(&self.0, state | WAITERS, left).await?;
        }
    }

    /// Takes the lock as `claim` if nobody has it; `None` if the state was another one.
    fn try_take_free(
        &self,
        state: u32,
        claim: u32,
        flagged: Flagged,
    ) -> Option<Result<Grant, Refusal>> {
        match (state & LEASE, state & FLAG) {
            (Self::FREE, FLAG) if flagged == Flagged::Refuse => {
                // What was done before the flag was set is visible from here on.
                fence(Ordering::Acquire);
                Some(Err(Refusal::Flagged))
            }
            (Self::FREE, flag) => {
                let grant = if flag == 0 {
                    Grant::Clean
                } else {
                    Grant::OwnerDied
                };
                self.swap(state, state | claim, Ordering::Acquire)
                    .then_some(Ok(grant))
            }
            (holder, _) => Some(Err(Refusal::Held(holder))),
        }
    }

    /// Takes the lock from a holder that is dead. Its lease never comes back, so nobody else can
    /// have put the same state there.
    #[cold]
    fn take_over(&self, state: u32, claim: u32) -> bool {
        self.swap(state, state & !LEASE | claim, Ordering::Acquire)
    }

    /// Sees to it that whoever gives the lock back wakes somebody; `false` if the state was another
    /// one.
    fn mark(&self, state: u32) -> bool {
        state & WAITERS != 0 || self.swap(state, state | WAITERS, Ordering::Relaxed)
    }

    /// Gives the lock back, with the flag or without, and wakes at most so many of those who sleep;
    /// all, if a flag is there to be seen.
    #[inline]
    pub(crate) fn unlock(&self, peers: &impl Peers, flag: bool, wake: u32) {
        if flag || !self.give_simply(peers.me()) {
            self.give(peers, Some(flag), wake);
        }
    }

    /// Gives the lock back with the flag as it is, which others may be setting, for one who has not
    /// touched what it protects; wakes all who sleep.
    #[cold]
    pub(crate) fn unlock_untouched(&self, peers: &impl Peers) {
        self.give(peers, None, park::ALL);
    }

    /// Gives the lock back in the usual case: nobody asleep, no flag.
    #[inline]
    fn give_simply(&self, me: u32) -> bool {
        self.swap(me, Self::FREE, Ordering::Release)
    }

    /// Without a word about the flag it stays as it is.
    #[cold]
    fn give(&self, peers: &impl Peers, flag: Option<bool>, wake: u32) {
        let mut state = self.0.load(Ordering::Relaxed);
        // Anything else is no longer ours: somebody has scribbled there, or took us for dead.
        while state & LEASE == peers.me() {
            let free = match flag {
                Some(true) => FLAG,
                Some(false) => Self::FREE,
                None => state & FLAG,
            };
            let is_awaited = state & WAITERS != 0;
            let blame = peers.blame().filter(|_| is_awaited);
            let closed = blame.map(|blame| (blame, blame.close()));
            if self.swap(state, free, Ordering::Release) {
                if let Some((blame, closed)) = closed {
                    blame.open(closed);
                }
                if is_awaited {
                    park::wake(&self.0, if free == FLAG { park::ALL } else { wake });
                }
                return;
            }
            state = self.0.load(Ordering::Relaxed);
        }
    }

    /// Sleeps a moment, for one who may only read.
    pub(crate) fn wait_for_change(&self, limit: Duration) {
        park::wait(&self.0, self.0.load(Ordering::Relaxed), limit);
    }

    /// Who has the lock, if anybody.
    pub(crate) fn holder(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed) & LEASE).filter(|&lease| lease != Self::FREE)
    }

    /// Whether nobody has it and it has no flag.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::FREE
    }

    /// Whether somebody has it.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.0.load(Ordering::SeqCst) & LEASE != Self::FREE
    }

    /// Whether it has the flag; what was done before that was set is then visible.
    #[inline]
    pub(crate) fn is_flagged(&self) -> bool {
        self.0.load(Ordering::Acquire) & FLAG != 0
    }

    /// Sets or takes away the flag, whoever has the lock.
    pub(crate) fn set_flag(&self, flag: bool) {
        match flag {
            true => self.0.fetch_or(FLAG, Ordering::Release),
            false => self.0.fetch_and(!FLAG, Ordering::Release),
        };
    }

    #[inline]
    fn swap(&self, from: u32, to: u32, success: Ordering) -> bool {
        self.0
            .compare_exchange(from, to, success, Ordering::Relaxed)
            .is_ok()
    }
}

/// Writes down who is waited for, for one who has seen to it that it is woken.
fn note(peers: &impl Peers, before: Option<Before>, holder: u32) {
    if let (Some(blame), Some(before)) = (peers.blame(), before) {
        blame.note(before, holder);
    }
}
