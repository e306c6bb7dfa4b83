//! The `shmkit` command: shared memory segments from the shell.
//!
//! Data go to standard output, messages to standard error. Each command is a file in `commands/`
//! and talks to the library's public face only.

mod args;
mod columns;
mod commands;
mod failure;
mod held;
mod hex;
mod http;
mod key;
mod metrics;
mod output;
mod progress;
mod signals;
mod size;
mod top;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    output::set_colour(args.color);
    let done = match args.command {
        Command::Create(args) => commands::create::run(args),
        Command::Put(args) => commands::put::run(args),
        Command::Get(args) => commands::get::run(args),
        Command::Info(args) => commands::info::run(args),
        Command::Ls(args) => commands::ls::run(args),
        Command::Holders(args) => commands::holders::run(args),
        Command::Dump(args) => commands::dump::run(args),
        Command::Diff(args) => commands::diff::run(args),
        Command::Rm(args) => commands::rm::run(args),
        Command::Reap(args) => commands::reap::run(args),
        Command::Key(args) => commands::key::run(args),
        Command::Lock(args) => commands::lock::run(args),
        Command::Top(args) => commands::top::run(args),
        Command::Wait(args) => commands::wait::run(args),
        Command::Events(args) => commands::events::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Completions(args) => commands::completions::run(args),
        Command::Man(args) => commands::man::run(args),
    };
    done.unwrap_or_else(|error| failure::report(&error))
}
