//! Looking at segments, where there are none.

use std::ffi::OsStr;

use super::{Holders, LockInfo, Place, SegmentInfo, unsupported};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;

/// All segments.
pub(crate) fn list() -> Result<Vec<SegmentInfo>> {
    Err(Error::new(Op::Inspect, ErrorKind::Unsupported).detail("segments cannot be listed here"))
}

/// The segment of a key.
pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
    Err(unsupported(key, Op::Inspect))
}

/// Who uses a segment and its lock.
pub(crate) fn holders(key: &NativeIpcKey) -> Result<Holders> {
    Err(unsupported(key, Op::Inspect))
}

/// A segment's lock.
pub(crate) fn lock_info(key: &NativeIpcKey) -> Result<Option<LockInfo>> {
    Err(unsupported(key, Op::Inspect))
}

/// The user of a name.
#[cfg(unix)]
pub(crate) fn user_number(name: &str) -> Option<u32> {
    crate::sys::user::number(name)
}

/// Users have no numbers.
#[cfg(not(unix))]
pub(crate) fn user_number(_: &str) -> Option<u32> {
    None
}

/// What a file in the directory of POSIX segments is as a segment.
pub(crate) fn named(_: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
    None
}

/// The name of a POSIX segment, from its place.
pub(crate) fn name_of(_: &std::path::Path) -> Option<&OsStr> {
    None
}

/// The number that a System V key stands for.
pub(crate) fn system_v_key(_: &NativeIpcKey) -> Option<u32> {
    None
}
