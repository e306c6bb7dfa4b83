//! The developers' front door: `cargo xtask test` does what CI does.
//!
//! A fresh Debian machine with Rust and Python 3 is all that is assumed; each command fetches what
//! else it needs, keeps it, and says what it is doing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

mod apt;
mod compiler;
mod cross;
mod leftovers;
mod lint;
mod machine;
mod package;
mod platforms;
mod progress;
mod python;
mod report;
mod run;
mod tally;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

/// The developers' front door of shmkit.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Runs the demo program, with a real PyQt6 process in it
    Demo {
        /// What the demo program gets
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Checks everything: formatting, lints, docs, tests, of the fallbacks, too, deaths, loom models,
    /// leftovers
    Test {
        /// Run the tests once and nothing else
        #[arg(long)]
        quick: bool,
        /// Give up after so many minutes
        #[arg(long, value_name = "MINUTES", default_value_t = 30)]
        deadline: u64,
        /// What `cargo test` gets instead of `--workspace`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Builds the Python package, installs it into the tests' environment and runs its tests
    Python {
        /// What pytest gets
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kills thousands of processes at random while they share locks (20,000 in some minutes)
    Storm {
        /// What the storm gets; `--help` says what there is
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the benchmarks
    Bench {
        /// What `cargo bench` gets; `python` and what its benchmarks get
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Checks, builds and tests for other operating systems, processors and C libraries
    Cross {
        /// Only these targets
        #[arg(long = "target", value_name = "TARGET", value_parser = cross::triples())]
        targets: Vec<String>,
        /// Lints only: build and run nothing
        #[arg(long)]
        check_only: bool,
        /// Say which targets there are, and what can be done for each
        #[arg(long)]
        list: bool,
        /// Give up after so many minutes
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        deadline: u64,
        /// What `cargo test` gets instead of `--tests` and the packages
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Writes the table of `docs/PLATFORM.md` from what the last full runs here have shown
    Platforms {
        /// Add what the log of a full run on this target says, wherever that was
        #[arg(long, requires = "target")]
        log: Option<PathBuf>,
        /// The target of the log
        #[arg(long)]
        target: Option<String>,
    },
    /// Checks formatting, lints and docs
    Lint,
    /// Installs what the tests need, and says where
    Setup,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\n{} {error:#}", progress::red("error:"));
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked; false if a check failed and its report has been printed.
fn run(command: Action) -> Result<bool> {
    match command {
        Action::Demo { arguments } => demo(&arguments).map(|()| true),
        Action::Test {
            quick,
            deadline,
            arguments,
        } => test::test(quick, Duration::from_secs(deadline * 60), &arguments),
        Action::Python { arguments } => test::python(&arguments),
        Action::Storm { arguments } => storm(&arguments).map(|()| true),
        Action::Bench { arguments } => bench(&arguments).map(|()| true),
        Action::Cross { list: true, .. } => {
            println!("{}", cross::list());
            Ok(true)
        }
        Action::Cross {
            targets,
            check_only,
            deadline,
            arguments,
            ..
        } => {
            let tests = (!check_only).then_some(&arguments[..]);
            cross::cross(&targets, tests, Duration::from_secs(deadline * 60))
        }
        Action::Platforms { log, target } => {
            if let (Some(log), Some(target)) = (log, target) {
                platforms::read_log(&log, &target)?;
            }
            platforms::write().map(|()| true)
        }
        Action::Lint => lint::lint(),
        Action::Setup => {
            println!("{}", python::set_up()?.display());
            Ok(true)
        }
    }
}

fn demo(arguments: &[String]) -> Result<()> {
    ensure!(
        run::root().join("crates/shmkit-demo").exists(),
        "there is no demo program in this tree: crates/shmkit-demo is missing"
    );
    let python = python::set_up()?;
    let mut cargo = run::cargo();
    cargo
        .args(["run", "--release", "--package", "shmkit-demo", "--"])
        .args(arguments);
    run::run(cargo.env(python::VARIABLE, python)).context("the demo failed")
}

fn storm(arguments: &[String]) -> Result<()> {
    let mut cargo = run::cargo();
    cargo
        .args(["run", "--release", "--package", "shmkit-storm", "--"])
        .args(arguments);
    run::run(&mut cargo).context("the storm did harm")
}

fn bench(arguments: &[String]) -> Result<()> {
    if let Some((first, arguments)) = arguments.split_first()
        && first == "python"
    {
        return package::bench(arguments);
    }
    let python = python::set_up()?;
    let mut cargo = run::cargo();
    cargo
        .args(["bench", "--package", "shmkit-bench"])
        .args(arguments);
    run::run(cargo.env(python::VARIABLE, python)).context("the benchmarks failed")
}
