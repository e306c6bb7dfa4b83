//! Who has a POSIX segment's lock. Who waits for it naps, which nobody sees.

use std::io;

use super::name::system_name;
use super::semaphore::{self, Sight};
use crate::backend::file::explain::explain;
use crate::backend::info::{LockInfo, LockUser, lock_of};
use crate::error::{Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::process;

/// `None` if the segment has no lock that a user of shmkit has had.
pub(crate) fn look(segment: &NativeIpcKey) -> Result<Option<LockInfo>> {
    let key = lock_of(segment);
    let Ok(name) = system_name(&key, Op::Inspect) else {
        return Ok(None);
    };
    match semaphore::look(&name) {
        Ok(sight) => Ok(Some(describe(key, sight))),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => Ok(Some(LockInfo::untold(key))),
            _ => Err(explain(error, "sem_open", Op::Inspect).on(&key)),
        },
    }
}

fn describe(key: NativeIpcKey, sight: Sight) -> LockInfo {
    let holder = sight.pid.filter(|_| sight.held).map(|pid| LockUser {
        pid,
        program: process::program(pid).unwrap_or_else(|| "ended".to_owned()),
    });
    let is_anothers = !sight.held && !sight.owner_died && sight.taken == Some(true);
    let reason = match (sight.held, &holder, sight.owner_died) {
        (true, Some(_), _) => "held",
        (true, None, _) => "held by a process that cannot be seen from here",
        (false, _, true) => "free; one who had it died, and nobody has repaired the data",
        (false, ..) if is_anothers => "held, by a program without shmkit or one that died asking",
        (false, ..) if sight.taken.is_none() => {
            "no user of shmkit has it; whether a program without shmkit has this system does not tell"
        }
        (false, ..) => "free",
    };
    LockInfo {
        key,
        held: Some(sight.held || is_anothers),
        holders: holder.into_iter().collect(),
        held_by_one_of: false,
        owner_died: sight.owner_died,
        waiting: None,
        waiters: Vec::new(),
        reason: reason.to_owned(),
    }
}
