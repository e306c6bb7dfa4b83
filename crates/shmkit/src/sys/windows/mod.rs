//! Windows: named kernel objects. The kernel removes each with its last handle, and so with the last
//! process that uses it.

pub(crate) mod attachment;
pub(crate) mod directory;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod object;
pub(crate) mod process;
pub(crate) mod section;
pub(crate) mod security;
pub(crate) mod signal;

#[path = "../none.rs"]
#[allow(dead_code, reason = "it also has what Windows has itself")]
mod none;
pub(crate) use none::directory_watch;
