//! What is told of a System V object that exists.

use std::time::SystemTime;

/// A System V segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemVSegment {
    pub(crate) ipc_key: i32,
    pub(crate) id: i32,
    /// Permission bits, and `SHM_DEST` for one that was removed.
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Bytes that lie in memory and in the swap space; `None` on kernels that do not tell.
    pub(crate) resident: Option<(u64, u64)>,
    pub(crate) attached: u64,
    pub(crate) owner: u32,
    /// When it was made, or its owner or mode changed.
    pub(crate) changed: Option<SystemTime>,
}

/// A set of System V semaphores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SystemVSet {
    pub(crate) ipc_key: i32,
    pub(crate) count: u64,
    pub(crate) owner: u32,
    /// When it was made, or its owner, its mode or a value was set.
    pub(crate) changed: Option<SystemTime>,
}
