//! Segments that are files: what POSIX segments, mapped files and memfds have in common. A file is
//! born complete before it has a name; the last one out removes what is marked to be removed.

mod attach;
mod birth;
pub(in crate::backend) mod directory;
pub(in crate::backend) mod explain;
mod extent;
pub(in crate::backend) mod last;
mod memory;
mod name;
mod reclaim;
mod seal;
mod segment;
mod temporary;

pub(in crate::backend) use attach::{adopt, attach};
pub(in crate::backend) use birth::{create, create_from, create_unnamed, create_unnamed_from};
pub(in crate::backend) use memory::{create as create_memory, create_from as create_memory_from};
#[cfg(anchored)]
pub(in crate::backend) use name::Name;
pub(in crate::backend) use reclaim::remove;
pub(in crate::backend) use segment::Left;
pub(crate) use segment::Segment;

pub(crate) use temporary::{sweep, temporary_name};
