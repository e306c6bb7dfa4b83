//! What users left behind, and getting rid of it. Whether something is left behind is the kernel's
//! word in each case; what asks for it is beside what it asks about, in `posix` and `system_v`.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{posix, system_v, unsupported};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};

pub use super::info::{Leftover, LeftoverKind, Outcome};

/// Whether to remove what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Look,
    Remove,
}

/// Who hears of what is found, and decides what is looked into at all.
pub(crate) struct Search<'s> {
    pub(crate) act: Act,
    /// Whether it is wanted, by all but its state.
    pub(crate) admits: &'s dyn Fn(&Leftover) -> bool,
    pub(crate) found: &'s mut dyn FnMut(Leftover),
    /// How many could not be told: the kernel answers only to their owner and root.
    pub(crate) untold: u64,
}

/// Goes through everything that may be left behind.
pub(crate) fn search(search: &mut Search<'_>) -> Result<()> {
    let at_inspect = |error| Error::os(Op::Inspect, error);
    posix::leftover::search(search).map_err(at_inspect)?;
    system_v::leftover::search(search).map_err(at_inspect)
}

/// Looks at what was asked for by name, whoever made it and although it is kept.
pub(crate) fn by_name(key: &NativeIpcKey, act: Act) -> Result<Vec<Leftover>> {
    let found = match key.key_type() {
        KeyType::PosixRealtime => posix::leftover::by_name(key, act),
        KeyType::SystemV(_) => system_v::leftover::by_name(key, act),
        KeyType::Windows => Err(unsupported(key, Op::Remove)),
    }?;
    match found.is_empty() {
        true => Err(Error::new(Op::Remove, ErrorKind::NotFound).on(key)),
        false => Ok(found),
    }
}

/// The description that all begin with.
pub(super) fn leftover(kind: LeftoverKind, key: Option<NativeIpcKey>, path: PathBuf) -> Leftover {
    Leftover {
        kind,
        key,
        path: Some(path),
        bytes: 0,
        owner: 0,
        created: None::<SystemTime>,
        reason: String::new(),
        outcome: Outcome::Found,
    }
}
