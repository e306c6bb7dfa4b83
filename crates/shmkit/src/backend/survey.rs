//! Looking at all that processes share: one look at the processes, and then one at each type of
//! segment.

use std::collections::HashMap;

use super::{Holder, Holders, LockInfo, SegmentInfo, nameless, posix, system_v, unsupported};
use crate::error::{Error, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::census::{self, Census, Object};
use crate::sys::process;
use crate::sys::who::who;

/// All segments, and who uses them.
pub(crate) fn list() -> Result<Vec<SegmentInfo>> {
    let look = || {
        let device = posix::survey::device();
        let census = census::take(device)?;
        let (mut found, named) = posix::survey::list(&census)?;
        found.extend(system_v::survey::list(&census)?);
        found.extend(nameless::list(&census, device, &named));
        Ok(found)
    };
    let mut found = look().map_err(|error| Error::os(Op::Inspect, error))?;
    let mut names = HashMap::new();
    for segment in &mut found {
        let name = names
            .entry(segment.owner)
            .or_insert_with(|| crate::sys::user::name(segment.owner));
        segment.owner_name.clone_from(name);
    }
    Ok(found)
}

/// What a file in the directory of POSIX segments is as a segment.
pub(crate) use posix::survey::{name_of, named};

pub(crate) use system_v::key_file::number_of as system_v_key;

/// The segment of a key, and who uses it.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let mut found = match key.key_type() {
        KeyType::PosixRealtime => posix::survey::find(key),
        KeyType::SystemV(_) => system_v::survey::find(key),
        KeyType::Windows => Err(unsupported(key, Op::Inspect)),
    }?;
    found.owner_name = crate::sys::user::name(found.owner);
    look_closer(&mut found.holders);
    Ok(found)
}

/// Who uses a segment and its lock.
pub(crate) fn holders(key: &NativeIpcKey) -> Result<Holders> {
    let found = find(key)?;
    Ok(Holders {
        processes: found.holders,
        complete: found.complete,
        lock: lock_info(key)?,
    })
}

/// A segment's lock; `None` if it has none.
pub(crate) fn lock_info(key: &NativeIpcKey) -> Result<Option<LockInfo>> {
    match key.key_type() {
        KeyType::PosixRealtime => posix::lock_info::look(key),
        KeyType::SystemV(_) => system_v::lock_info::look(key),
        KeyType::Windows => Err(unsupported(key, Op::Inspect)),
    }
}

/// The user of a name.
pub(crate) fn user_number(name: &str) -> Option<u32> {
    crate::sys::user::number(name)
}

/// Asks about the processes themselves.
pub(crate) fn look_closer(holders: &mut [Holder]) {
    for holder in holders {
        let who = who(holder.pid);
        holder.user = who.user;
        holder.user_name = who.user.and_then(crate::sys::user::name);
        holder.since = who.began;
        holder.pid_namespace = who.pid_namespace;
        holder.pid_inside = who.pid_inside;
        holder.container = who.container;
    }
}

/// Who has something, as the census says.
pub(super) fn holders_in(census: &Census, object: Object) -> Vec<Holder> {
    let holder = |this: &census::Use| Holder {
        pid: this.pid,
        program: census.programs.get(&this.pid).cloned().unwrap_or_default(),
        attached: this.attached,
        access: (this.mappings > 0).then(|| access(this.writes)),
        descriptors: this.descriptors,
        ..Holder::default()
    };
    census.uses(object).iter().map(holder).collect()
}

/// Who has a file, as the search for it says.
pub(super) fn holders_of(found: Vec<process::Holder>) -> Vec<Holder> {
    let holder = |process: process::Holder| Holder {
        pid: process.pid,
        program: process.program,
        attached: process.attached,
        access: (process.mappings > 0).then(|| access(process.writes)),
        descriptors: process.descriptors as u64,
        opened: process.opened,
        ..Holder::default()
    };
    found.into_iter().map(holder).collect()
}

fn access(writes: bool) -> Access {
    match writes {
        true => Access::ReadWrite,
        false => Access::ReadOnly,
    }
}
