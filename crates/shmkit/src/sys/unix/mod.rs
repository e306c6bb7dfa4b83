//! What all Unix systems have: files and mappings, System V objects, forks.

pub(crate) mod attachment;
pub(crate) mod checked;
pub(crate) mod file;
pub(crate) mod filter;
pub(crate) mod fork;
pub(crate) mod listing;
pub(crate) mod memory;
#[cfg(all(keys = "posix", not(anchored)))]
#[allow(dead_code, reason = "for where that layout is the C library's secret")]
pub(crate) mod semaphore_image;
pub(crate) mod socket;
#[cfg(keys = "systemv")]
pub(crate) mod system_v;
#[cfg(keys = "systemv")]
pub(crate) mod system_v_entry;
