//! The readers of a lock, each process in a slot of its own, so that those of a dead one can be
//! told from the others'.
//!
//! ```text
//! slot: lease << 32 | number of readers of that process
//! ```
//!
//! A reader joins a slot and then looks whether a writer has the lock's word; a writer takes the
//! word and then looks at all the slots. Whatever the order, one of them sees the other: the reader
//! leaves again and waits, and the writer waits for those that were there before it. So a waiting
//! writer keeps new readers out.
//!
//! Threads begin to look for a slot in different lines of the cache, so that readers on different
//! processors do not write to the same one.

use std::time::Duration;

use super::limit::{Limit, Watch};
use super::park;
use super::peers::Peers;
use super::sleep::Sleep;
use super::word::SLICE;
use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::error::Result;

/// The slots that one line of the cache has room for; few, where each is looked at in all ways.
const SLOTS: usize = if cfg!(loom) { 2 } else { 8 };

/// See the module. All zeros is nobody.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct Readers<const LINES: usize> {
    /// Changes when a reader leaves while somebody waits for it.
    left: AtomicU32,
    /// Not 0 if a writer waits for readers to leave, or a reader for a slot. Who tells them takes it
    /// away, and who has to wait on puts it up again.
    awaited: AtomicU32,
    slots: [[AtomicU64; SLOTS]; LINES],
}

/// Where a reader is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(usize);

impl<const LINES: usize> Readers<LINES> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            left: AtomicU32::new(0),
            awaited: AtomicU32::new(0),
            slots: [const { [const { AtomicU64::new(0) }; SLOTS] }; LINES],
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            left: AtomicU32::new(0),
            awaited: AtomicU32::new(0),
            slots: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    fn slot(&self, seat: Seat) -> &AtomicU64 {
        &self.slots[seat.0 / SLOTS][seat.0 % SLOTS]
    }

    /// The seats in the order in which a thread tries them: the first of each line, beginning with
    /// its own, then the second, and so on.
    fn seats(hint: u32) -> impl Iterator<Item = Seat> {
        (0..SLOTS * LINES).map(move |turn| {
            let line = (hint as usize % LINES + turn) % LINES;
            let place = (hint as usize / LINES + turn / LINES) % SLOTS;
            Seat(line * SLOTS + place)
        })
    }

    /// Writes a reader down; `None` if all the slots are taken by other processes. The caller must
    /// then look at the writer's word.
    #[inline]
    pub(crate) fn join(&self, me: u32, hint: u32) -> Option<Seat> {
        let seat = Self::seats(hint).find(|&seat| self.try_join(seat, me));
        announce();
        seat
    }

    #[inline]
    fn try_join(&self, seat: Seat, me: u32) -> bool {
        let slot = self.slot(seat);
        let mut value = slot.load(Ordering::Relaxed);
        loop {
            let Some(joined) = joined(halves(value), me) else {
                return false;
            };
            match slot.compare_exchange_weak(value, joined, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => value = now,
            }
        }
    }

    /// Strikes a reader off, and tells those who wait for it.
    #[inline]
    pub(crate) fn leave(&self, seat: Seat) {
        self.slot(seat).fetch_sub(1, Ordering::SeqCst);
        announce();
        if self.awaited.load(Ordering::SeqCst) != 0 {
            self.tell();
        }
    }

    #[cold]
    fn tell(&self) {
        // Before the count: who put it up before that has counted less, and does not sleep.
        self.awaited.store(0, Ordering::Relaxed);
        self.left.fetch_add(1, Ordering::Release);
        park::wake(&self.left, park::ALL);
    }

    /// Whether there are no readers, for one who has just taken the word to look.
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        announce();
        // All of them without a branch, which takes less time than to stop at the first.
        let values = self.values();
        values.fold(0, |counts, (_, count)| counts | count) == 0
    }

    /// Sleeps until there are no readers, for one who has the word; the lease of a reader who is
    /// still there when `limit` is over.
    pub(crate) async fn drain(
        &self,
        peers: &impl Peers,
        limit: Limit,
        sleeper: &impl Sleep,
    ) -> Result<Result<(), u32>> {
        // The word was taken with less than what this needs.
        fence(Ordering::SeqCst);
        if self.anybody().is_none() {
            return Ok(Ok(()));
        }
        let mut watch = Watch::every(SLICE);
        loop {
            let before = self.left.load(Ordering::Acquire);
            self.awaited.store(1, Ordering::SeqCst);
            announce();
            let Some(reader) = self.anybody() else {
                return Ok(Ok(()));
            };
            let left = limit.left(SLICE);
            if watch.is_over() || left.is_none() {
                self.strike_off_the_dead(peers);
            }
            match (left, self.anybody()) {
                (_, None) => return Ok(Ok(())),
                (None, _) => return Ok(Err(reader)),
                (Some(left), _) => sleeper.on(&self.left, before, left).await?,
            }
        }
    }

    /// A reader's lease, if there is one.
    pub(crate) fn anybody(&self) -> Option<u32> {
        let reader = self.values().find(|&(_, count)| count > 0);
        reader.map(|(lease, _)| lease)
    }

    /// Lease and number of readers of each slot. Whoever sees that there are none comes after all
    /// that they have read.
    fn values(&self) -> impl Iterator<Item = (u32, u32)> {
        let slots = self.slots.iter().flatten();
        slots.map(|slot| halves(slot.load(Ordering::SeqCst)))
    }

    /// Sees to it that the readers of dead processes are waited for no longer.
    #[cold]
    pub(crate) fn strike_off_the_dead(&self, peers: &impl Peers) {
        for slot in self.slots.iter().flatten() {
            let value = slot.load(Ordering::Relaxed);
            let (lease, count) = halves(value);
            if count > 0 && !peers.is_alive(lease) {
                // Only the dead one's threads could change it.
                let _ = slot.compare_exchange(value, 0, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }

    /// Sleeps until somebody leaves, if there is no slot.
    pub(crate) async fn wait_for_a_slot(
        &self,
        me: u32,
        limit: Duration,
        sleeper: &impl Sleep,
    ) -> Result<()> {
        let before = self.left.load(Ordering::Acquire);
        self.awaited.store(1, Ordering::SeqCst);
        announce();
        match self.values().any(|slot| joined(slot, me).is_some()) {
            true => Ok(()),
            false => sleeper.on(&self.left, before, limit).await,
        }
    }
}

/// Between saying "I am here" and looking who else is. The accesses before and after are sequentially
/// consistent, which is enough; loom knows that only of fences.
#[inline(always)]
fn announce() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// A slot with one more reader, if it has room for one of this lease.
fn joined((lease, count): (u32, u32), me: u32) -> Option<u64> {
    let count = match count {
        0 => 1,
        count if lease == me => count.checked_add(1)?,
        _ => return None,
    };
    Some(u64::from(me) << 32 | u64::from(count))
}

fn halves(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}
