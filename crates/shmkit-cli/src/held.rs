//! Segments' locks as they are seen again and again: who has them, and for how long that was seen.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shmkit::inspect::{self, LockInfo, Place, SegmentInfo, State};

/// Who has had a lock, and since when that is known.
#[derive(Debug, Default)]
pub(crate) struct Held(HashMap<Place, (Vec<u32>, Instant)>);

impl Held {
    /// The lock of a segment, without taking it, and how long the same processes were seen to have
    /// it. Only of one that somebody uses: nobody else has a lock.
    pub(crate) fn look(&mut self, segment: &SegmentInfo) -> Option<(LockInfo, Option<Duration>)> {
        let is_live = segment.state == State::Live;
        let key = segment.key.as_ref().filter(|_| is_live);
        let lock = key.and_then(|key| inspect::lock(key).ok().flatten());
        let held_for = self.held_for(&segment.place, lock.as_ref());
        Some((lock?, held_for))
    }

    /// So that those that are gone take no memory.
    pub(crate) fn forget_all_but(&mut self, segments: &[SegmentInfo]) {
        let is_there = |place: &Place| segments.iter().any(|segment| segment.place == *place);
        self.0.retain(|place, _| is_there(place));
    }

    fn held_for(&mut self, place: &Place, lock: Option<&LockInfo>) -> Option<Duration> {
        let Some(lock) = lock.filter(|lock| lock.held == Some(true)) else {
            self.0.remove(place);
            return None;
        };
        let holders: Vec<u32> = lock.holders.iter().map(|holder| holder.pid).collect();
        let now = Instant::now();
        let before = self
            .0
            .entry(place.clone())
            .or_insert_with(|| (holders.clone(), now));
        if before.0 != holders {
            *before = (holders, now);
        }
        Some(now - before.1)
    }
}
