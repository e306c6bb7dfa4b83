//! `shmkit top`: segments, live.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Top;
use crate::top;

pub(crate) fn run(args: Top) -> Result<ExitCode> {
    top::run(&args)?;
    Ok(ExitCode::SUCCESS)
}
