//! Who counts with a System V semaphore: the kernel keeps no count of its users, so those of shmkit
//! share a lock on a byte of the key file, far past its end. It ends with their process at the
//! latest.

use std::os::fd::{AsFd, OwnedFd};

use super::key_file;
use crate::error::Op;
use crate::key::NativeIpcKey;
use crate::mapping::Access;
use crate::sys::file::{self, Kind};
use crate::sys::fork;
use crate::sys::lease::{self, Hold};

const BYTE: u64 = 1 << 32;

/// Says that its owner counts with the semaphore of a key file.
#[derive(Debug)]
pub(crate) struct Presence {
    fd: OwnedFd,
    generation: u32,
}

impl Presence {
    /// `None` where the key file is no file that can be locked.
    pub(crate) fn announce(key: &NativeIpcKey) -> Option<Self> {
        let (path, _) = key_file::parts(key, Op::Lock).ok()?;
        // A device's or a FIFO's `open` may do more than to open.
        if file::status_of_path(path).ok()?.kind != Kind::Regular {
            return None;
        }
        let fd = file::open(path, Access::ReadOnly).ok()?;
        lease::try_lock(fd.as_fd(), Hold::Shared, BYTE, 1).ok()?;
        fork::install();
        Some(Self {
            fd,
            generation: fork::generation(),
        })
    }

    /// Whether it is this process's own, and not the one of the process that it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Whether anyone announced to count with the semaphore of this key file.
    pub(super) fn of_anyone(path: &str) -> bool {
        file::open(path, Access::ReadOnly)
            .and_then(|fd| lease::is_locked(fd.as_fd(), BYTE, 1))
            .unwrap_or(false)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Explicitly, since a child that has not reached its exec yet keeps the description for a
        // moment; but a child must not end its parent's.
        if self.is_own() {
            let _ = lease::unlock(self.fd.as_fd(), BYTE, 1);
        }
    }
}
