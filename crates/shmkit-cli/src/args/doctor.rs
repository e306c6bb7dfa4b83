use std::path::PathBuf;

use clap::{Parser, ValueHint};

/// Examine this machine
///
/// Looks for what gets in the way of shared memory: /dev/shm and how full it is, the container's
/// memory limit, logind's RemoveIPC, the kernel's leases and policies, huge pages, the limits of
/// processes and of System V, namespaces, a /proc that hides processes, and what crashed programs
/// left behind. Says of each finding why it matters and which command mends it. Changes nothing.
///
/// Run it as the user, in the container and with the limits that your programs have.
///
/// Exit status: 0 if all is well, 1 if there is a warning or worse, 2 if it could not be told.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit doctor
  shmkit doctor --all                         also what is good
  shmkit doctor --ignore shm-size && ./start  in scripts, with what is known and accepted
  shmkit doctor --root /host                  the host, from a container that has it mounted
  shmkit doctor --json | jq -r '.[] | select(.severity == \"critical\") | .mend'")]
pub(crate) struct Doctor {
    /// Also show what is good
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Leave out what this check finds; may be given more than once
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// The machine whose root directory this is, with its /proc and /sys
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true, value_hint = ValueHint::DirPath)]
    pub(crate) root: PathBuf,
    /// Print JSON, with what is good
    #[arg(long)]
    pub(crate) json: bool,
}
