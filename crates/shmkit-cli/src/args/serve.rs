use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueHint};

use super::mode;
use crate::http::Address;

/// Serve a file to `shmkit get`, or metrics of all segments
///
/// With KEY and FILE: gives the contents of the file, as sealed memory that nobody can change, to
/// everybody who says `shmkit get KEY`, or `shmkit::os::handover::fetch`, as the same user on this
/// machine, until Ctrl-C or a signal. There is no segment of that key: the memory is reached by a
/// socket, and goes with its last user. Prints the key when it is ready. macOS and Windows have no
/// sealed memory, so nothing is given there.
///
/// With --metrics: answers requests for /metrics in Prometheus's text format, on a Unix socket or on a port that
/// only this machine can reach, until Ctrl-C or a signal. Prints where when it is ready.
///
/// There are the sizes, the attachments and the states of segments, whether their locks are held and
/// how many wait, the room in /dev/shm, and what `shmkit doctor` warns of. Locks are looked at, never taken;
/// for those inside typed segments, these are attached for a moment. At most 8 requests are answered at once, each within 5 seconds, and a
/// look at the machine is used for a second.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit serve table prices.csv          and elsewhere: shmkit get table
  shmkit serve --metrics 127.0.0.1:9782
  shmkit serve --metrics unix:/run/shmkit/metrics.sock --mode 660
  curl --unix-socket /run/shmkit/metrics.sock http://localhost/metrics")]
pub(crate) struct Serve {
    /// The name for the contents: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY", requires = "file")]
    pub(crate) key: Option<OsString>,
    /// The file with the contents; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Where to serve metrics: unix:PATH, or a loopback address and a port, 0 for any that is free
    #[arg(long, value_name = "ADDRESS", required_unless_present = "key", value_parser = str::parse::<Address>)]
    pub(crate) metrics: Option<Address>,
    /// Who may connect to the Unix socket of the metrics, as in chmod
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    pub(crate) mode: u32,
    /// Tell of so many segments one by one, the largest; all are in the sums
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) limit: usize,
}
