//! What all Unix systems have: files and mappings, System V objects, forks.

pub(crate) mod attachment;
pub(crate) mod checked;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod memory;
#[cfg(keys = "systemv")]
pub(crate) mod system_v;
