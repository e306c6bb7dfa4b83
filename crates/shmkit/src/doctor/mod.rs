//! What on this machine gets in the way of shared memory, why that matters, and what mends it.
//!
//! Looking changes nothing. What a machine says is read from `/proc`, `/sys` and `/etc`, also of a
//! machine whose root directory is mounted somewhere ([`Checkup::root`]).
//!
//! ```
//! # fn main() -> shmkit::Result<()> {
//! use shmkit::doctor::{self, Severity};
//!
//! # if cfg!(target_os = "linux") {
//! for finding in doctor::examine()? {
//!     if finding.severity >= Severity::Warning {
//!         println!("{}: {}", finding.check, finding.summary);
//!         println!("  {}", finding.why);
//!         if let Some(command) = &finding.mend {
//!             println!("  $ {command}");
//!         }
//!     }
//! }
//! # }
//! # Ok(()) }
//! ```

mod control_group;
mod directory;
mod kernel;
mod leftovers;
mod limits;
mod mounts;
mod namespaces;
mod session;
mod system_v;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Op, Result};
use crate::sys::machine::Machine;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which check found it: a word that stays the same, for scripts that know better.
    pub check: &'static str,
    /// What is the case, in one sentence without a full stop.
    pub summary: String,
    /// Why it matters. Empty if all is well.
    pub why: String,
    /// A command that mends it, or one that does once its words in capitals are replaced.
    pub mend: Option<String>,
}

/// How bad a finding is; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// All is well.
    Good,
    /// It is good to know, and may be as it should be.
    Note,
    /// It will get in somebody's way, sooner or later.
    Warning,
    /// Shared memory does not work, or is about to fail.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// Examines this machine for this user; see [`Checkup::run`].
pub fn examine() -> Result<Vec<Finding>> {
    Checkup::new().run()
}

/// How to examine a machine.
#[derive(Debug, Clone)]
pub struct Checkup {
    root: PathBuf,
    user: Option<u32>,
}

impl Default for Checkup {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            user: None,
        }
    }
}

impl Checkup {
    /// This machine, for this user.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine whose root directory is mounted here, such as the host's in a container; `/`
    /// unless set. Its `/proc` and `/sys` must be there, too. With another root nobody is asked for
    /// leftovers, as its segments cannot be attached to from here.
    pub fn root(&mut self, root: impl AsRef<Path>) -> &mut Self {
        self.root = root.as_ref().to_owned();
        self
    }

    /// Whose segments are in question, where that makes a difference; the effective user of this
    /// process unless set.
    pub fn user(&mut self, user: u32) -> &mut Self {
        self.user = Some(user);
        self
    }

    /// Does all the checks: at least one finding for each, those that found nothing wrong too. The
    /// order is that of the checks, and the same each time.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) on other systems than Linux; [`Os`](ErrorKind::Os)
    /// if the root directory cannot be read.
    pub fn run(&self) -> Result<Vec<Finding>> {
        let mut machine = Machine::at(&self.root).map_err(|error| self.explain(error))?;
        if let Some(user) = self.user {
            machine.user = user;
        }
        let mut found = Vec::new();
        directory::check(&machine, &mut found);
        control_group::check(&machine, &mut found);
        session::check(&machine, &mut found);
        kernel::check(&machine, &mut found);
        limits::check(&machine, &mut found);
        system_v::check(&machine, &mut found);
        namespaces::check(&machine, &mut found);
        if machine.is_this_one() {
            leftovers::check(crate::inspect::list(), &mut found);
        }
        Ok(found)
    }

    fn explain(&self, error: io::Error) -> Error {
        let root = self.root.display();
        match error.kind() {
            io::ErrorKind::Unsupported => Error::new(Op::Inspect, ErrorKind::Unsupported)
                .detail("this system does not tell about itself in files as Linux does"),
            _ => Error::os(Op::Inspect, error)
                .detail(format!("{root} cannot be read"))
                .with_kind(ErrorKind::Os),
        }
    }
}

impl Finding {
    fn new(severity: Severity, check: &'static str, summary: impl Into<String>) -> Self {
        Self {
            severity,
            check,
            summary: summary.into(),
            why: String::new(),
            mend: None,
        }
    }

    fn good(check: &'static str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Good, check, summary)
    }

    fn note(check: &'static str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Note, check, summary)
    }

    fn warning(check: &'static str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, summary)
    }

    fn critical(check: &'static str, summary: impl Into<String>) -> Self {
        Self::new(Severity::Critical, check, summary)
    }

    fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }
}

/// How much of a whole, in percent, rounded down: "100 %" is all of it.
fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        whole => (u128::from(part) * 100 / u128::from(whole)) as u64,
    }
}

/// So full that somebody should look.
const FULL: u64 = 80;

/// So full that the next one is likely to fail.
const BRIMMING: u64 = 95;

#[cfg(all(test, unix))]
mod tests;
