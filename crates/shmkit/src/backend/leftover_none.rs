//! What users left behind, where there is nothing that they could leave.

use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;

pub use super::info::{Leftover, LeftoverKind, Outcome};

/// Whether to remove what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Look,
    Remove,
}

/// Who hears of what is found.
#[allow(dead_code, reason = "nothing is found")]
pub(crate) struct Search<'s> {
    pub(crate) act: Act,
    pub(crate) admits: &'s dyn Fn(&Leftover) -> bool,
    pub(crate) found: &'s mut dyn FnMut(Leftover),
    pub(crate) untold: u64,
}

/// Goes through everything that may be left behind. On Windows the kernel removes each segment with
/// its last user.
pub(crate) fn search(_: &mut Search<'_>) -> Result<()> {
    match cfg!(keys = "windows") {
        true => Ok(()),
        false => Err(Error::new(Op::Inspect, ErrorKind::Unsupported)
            .detail("segments cannot be listed here")),
    }
}

/// Looks at what was asked for by name, which somebody uses if it is there.
pub(crate) fn by_name(key: &NativeIpcKey, _: Act) -> Result<Vec<Leftover>> {
    let found = super::find(key)?;
    Ok(vec![Leftover {
        kind: LeftoverKind::Segment,
        key: found.key,
        path: None,
        bytes: found.size,
        owner: found.owner,
        created: found.created,
        reason: found.reason,
        outcome: Outcome::InUse,
    }])
}
