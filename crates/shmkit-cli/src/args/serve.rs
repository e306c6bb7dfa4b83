use clap::Parser;

use super::mode;
use crate::http::Address;

/// Serve metrics of all segments
///
/// Answers requests for /metrics in Prometheus's text format, on a Unix socket or on a port that
/// only this machine can reach, until Ctrl-C or a signal. Prints where when it is ready.
///
/// There are the sizes, the attachments and the states of segments, the room in /dev/shm, and what
/// `shmkit doctor` warns of. At most 8 requests are answered at once, each within 5 seconds, and a
/// look at the machine is used for a second.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit serve --metrics 127.0.0.1:9782
  shmkit serve --metrics unix:/run/shmkit/metrics.sock --mode 660
  curl --unix-socket /run/shmkit/metrics.sock http://localhost/metrics")]
pub(crate) struct Serve {
    /// Where: unix:PATH, or a loopback address and a port, 0 for any that is free
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = str::parse::<Address>)]
    pub(crate) metrics: Address,
    /// Who may connect to the Unix socket, as in chmod
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    pub(crate) mode: u32,
    /// Tell of so many segments one by one, the largest; all are in the sums
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) limit: usize,
}
