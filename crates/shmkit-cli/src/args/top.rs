use std::time::Duration;

use clap::Parser;

use super::ls::SortName;
use super::time;

/// Watch segments live
///
/// Shows all that processes share, renewed every 2 seconds: sizes, attachments, states as in `ls`,
/// who has a segment's lock and for how long that has been seen, how many wait for it, and with
/// --changes how much of a segment changes. Keys:
///
///   Up Down PgUp PgDn Home End   choose a segment; j and k do as well
///   Enter    who uses it, and why it has its state
///   s S r    the next order, the one before, the other way round
///   /        only what has this in its name, owner, state or program; Esc ends it
///   c        how much of each segment changes, on and off
///   x        remove the segment, if nobody uses it, after a question
///   space    stop and go on
///   ? q      help, and the end
///
/// CHANGED is the share of up to 64 pages, spread over the segment, that differ from the last look.
/// For that each segment on the screen is opened and read for an instant; nothing else opens any.
/// What cannot be read has a "-".
///
/// Where there is no terminal, or a dumb one, prints the table once, as --once does.
#[derive(Debug, Parser)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  shmkit top
  shmkit top 'cam*' --sort size --interval 500ms --changes
  shmkit top --once | head"
)]
pub(crate) struct Top {
    /// Only what has a name like one of these, with *, ? and [a-z] as in a shell
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only these types
    #[arg(short, long = "type", value_name = "TYPE", value_delimiter = ',',
        value_parser = ["posix", "systemv", "memfd", "file", "anonymous"])]
    pub(crate) types: Vec<String>,
    /// The order
    #[arg(short = 'S', long, value_name = "COLUMN", default_value = "size")]
    pub(crate) sort: SortName,
    /// The other way round
    #[arg(short, long)]
    pub(crate) reverse: bool,
    /// How far apart looks are, at least: 500ms, 2s, 1min
    #[arg(short, long, value_name = "TIME", value_parser = time::parse, default_value = "2s")]
    pub(crate) interval: Duration,
    /// Show how much of each segment changes
    #[arg(short, long)]
    pub(crate) changes: bool,
    /// Print the table once
    #[arg(long)]
    pub(crate) once: bool,
}
