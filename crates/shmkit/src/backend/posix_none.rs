//! POSIX segments and semaphores where there are none: each request is refused, and nothing exists.

pub(crate) mod segment {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use crate::backend::file::Segment;
    use crate::backend::{Detached, InUse, Removal, Spec, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn create(key: &NativeIpcKey, _: &Spec, op: Op) -> Result<Segment> {
        Err(unsupported(key, op))
    }

    pub(crate) fn create_from(
        key: &NativeIpcKey,
        _: &Spec,
        _: &mut dyn Read,
        op: Op,
    ) -> Result<Segment> {
        Err(unsupported(key, op))
    }

    pub(crate) fn attach(key: &NativeIpcKey, _: &Spec, op: Op) -> Result<Option<Segment>> {
        Err(unsupported(key, op))
    }

    pub(crate) fn is_of_key(_: &OwnedFd, _: &NativeIpcKey) -> bool {
        false
    }

    pub(crate) fn detach(_: Segment, key: &NativeIpcKey, _: Removal) -> Result<Detached> {
        Err(unsupported(key, Op::Detach))
    }

    pub(crate) fn remove(key: &NativeIpcKey, _: InUse) -> Result<()> {
        Err(unsupported(key, Op::Remove))
    }
}

pub(crate) mod semaphore {
    pub(crate) use crate::backend::no_semaphore::{Semaphore, Taken, Ticket};
    use crate::key::NativeIpcKey;

    pub(crate) fn remove_without_segment(_: &NativeIpcKey) {}

    pub(crate) fn remove_counting(_: &NativeIpcKey, _: bool) {}
}

/// Nobody makes segments with names here; but others' unnamed files in the same directory are seen.
#[cfg(surveyed)]
pub(crate) mod survey {
    use std::collections::HashSet;
    use std::ffi::OsStr;
    use std::io;
    use std::path::Path;

    use crate::backend::{Place, SegmentInfo, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;
    use crate::sys::census::Census;
    use crate::sys::file::FileId;

    pub(crate) fn device() -> Option<u64> {
        None
    }

    pub(crate) fn list(_: &Census) -> io::Result<(Vec<SegmentInfo>, HashSet<FileId>)> {
        Ok(Default::default())
    }

    pub(crate) fn may_be_segment(_: &OsStr) -> bool {
        false
    }

    pub(crate) fn named(_: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
        None
    }

    pub(crate) fn name_of(_: &Path) -> Option<&OsStr> {
        None
    }

    pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
        Err(unsupported(key, Op::Inspect))
    }
}

#[cfg(surveyed)]
pub(crate) mod lock_info {
    use crate::backend::{LockInfo, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn look(segment: &NativeIpcKey) -> Result<Option<LockInfo>> {
        Err(unsupported(segment, Op::Inspect))
    }
}

#[cfg(surveyed)]
pub(crate) mod leftover {
    use std::io;

    use crate::backend::leftover::{Act, Leftover, Search};
    use crate::backend::unsupported;
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn search(_: &mut Search<'_>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn by_name(key: &NativeIpcKey, _: Act) -> Result<Vec<Leftover>> {
        Err(unsupported(key, Op::Remove))
    }
}
