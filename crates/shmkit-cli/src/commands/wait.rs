//! `shmkit wait`: until a segment is in a state.

use std::process::ExitCode;

use anyhow::Result;
use shmkit::watch;

use crate::args::Wait;
use crate::key;

pub(crate) fn run(args: Wait) -> Result<ExitCode> {
    watch::wait(&key::parse(&args.key)?, args.until.into(), args.timeout)?;
    Ok(ExitCode::SUCCESS)
}
