//! Removing what crashed programs left behind.
//!
//! An ephemeral segment goes with its last user; if that one was killed it is an *orphan*, which
//! the next `create` of its key removes. Where there is no next one it takes memory for good. The
//! reaper removes such orphans, and the locks, half-made files and key files that crashes leave. A
//! program may call it when it starts, and `shmkit reap` may run from cron beside programs that
//! start and end.
//!
//! Whether something is an orphan is the kernel's word, never a guess by pids: a POSIX segment is
//! one while a write lease on it is granted, which proves that nobody else has it open, and it is
//! unlinked before the lease is given back. Whoever comes meanwhile waits these microseconds, and
//! then finds no name. A System V segment is one while the kernel counts nobody attached; that is
//! looked at, and the segment removed, under its lock, which all users of Qt and shmkit take to attach.
//!
//! On macOS and FreeBSD the kernel has no such word for POSIX segments. There it is that of the locks by
//! which each user of shmkit says that it is there, and that the kernel drops at its death; a program
//! without shmkit keeps what it has mapped, and the name goes.
//!
//! What has no mark of shmkit was made by others, or is kept, and stays unless it is
//! [asked for](Reaper::key) by name.
//!
//! ```
//! use std::time::Duration;
//! use shmkit::reaper::Reaper;
//!
//! # fn main() -> shmkit::Result<()> {
//! # if cfg!(target_os = "linux") {
//! // What instances of this program left behind.
//! let report = Reaper::new().name("shmkit-doc-reaper-*")?.reap()?;
//! println!("{} bytes freed", report.bytes());
//! # }
//! # Ok(()) }
//! ```

use std::time::Duration;

use glob::Pattern;

pub use crate::backend::leftover::{Leftover, LeftoverKind, Outcome};

use crate::backend::leftover::{Act, Search, by_name, search};
use crate::error::{Error, Result};
use crate::inspect::filter::{key_has_name, pattern_of};
use crate::key::NativeIpcKey;

/// What is to be removed: everything that is left behind, until something is set. What is set must
/// all hold.
#[derive(Debug, Clone, Default)]
pub struct Reaper {
    names: Vec<Pattern>,
    owners: Vec<u32>,
    older_than: Option<Duration>,
    keys: Vec<NativeIpcKey>,
}

/// What was found, and what became of it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// What is left behind, and what was asked for by name.
    pub leftovers: Vec<Leftover>,
    /// How many may be left behind, but belong to other users, and the kernel answers that only to
    /// them and root.
    pub untold: u64,
}

impl Report {
    /// The memory that was freed; after a [`preview`](Reaper::preview), that would be.
    pub fn bytes(&self) -> u64 {
        self.done().map(|leftover| leftover.bytes).sum()
    }

    /// How many were removed; after a [`preview`](Reaper::preview), would be.
    pub fn count(&self) -> usize {
        self.done().count()
    }

    fn done(&self) -> impl Iterator<Item = &Leftover> {
        self.leftovers
            .iter()
            .filter(|leftover| matches!(leftover.outcome, Outcome::Found | Outcome::Removed))
    }
}

impl Reaper {
    /// Everything that is left behind.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only what has a name like this; see [`Filter::name`](crate::inspect::Filter::name). Said
    /// more than once, any of them will do. Locks go by the name of their segment.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) for what is no pattern.
    pub fn name(&mut self, pattern: &str) -> Result<&mut Self> {
        self.names.push(pattern_of(pattern)?);
        Ok(self)
    }

    /// Only what belongs to this user; more than once, to any of these. Whoever is not root can
    /// remove nothing but its own in any case.
    pub fn owner(&mut self, user: u32) -> &mut Self {
        self.owners.push(user);
        self
    }

    /// Only what was made at least so long ago.
    pub fn older_than(&mut self, age: Duration) -> &mut Self {
        self.older_than = Some(age);
        self
    }

    /// The segment of this key and its lock, and nothing that is not named so: also if it is kept
    /// or was made by other programs. If somebody uses it, it stays: [`Outcome::InUse`]. What else
    /// is set does not matter to it.
    pub fn key(&mut self, key: NativeIpcKey) -> &mut Self {
        self.keys.push(key);
        self
    }

    /// Looks at what [`reap`](Self::reap) would remove now.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where there are no segments.
    pub fn preview(&self) -> Result<Report> {
        self.go(Act::Look, &mut |_| {})
    }

    /// Removes what is left behind. What cannot be removed keeps none of the others:
    /// [`Outcome::Failed`].
    ///
    /// # Errors
    /// As [`preview`](Self::preview).
    pub fn reap(&self) -> Result<Report> {
        self.go(Act::Remove, &mut |_| {})
    }

    /// [`reap`](Self::reap), and tells of each as it goes.
    ///
    /// # Errors
    /// As [`preview`](Self::preview).
    pub fn reap_each(&self, mut each: impl FnMut(&Leftover)) -> Result<Report> {
        self.go(Act::Remove, &mut each)
    }

    fn go(&self, act: Act, each: &mut dyn FnMut(&Leftover)) -> Result<Report> {
        let mut report = Report::default();
        let mut note = |leftover: Leftover| {
            each(&leftover);
            report.leftovers.push(leftover);
        };
        if self.keys.is_empty() {
            let mut this = Search {
                act,
                admits: &|leftover| self.admits(leftover),
                found: &mut note,
                untold: 0,
            };
            search(&mut this)?;
            report.untold = this.untold;
        }
        for key in &self.keys {
            match by_name(key, act) {
                Ok(found) => found.into_iter().for_each(&mut note),
                Err(error) => note(missing(key, error)),
            }
        }
        Ok(report)
    }

    fn admits(&self, leftover: &Leftover) -> bool {
        let has_name = |pattern: &Pattern| {
            let by_key = |key| key_has_name(key, pattern);
            let by_path = |path: &std::path::PathBuf| {
                let name = path.file_name().unwrap_or_default();
                pattern.matches(&path.to_string_lossy()) || pattern.matches(&name.to_string_lossy())
            };
            leftover.key.as_ref().is_some_and(by_key) || leftover.path.as_ref().is_some_and(by_path)
        };
        let age = || leftover.created.and_then(|created| created.elapsed().ok());
        (self.names.is_empty() || self.names.iter().any(has_name))
            && (self.owners.is_empty() || self.owners.contains(&leftover.owner))
            && self
                .older_than
                .is_none_or(|wanted| age().is_some_and(|age| age >= wanted))
    }
}

/// One that was asked for by name and cannot be looked at.
fn missing(key: &NativeIpcKey, error: Error) -> Leftover {
    Leftover {
        kind: LeftoverKind::Segment,
        key: Some(key.clone()),
        path: None,
        bytes: 0,
        owner: 0,
        created: None,
        reason: "asked for by name".to_owned(),
        outcome: Outcome::Failed(error),
    }
}

/// Removes all that is left behind: [`Reaper::reap`] with nothing set.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where there are no segments.
pub fn reap() -> Result<Report> {
    Reaper::new().reap()
}
