//! Real processes share a real picture: a writer makes a film of it in shared memory, readers copy
//! every frame out and check it, one of them is killed with the lock in its hands, and a real Qt
//! process takes part.

mod crew;
mod frame;
mod log;
mod picture;
mod qt;
mod reader;
mod report;
mod round;
mod spawn;
mod tally;
mod traces;
mod units;
mod words;
mod writer;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{self, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Platform, Role};

use crate::crew::Crew;
use crate::log::Log;
use crate::picture::Picture;
use crate::qt::Qt;
use crate::report::Report;
use crate::round::Plan;

/// Shares a picture between real processes and shows what happens
///
/// A writer makes a film of the picture in a segment of shared memory, frame by frame, under the
/// segment's lock. Readers attach by the key, copy the frames out and check them. In the middle
/// one reader is killed while it has the lock, and the others go on. In the end everybody leaves,
/// and nothing may be left behind. If Python has PyQt6, a Qt process reads along, but not on
/// Windows.
///
/// Exits with 0 if all went well, 1 if a checksum was wrong or something was left behind, and 2 if
/// it could not be done.
#[derive(Debug, Parser)]
#[command(name = "shmkit-demo", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The picture to share: PNG, JPEG, GIF, WebP or BMP; made smaller if it is wider or higher than
    /// 1920 pixels [default: one of ours]
    picture: Option<PathBuf>,

    /// How many frames the film has; a quarter of them in the second round
    #[arg(long, default_value_t = 400, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    frames: u64,

    /// How many processes read, besides Qt's
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=64))]
    readers: u64,

    /// The only kind of key to use [default: one round with each that is there]
    #[arg(long, value_name = "TYPE")]
    key_type: Option<Kind>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    child: Option<Child>,
}

/// Which kind of key.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A POSIX key, as new Qt programs use it
    Posix,
    /// A System V key, as `QSharedMemory("name")` always made it
    Systemv,
    /// A Windows key, as new Qt programs use it
    Windows,
    /// A Windows key, as `QSharedMemory("name")` always made it
    WindowsLegacy,
}

/// The roles that this program starts itself in.
#[derive(Debug, Subcommand)]
enum Child {
    #[command(name = "__writer", hide = true)]
    Writer {
        key: NativeIpcKey,
        width: u32,
        height: u32,
    },
    #[command(name = "__reader", hide = true)]
    Reader { key: NativeIpcKey },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.child {
        Some(Child::Writer { key, width, height }) => {
            writer::run(key, *width, *height).map(|()| true)
        }
        Some(Child::Reader { key }) => reader::run(key).map(|()| true),
        None => run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever listened has heard enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "shmkit-demo: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went well.
fn run(arguments: &Arguments) -> Result<bool> {
    let log = Log::new();
    let picture = Picture::load(arguments.picture.as_deref())?;
    log.say(&picture);
    let qt = Qt::find();
    log.say(match &qt {
        Ok(qt) => format!("{} reads along", qt.version),
        Err(why) => format!("no Qt process reads along: {why}"),
    });

    let (all, quarter) = (arguments.frames, (arguments.frames / 4).max(2));
    let kinds: &[_] = match (arguments.key_type, KeyRules::of_this_process().platform()) {
        (Some(kind), _) => &[(kind, all)],
        (None, Platform::Windows) => &[(Kind::Windows, all), (Kind::WindowsLegacy, quarter)],
        (None, _) => &[(Kind::Posix, all), (Kind::Systemv, quarter)],
    };
    let mut crew = Crew::new()?;
    let mut rounds = Vec::new();
    for &(kind, frames) in kinds {
        let plan = Plan {
            key: kind.key(),
            picture: &picture,
            frames,
            readers: arguments.readers as usize,
            qt: qt.as_ref().ok(),
        };
        rounds.push(round::play(&plan, &mut crew, log)?);
    }

    let report = Report::new(&picture, &qt, rounds, log.seconds());
    let text = match arguments.json {
        true => report.json() + "\n",
        false => report.text(),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(report.problems.is_empty())
}

impl Kind {
    /// A key that nobody else uses.
    fn key(self) -> NativeIpcKey {
        let name = format!("shmkit-demo-{}", process::id());
        let rules = KeyRules::of_this_process();
        match self {
            Self::Posix => rules.platform_safe_key(Role::Segment, &name, KeyType::PosixRealtime),
            Self::Systemv => rules.legacy_key(Role::Segment, &name, KeyType::SYSTEM_V),
            Self::Windows => rules.platform_safe_key(Role::Segment, &name, KeyType::Windows),
            Self::WindowsLegacy => rules.legacy_key(Role::Segment, &name, KeyType::Windows),
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
