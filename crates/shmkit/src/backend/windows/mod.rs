//! Windows segments and semaphores: named kernel objects, which the kernel removes with their last
//! handle. So there are no orphans, and nothing can be kept.

mod explain;
pub(crate) mod lock;
mod name;
pub(crate) mod segment;

pub(crate) use explain::explain;
