use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use super::time;

/// Remove what crashed programs left behind
///
/// Shows what is left behind, and with --yes removes it: orphans, locks of segments that are gone,
/// half-made files of dead makers, and key files of which nothing is made.
///
/// Whether something is left behind is the kernel's word: nobody has it open, anywhere, and it is
/// removed while that is certain. So this may run from cron, and beside programs that start and
/// end. Kept segments and those of other programs stay; --key removes such a one, unless somebody
/// uses it.
///
/// Exit status: 0 if all went well, also if there was nothing; 1 if a segment of --key does not
/// exist or is in use; 2 if something could not be removed.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit reap                            what would be removed
  shmkit reap --yes
  shmkit reap 'cam*' --older 1h --yes    only these, and not what was made just now
  shmkit reap --key posix:/qt-cam --yes  one that shmkit did not make, if nobody uses it
  shmkit reap --yes --json | jq .bytes   how much was freed")]
pub(crate) struct Reap {
    /// Only what has a name like one of these, with *, ? and [a-z] as in a shell
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Remove it, instead of showing what would be removed
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only what was made at least so long ago: 90s, 10min, 2h, 7d
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) older: Option<Duration>,
    /// Only what belongs to this user, by name or number
    #[arg(short, long, value_name = "USER")]
    pub(crate) owner: Option<String>,
    /// This segment and its lock and nothing else, whoever made it; may be given more than once
    #[arg(long = "key", value_name = "KEY", conflicts_with_all = ["names", "older", "owner"])]
    pub(crate) keys: Vec<OsString>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
