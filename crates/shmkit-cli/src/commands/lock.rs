//! `shmkit lock`: a command that has a segment's lock.

use std::io;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result};
use shmkit::key::NativeIpcKey;
use shmkit::{Access, Acquired, ErrorKind, Guard, Owners, SharedMemory};

use crate::args::{Lock, Timeout};
use crate::{failure, key, output, signals};

/// How long one who waits for ever goes without saying for whom.
const REMINDER: Duration = Duration::from_secs(30);

pub(crate) fn run(args: Lock) -> Result<ExitCode> {
    let key = key::parse(&args.key)?;
    warn_of_half_a_key(&key);
    let segment = SharedMemory::options()
        .owners(Owners::Anyone)
        .access(Access::ReadOnly)
        .attach(&key)?;
    let taken = match args.only_try {
        true => segment.try_lock(),
        false => wait(&segment, args.timeout),
    };
    let acquired = match taken {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            failure::say(&error.into());
            return Ok(args.conflict_exit_code.into());
        }
        taken => taken?,
    };
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    command.env("SHMKIT_KEY", key.to_string());
    command.env_remove("SHMKIT_OWNER_DIED");
    if acquired.owner_died() {
        output::message(&format!(
            "the last one to lock {key} died with the lock: the data may be half-written"
        ));
        command.env("SHMKIT_OWNER_DIED", "1");
    }
    let ended = signals::run(&mut command);
    match acquired {
        Acquired::Clean(guard) => guard.unlock(),
        Acquired::OwnerDied(recovery) if ended.as_ref().is_ok_and(ExitStatus::success) => {
            recovery.mark_recovered().unlock();
        }
        // The next one is told of the death again.
        Acquired::OwnerDied(recovery) => drop(recovery),
    }
    match ended {
        Ok(status) => Ok(code_of(status).into()),
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound {
                127
            } else {
                126
            };
            let name = args.command[0].display();
            let error = Err::<(), _>(error).with_context(|| format!("cannot run {name}"));
            failure::say(&error.unwrap_err());
            Ok(code.into())
        }
    }
}

fn wait(segment: &SharedMemory, limit: Timeout) -> shmkit::Result<Acquired<Guard<'_>>> {
    if let Some(limit) = limit {
        return segment.lock_timeout(limit);
    }
    loop {
        match segment.lock_timeout(REMINDER) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                output::message(&format!("still waiting: {error}"));
            }
            taken => return taken,
        }
    }
}

/// A key made by Qt's legacy rule leads to the segment, but its lock has another name, which only
/// the legacy key tells.
fn warn_of_half_a_key(key: &NativeIpcKey) {
    if key.legacy_key().is_none() && key.native_key().contains("/qipc_sharedmemory_") {
        output::message(&format!(
            "{key} looks like a legacy key of Qt without its end: Qt uses another lock than this"
        ));
        output::hint(
            "write ?legacyKey=NAME behind it, with the NAME that was given to QSharedMemory",
        );
    }
}

fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return (128 + signal) as u8;
    }
    status.code().map_or(failure::ERROR, |code| code as u8)
}
