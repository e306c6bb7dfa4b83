//! A segment that a command only reads, and leaves as it was.

use std::ffi::OsStr;
use std::ops::Deref;

use anyhow::Result;
use shmkit::{Access, Origin, Owners, SharedMemory};

use crate::key;

/// An attached segment.
pub(super) struct Reading(Option<SharedMemory>);

impl Reading {
    /// Whoever names a segment wants that one, whosever it is.
    pub(super) fn of(key: &OsStr) -> Result<Self> {
        let mut options = SharedMemory::options();
        options.owners(Owners::Anyone).access(Access::ReadOnly);
        Ok(Self(Some(options.attach(&key::parse(key)?)?)))
    }
}

impl Deref for Reading {
    type Target = SharedMemory;

    fn deref(&self) -> &SharedMemory {
        self.0.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(segment) = self
            .0
            .take_if(|segment| segment.origin() == Origin::Adopted)
        {
            // An orphan was there before us and shall be there after us: we go as its users went,
            // at the end of this process.
            std::mem::forget(segment);
        }
    }
}
