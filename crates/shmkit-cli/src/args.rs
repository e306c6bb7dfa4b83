//! The command line, and what `--help` says.

mod diff;
mod doctor;
mod dump;
mod events;
mod holders;
mod ls;
mod reap;
mod serve;
mod time;
mod top;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use shmkit::key::Platform;

use crate::output::Colour;
use crate::size;

pub(crate) use diff::Diff;
pub(crate) use doctor::Doctor;
pub(crate) use dump::{Dump, Range};
pub(crate) use events::Events;
pub(crate) use holders::Holders;
pub(crate) use ls::{Ls, SortName};
pub(crate) use reap::Reap;
pub(crate) use serve::Serve;
pub(crate) use top::Top;
pub(crate) use wait::Wait;

const AFTER_HELP: &str = "\
Examples:
  shmkit put greeting hello.txt      fill a segment from a file
  shmkit get greeting                print what is in it
  shmkit ls                          what exists, and what was left behind
  shmkit rm greeting                 remove it
  shmkit key cam0                    what Qt calls the segment \"cam0\"
  shmkit doctor                      what gets in the way on this machine

`shmkit help COMMAND` tells more about a command.";

const AFTER_LONG_HELP: &str = "\
Examples:
  shmkit put greeting hello.txt      fill a segment from a file
  shmkit get greeting                print what is in it
  shmkit ls                          what exists, and what was left behind
  shmkit holders cam0                who uses it, and who has its lock
  shmkit reap --yes                  remove what crashed programs left behind
  shmkit info posix:/greeting        all about one segment, and who uses it
  shmkit rm greeting                 remove it
  tar c photos | shmkit put photos   a pipe will do as well
  shmkit lock cam0 -- ./repair       run a program that has the segment's lock
  shmkit wait cam0 && ./viewer       start a program when the segment is there
  shmkit top                         watch all segments live
  shmkit key cam0                    what Qt calls the segment \"cam0\"
  shmkit doctor                      what gets in the way on this machine

Keys:
  posix:/NAME      a POSIX segment, on Linux the file /dev/shm/NAME
  systemv:/PATH    a System V segment, found through the file PATH
  NAME             without a colon: posix:/NAME, Qt's platform-safe key of NAME
  ...?legacyKey=N  the lock is that of QSharedMemory(\"N\"); part of legacy keys

  This is the text form of Qt's QNativeIpcKey, so that keys can be handed to and
  fro. `shmkit key NAME` prints all keys that Qt makes of a name.

Segments:
  A segment is ephemeral or kept. An ephemeral one goes with its last user; if
  that one was killed it is an orphan, which the next `create` of the same key
  removes. A kept one stays until it is removed by name: since a command ends at
  once, `create` and `put` make kept segments unless --hold is given.

Exit status:
  0  done; also if nobody reads our output to its end
  1  the answer is no: not found, exists already, in use, lock not free in time
  2  it could not be done, or the command line is wrong
  `lock` answers with the exit status of the command that it ran.

Environment:
  NO_COLOR         if set to something, no colours; --color has the last word
  TMPDIR           where Qt's legacy System V keys lie, otherwise /tmp
  XDG_RUNTIME_DIR  where Qt's platform-safe System V keys lie
  SHMKIT_KEY, SHMKIT_OWNER_DIED  set by `lock` for the command that it runs";

/// Shared memory from the shell, the same that Qt's QSharedMemory uses
///
/// shmkit makes, fills, reads, lists, locks and removes segments of shared memory: those that
/// programs with Qt, with the shmkit library or with plain shm_open and shmget share on this
/// machine.
#[derive(Debug, Parser)]
#[command(
    name = "shmkit",
    version,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP,
    arg_required_else_help = true,
    subcommand_value_name = "COMMAND",
    disable_help_subcommand = false,
    max_term_width = 100,
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Whether to colour what is printed; `auto` is on terminals, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) color: Colour,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    Put(Put),
    Get(Get),
    Info(Info),
    #[command(visible_alias = "list")]
    Ls(Ls),
    Top(Top),
    Holders(Holders),
    Dump(Dump),
    Diff(Diff),
    Rm(Rm),
    Reap(Reap),
    Key(Key),
    Lock(Lock),
    Wait(Wait),
    Events(Events),
    Doctor(Doctor),
    Serve(Serve),
    Completions(Completions),
    Man(Man),
}

/// Make a segment of zeros
///
/// Makes a segment of SIZE zero bytes and prints its key. It is kept until it is removed by name;
/// with --hold it is ephemeral, and there as long as this command or another user is.
///
/// An orphan that has the key is removed first. Memory is reserved for all of the segment, so that
/// a lack of it is an error now and no crash of some program later.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit create cam0 64K                     kept until `shmkit rm cam0`
  shmkit create cam0 8MiB --mode 660         also for the group
  shmkit create systemv:/srv/cam/key 4096    a System V segment
  shmkit create cam0 64K --hold              gone with Ctrl-C")]
pub(crate) struct Create {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// Bytes: 4096, 64K or 64KiB (65536), 64KB (64000), 1.5M, 2G
    #[arg(value_parser = size::parse, allow_negative_numbers = true)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) new: New,
    /// Take memory only when it is first touched; a lack of it then ends the program that touches
    #[arg(long)]
    pub(crate) sparse: bool,
}

/// What `create` and `put` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Who may attach, as in chmod
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    pub(crate) mode: u32,
    /// Make it ephemeral and hold it until Ctrl-C, a signal, or the end of a pipe on standard input
    #[arg(long)]
    pub(crate) hold: bool,
    /// Print all about the new segment as JSON, instead of its key
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a segment of a file or a pipe
///
/// Makes a segment that holds FILE, or what standard input gives, and is exactly as large. It
/// appears under its key when it is complete; if this command is interrupted before, nothing is
/// left behind. Prints the key.
///
/// The segment is kept until it is removed by name; with --hold it is ephemeral, and there as long
/// as this command or another user is. A segment that exists is never overwritten: remove it first.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit put greeting hello.txt
  tar c photos | shmkit put photos
  shmkit rm -f frame && shmkit put frame new.raw    put another in its place")]
pub(crate) struct Put {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// The file; `-` or nothing is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) new: New,
}

/// Copy a segment to a file or a pipe
///
/// Writes the bytes of a segment, all of its size, to FILE or standard output. The segment stays as
/// it is, an orphan too. Anybody's segment will do, as far as its permissions allow. If there is no
/// segment of the key, it is what `shmkit serve KEY FILE` gives by that name.
///
/// Others may write to it meanwhile. To have them wait, if they use its lock, take that:
/// `shmkit lock KEY -- shmkit get KEY FILE`.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit get greeting
  shmkit get photos | tar x
  shmkit get --take photos photos.tar    and remove it")]
pub(crate) struct Get {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// The file, made or overwritten; `-` or nothing is standard output
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Remove the segment afterwards, unless somebody is attached to it
    #[arg(long)]
    pub(crate) take: bool,
}

/// Show all about a segment
///
/// Shows where a segment is, what made it, whose it is, how old it is, how much of it takes memory,
/// who uses it and its lock, and whether it is in use, kept or left behind, and why. Does not
/// attach to it.
///
/// An ordinary user sees only its own processes among the users.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit info cam0
  shmkit info --json cam0 | jq .holders")]
pub(crate) struct Info {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove segments
///
/// Removes segments by name, with their locks. One that somebody is attached to is left alone
/// unless --force is given.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit rm greeting photos
  shmkit rm --force posix:/cam0")]
pub(crate) struct Rm {
    /// The keys: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY", required = true)]
    pub(crate) keys: Vec<OsString>,
    /// Also if somebody is attached, who then keeps the memory to itself; and do not mind if there
    /// is no such segment
    #[arg(short, long)]
    pub(crate) force: bool,
}

/// Show the keys that Qt makes of a name
///
/// Prints all native keys of a name: by Qt's platform-safe rule (platformSafeKey(), for new
/// programs) and by its legacy rule (what QSharedMemory(NAME) and QSystemSemaphore(NAME) use), for
/// all types that the platform has. A segment's lock is the semaphore of the same rule and type.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit key cam0
  shmkit key cam0 --platform windows
  shmkit key cam0 --json | jq -r '.[0].key'")]
pub(crate) struct Key {
    /// The name, as a program gives it to Qt
    pub(crate) name: String,
    /// Whose rules; those of this system unless given
    #[arg(long)]
    pub(crate) platform: Option<PlatformName>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The names of platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformName {
    Linux,
    Macos,
    /// A program in the App Sandbox of macOS
    MacosSandbox,
    Freebsd,
    Windows,
}

impl From<PlatformName> for Platform {
    fn from(name: PlatformName) -> Self {
        match name {
            PlatformName::Linux => Self::Linux,
            PlatformName::Macos => Self::MacOs { sandboxed: false },
            PlatformName::MacosSandbox => Self::MacOs { sandboxed: true },
            PlatformName::Freebsd => Self::FreeBsd,
            PlatformName::Windows => Self::Windows,
        }
    }
}

/// Run a command that has a segment's lock
///
/// Takes the lock of a segment, the same that QSharedMemory::lock() takes, runs COMMAND, gives the
/// lock back, and answers with COMMAND's exit status: 128 and the number of the signal if one ended
/// it, 127 if there is no such command, 126 if it cannot be run.
///
/// If the lock is not free in time this says who has it, and answers 1 or what -E says. If the one
/// before died with the lock, that is said too and COMMAND finds SHMKIT_OWNER_DIED=1 in its
/// environment: the data may be half-written. If COMMAND succeeds they count as repaired, otherwise
/// the next one is told as well.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit lock cam0 -- shmkit get cam0 frame.raw
  shmkit lock cam0 --timeout 2.5 -E 75 -- ./repair
  shmkit lock cam0 --try -- sh -c 'echo nobody else has it'")]
pub(crate) struct Lock {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// How long to wait; `inf` is for ever
    #[arg(short, long, value_name = "SECONDS", default_value = "30", value_parser = timeout)]
    pub(crate) timeout: Timeout,
    /// Do not wait
    #[arg(short = 'n', long = "try", conflicts_with = "timeout")]
    pub(crate) only_try: bool,
    /// What to answer if the lock is not free in time
    #[arg(short = 'E', long, value_name = "NUMBER", default_value_t = crate::failure::NO)]
    pub(crate) conflict_exit_code: u8,
    /// The command and its arguments
    #[arg(last = true, required = true, value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// How long to wait for a lock; `None` is for ever.
pub(crate) type Timeout = Option<Duration>;

/// Print a completion script for a shell
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit completions bash > ~/.local/share/bash-completion/completions/shmkit
  shmkit completions zsh > ~/.zfunc/_shmkit
  shmkit completions fish > ~/.config/fish/completions/shmkit.fish")]
pub(crate) struct Completions {
    pub(crate) shell: Shell,
}

/// Print a manual page, or write them all
///
/// Prints the manual page of shmkit or of one of its commands, as man(1) formats it. With --dir
/// writes the pages of all, which package builders want.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit man ls | man -l -
  shmkit man --dir ~/.local/share/man/man1 && man shmkit-ls")]
pub(crate) struct Man {
    /// The command; shmkit itself unless given
    #[arg(value_name = "COMMAND")]
    pub(crate) of: Option<String>,
    /// Write shmkit.1 and a page for each command into this directory, which is made if need be
    #[arg(long, value_name = "DIR", conflicts_with = "of", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode & !0o666 == 0 => Ok(mode),
        _ => Err("expected read and write permissions in octal, like 600, 640 or 666".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Timeout, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds == f64::INFINITY => Ok(None),
        Ok(seconds) => Duration::try_from_secs_f64(seconds)
            .map(Some)
            .map_err(|_| "expected a number of seconds that is not negative, or inf".to_owned()),
        Err(_) => Err("expected a number of seconds like 2 or 0.5, or inf".to_owned()),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match timeout(text) {
        Ok(Some(interval)) if !interval.is_zero() => Ok(interval),
        _ => Err("expected a number of seconds like 2 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
