//! `shmkit completions`: scripts for shells.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::args::{Args, Completions};
use crate::output;

pub(crate) fn run(args: Completions) -> Result<ExitCode> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::write(&script)?;
    Ok(ExitCode::SUCCESS)
}
