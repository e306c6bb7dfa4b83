//! Who shares what with whom: these systems do not tell programs of others' memory.

use std::collections::HashMap;
use std::io;

use crate::sys::file::FileId;

/// What processes share.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "nobody is found by it")]
pub(crate) enum Object {
    File(FileId),
    SystemV(i32),
}

/// A look at all processes that has seen none.
#[derive(Debug)]
pub(crate) struct Census {
    pub(crate) programs: HashMap<u32, String>,
    /// Never.
    pub(crate) complete: bool,
}

/// What a process has of something shared.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) pid: u32,
    pub(crate) mappings: u64,
    pub(crate) attached: u64,
    pub(crate) writes: bool,
    pub(crate) descriptors: u64,
}

impl Census {
    pub(crate) fn uses(&self, _: Object) -> &[Use] {
        &[]
    }

    pub(crate) fn system_v(&self, id: i32) -> Object {
        Object::SystemV(id)
    }
}

pub(crate) fn take(_: Option<u64>) -> io::Result<Census> {
    Ok(Census {
        programs: HashMap::new(),
        complete: false,
    })
}
