//! Who has a System V segment's lock, and who waits for it.

use std::io;

use super::key_file::{self, KeyFile};
use super::semaphore::{COUNT, LOCK, MARK};
use crate::backend::info::{LockInfo, LockUser, lock_of};
use crate::error::{Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::{process, system_v, waiting};

/// `None` if the segment has no lock.
pub(crate) fn look(segment: &NativeIpcKey) -> Result<Option<LockInfo>> {
    let key = lock_of(segment);
    let (path, project) = key_file::parts(&key, Op::Inspect)?;
    let found = KeyFile::find(path, project).and_then(|file| system_v::find_set(file.ipc_key));
    let id = match found {
        Ok(id) => id,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Some(LockInfo::untold(key)));
        }
        Err(_) => return Ok(None),
    };
    Ok(match describe(key.clone(), id) {
        Ok(info) => Some(info),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(LockInfo::untold(key))
        }
        // Removed meanwhile.
        Err(_) => None,
    })
}

fn describe(key: NativeIpcKey, id: i32) -> io::Result<LockInfo> {
    let held = system_v::value(id, LOCK)? == 0;
    let has_mark = system_v::set_status(id)?.count >= COUNT.into();
    // The kernel has given a dead holder's lock back, and left the mark.
    let owner_died = !held && has_mark && system_v::value(id, MARK)? > 0;
    let holder = match held {
        true => system_v::last_pid(id, LOCK)?,
        false => None,
    };
    let waiting = u64::try_from(system_v::waiting(id, LOCK)?).unwrap_or(0);
    Ok(LockInfo {
        key,
        held: Some(held),
        holders: holder.map(user).into_iter().collect(),
        held_by_one_of: false,
        owner_died,
        waiting: Some(waiting),
        waiters: waiters(id, waiting),
        reason: match (held, holder, owner_died) {
            (true, Some(_), _) => "held, by the one who operated on it last",
            (true, None, _) => "held by a process that cannot be seen from here",
            (false, _, true) => "free; one who had it died, and nobody has repaired the data",
            (false, _, false) => "free",
        }
        .to_owned(),
    })
}

/// The kernel counts those who wait, and any process may be among them.
fn waiters(id: i32, waiting: u64) -> Vec<LockUser> {
    if waiting == 0 {
        return Vec::new();
    }
    let pids = process::pids().into_iter().flatten();
    pids.filter(|&pid| waiting::on_set(pid, id) > 0)
        .map(user)
        .collect()
}

fn user(pid: u32) -> LockUser {
    LockUser {
        pid,
        program: process::program(pid).unwrap_or_else(|| "ended".to_owned()),
    }
}
