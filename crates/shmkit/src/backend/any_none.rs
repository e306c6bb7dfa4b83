//! Segments and semaphores on a system for which there are none yet: everything is `Unsupported`,
//! and none can exist.

use std::io::{self, Read};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

pub(crate) use super::no_semaphore::{Semaphore, Taken, Ticket};
use super::{
    Advice, Detached, Examined, FsKind, InUse, Lifetime, Nodes, Origin, Removal, Seals, Spec,
    Suspect, Target, unsupported,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;

/// An attached segment, of which there is none.
#[derive(Debug)]
pub(crate) enum Segment {}

pub(crate) fn create(target: &Target, _: &Spec, op: Op) -> Result<(Segment, Option<Semaphore>)> {
    Err(unsupported_target(target, op))
}

pub(crate) fn attach(
    target: &Target,
    _: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    Err(unsupported_target(target, op))
}

fn unsupported_target(target: &Target, op: Op) -> Error {
    match target {
        Target::Key(key) => unsupported(key, op),
        _ => Error::new(op, ErrorKind::Unsupported)
            .on(target)
            .detail("there are no such segments on this system so far"),
    }
}

/// A copy by the kernel; there is no segment to copy.
///
/// # Safety
/// None is needed.
#[expect(unsafe_code, reason = "as where there are segments")]
pub(crate) unsafe fn copy_checked(_: *const u8, _: *mut u8, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What a directory is like.
pub(crate) fn examine_directory(_: &Path) -> Result<Examined> {
    Err(Error::new(Op::Inspect, ErrorKind::Unsupported)
        .detail("file systems cannot be told apart on this system so far"))
}

/// Removes a file that is a segment.
pub(crate) fn remove_file(target: &Target, _: &Path, _: InUse) -> Result<()> {
    Err(unsupported_target(target, Op::Remove))
}

pub(crate) fn remove(key: &NativeIpcKey, _: &Spec, _: InUse) -> Result<()> {
    Err(unsupported(key, Op::Remove))
}

/// Attaches to what a descriptor leads to.
#[cfg(unix)]
pub(crate) fn adopt(_: std::os::fd::OwnedFd, target: &Target, _: &Spec, op: Op) -> Result<Segment> {
    Err(unsupported_target(target, op))
}

/// Whether a descriptor leads to the segment that the key leads to.
#[cfg(unix)]
pub(crate) fn is_of_key(_: &std::os::fd::OwnedFd, _: &NativeIpcKey) -> bool {
    false
}

/// What a descriptor leads to.
#[cfg(unix)]
pub(crate) fn target_of(_: &std::os::fd::OwnedFd) -> Target {
    Target::Memory("a descriptor".to_owned())
}

/// Removes what the dead left, of which there is nothing.
pub(crate) fn sweep(_: &Path) {}

/// A name for a temporary file.
pub(crate) fn temporary_name() -> String {
    "shmkit-tmp".to_owned()
}

pub(crate) fn create_from(
    target: &Target,
    _: &Spec,
    _: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    Err(unsupported_target(target, op))
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        match *self {}
    }

    pub(crate) fn size(&self) -> usize {
        match *self {}
    }

    pub(crate) fn mode(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        match *self {}
    }

    pub(crate) fn origin(&self) -> Origin {
        match *self {}
    }

    pub(crate) fn detach(self, _: &Target, _: Removal, _: Option<Semaphore>) -> Result<Detached> {
        match self {}
    }
}

/// What only files can do.
impl Segment {
    pub(crate) fn capacity(&self) -> usize {
        match *self {}
    }

    pub(crate) fn grow(&self, _: usize) -> Result<()> {
        match *self {}
    }

    pub(crate) fn shrink(&self, _: usize, _: bool) -> Result<()> {
        match *self {}
    }

    pub(crate) fn refresh(&self) -> Result<usize> {
        match *self {}
    }

    pub(crate) fn wait_for_growth(&self, _: usize, _: Duration) -> Result<Option<usize>> {
        match *self {}
    }

    pub(crate) fn flush(&self, _: usize, _: usize, _: bool) -> Result<()> {
        match *self {}
    }

    pub(crate) fn reads_only(&self) -> bool {
        match *self {}
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        match *self {}
    }

    pub(crate) fn advise(&self, _: usize, _: usize, _: Advice) -> Result<()> {
        match *self {}
    }

    pub(crate) fn prefer_huge_pages(&self) -> Result<()> {
        match *self {}
    }

    pub(crate) fn populate(&self, _: usize, _: usize, _: bool) -> Result<()> {
        match *self {}
    }

    pub(crate) fn lock_in_memory(&self, _: usize, _: usize, _: bool) -> Result<()> {
        match *self {}
    }

    pub(crate) fn bind(&self, _: usize, _: usize, _: &Nodes) -> Result<()> {
        match *self {}
    }

    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        match *self {}
    }

    pub(crate) fn seals(&self) -> Result<Seals> {
        match *self {}
    }

    pub(crate) fn add_seals(&self, _: Seals) -> Result<()> {
        match *self {}
    }

    pub(crate) fn seal(&mut self) -> Result<()> {
        match *self {}
    }

    #[cfg(unix)]
    pub(crate) fn to_fd(&self, _: crate::mapping::Access) -> Result<std::os::fd::OwnedFd> {
        match *self {}
    }
}

impl Semaphore {
    pub(crate) fn leave_with(self, _: &NativeIpcKey) {
        match self {}
    }

    pub(crate) fn leave_lock(self, _: &NativeIpcKey) {
        match self {}
    }

    pub(crate) fn leave_counting(self, _: &NativeIpcKey, _: Option<Presence>, _: bool) {
        match self {}
    }
}

/// A user of a semaphore, of which there is none.
#[derive(Debug)]
pub(crate) enum Presence {}

impl Presence {
    pub(crate) fn announce(_: &NativeIpcKey) -> Option<Self> {
        None
    }

    pub(crate) fn is_own(&self) -> bool {
        match *self {}
    }
}

/// A counting semaphore's refusal.
pub(crate) fn explain(cause: io::Error, op: Op) -> Error {
    Error::os(op, cause)
}

/// Processes in a sentence.
pub(crate) fn name_suspects(_: &[Suspect]) -> String {
    String::new()
}
