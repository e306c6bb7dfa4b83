//! Looking at segments on Windows.

use std::ffi::OsStr;
use std::io;

use super::info::{LockInfo, LockUser};
use super::windows::{lock, named};
use super::{Holders, Place, SegmentInfo, semaphore_key, unsupported};
use crate::error::{Error, Op, Result};
use crate::key::{KeyType, NativeIpcKey};

/// All segments that have names which this process can use.
pub(crate) fn list() -> Result<Vec<SegmentInfo>> {
    named::list().map_err(|cause| Error::os(Op::Inspect, cause))
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    match key.key_type() {
        KeyType::Windows => named::look(key),
        _ => Err(unsupported(key, Op::Inspect)),
    }
}

/// Who uses a segment and its lock, as far as that can be told.
pub(crate) fn holders(key: &NativeIpcKey) -> Result<Holders> {
    let found = find(key)?;
    Ok(Holders {
        processes: found.holders,
        complete: found.complete,
        lock: lock_info(key)?,
    })
}

/// A segment's lock; `None` if no user of shmkit has it open.
pub(crate) fn lock_info(key: &NativeIpcKey) -> Result<Option<LockInfo>> {
    if key.key_type() != KeyType::Windows {
        return Err(unsupported(key, Op::Inspect));
    }
    let lock = semaphore_key(key);
    Ok(match lock::look(lock.native_key()) {
        Ok(look) => Some(told(lock, look)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(LockInfo::untold(lock)),
    })
}

fn told(key: NativeIpcKey, look: lock::Look) -> LockInfo {
    let holders: Vec<LockUser> = look
        .owner
        .map(|owner| LockUser {
            pid: owner.pid,
            program: owner.program,
        })
        .into_iter()
        .collect();
    let reason = match &holders[..] {
        [holder] => format!("process {} ({}) has it", holder.pid, holder.program),
        _ => "no user of shmkit has it; others do not say".to_owned(),
    };
    LockInfo {
        key,
        // Looking whether the semaphore is free would mean to take it.
        held: (!holders.is_empty()).then_some(true),
        holders,
        held_by_one_of: false,
        owner_died: look.owner_died,
        waiting: Some(look.sleepers.into()),
        waiters: Vec::new(),
        reason,
    }
}

/// Users have no numbers.
pub(crate) fn user_number(_: &str) -> Option<u32> {
    None
}

/// Names are no paths.
pub(crate) fn name_of(_: &std::path::Path) -> Option<&OsStr> {
    None
}

/// There is no directory of segments.
pub(crate) fn named(_: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
    None
}

/// There is no System V.
pub(crate) fn system_v_key(_: &NativeIpcKey) -> Option<u32> {
    None
}
