//! System V segments and semaphores: kernel objects found through the inode of a key file.

pub(crate) mod contents;
pub(crate) mod key_file;
#[cfg(surveyed)]
pub(crate) mod leftover;
#[cfg(surveyed)]
pub(crate) mod lock_info;
pub(crate) mod presence;
pub(crate) mod segment;
pub(crate) mod semaphore;
#[cfg(surveyed)]
pub(crate) mod survey;
#[cfg(surveyed)]
#[cfg_attr(anchored, path = "table_of_key_files.rs")]
mod table;
