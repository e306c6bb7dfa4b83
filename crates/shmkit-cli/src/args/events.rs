use std::ffi::OsString;
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Parser;

use super::{Timeout, interval, timeout};

/// Print what happens to segments
///
/// Prints a line for each segment that is created or removed and for each process that attaches
/// or detaches, as it happens, of some segments or of all. Ends with Ctrl-C, or when nobody reads.
///
/// The kernel tells of POSIX segments that come and go, so none is missed. The rest is looked for:
/// System V segments, and who attached; so what lasts for a shorter time than --interval may be.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit events
  shmkit events cam0 cam1 --existing
  shmkit events --json | jq -r 'select(.event == \"removed\") | .key'
  shmkit events cam0 --count 1 --timeout 10    what happens next")]
pub(crate) struct Events {
    /// The keys; all segments unless given
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<OsString>,
    /// Begin with what is there already
    #[arg(short, long)]
    pub(crate) existing: bool,
    /// How far apart looks are, at most
    #[arg(short, long, value_name = "SECONDS", default_value = "0.5", value_parser = interval)]
    pub(crate) interval: Duration,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub(crate) count: Option<NonZeroU64>,
    /// End after so long, with exit status 1 if --count events have not come by then
    #[arg(short, long, value_name = "SECONDS", default_value = "inf", value_parser = timeout)]
    pub(crate) timeout: Timeout,
    /// Print a JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}
