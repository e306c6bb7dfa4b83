//! `shmkit create`: a segment of zeros.

use std::process::ExitCode;

use anyhow::Result;

use super::make;
use crate::args::Create;
use crate::key;

pub(crate) fn run(args: Create) -> Result<ExitCode> {
    let key = key::parse(&args.key)?;
    make(&args.new, |options| {
        let mut options = options.clone();
        options.size(args.size).reserve(!args.sparse);
        Ok(options.create(&key)?)
    })
}
