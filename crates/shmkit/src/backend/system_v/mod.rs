//! System V segments and semaphores: kernel objects found through the inode of a key file.

pub(crate) mod contents;
pub(crate) mod key_file;
pub(crate) mod leftover;
pub(crate) mod lock_info;
pub(crate) mod presence;
pub(crate) mod segment;
pub(crate) mod semaphore;
pub(crate) mod survey;
