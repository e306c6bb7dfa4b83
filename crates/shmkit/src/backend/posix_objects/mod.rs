//! POSIX segments and semaphores where they are objects of the kernel and no files: on macOS and
//! FreeBSD, and on Linux when it is built as those are.
//!
//! Such an object carries no locks, on macOS no number and not its exact size, and it cannot be made
//! complete before it has its name. So each has an *anchor* beside it, a file in the directory of lock
//! files that is called by the object's name: whoever uses the object is present at the anchor, the
//! anchor is as long as the object should be and takes no room, and it gets a mark when the object is
//! complete. What is true of the anchor holds for the object: who is last, what is an orphan.
//!
//! An object without an anchor was made by a program without shmkit; it gets one that is never the
//! reason for removing the object.

pub(crate) mod leftover;
pub(crate) mod lock_info;
mod name;
mod object;
pub(crate) mod segment;
pub(crate) mod semaphore;
pub(crate) mod survey;
