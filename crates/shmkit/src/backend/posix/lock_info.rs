//! Who has a POSIX segment's lock, and who waits for it.

use std::io;

use super::name::semaphore_path;
use super::semaphore::{self, Sight};
use super::slot::{self, Holder};
use crate::backend::file::explain::explain;
use crate::backend::info::{LockInfo, LockUser, lock_of};
use crate::error::{Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::process;
use crate::sys::waiting;

/// How often it is looked for those who wait: a sleeper of ours is awake for an instant now and
/// then.
const LOOKS: usize = 3;

/// `None` if the segment has no lock.
pub(crate) fn look(segment: &NativeIpcKey) -> Result<Option<LockInfo>> {
    let key = lock_of(segment);
    let Ok(path) = semaphore_path(&key, Op::Inspect) else {
        return Ok(None);
    };
    match semaphore::look(&path) {
        Ok(sight) => Ok(Some(describe(key, &sight))),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => Ok(Some(LockInfo::untold(key))),
            _ => Err(explain(error, &path, Op::Inspect).on(&key)),
        },
    }
}

fn describe(key: NativeIpcKey, sight: &Sight) -> LockInfo {
    let (holders, held_by_one_of, reason) = held_by(sight);
    LockInfo {
        key,
        // The dead have nothing: whoever wants it gets it.
        held: Some(sight.holder != Holder::Nobody && sight.is_alive),
        holders,
        held_by_one_of,
        owner_died: sight.lost || !sight.is_alive,
        waiting: sight.sleepers,
        waiters: waiters(sight),
        reason: match sight.lost {
            true => format!("{reason}; one who had it died, and nobody has repaired the data"),
            false => reason.to_owned(),
        },
    }
}

fn held_by(sight: &Sight) -> (Vec<LockUser>, bool, &'static str) {
    let slots = |user: &process::Holder| {
        let starts = user.locks.iter();
        starts
            .filter_map(|&start| slot::from_lock(start))
            .collect::<Vec<u32>>()
    };
    let users = |is: &dyn Fn(&process::Holder) -> bool| -> Vec<LockUser> {
        let users = sight.users.iter().filter(|user| is(user));
        users.map(LockUser::from).collect()
    };
    match sight.holder {
        Holder::Nobody => (Vec::new(), false, "free"),
        Holder::Slot(_) if !sight.is_alive => (
            Vec::new(),
            false,
            "its holder died; the next one who wants it gets it and is told",
        ),
        Holder::Slot(slot) => match users(&|user| slots(user).contains(&slot)) {
            none if none.is_empty() => (
                none,
                false,
                "held by a process that cannot be seen from here",
            ),
            holders => (holders, false, "held"),
        },
        // One of ours would have said so.
        Holder::Unknown => {
            let others = users(&|user| user.mappings.max(user.descriptors) > slots(user).len());
            match others.len() {
                0 => (
                    others,
                    false,
                    "held by a process that ended or cannot be seen from here",
                ),
                1 => (others, false, "held by the only one who does not say so"),
                _ => (others, true, "held by one of those who do not say so"),
            }
        }
    }
}

fn waiters(sight: &Sight) -> Vec<LockUser> {
    if sight.holder == Holder::Nobody || sight.sleepers == Some(0) {
        return Vec::new();
    }
    let mut found: Vec<LockUser> = Vec::new();
    for _ in 0..LOOKS {
        for user in &sight.users {
            let is_known = found.iter().any(|waiter| waiter.pid == user.pid);
            if !is_known && waiting::on_futex_in(user.pid, sight.id) > 0 {
                found.push(user.into());
            }
        }
    }
    found
}

impl From<&process::Holder> for LockUser {
    fn from(process: &process::Holder) -> Self {
        Self {
            pid: process.pid,
            program: process.program.clone(),
        }
    }
}
