//! `shmkit rm`: removes segments by name.

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::{Error, Result};
use shmkit::{ErrorKind, InUse, Owners, SharedMemory};

use crate::args::Rm;
use crate::{failure, key, output};

pub(crate) fn run(args: Rm) -> Result<ExitCode> {
    let mut worst = 0;
    for key in &args.keys {
        // One that cannot be removed keeps none of the others.
        if let Err(error) = remove(key, args.force) {
            failure::say(&error);
            // What is in use is removed nowhere on Windows, which says so itself.
            if is_in_use(&error) && !cfg!(windows) {
                output::hint("`shmkit rm --force` removes it: they keep the memory to themselves");
            }
            worst = worst.max(failure::code(&error));
        }
    }
    Ok(worst.into())
}

fn remove(key: &OsStr, force: bool) -> Result<()> {
    let in_use = match force {
        true => InUse::RemoveAnyway,
        false => InUse::Refuse,
    };
    let key = key::parse(key)?;
    match SharedMemory::options()
        .owners(Owners::Anyone)
        .remove(&key, in_use)
    {
        Err(error) if force && error.kind() == ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

fn is_in_use(error: &Error) -> bool {
    error
        .downcast_ref::<shmkit::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::InUse)
}
