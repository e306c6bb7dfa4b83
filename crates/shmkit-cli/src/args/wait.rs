use std::ffi::OsString;

use clap::{Parser, ValueEnum};
use shmkit::watch::Until;

use super::{Timeout, timeout};

/// Wait for a segment
///
/// Waits until a segment is in a state, or until the time is over:
///
///   created   it exists, complete
///   attached  somebody has it attached
///   unlocked  nobody has its lock
///   released  nobody has it attached, or it is gone
///   removed   it does not exist
///
/// Returns at once if it is so already. Of POSIX segments the kernel tells at once; System V
/// segments are looked at every 100 ms, and locks every 10. What was true a moment ago may be true no longer.
///
/// Exit status: 0 if it is so, 1 if the time is over, 2 if it cannot be told.
#[derive(Debug, Parser)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  shmkit wait cam0 && ./viewer                      start when the segment is there
  shmkit wait cam0 --until removed --timeout 5
  shmkit wait cam0 --until released -t inf && shmkit get --take cam0 last.raw"
)]
pub(crate) struct Wait {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// What to wait for
    #[arg(short, long, value_name = "STATE", default_value = "created")]
    pub(crate) until: UntilName,
    /// How long to wait; `inf` is for ever
    #[arg(short, long, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub(crate) timeout: Timeout,
}

/// The names of what can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UntilName {
    Created,
    Attached,
    Unlocked,
    Released,
    Removed,
}

impl From<UntilName> for Until {
    fn from(name: UntilName) -> Self {
        match name {
            UntilName::Created => Self::Created,
            UntilName::Attached => Self::Attached,
            UntilName::Unlocked => Self::Unlocked,
            UntilName::Released => Self::Released,
            UntilName::Removed => Self::Removed,
        }
    }
}
