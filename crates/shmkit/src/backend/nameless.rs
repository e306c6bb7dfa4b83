//! What is shared and has no name that a key leads to: memfds, anonymous mappings, files outside
//! the memory file system, segments whose name is removed, and those of other namespaces. They are
//! found by who uses them, so all of them are in use.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::posix::survey::may_be_segment;
use super::survey::holders_in;
use super::{Kind, Lifetime, Place, Resident, ResidentBy, SegmentInfo, State, kind};
use crate::mapping::Access;
use crate::sys::census::{Census, Door, Object, Seen};
use crate::sys::file::{self, FileId, MEMORY_DIRECTORY};
use crate::sys::listing::{self, Look};
use crate::sys::page_cache;

/// The owner of what may not be asked.
const NOBODY_KNOWS: u32 = u32::MAX;

/// All of them. `device` is that of the memory file system, and `named` what has a name in it.
pub(crate) fn list(
    census: &Census,
    device: Option<u64>,
    named: &HashSet<FileId>,
) -> Vec<SegmentInfo> {
    let describe = |(&object, seen): (&Object, &Seen)| match object {
        Object::SystemV { namespace, .. } if namespace == census.ipc_namespace => None,
        Object::SystemV { namespace, id } => Some(system_v(census, seen, namespace, id)),
        Object::File(file) if named.contains(&file) => None,
        Object::File(file) => {
            let found = what(seen, file, device)?;
            Some(file_like(census, seen, file, found))
        }
    };
    census.objects.iter().filter_map(describe).collect()
}

/// A System V segment of another IPC namespace. Only those who are attached tell of it.
fn system_v(census: &Census, seen: &Seen, namespace: u64, id: i32) -> SegmentInfo {
    let holders = holders_in(census, Object::SystemV { namespace, id });
    SegmentInfo {
        key: None,
        place: Place::SystemV {
            ipc_key: seen.ipc_key,
            id,
            key_file: None,
            namespace: Some(namespace),
        },
        kind: Kind::Unknown,
        size: seen.end,
        resident: None,
        owner: NOBODY_KNOWS,
        owner_name: None,
        mode: 0,
        created: None,
        lifetime: Lifetime::Ephemeral,
        attached: Some(holders.iter().map(|holder| holder.attached).sum()),
        holders,
        complete: census.complete,
        state: State::Live,
        reason: format!("attached in another IPC namespace ({namespace})"),
    }
}

/// What was found out about a file.
struct Found {
    place: Place,
    /// Missing if this user may not ask.
    look: Option<Look>,
    door: PathBuf,
}

/// `None` if it is no segment, or gone.
fn what(seen: &Seen, file: FileId, device: Option<u64>) -> Option<Found> {
    let path = Path::new(OsStr::from_bytes(&seen.path));
    let door = PathBuf::from(seen.door.path());
    let inode = file.inode;
    let through = listing::look_through(&door).ok();
    let found = |place| {
        Some(Found {
            place,
            look: through,
            door: door.clone(),
        })
    };
    if through.is_some_and(|look| look.status.kind != file::Kind::Regular) {
        return None;
    }
    if let Some(name) = seen.path.strip_prefix(b"/memfd:") {
        let name = OsString::from(OsStr::from_bytes(name));
        return found(Place::Memfd {
            name,
            inode,
            door: door.clone(),
        });
    }
    let is_anonymous = seen.path == b"/dev/zero" || seen.path == b"/anon_hugepage";
    if is_anonymous && seen.removed {
        return found(Place::Anonymous {
            inode,
            door: door.clone(),
        });
    }
    let name = path.file_name().unwrap_or_default();
    let is_in_memory = path.parent() == Some(Path::new(MEMORY_DIRECTORY));
    if Some(file.device) == device {
        // One that has got or lost its name since it was looked for is seen the next time.
        return (seen.removed && may_be_segment(name)).then(|| {
            found(Place::Posix {
                path: path.to_owned(),
                removed: true,
            })
        })?;
    }
    if seen.path.starts_with(b"/dev/") && !is_in_memory {
        return None;
    }
    // Where this user may not use the door, the path may do.
    let by_path = |path: &Path| {
        let look = listing::look_at(path).ok()?;
        (look.status.id == file).then_some(look)
    };
    if is_in_memory || path.parent() == Some(Path::new("/")) {
        // The memory file system of another mount namespace, seen from inside.
        let inside = root_of(seen.door)
            .join(MEMORY_DIRECTORY.trim_start_matches('/'))
            .join(name);
        if let Some(look) = by_path(&inside) {
            return may_be_segment(name).then_some(Found {
                place: Place::Posix {
                    path: inside,
                    removed: false,
                },
                look: Some(look),
                door,
            });
        }
    }
    let place = Place::File {
        path: path.to_owned(),
        removed: seen.removed,
        inode,
        door: door.clone(),
    };
    // Data that everybody only reads, such as tables of the C library, are no way to talk.
    let look = through.or_else(|| by_path(path));
    seen.written.then_some(Found { place, look, door })
}

fn root_of(door: Door) -> PathBuf {
    let (Door::Descriptor { pid, .. } | Door::Mapping { pid, .. }) = door;
    PathBuf::from(format!("/proc/{pid}/root"))
}

fn file_like(
    census: &Census,
    seen: &Seen,
    file: FileId,
    Found { place, look, door }: Found,
) -> SegmentInfo {
    let holders = holders_in(census, Object::File(file));
    let size = look.map_or(seen.end, |look| look.status.size);
    let ephemeral = look.is_some_and(|look| look.status.is_ephemeral());
    let (lifetime, reason) = match &place {
        Place::Posix { removed: true, .. } => (
            Lifetime::Ephemeral,
            "its name is removed; its memory goes with",
        ),
        Place::Posix { .. } if ephemeral => (
            Lifetime::Ephemeral,
            "it lies in another mount namespace; used by",
        ),
        Place::Posix { .. } => (
            Lifetime::Kept,
            "it lies in another mount namespace; used by",
        ),
        Place::File { removed: false, .. } => (Lifetime::Kept, "a file, shared by"),
        Place::File { .. } => (
            Lifetime::Ephemeral,
            "a file without a name, which goes with",
        ),
        _ => (Lifetime::Ephemeral, "its memory goes with"),
    };
    let kind = match &place {
        Place::Posix { path, .. } | Place::File { path, .. } => {
            kind::by_name(path.file_name().unwrap_or_default().as_encoded_bytes())
        }
        Place::Memfd { name, .. } => kind::by_name(name.as_encoded_bytes()),
        _ => None,
    };
    let on_disk = matches!(place, Place::File { .. });
    let opened = open(&door, file);
    let kind = kind.unwrap_or_else(|| {
        let mut start = [0; kind::START];
        let read = opened
            .as_ref()
            .and_then(|fd| file::read_from(fd.as_fd(), 0, &mut start).ok());
        let ours = ephemeral && !on_disk;
        kind::by_start(&start[..read.unwrap_or(0)], size, ours)
    });
    let cached = opened
        .filter(|_| on_disk)
        .and_then(|fd| page_cache::bytes_of(fd.as_fd()).ok());
    let resident = match (cached, look) {
        (Some(bytes), _) => Some((bytes, ResidentBy::PageCache)),
        (None, Some(look)) if !on_disk => Some((look.blocks, ResidentBy::Blocks)),
        _ => None,
    };
    SegmentInfo {
        key: None,
        place,
        kind,
        size,
        resident: resident.map(|(bytes, by)| Resident {
            bytes,
            swapped: None,
            by,
        }),
        owner: look.map_or(NOBODY_KNOWS, |look| look.status.owner),
        owner_name: None,
        mode: look.map_or(0, |look| look.status.mode & 0o777),
        created: look.and_then(|look| look.born),
        lifetime,
        attached: Some(holders.iter().map(|holder| holder.attached).sum()),
        complete: census.complete,
        state: State::Live,
        reason: match holders.len() {
            1 => format!("{reason} one process"),
            count => format!("{reason} {count} processes"),
        },
        holders,
    }
}

/// Opens a process's file; it may have another one at that place by now.
fn open(door: &Path, file: FileId) -> Option<std::os::fd::OwnedFd> {
    let fd = file::open_through(door.to_str()?, Access::ReadOnly).ok()?;
    file::status(&fd)
        .is_ok_and(|status| status.id == file)
        .then_some(fd)
}
