//! Which System V objects there are: the kernel has a table of them.

use std::io;

use crate::sys::file::FileId;
use crate::sys::system_v::ipc_key;
use crate::sys::system_v_table::system_v_keys;

pub(super) use crate::sys::system_v_table::{system_v_segments as segments, system_v_sets as sets};

/// The keys that there are objects of.
pub(super) struct Keys(Vec<i32>);

impl Keys {
    pub(super) fn look() -> io::Result<Self> {
        system_v_keys().map(Self)
    }

    /// How many objects are made of a file, whatever the project's number, which is in the upper
    /// byte.
    pub(super) fn objects_of(&self, id: FileId) -> usize {
        let key = ipc_key(id.device, id.inode, 0);
        let is_of_it = |other: &&i32| **other & 0x00ff_ffff == key;
        self.0.iter().filter(is_of_it).count()
    }
}
