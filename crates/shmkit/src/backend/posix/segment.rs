//! A named POSIX segment: a file of the memory file system, with a semaphore beside it.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::name::{segment_path, semaphore_path};
use super::semaphore;
use crate::backend::file::{self, Left, Segment};
use crate::backend::{Detached, InUse, Removal, Spec, semaphore_key};
use crate::error::{Error, Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::file::{status, status_of_name};

/// Makes a segment; an orphan of the name is removed first.
pub(crate) fn create(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Segment> {
    let path = segment_path(key, op)?;
    let lock = semaphore_path(&semaphore_key(key), op)?;
    file::create(Path::new(&path), spec, op, || {
        semaphore::mend_abandoned(&lock);
    })
    .map_err(|error| error.on(key))
}

/// Makes a segment of the contents and of their size, which is complete before it has its name;
/// an orphan of the name is removed first.
pub(crate) fn create_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    let path = segment_path(key, op)?;
    let lock = semaphore_path(&semaphore_key(key), op)?;
    file::create_from(Path::new(&path), spec, contents, op, || {
        semaphore::mend_abandoned(&lock);
    })
    .map_err(|error| error.on(key))
}

/// Attaches to a segment that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(key: &NativeIpcKey, spec: &Spec, op: Op) -> Result<Option<Segment>> {
    let path = segment_path(key, op)?;
    file::attach(Path::new(&path), spec, op).map_err(|error| error.on(key))
}

/// Whether a descriptor leads to the segment that the key leads to.
pub(crate) fn is_of_key(fd: &OwnedFd, key: &NativeIpcKey) -> bool {
    let named = segment_path(key, Op::Attach)
        .ok()
        .and_then(|path| status_of_name(path).ok());
    match (named, status(fd)) {
        (Some(named), Ok(status)) => named.id == status.id,
        _ => false,
    }
}

/// Leaves a segment; the last one out removes it with its semaphore.
pub(crate) fn detach(segment: Segment, key: &NativeIpcKey, removal: Removal) -> Result<Detached> {
    match segment.leave(removal).map_err(|error| error.on(key))? {
        Left::Removed => {
            semaphore::remove_unused(&semaphore_path(&semaphore_key(key), Op::Detach)?);
            Ok(Detached::Removed)
        }
        Left::Remains => Ok(Detached::Remains),
        // Somebody removed it by name while it was in use, and left the lock to us.
        Left::WithoutName => {
            semaphore::remove_without_segment(key);
            Ok(Detached::Remains)
        }
    }
}

/// Removes a segment by name, with its semaphore.
pub(crate) fn remove(key: &NativeIpcKey, in_use: InUse) -> Result<()> {
    let path = segment_path(key, Op::Remove)?;
    let on_key = |error: Error| error.on(key);
    file::remove(Path::new(&path), in_use).map_err(on_key)?;
    semaphore::remove_unused(&semaphore_path(&semaphore_key(key), Op::Remove)?);
    Ok(())
}
