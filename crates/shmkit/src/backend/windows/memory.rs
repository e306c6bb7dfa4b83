//! Memory without a name: a section of the page file that others get as a handle.
//!
//! The kernel's object does have a name, of 128 random bits: what belongs to the segment, the leases
//! above all, is called after it, and whoever gets the handle asks the kernel for it.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read};
use std::os::windows::io::OwnedHandle;

use super::explain::explain;
use super::name::beside;
use super::named::{holding, make_section, map_section};
use super::segment::{LEASE, Of, Segment};
use crate::backend::{Spec, Wish, bytes};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::section::{self, Pages};
use crate::sys::{object, security};

const PREFIX: &str = "shmkit-memory-";

const ERROR_PRIVILEGE_NOT_HELD: i32 = 1314;

/// Makes memory of zeros.
pub(crate) fn create(spec: &Spec, op: Op) -> Result<Segment> {
    let warning = match spec.huge {
        None => None,
        Some((size, wish)) => match create_large(size, spec, op) {
            Err(error) if wish == Wish::Hint => Some(error.to_string()),
            made => return made,
        },
    };
    let made = make(Pages::Committed, spec).map_err(|cause| explain(cause, op))?;
    Ok(Segment { warning, ..made })
}

/// Makes memory of the contents, in whole pages.
pub(crate) fn create_from(spec: &Spec, contents: &mut dyn Read, op: Op) -> Result<Segment> {
    create(&holding(spec, contents, op)?, op)
}

fn make(pages: Pages, spec: &Spec) -> io::Result<Segment> {
    let random = || RandomState::new().hash_one(PREFIX);
    let name = format!("{PREFIX}{:016x}{:016x}", random(), random());
    make_section(&name, leases_of(&name), Of::Memory, pages, spec)
}

/// It may be used from several sessions.
fn leases_of(name: &str) -> String {
    beside(&format!(r"Global\{name}"), LEASE)
}

/// Makes memory of large pages, as many as the size needs.
fn create_large(asked: Option<usize>, spec: &Spec, op: Op) -> Result<Segment> {
    let refused = |why: String| {
        Error::new(op, ErrorKind::Unsupported).detail(format!("no large pages: {why}"))
    };
    let unit = match (section::large_page(), asked) {
        (0, _) => return Err(refused("this processor has none".to_owned())),
        (unit, Some(asked)) if asked != unit => {
            let (unit, asked) = (bytes(unit as u64), bytes(asked as u64));
            return Err(refused(format!(
                "they have {unit} here, and none has {asked}"
            )));
        }
        (unit, _) => unit,
    };
    let whole = Spec {
        size: spec.size.next_multiple_of(unit),
        capacity: 0,
        ..spec.clone()
    };
    let made = make(Pages::Large, &whole).map_err(|cause| {
        let error = Error::os(op, cause).with_kind(ErrorKind::Unsupported);
        match error.raw_os_error() {
            Some(ERROR_PRIVILEGE_NOT_HELD) => error
                .detail("no large pages: this user may not lock pages in memory")
                .hint("an administrator may grant it SeLockMemoryPrivilege"),
            _ => error.detail("no large pages: there are not enough in one piece"),
        }
    })?;
    Ok(made)
}

/// Attaches to the section that a handle of our own leads to.
pub(crate) fn adopt(section: OwnedHandle, spec: &Spec, op: Op) -> Result<Segment> {
    let name = object::name(&section).map_err(|cause| explain(cause, op))?;
    let name = name.rsplit('\\').next().unwrap_or_default();
    let mode = security::of(&section).map_or(0o600, |rights| rights.mode);
    let (leases, of) = match name {
        // Nobody can tell who is alive.
        "" => (String::new(), Of::Memory),
        name if name.starts_with(PREFIX) => (leases_of(name), Of::Memory),
        name => (beside(name, LEASE), Of::Name(name.to_owned())),
    };
    map_section(section, leases, of, mode, spec, op).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied if spec.access == Access::ReadWrite && !spec.private => error
            .with_kind(ErrorKind::ReadOnly)
            .hint("attach it read-only"),
        _ => error,
    })
}
