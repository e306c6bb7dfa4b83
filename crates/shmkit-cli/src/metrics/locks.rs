//! What can be told of locks without taking them, as metrics.

use std::collections::BTreeSet;
use std::fmt::Error;
use std::time::{Duration, Instant};

use anyhow::Result;
use prometheus_client::encoding::DescriptorEncoder;
use shmkit::inspect::{Kind, LockInfo, SegmentInfo, State};
use shmkit::key::NativeIpcKey;
use shmkit::typed::{Description, LockState};
use shmkit::{Access, Owners, SharedMemory};

use super::{Labels, flag, gauges};
use crate::held::Held;

/// Each lock may take a look at all processes, so no more are looked at after this time.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

/// A typed segment with more locks and other primitives than these is left out: whoever makes one
/// shall not keep us busy.
const MOST: usize = 100;

/// The locks of segments, and those inside typed ones.
#[derive(Debug, Default)]
pub(super) struct Locks {
    own: Vec<(String, LockInfo, Option<Duration>)>,
    inside: Vec<(String, LockState)>,
    /// So many segments' locks were not looked at.
    omitted: usize,
}

impl Locks {
    /// Those of the segments that somebody uses.
    pub(super) fn look(segments: &[SegmentInfo], held: &mut Held) -> Self {
        let begun = Instant::now();
        let mut this = Self::default();
        let mut seen = BTreeSet::new();
        let live = segments.iter().filter(|it| it.state == State::Live);
        for segment in live {
            let Some(key) = &segment.key else { continue };
            let name = key.to_string();
            if !seen.insert(name.clone()) {
                continue;
            }
            if begun.elapsed() > LONG_ENOUGH {
                this.omitted += 1;
                continue;
            }
            if let Some((lock, held_for)) = held.look(segment) {
                this.own.push((name.clone(), lock, held_for));
            }
            if matches!(segment.kind, Kind::Typed { .. }) {
                match inside(key) {
                    Ok(Some(locks)) => {
                        let locks = locks.into_iter().map(|lock| (name.clone(), lock));
                        this.inside.extend(locks);
                    }
                    Ok(None) => this.omitted += 1,
                    // It is gone, may not be read, or is damaged, of which `info` tells.
                    Err(_) => {}
                }
            }
        }
        this
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        self.encode_own(encoder)?;
        self.encode_inside(encoder)?;
        gauges(
            encoder,
            "shmkit_locks_omitted",
            "How many segments' locks were not looked at: there are too many of them",
            [(Vec::new(), self.omitted as f64)],
        )
    }

    fn encode_own(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let of = |name: &String| vec![("key", name.clone())];
        gauges(
            encoder,
            "shmkit_lock_held",
            "Whether somebody has the segment's lock",
            self.own
                .iter()
                .filter_map(|(name, lock, _)| Some((of(name), flag(lock.held?)))),
        )?;
        gauges(
            encoder,
            "shmkit_lock_held_seconds",
            "For how long each look has found the same process to have the lock",
            self.own
                .iter()
                .filter_map(|(name, _, time)| Some((of(name), (*time)?.as_secs_f64()))),
        )?;
        gauges(
            encoder,
            "shmkit_lock_waiting",
            "How many wait for the lock",
            self.own
                .iter()
                .filter_map(|(name, lock, _)| Some((of(name), lock.waiting? as f64))),
        )?;
        gauges(
            encoder,
            "shmkit_lock_owner_died",
            "Whether one who had the lock died, and nobody has repaired the data",
            self.own
                .iter()
                .filter(|(_, lock, _)| lock.held.is_some())
                .map(|(name, lock, _)| (of(name), flag(lock.owner_died))),
        )
    }

    fn encode_inside(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let of = |(name, lock): &(String, LockState)| -> Labels {
            vec![
                ("key", name.clone()),
                ("path", lock.path.clone()),
                ("lock", lock.name.clone()),
            ]
        };
        let by = |is: fn(&LockState) -> bool| {
            let locks = self.inside.iter();
            locks.map(move |it| (of(it), flag(is(&it.1))))
        };
        gauges(
            encoder,
            "shmkit_typed_lock_held",
            "Whether somebody who lives has the lock inside a typed segment",
            by(|lock| lock.holder.as_ref().is_some_and(|holder| holder.is_alive)),
        )?;
        gauges(
            encoder,
            "shmkit_typed_lock_held_seconds",
            "For how long at least: since somebody has waited for it",
            self.inside.iter().filter_map(|it| {
                let time = it.1.holder.as_ref()?.held_for?;
                Some((of(it), time.as_secs_f64()))
            }),
        )?;
        gauges(
            encoder,
            "shmkit_typed_lock_owner_died",
            "Whether the one who has it died; the next one to lock takes over",
            by(|lock| lock.holder.as_ref().is_some_and(|holder| !holder.is_alive)),
        )?;
        gauges(
            encoder,
            "shmkit_typed_lock_poisoned",
            "Whether the data under the lock are in doubt",
            by(|lock| lock.is_poisoned),
        )
    }
}

/// The locks inside a typed segment; `None` if they are too many.
fn inside(key: &NativeIpcKey) -> Result<Option<Vec<LockState>>> {
    let mut options = SharedMemory::options();
    options.owners(Owners::Anyone).access(Access::ReadOnly);
    // If its users die while we look, we are the last one and it goes with us. Whoever holds on to
    // it instead, as `info` does until its end, would keep it from being an orphan.
    let segment = options.attach(key)?;
    let Some(description) = Description::of(&segment)? else {
        return Ok(Some(Vec::new()));
    };
    // Each may take a look at all processes. Some of these are no locks, but they are counted fast.
    if description.schema()?.primitives().len() > MOST {
        return Ok(None);
    }
    Ok(Some(description.locks()?))
}
