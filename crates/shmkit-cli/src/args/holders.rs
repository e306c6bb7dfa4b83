use std::ffi::OsString;

use clap::Parser;

/// Show who uses a segment
///
/// Lists the processes that have a segment mapped or open, whose they are, since when they run and
/// in which container, and who has its lock and who waits for it.
///
/// An ordinary user sees only its own processes.
///
/// Exit status: 0 if there are some, 1 if nobody is seen or there is no such segment.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit holders cam0
  shmkit holders systemv:/srv/cam/key
  shmkit holders --json cam0 | jq '.processes[].pid'")]
pub(crate) struct Holders {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
