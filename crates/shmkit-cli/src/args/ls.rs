use std::time::Duration;

use clap::{Parser, ValueEnum};
use shmkit::inspect::{SortBy, State};

use super::time;
use crate::size;

/// List all segments
///
/// Lists what processes share, whoever made it: POSIX and System V segments, memfds, memory shared
/// with forks, and files that somebody has mapped to share and write. States:
///
///   live     somebody uses it
///   orphan   its users were killed; the next `create` of its key removes it, and `reap`
///   kept     nobody uses it, and it stays until it is removed by name
///   unknown  it cannot be told; `shmkit info KEY` says why
///
/// Whether a segment is an orphan is the kernel's word. ATTACHED counts what can be seen: root sees
/// all, an ordinary user its own processes. RESIDENT is how much of it takes memory.
///
/// KIND is what made it: raw (shmkit), typed (shmkit, and the type), qt, python, boost and iceoryx2
/// by their names or first bytes, otherwise unknown.
///
/// On a terminal that is too narrow, columns are left out; --long and --json have all of them.
#[derive(Debug, Parser)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  shmkit ls
  shmkit ls 'cam*' --state orphan,kept      some of them
  shmkit ls --sort resident --type memfd    what takes most memory first
  shmkit ls --pid 1412 --long               what a process shares, and why it has its state
  shmkit ls --watch
  shmkit ls --json | jq '.[] | select(.state == \"orphan\") | .key'"
)]
pub(crate) struct Ls {
    /// Only what has a name like one of these, with *, ? and [a-z] as in a shell
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only these types
    #[arg(short, long = "type", value_name = "TYPE", value_delimiter = ',',
        value_parser = ["posix", "systemv", "memfd", "file", "anonymous"])]
    pub(crate) types: Vec<String>,
    /// Only these kinds
    #[arg(short, long = "kind", value_name = "KIND", value_delimiter = ',',
        value_parser = ["raw", "typed", "qt", "python", "boost", "iceoryx2", "unknown"])]
    pub(crate) kinds: Vec<String>,
    /// Only those in these states
    #[arg(short, long = "state", value_name = "STATE", value_delimiter = ',')]
    pub(crate) states: Vec<StateName>,
    /// Only those of this user, by name or number
    #[arg(short, long, value_name = "USER")]
    pub(crate) owner: Option<String>,
    /// Only those that this process uses
    #[arg(short, long)]
    pub(crate) pid: Option<u32>,
    /// Only those of at least so many bytes: 4096, 64K, 1.5M
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) larger: Option<usize>,
    /// Only those that were made at least so long ago: 90s, 10min, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) older: Option<Duration>,
    /// The order
    #[arg(short = 'S', long, value_name = "COLUMN", default_value = "name")]
    pub(crate) sort: SortName,
    /// The other way round
    #[arg(short, long)]
    pub(crate) reverse: bool,
    /// Show everything: also mode, process ids and the reason for the state
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print it again every so often, by default every 2 s, until Ctrl-C; with --json one line each time
    #[arg(short, long, value_name = "TIME", value_parser = time::parse, num_args = 0..=1,
        default_missing_value = "2s", require_equals = true)]
    pub(crate) watch: Option<Duration>,
}

/// The names of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateName {
    Live,
    Orphan,
    Kept,
    Unknown,
}

impl From<StateName> for State {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Live => Self::Live,
            StateName::Orphan => Self::Orphan,
            StateName::Kept => Self::Kept,
            StateName::Unknown => Self::Unknown,
        }
    }
}

/// The names of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortName {
    Name,
    Size,
    Resident,
    Age,
    Attached,
    Owner,
    Kind,
    State,
}

impl From<SortName> for SortBy {
    fn from(name: SortName) -> Self {
        match name {
            SortName::Name => Self::Name,
            SortName::Size => Self::Size,
            SortName::Resident => Self::Resident,
            SortName::Age => Self::Age,
            SortName::Attached => Self::Attached,
            SortName::Owner => Self::Owner,
            SortName::Kind => Self::Kind,
            SortName::State => Self::State,
        }
    }
}
