//! Says what happens, as it happens, on standard error: standard output is for the figures.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Instant;

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    start: Instant,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// One line. That nobody reads it is no reason to stop.
    pub(crate) fn say(&self, what: impl Display) {
        _ = writeln!(io::stderr(), "{:6.3} s  {what}", self.seconds());
    }
}
