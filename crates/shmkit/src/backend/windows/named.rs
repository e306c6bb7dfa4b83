//! Segments by name: sections of the page file.
//!
//! A section has its name at once, and zeros. Where something else shall be in it from the beginning
//! its maker holds a mutex, the *birth*, until it is there, and those who attach wait for that. Qt
//! does not know of it, and need not: what Qt attaches to has no such beginning.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::windows::io::OwnedHandle;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::explain::explain;
use super::name::{GLOBAL, beside, is_beside, objection};
use super::segment::{LEASE, Of, Segment};
use crate::backend::info::with_legacy_key;
use crate::backend::{
    Detached, InUse, Kind, Lifetime, Origin, Owners, Place, SegmentInfo, Spec, State,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::{KeyType, NativeIpcKey};
use crate::layout::mark;
use crate::mapping::Access;
use crate::sys::attachment::Attached;
use crate::sys::directory;
use crate::sys::object;
use crate::sys::section::{self, Mapping, Pages, Window};
use crate::sys::security::{self, Descriptor};
use crate::sys::signal;

/// How long a maker may take to fill in a beginning.
const BIRTH: Duration = Duration::from_secs(10);

/// Holds off others while a segment of this name gets its beginning.
struct Birth(OwnedHandle);

impl Birth {
    fn new(name: &str, mode: u32) -> io::Result<Self> {
        let mutex = signal::mutex(&beside(name, "birth"), &Descriptor::new(mode)?)?.handle;
        let begun = Instant::now();
        loop {
            let left = interrupt::left(BIRTH.saturating_sub(begun.elapsed()));
            // A maker that died held it: then its segment is gone, or whole.
            if object::wait(&mutex, interrupt::slice(left))? {
                return Ok(Self(mutex));
            }
            if left.is_zero() {
                return Err(interrupt::over_for_system());
            }
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
    let of = Of::Name(name.to_owned());
    make_section(name, beside(name, LEASE), of, Pages::Committed, spec)
}

/// Makes a section of zeros, or with a beginning, and maps it.
pub(super) fn make_section(
    name: &str,
    leases: String,
    of: Of,
    pages: Pages,
    spec: &Spec,
) -> io::Result<Segment> {
    let size = spec.size.max(spec.head.len());
    let (pages, whole) = match spec.capacity > size {
        true => (Pages::Reserved, spec.capacity),
        false => (pages, size),
    };
    let security = Descriptor::new(spec.mode)?;
    let made = section::create_of(pages, name, whole as u64, &security)?;
    if made.existed {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let window = Window {
        large: pages == Pages::Large,
        ..Window::whole(Access::ReadWrite)
    };
    let mapping = Mapping::new(&made.handle, window)?;
    if pages == Pages::Reserved {
        mapping.commit(size)?;
    }
    let attached = Attached::new(&mapping, window, leases, spec.mode);
    if !spec.head.is_empty() {
        attached.take_first_lease()?;
    }
    mapping.begin_with(&spec.head);
    Ok(Segment {
        attached,
        size: AtomicUsize::new(mapping.committed()?),
        mapping,
        section: made.handle,
        of,
        window,
        mode: spec.mode,
        lifetime: Lifetime::Ephemeral,
        origin: Origin::Created,
        warning: None,
    })
}

/// The same for a new segment of these contents.
pub(super) fn holding(spec: &Spec, contents: &mut dyn Read, op: Op) -> Result<Spec> {
    let mut head = Vec::with_capacity(spec.size);
    contents
        .read_to_end(&mut head)
        .map_err(|cause| crate::backend::unreadable(cause, op))?;
    if head.is_empty() {
        return Err(crate::backend::no_contents(op));
    }
    Ok(Spec {
        size: head.len(),
        head,
        ..spec.clone()
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
    let spec = holding(spec, contents, op).map_err(|error| error.on(key))?;
    create(key, &spec, op)
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
    let mode = rights.map_or(0o600, |rights| rights.mode);
    let of = Of::Name(name.to_owned());
    map_section(section, beside(name, LEASE), of, mode, spec, op).map_err(|error| error.on(key))
}

/// Maps what was asked for of a section that exists.
pub(super) fn map_section(
    section: OwnedHandle,
    leases: String,
    of: Of,
    mode: u32,
    spec: &Spec,
    op: Op,
) -> Result<Segment> {
    let failed = |cause| explain(cause, op);
    if spec.offset != 0 || spec.length.is_some() {
        let whole = Mapping::new(&section, Window::whole(Access::ReadOnly)).map_err(failed)?;
        let has = whole.committed().map_err(failed)?;
        refuse_range(has as u64, spec, op)?;
    }
    let window = Window {
        offset: spec.offset,
        length: spec.length.unwrap_or(0),
        access: spec.access,
        private: spec.private,
        large: false,
    };
    let mapping = Mapping::new(&section, window).map_err(failed)?;
    let size = mapping.committed().map_err(failed)?;
    Ok(Segment {
        attached: Attached::new(&mapping, window, leases, mode),
        size: AtomicUsize::new(spec.length.unwrap_or(size).min(size)),
        mapping,
        section,
        of,
        window,
        mode,
        lifetime: Lifetime::Ephemeral,
        origin: Origin::Attached,
        warning: None,
    })
}

fn refuse_range(has: u64, spec: &Spec, op: Op) -> Result<()> {
    let rest = has.saturating_sub(spec.offset);
    match spec.length {
        Some(0) => Err(Error::new(op, ErrorKind::InvalidSize).detail("the range has no bytes")),
        length if rest == 0 || length.is_some_and(|length| length as u64 > rest) => {
            Err(Error::new(op, ErrorKind::OutOfBounds)
                .detail(format!("it has {has} bytes, and the range reaches further")))
        }
        _ => Ok(()),
    }
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
            None => kind_by_name(key),
        },
        size: mapping.committed().map_err(failed)? as u64,
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

/// All segments by name that this process can see: those of its session, and of the machine.
pub(crate) fn list() -> io::Result<Vec<SegmentInfo>> {
    let (here, session) = directory::sections("")?;
    let mut names = segments(here, "");
    match directory::sections(GLOBAL) {
        // A service's session is the machine's.
        Ok((_, path)) if path == session => {}
        Ok((all, _)) => names.extend(segments(all, GLOBAL)),
        // A sandbox sees its own.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => return Err(error),
    }
    let infos = names.into_iter().filter_map(|name| {
        let key = with_legacy_key(&name, KeyType::Windows);
        match look(&key) {
            Ok(info) => Some(info),
            // Gone meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(untold(key, &error)),
        }
    });
    Ok(infos.collect())
}

/// The full names of those sections of a directory that are segments.
fn segments(names: BTreeSet<String>, beginning: &str) -> Vec<String> {
    let names = names.into_iter().filter(|name| !is_beside(name));
    names.map(|name| format!("{beginning}{name}")).collect()
}

/// What is known of a segment that may not be looked at.
fn untold(key: NativeIpcKey, error: &Error) -> SegmentInfo {
    SegmentInfo {
        place: Place::Windows {
            name: key.native_key().to_owned(),
        },
        kind: kind_by_name(&key),
        key: Some(key),
        size: 0,
        resident: None,
        owner: u32::MAX,
        owner_name: None,
        mode: 0,
        created: None,
        lifetime: Lifetime::Ephemeral,
        attached: None,
        holders: Vec::new(),
        complete: false,
        state: State::Live,
        reason: format!("somebody has it open; who and how large it is was not told: {error}"),
    }
}

fn kind_by_name(key: &NativeIpcKey) -> Kind {
    match key.native_key().starts_with("qipc_sharedmemory_") {
        true => Kind::Qt,
        false => Kind::Unknown,
    }
}

/// Looks whether a segment is gone.
pub(super) fn leave(name: &str) -> Detached {
    match section::open(name, Access::ReadOnly) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Detached::Removed,
        _ => Detached::Remains,
    }
}
