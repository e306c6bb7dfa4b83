//! Segments: sections of the page file.
//!
//! A section has its name at once, and zeros. Where something else shall be in it from the beginning
//! its maker holds a mutex, the *birth*, until it is there, and those who attach wait for that. Qt
//! does not know of it, and need not: what Qt attaches to has no such beginning.

use std::io::{self, Read};
use std::os::windows::io::OwnedHandle;
use std::ptr::NonNull;
use std::time::Duration;

use super::explain::explain;
use super::name::{beside, objection};
use crate::backend::{
    Detached, InUse, Kind, Lifetime, Origin, Owners, Place, Removal, SegmentInfo, Spec, State,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::layout::mark;
use crate::mapping::Access;
use crate::sys::attachment::Attached;
use crate::sys::object;
use crate::sys::section::{self, Mapping, Window};
use crate::sys::security::{self, Descriptor};
use crate::sys::signal;

/// How long a maker may take to fill in a beginning.
const BIRTH: Duration = Duration::from_secs(10);

/// What the names of a segment's leases have at their end, before the number.
const LEASE: &str = "lease";

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Dropped before the mapping.
    attached: Attached,
    mapping: Mapping,
    /// Qt keeps its handle as well, and by the number of handles one sees who is there.
    section: OwnedHandle,
    name: String,
    size: usize,
    mode: u32,
    origin: Origin,
}

/// Holds off others while a segment of this name gets its beginning.
struct Birth(OwnedHandle);

impl Birth {
    fn new(name: &str, mode: u32) -> io::Result<Self> {
        let mutex = signal::mutex(&beside(name, "birth"), &Descriptor::new(mode)?)?.handle;
        // A maker that died held it: then its segment is gone, or whole.
        match object::wait(&mutex, BIRTH)? {
            true => Ok(Self(mutex)),
            false => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Drop for Birth {
    fn drop(&mut self) {
        // It fails only for a thread that does not have it.
        let _ = signal::give(&self.0);
    }
}

pub(super) fn check_name(key: &NativeIpcKey, op: Op) -> Result<()> {
    match objection(key.native_key()) {
        Some(why) => Err(Error::new(op, ErrorKind::InvalidKey).on(key).detail(why)),
        None => Ok(()),
    }
}

/// Makes a segment of zeros, or with a beginning.
pub(crate) fn create(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    check_name(key, op)?;
    if spec.lifetime == Lifetime::Kept {
        return Err(Error::new(op, ErrorKind::Unsupported)
            .on(key)
            .detail("Windows removes a segment with its last user, so none can be kept")
            .hint("keep a process attached for as long as it shall exist"));
    }
    make(key.native_key(), spec).map_err(|cause| explain(cause, op).on(key))
}

fn make(name: &str, spec: &Spec) -> io::Result<Segment> {
    let _birth = Birth::new(name, spec.mode)?;
    let size = spec.size.max(spec.head.len()) as u64;
    let made = section::create(name, size, &Descriptor::new(spec.mode)?)?;
    if made.existed {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let window = Window::whole(Access::ReadWrite);
    let mapping = Mapping::new(&made.handle, window)?;
    let attached = Attached::new(&mapping, window, beside(name, LEASE), spec.mode);
    if !spec.head.is_empty() {
        attached.take_first_lease()?;
    }
    mapping.begin_with(&spec.head);
    Ok(Segment {
        attached,
        size: mapping.len,
        mapping,
        section: made.handle,
        name: name.to_owned(),
        mode: spec.mode,
        origin: Origin::Created,
    })
}

/// Makes a segment that holds the contents. Its size is theirs in whole pages.
pub(crate) fn create_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    check_name(key, op)?;
    let mut head = Vec::with_capacity(spec.size);
    contents
        .read_to_end(&mut head)
        .map_err(|cause| crate::backend::unreadable(cause, op).on(key))?;
    if head.is_empty() {
        return Err(crate::backend::no_contents(op).on(key));
    }
    let size = head.len();
    create(
        key,
        &Spec {
            size,
            head,
            ..spec.clone()
        },
        op,
    )
}

/// Attaches to a segment that exists.
pub(crate) fn attach(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    check_name(key, op)?;
    let name = key.native_key();
    let failed = |cause| explain(cause, op).on(key);
    let access = match spec.private {
        true => Access::ReadOnly,
        false => spec.access,
    };
    let section = {
        // First without: most names that are not there are not about to be.
        section::open(name, Access::ReadOnly).map_err(failed)?;
        let _birth = match Birth::new(name, spec.mode) {
            // Whoever may only read may not wait for it, and sees what there is.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            birth => Some(birth.map_err(failed)?),
        };
        section::open(name, access).map_err(failed)?
    };
    let rights = security::of(&section);
    if let Ok(rights) = &rights
        && spec.trust != Owners::Anyone
        && !security::is_own(&rights.owner)
    {
        return Err(Error::new(op, ErrorKind::ForeignOwner)
            .on(key)
            .detail(format!("it belongs to {}, not to you", rights.owner)));
    }
    let window = Window {
        offset: spec.offset,
        length: spec.length.unwrap_or(0),
        access: spec.access,
        private: spec.private,
    };
    let mapping = Mapping::new(&section, window).map_err(failed)?;
    let mode = rights.map_or(0o600, |rights| rights.mode);
    Ok(Segment {
        attached: Attached::new(&mapping, window, beside(name, LEASE), mode),
        size: spec.length.unwrap_or(mapping.len).min(mapping.len),
        mapping,
        section,
        name: name.to_owned(),
        mode,
        origin: Origin::Attached,
    })
}

/// Refuses to remove a segment by name: one that exists is in use.
pub(crate) fn remove(key: &NativeIpcKey, in_use: InUse) -> Result<()> {
    let op = Op::Remove;
    check_name(key, op)?;
    section::open(key.native_key(), Access::ReadOnly)
        .map_err(|cause| explain(cause, op).on(key))?;
    let (kind, detail) = match in_use {
        InUse::Refuse => (ErrorKind::InUse, "somebody is attached to it"),
        InUse::RemoveAnyway => (
            ErrorKind::Unsupported,
            "Windows takes no segment's name away while it is in use",
        ),
    };
    Err(Error::new(op, kind)
        .on(key)
        .detail(detail)
        .hint("end those programs: it goes with the last one"))
}

/// Looks at a segment without staying.
pub(crate) fn look(key: &NativeIpcKey) -> Result<SegmentInfo> {
    let op = Op::Inspect;
    check_name(key, op)?;
    let failed = |cause| explain(cause, op).on(key);
    let section = section::open(key.native_key(), Access::ReadOnly).map_err(failed)?;
    // Ours is none of its users.
    let others = object::handles(&section).map_err(failed)?.saturating_sub(1);
    let mapping = Mapping::new(&section, Window::whole(Access::ReadOnly)).map_err(failed)?;
    let rights = security::of(&section).map_err(failed)?;
    Ok(SegmentInfo {
        key: Some(key.clone()),
        place: Place::Windows {
            name: key.native_key().to_owned(),
        },
        kind: match mark::type_name(&mapping.start(256)) {
            Some(name) => Kind::Typed {
                type_name: Some(name).filter(|name| !name.is_empty()),
            },
            None if key.native_key().starts_with("qipc_sharedmemory_") => Kind::Qt,
            None => Kind::Unknown,
        },
        size: mapping.len as u64,
        resident: None,
        owner: u32::MAX,
        owner_name: Some(rights.owner),
        mode: rights.mode,
        created: None,
        lifetime: Lifetime::Ephemeral,
        attached: Some(others.into()),
        holders: Vec::new(),
        complete: false,
        state: State::Live,
        reason: format!("{others} handles of it are open; whose, Windows does not tell"),
    })
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.mapping.address()
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn mode(&self) -> u32 {
        self.mode
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        Lifetime::Ephemeral
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn populate(&self, offset: usize, len: usize, write: bool) {
        self.mapping.touch(offset, len, write);
    }

    pub(crate) fn lock_in_memory(&self, offset: usize, len: usize, lock: bool) -> Result<()> {
        self.mapping.lock(offset, len, lock).map_err(|cause| {
            Error::os(Op::Place, cause)
                .detail(format!("{len} bytes may not be kept in memory"))
                .hint("raise the minimum of the process's working set")
                .with_kind(ErrorKind::OutOfResources)
        })
    }

    /// Leaves. The kernel does the rest; we only look whether it has.
    pub(crate) fn detach(self, _: Removal) -> Detached {
        let Self {
            attached,
            mapping,
            section,
            name,
            ..
        } = self;
        drop(attached);
        drop(mapping);
        drop(section);
        match section::open(&name, Access::ReadOnly) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Detached::Removed,
            _ => Detached::Remains,
        }
    }
}
