//! Looking at segments: the kernel lists them and counts who is attached. Only the files that their
//! keys were made of must be searched for.

use std::collections::HashMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::key_file::{self, KeyFile};
use super::segment::explain_missing;
use super::table;
use crate::backend::info::with_legacy_key;
use crate::backend::survey::holders_in;
use crate::backend::{Kind, Lifetime, Place, Resident, ResidentBy, SegmentInfo, State, kind};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey, ProjectId};
use crate::sys::census::{self, Census};
use crate::sys::file;
use crate::sys::listing;
use crate::sys::system_v::{SHM_DEST, ipc_key};
use crate::sys::system_v_entry::SystemVSegment;

/// All segments.
pub(crate) fn list(census: &Census) -> io::Result<Vec<SegmentInfo>> {
    let segments = table::segments()?;
    let key_files = key_files_of(segments.iter().map(|segment| segment.ipc_key));
    let describe = |segment: SystemVSegment| {
        let key = key_files.get(&segment.ipc_key).cloned();
        describe(segment, key, census)
    };
    Ok(segments.into_iter().map(describe).collect())
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let op = Op::Inspect;
    let (path, project) = key_file::parts(key, op)?;
    let look = || -> io::Result<_> {
        let file = KeyFile::find(path, project)?;
        let mut segments = table::segments()?.into_iter();
        let segment = segments.find(|segment| segment.ipc_key == file.ipc_key);
        let segment = segment.ok_or(io::ErrorKind::NotFound)?;
        Ok((segment, census::take(None)?))
    };
    match look() {
        Ok((segment, census)) => Ok(describe(segment, Some(key.clone()), &census)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::new(op, ErrorKind::NotFound).on(key))
        }
        Err(error) => Err(explain_missing(error, path, op).on(key)),
    }
}

fn describe(segment: SystemVSegment, key: Option<NativeIpcKey>, census: &Census) -> SegmentInfo {
    let holders = holders_in(census, census.system_v(segment.id));
    let seen: u64 = holders.iter().map(|holder| holder.attached).sum();
    let lifetime = match &key {
        Some(key) if key_file::is_kept(key.native_key()) => Lifetime::Kept,
        _ => Lifetime::Ephemeral,
    };
    let (state, reason) = judge(&segment, key.is_some(), lifetime);
    SegmentInfo {
        place: Place::SystemV {
            ipc_key: segment.ipc_key as u32,
            id: segment.id,
            key_file: key.as_ref().map(|key| PathBuf::from(key.native_key())),
            namespace: None,
        },
        kind: key.as_ref().map_or(Kind::Unknown, kind_of),
        resident: segment.resident.map(|(bytes, swapped)| Resident {
            bytes,
            swapped: Some(swapped),
            by: ResidentBy::Table,
        }),
        key,
        size: segment.size,
        owner: segment.owner,
        owner_name: None,
        mode: segment.mode & 0o777,
        created: segment.changed,
        lifetime,
        attached: Some(segment.attached),
        holders,
        complete: census.complete || seen == segment.attached,
        state,
        reason,
    }
}

/// What made the segment of a key file: the file tells, and not the bytes in the segment, since
/// looking at those would be attaching.
fn kind_of(key: &NativeIpcKey) -> Kind {
    let path = Path::new(key.native_key());
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    match listing::look_through(path) {
        Ok(look) if look.status.is_ephemeral() => Kind::Raw,
        _ if key_file::is_kept(key.native_key()) => Kind::Raw,
        Ok(look) if key_file::may_be_one(key.native_key(), &look.status) => Kind::Qt,
        _ => kind::by_name(name).unwrap_or(Kind::Unknown),
    }
}

fn judge(segment: &SystemVSegment, has_key_file: bool, lifetime: Lifetime) -> (State, String) {
    let (state, reason) = match segment.attached {
        0 if lifetime == Lifetime::Kept => (State::Kept, "nobody is attached; it is kept"),
        0 if has_key_file => (
            State::Orphan,
            "the kernel says that nobody is attached any more, and the last one should have \
             removed it",
        ),
        0 => (
            State::Unknown,
            "nobody is attached; it was not made by shmkit or Qt, or its key file is not in the \
             usual directories",
        ),
        _ if segment.mode & SHM_DEST != 0 => (
            State::Live,
            "it is removed already, and its memory goes when the last one detaches",
        ),
        1 => (State::Live, "attached once"),
        times => return (State::Live, format!("attached {times} times")),
    };
    (state, reason.to_owned())
}

/// Searches the directories where shmkit and Qt put key files for those of these IPC keys.
pub(super) fn key_files_of(ipc_keys: impl Iterator<Item = i32>) -> HashMap<i32, NativeIpcKey> {
    let mut found = HashMap::new();
    let wanted: Vec<(i32, ProjectId)> = ipc_keys
        .filter_map(|key| Some((key, ProjectId::new((key as u32 >> 24) as u8)?)))
        .collect();
    if wanted.is_empty() {
        return found;
    }
    for directory in directories() {
        for (name, inode) in listing::names_in(&directory).unwrap_or_default() {
            // The lower half of a key is that of the inode, which spares most files a look.
            let mut maybe = wanted
                .iter()
                .filter(|(key, _)| *key as u16 == inode as u16)
                .peekable();
            if maybe.peek().is_none() {
                continue;
            }
            let path = directory.join(name);
            let (Some(text), Ok(look)) = (path.to_str(), listing::look_at(&path)) else {
                continue;
            };
            let status = look.status;
            // Other files may have the key by accident.
            if status.kind != file::Kind::Regular || !key_file::may_be_one(text, &status) {
                continue;
            }
            for &(key, project) in maybe {
                if ipc_key(status.id.device, status.id.inode, project.get()) == key {
                    let native = with_legacy_key(text, KeyType::SystemV(project));
                    found.entry(key).or_insert(native);
                }
            }
        }
    }
    found
}

/// Where key files are: the temporary directory and the users' runtime directories.
pub(super) fn directories() -> Vec<PathBuf> {
    let temporary = [env::temp_dir(), PathBuf::from("/tmp")];
    let mut directories = temporary.to_vec();
    directories.extend(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from));
    let mut add = |parent: &Path, prefix: &str| {
        for (name, _) in listing::names_in(parent).unwrap_or_default() {
            if name.as_encoded_bytes().starts_with(prefix.as_bytes()) {
                directories.push(parent.join(name));
            }
        }
    };
    temporary.iter().for_each(|parent| add(parent, "runtime-"));
    add(Path::new("/run/user"), "");
    directories.sort();
    directories.dedup();
    directories
}
