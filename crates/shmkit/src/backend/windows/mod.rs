//! Windows segments and semaphores: kernel objects, which the kernel removes with their last handle. So
//! those by name leave no orphans, and cannot be kept. Files are made of more.

mod explain;
pub(crate) mod file;
pub(crate) mod lock;
pub(crate) mod memory;
mod name;
pub(crate) mod named;
pub(crate) mod segment;

pub(crate) use explain::explain;
