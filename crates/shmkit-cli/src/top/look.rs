//! The thread that looks, so that keys are answered meanwhile.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use shmkit::inspect::{Filter, Place, SegmentInfo};

use super::changes::Changes;
use super::row::Closer;
use crate::held::Held;

/// What is on the screen is looked at more closely.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(super) shown: Vec<Place>,
    pub(super) changes: bool,
    pub(super) paused: bool,
}

/// What one look saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(super) segments: Vec<SegmentInfo>,
    pub(super) closer: HashMap<Place, Closer>,
}

/// Looks again and again until it is dropped.
pub(super) struct Looker {
    seen: Receiver<Result<Seen>>,
    now: Sender<()>,
    wish: Arc<Mutex<Wish>>,
}

impl Looker {
    pub(super) fn start(filter: Filter, interval: Duration, wish: Wish) -> Self {
        let (tell, seen) = mpsc::channel();
        let (now, asked) = mpsc::channel();
        let wish = Arc::new(Mutex::new(wish));
        let shared = Arc::clone(&wish);
        thread::spawn(move || {
            let mut eyes = Eyes::new(filter);
            loop {
                let wish = lock(&shared).clone();
                let begun = Instant::now();
                if !wish.paused && tell.send(eyes.look(&wish)).is_err() {
                    return;
                }
                // Half of the time at most goes into looking.
                match asked.recv_timeout(interval.max(begun.elapsed())) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self { seen, now, wish }
    }

    /// A look that was not taken yet.
    pub(super) fn latest(&self) -> Option<Result<Seen>> {
        self.seen.try_recv().ok()
    }

    pub(super) fn wish(&self, wish: Wish) {
        *lock(&self.wish) = wish;
    }

    pub(super) fn look_now(&self) {
        // It ends when this does.
        let _ = self.now.send(());
    }
}

fn lock(wish: &Mutex<Wish>) -> MutexGuard<'_, Wish> {
    wish.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What looks, and remembers what it saw.
pub(super) struct Eyes {
    filter: Filter,
    held: Held,
    changes: Changes,
}

impl Eyes {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            held: Held::default(),
            changes: Changes::default(),
        }
    }

    pub(super) fn look(&mut self, wish: &Wish) -> Result<Seen> {
        let segments = self.filter.list()?;
        let mut closer = HashMap::new();
        let shown = |segment: &&SegmentInfo| wish.shown.contains(&segment.place);
        for segment in segments.iter().filter(shown) {
            let (lock, held_for) = self.held.look(segment).unzip();
            let changed = wish.changes.then(|| self.changes.of(segment)).flatten();
            let seen = Closer {
                lock,
                held_for: held_for.flatten(),
                changed,
            };
            closer.insert(segment.place.clone(), seen);
        }
        self.held.forget_all_but(&segments);
        self.changes.forget_all_but(&wish.shown);
        Ok(Seen { segments, closer })
    }
}
