//! Processes share locks and are killed at random, thousands of times: nobody may hang, no record may
//! be lost, a torn one must have been announced as an owner's death, and nothing may be left over.
//!
//! Linux only, as the locks are so far.

mod chance;
mod director;
mod ground;
mod place;
mod record;
mod report;
mod worker;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::director::Plan;
use crate::ground::SEATS;
use crate::place::Backend;

/// Kills processes at random while they share locks
///
/// Worker processes lock, check a record with a checksum, write the next one, and unlock: with a
/// mutex, with a read-write lock, and in a queue with a condition variable and a semaphore. They are
/// killed (SIGKILL) at random moments, singly and in volleys, and replaced.
///
/// Exits with 0 if all went well; with 1 if somebody hung, a record was lost or torn without word of
/// an owner's death, or something was left over; and with 2 if it could not be done.
#[derive(Debug, Parser)]
#[command(name = "shmkit-storm", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// How many processes are killed, on all backends together
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    kills: u64,

    /// How many processes work at the same time
    #[arg(long, default_value_t = 8, value_name = "P", value_parser = clap::value_parser!(u64).range(2..=SEATS as u64))]
    processes: u64,

    /// The only backend to use [default: a third of the kills on each]
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,

    /// Where chance begins [default: the time]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// After so many milliseconds a wait counts as a hang
    #[arg(long, default_value_t = 1000, value_name = "MS")]
    hang: u64,

    #[command(subcommand)]
    child: Option<Child>,
}

/// The role that this program starts itself in.
#[derive(Debug, Subcommand)]
enum Child {
    #[command(name = "__worker", hide = true)]
    Worker {
        place: String,
        seat: usize,
        seed: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.child {
        Some(Child::Worker { place, seat, seed }) => {
            worker::run(place, *seat, *seed).map(|()| true)
        }
        None => run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            _ = writeln!(io::stderr(), "shmkit-storm: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all went well.
fn run(arguments: &Arguments) -> Result<bool> {
    let backends: &[Backend] = match &arguments.backend {
        Some(backend) => &[*backend],
        None => &[Backend::Posix, Backend::File, Backend::Memfd],
    };
    let seed = arguments.seed.unwrap_or_else(chance::seed_of_now);
    _ = writeln!(io::stderr(), "seed {seed}");
    let director = director::Director::new()?;
    let mut summaries = Vec::new();
    for (index, &backend) in backends.iter().enumerate() {
        let shares = backends.len() as u64;
        let extra = u64::from((index as u64) < arguments.kills % shares);
        let plan = Plan {
            backend,
            kills: arguments.kills / shares + extra,
            processes: arguments.processes as usize,
            seed: seed.wrapping_add(index as u64),
            hang: Duration::from_millis(arguments.hang),
        };
        summaries.push(director.play(&plan)?);
    }
    io::stdout().write_all(report::text(&summaries).as_bytes())?;
    Ok(summaries.iter().all(|summary| summary.problems.is_empty()))
}
