//! When to look again: at once when the kernel says that something has changed, otherwise from time
//! to time, and never so often that looking is all that is done.

use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt;
use crate::sys::Change;
use crate::sys::directory_watch::DirectoryWatch;

/// The directory of POSIX segments.
const DIRECTORY: &str = "/dev/shm";

/// Of the time at most one part in so many goes into looking.
const SHARE: u32 = 10;

/// Paces the looks at something that changes.
#[derive(Debug)]
pub(super) struct Pace {
    /// `None` where it cannot be had.
    watch: Option<DirectoryWatch>,
    /// How far apart looks are if nobody tells of a change.
    longest: Duration,
    /// How far apart they are in any case.
    shortest: Duration,
    looked: Instant,
}

impl Pace {
    /// With `notices` the kernel's word is asked for.
    pub(super) fn new(notices: bool, shortest: Duration, longest: Duration) -> Self {
        let watch = notices
            .then(|| DirectoryWatch::new(DIRECTORY).ok())
            .flatten();
        Self {
            watch,
            longest: longest.max(shortest),
            shortest,
            looked: Instant::now(),
        }
    }

    /// Looks, and notes how long that takes. What the look itself stirs up is not taken for news:
    /// it may have opened segments.
    pub(super) fn look<T>(&mut self, look: impl FnOnce() -> T) -> (T, Vec<Change>) {
        let begun = Instant::now();
        let seen = look();
        self.looked = Instant::now();
        self.shortest = self.shortest.max((self.looked - begun) * SHARE);
        let mut news = self.changes(Duration::ZERO);
        news.retain(|change| !matches!(change, Change::Used(_)));
        (seen, news)
    }

    /// When the next look is due: soon after a change, otherwise later.
    pub(super) fn due(&self, changed: bool) -> Instant {
        let distance = match changed {
            true => self.shortest,
            false => self.longest.max(self.shortest),
        };
        self.looked + distance
    }

    /// Waits for changes until `until` at most.
    pub(super) fn changes_until(&mut self, until: Instant) -> Vec<Change> {
        self.changes(interrupt::slice(
            until.saturating_duration_since(Instant::now()),
        ))
    }

    fn changes(&mut self, limit: Duration) -> Vec<Change> {
        let told = self.watch.as_ref().map(|watch| watch.wait(limit));
        match told {
            Some(Ok(changes)) => {
                if changes.contains(&Change::Blind) {
                    self.watch = None;
                }
                changes
            }
            Some(Err(_)) => {
                self.watch = None;
                Vec::new()
            }
            None => {
                thread::sleep(limit);
                Vec::new()
            }
        }
    }
}
