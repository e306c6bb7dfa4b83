//! The words of what signals rather than excludes. None of them has an owner: what a death can do
//! is swallow a wake-up, so nobody sleeps longer than [`RECHECK`] without looking again.

use std::time::Duration;

use super::limit::Limit;
use super::park;
use super::sleep::{Sleep, Undo};
use crate::atomic::{AtomicU32, Ordering};
use crate::error::Result;

/// How long a wake-up may stay lost.
pub(super) const RECHECK: Duration = Duration::from_millis(50);

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        #[repr(transparent)]
        pub(crate) struct $name(AtomicU32);

        impl $name {
            #[cfg(not(loom))]
            pub(crate) const fn new(state: u32) -> Self {
                Self(AtomicU32::new(state))
            }

            #[cfg(loom)]
            pub(crate) fn new(state: u32) -> Self {
                Self(AtomicU32::new(state))
            }
        }
    )*};
}

words!(
    /// The number of signals so far. A sleeper goes on when it has changed, so one that was killed
    /// by chance between being woken and going on takes no signal away from the others.
    Sequence,
    /// ```text
    /// WAITERS (bit 31) | permits
    /// ```
    Permits,
    /// ```text
    /// number of settings (31 bits) | set
    /// ```
    /// Who waits goes on also if it was set and reset in between.
    Flag,
    /// ```text
    /// number of the round (16 bits) | how many have come (16 bits)
    /// ```
    Round
);

impl Sequence {
    /// To be taken before what is waited for is looked at.
    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps until a signal comes after `before`, at most [`RECHECK`]: the one that was to give it
    /// may have died after it had changed what is waited for. `false` if `limit` is over.
    pub(crate) async fn wait(
        &self,
        before: u32,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<bool> {
        let has_come = || self.0.load(Ordering::Relaxed) != before;
        if has_come() {
            return Ok(true);
        }
        let Some(left) = limit.left(RECHECK) else {
            return Ok(false);
        };
        sleeper.on(&self.0, before, left).await?;
        Ok(has_come() || limit.left(RECHECK).is_some())
    }

    pub(crate) fn signal(&self, most: u32) {
        self.0.fetch_add(1, Ordering::Relaxed);
        park::wake(&self.0, most);
    }
}

impl Permits {
    const WAITERS: u32 = 1 << 31;

    /// The most that there can be.
    pub(crate) const MOST: u32 = Self::WAITERS - 1;

    pub(crate) fn available(&self) -> u32 {
        self.0.load(Ordering::Relaxed) & Self::MOST
    }

    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        self.try_take(0).is_some()
    }

    /// Takes a permit if there is one; how many are left.
    fn try_take(&self, asleep: u32) -> Option<u32> {
        let mut state = self.0.load(Ordering::Relaxed);
        while state & Self::MOST > 0 {
            let taken = (state - 1) | asleep;
            match self.swap(state, taken, Ordering::Acquire) {
                Ok(_) => return Some(taken & Self::MOST),
                Err(now) => state = now,
            }
        }
        None
    }

    /// Takes a permit for one that has slept, and cannot know who else still does.
    fn try_acquire_after_sleep(&self) -> bool {
        let rest = self.try_take(Self::WAITERS);
        // Who added those saw nobody asleep: the mark was gone, and is back only now.
        if let Some(rest @ 1..) = rest {
            park::wake(&self.0, rest);
        }
        rest.is_some()
    }

    /// Says that somebody sleeps because there is no permit; the state to sleep on, or `None` if
    /// there is one.
    ///
    /// Also for one that has slept and gives up: it may have been woken, and whoever took the permit
    /// instead does not know of the others.
    fn announce(&self) -> Option<u32> {
        let state = self.0.load(Ordering::Relaxed);
        let is_marked = state == Self::WAITERS
            || state == 0 && self.swap(0, Self::WAITERS, Ordering::Relaxed).is_ok();
        is_marked.then_some(Self::WAITERS)
    }

    /// Takes a permit, sleeping until there is one; `false` if `limit` is over first.
    pub(crate) async fn acquire(&self, limit: Limit, sleeper: &impl Sleep) -> Result<bool> {
        let mut has_slept = false;
        loop {
            let is_taken = match has_slept {
                false => self.try_acquire(),
                true => self.try_acquire_after_sleep(),
            };
            if is_taken {
                return Ok(true);
            }
            let left = limit.left(RECHECK);
            if left.is_none() && !has_slept {
                return Ok(false);
            }
            let Some(state) = self.announce() else {
                continue;
            };
            let Some(left) = left else {
                return Ok(false);
            };
            has_slept = true;
            sleeper.on(&self.0, state, left).await?;
        }
    }

    /// Adds permits, all or none; `false` if there would be too many.
    pub(crate) fn release(&self, by: u32) -> bool {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let free = state & Self::MOST;
            if by > Self::MOST - free {
                return false;
            }
            match self.swap(state, free + by, Ordering::Release) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & Self::WAITERS != 0 && by > 0 {
            park::wake(&self.0, by);
        }
        true
    }

    fn swap(&self, from: u32, to: u32, success: Ordering) -> Result<u32, u32> {
        self.0
            .compare_exchange(from, to, success, Ordering::Relaxed)
    }
}

impl Flag {
    const SET: u32 = 1;
    const ONE_SETTING: u32 = 2;

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) & Self::SET != 0
    }

    /// Sets it and wakes at most so many.
    pub(crate) fn set(&self, most: u32) {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            // Setting it again must be seen as well as the first time, by whoever reads with
            // Acquire; there is nobody to wake then.
            let set = match state & Self::SET {
                0 => state.wrapping_add(Self::ONE_SETTING) | Self::SET,
                _ => state,
            };
            match self.swap(state, set, Ordering::Release) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & Self::SET == 0 {
            park::wake(&self.0, most);
        }
    }

    /// Takes the setting away; whether there was one.
    pub(crate) fn reset(&self) -> bool {
        self.0.fetch_and(!Self::SET, Ordering::Acquire) & Self::SET != 0
    }

    /// The state now, for one that waits until it is set after that.
    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps until it is set, or was set and reset since `before`; `false` if `limit` is over first.
    /// Only reads.
    pub(crate) async fn wait(
        &self,
        before: u32,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<bool> {
        if before & Self::SET != 0 {
            return Ok(true);
        }
        loop {
            let Some(left) = limit.left(RECHECK) else {
                return Ok(false);
            };
            sleeper.on(&self.0, before, left).await?;
            if self.now() != before {
                return Ok(true);
            }
        }
    }

    /// Sleeps until it is set, and resets it; `false` if `limit` is over first.
    pub(crate) async fn take(&self, limit: Limit, sleeper: &impl Sleep) -> Result<bool> {
        loop {
            let state = self.0.load(Ordering::Relaxed);
            if state & Self::SET != 0 {
                if self
                    .swap(state, state & !Self::SET, Ordering::Acquire)
                    .is_ok()
                {
                    return Ok(true);
                }
                continue;
            }
            match limit.left(RECHECK) {
                Some(left) => sleeper.on(&self.0, state, left).await?,
                None => return Ok(false),
            }
        }
    }

    fn swap(&self, from: u32, to: u32, success: Ordering) -> Result<u32, u32> {
        self.0
            .compare_exchange(from, to, success, Ordering::Relaxed)
    }
}

/// How somebody got through a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// As the one for whom the others waited.
    Last,
    WithTheOthers,
}

impl Round {
    const NUMBER: u32 = 0xFFFF_0000;
    const ONE_ROUND: u32 = 0x1_0000;

    /// The most that can take part.
    pub(crate) const MOST: u32 = Self::ONE_ROUND - 1;

    /// How many have come.
    pub(crate) fn arrived(&self) -> u32 {
        self.0.load(Ordering::Relaxed) & Self::MOST
    }

    /// Comes, and sleeps until `parties` have come; `None` if `limit` is over first. Then, and if
    /// the future is dropped, it is as if it had never come.
    pub(crate) async fn wait(
        &self,
        parties: u32,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Option<Passed>> {
        let round = match self.come(parties) {
            Ok(passed) => return Ok(Some(passed)),
            Err(round) => round,
        };
        let come = Undo::unless_kept(|| _ = self.go_away(round));
        while let Some(state) = self.awaits(round) {
            match limit.left(RECHECK) {
                Some(left) => sleeper.on(&self.0, state, left).await?,
                None => {
                    come.keep();
                    return Ok((!self.go_away(round)).then_some(Passed::WithTheOthers));
                }
            }
        }
        come.keep();
        Ok(Some(Passed::WithTheOthers))
    }

    /// Comes without sleeping: how one got through, or the round in which the others are awaited.
    fn come(&self, parties: u32) -> Result<Passed, u32> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            let is_last = (state & Self::MOST) + 1 >= parties;
            let come = match is_last {
                true => (state & Self::NUMBER).wrapping_add(Self::ONE_ROUND),
                // Past the number of the round only if somebody has scribbled there.
                false => state.wrapping_add(1),
            };
            match self.swap(state, come, Ordering::AcqRel) {
                Ok(_) if is_last => {
                    park::wake(&self.0, park::ALL);
                    return Ok(Passed::Last);
                }
                Ok(_) => return Err(come & Self::NUMBER),
                Err(now) => state = now,
            }
        }
    }

    /// The state to sleep on if it is still the round in which one has come.
    fn awaits(&self, round: u32) -> Option<u32> {
        let state = self.0.load(Ordering::Acquire);
        (state & Self::NUMBER == round).then_some(state)
    }

    /// Goes as if one had never come; `false` if the round is over.
    fn go_away(&self, round: u32) -> bool {
        while let Some(state) = self.awaits(round) {
            if self
                .swap(state, state.wrapping_sub(1), Ordering::Relaxed)
                .is_ok()
            {
                return true;
            }
        }
        false
    }

    fn swap(&self, from: u32, to: u32, success: Ordering) -> Result<u32, u32> {
        self.0
            .compare_exchange(from, to, success, Ordering::Relaxed)
    }
}
