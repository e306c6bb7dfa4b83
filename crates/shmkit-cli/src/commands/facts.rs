//! A segment in JSON: what the tables show, in raw numbers and names.

use std::time::SystemTime;

use serde::Serialize;
use shmkit::inspect::{Holder, Kind, Place, ResidentBy, SegmentInfo};
use shmkit::key::KeyRules;
use shmkit::{Access, Lifetime};

use super::info::type_of;
use crate::output;

/// A segment.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    r#type: String,
    key: Option<String>,
    path: Option<String>,
    ipc_key: Option<u32>,
    ipc_id: Option<i32>,
    ipc_namespace: Option<u64>,
    inode: Option<u64>,
    /// The name is gone.
    removed: bool,
    kind: &'static str,
    type_name: Option<String>,
    size: u64,
    resident: Option<u64>,
    swapped: Option<u64>,
    resident_by: Option<&'static str>,
    owner: Option<String>,
    owner_id: Option<u32>,
    /// In octal, as `chmod` takes it: what is a number there would be none in JSON.
    mode: String,
    /// Seconds since the epoch.
    created: Option<f64>,
    age: Option<f64>,
    lifetime: &'static str,
    attached: Option<u64>,
    complete: bool,
    state: String,
    reason: String,
    lock: Option<String>,
    holders: Vec<HolderFacts>,
}

/// A process that uses a segment.
#[derive(Debug, Serialize)]
pub(crate) struct HolderFacts {
    pid: u32,
    program: String,
    attached: u64,
    access: Option<&'static str>,
    descriptors: u64,
    opened: Option<&'static str>,
    user: Option<String>,
    user_id: Option<u32>,
    /// Seconds since the epoch.
    since: Option<f64>,
    pid_namespace: Option<u64>,
    pid_inside: Option<u32>,
    container: Option<String>,
}

impl Facts {
    pub(crate) fn of(info: &SegmentInfo) -> Self {
        let mut facts = Self {
            r#type: type_of(info),
            key: info.key.as_ref().map(ToString::to_string),
            path: None,
            ipc_key: None,
            ipc_id: None,
            ipc_namespace: None,
            inode: None,
            removed: false,
            kind: info.kind.name(),
            type_name: match &info.kind {
                Kind::Typed { type_name, .. } => type_name.clone(),
                _ => None,
            },
            size: info.size,
            resident: info.resident.map(|resident| resident.bytes),
            swapped: info.resident.and_then(|resident| resident.swapped),
            resident_by: info.resident.map(|resident| counted_by(resident.by)),
            owner: info.owner_name.clone(),
            owner_id: Some(info.owner).filter(|&owner| owner != u32::MAX),
            mode: format!("{:04o}", info.mode),
            created: info.created.map(output::unix_time),
            age: info.created.and_then(age),
            lifetime: lifetime(info),
            attached: info.attached,
            complete: info.complete,
            state: info.state.to_string(),
            reason: info.reason.clone(),
            lock: lock(info),
            holders: info.holders.iter().map(HolderFacts::of).collect(),
        };
        match &info.place {
            Place::SystemV {
                ipc_key,
                id,
                key_file,
                namespace,
                ..
            } => {
                facts.ipc_key = Some(*ipc_key);
                facts.ipc_id = Some(*id);
                facts.ipc_namespace = *namespace;
                facts.path = key_file.as_ref().map(|path| path.display().to_string());
            }
            Place::Posix { path, removed, .. } | Place::File { path, removed, .. } => {
                facts.path = Some(path.display().to_string());
                facts.removed = *removed;
            }
            Place::Memfd { inode, door, .. } | Place::Anonymous { inode, door, .. } => {
                facts.path = Some(door.display().to_string());
                facts.inode = Some(*inode);
            }
            _ => {}
        }
        facts
    }
}

impl HolderFacts {
    pub(crate) fn of(holder: &Holder) -> Self {
        Self {
            pid: holder.pid,
            program: holder.program.clone(),
            attached: holder.attached,
            access: holder.access.map(access),
            descriptors: holder.descriptors,
            opened: holder.opened.map(access),
            user: holder.user_name.clone(),
            user_id: holder.user,
            since: holder.since.map(output::unix_time),
            pid_namespace: holder.pid_namespace,
            pid_inside: holder.pid_inside,
            container: holder.container.clone(),
        }
    }
}

fn age(created: SystemTime) -> Option<f64> {
    created.elapsed().ok().map(|age| age.as_secs_f64())
}

pub(crate) fn lifetime(info: &SegmentInfo) -> &'static str {
    match info.lifetime {
        Lifetime::Ephemeral => "ephemeral",
        Lifetime::Kept => "kept",
    }
}

pub(crate) fn access(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

/// Who counted how much memory a segment takes.
pub(crate) fn counted_by(by: ResidentBy) -> &'static str {
    match by {
        ResidentBy::Blocks => "blocks",
        ResidentBy::Table => "table",
        ResidentBy::PageCache => "page cache",
        _ => "unknown",
    }
}

/// The key of a segment's lock.
pub(crate) fn lock(info: &SegmentInfo) -> Option<String> {
    let key = info.key.as_ref()?;
    Some(KeyRules::of_this_process().semaphore_key(key).to_string())
}
