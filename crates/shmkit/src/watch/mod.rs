//! Waiting for what happens to segments, whoever makes and uses them.
//!
//! [`wait`] waits until a segment exists, is attached, is unlocked, is released or is gone;
//! [`Events`] is a stream of all that happens to some segments or to all. Neither attaches to
//! anything.
//!
//! # Platform-specific behavior
//! On Linux the kernel tells at once (`inotify`) when POSIX segments are made, opened, left and
//! removed. The rest is looked for again and again: System V segments, and who it is that attached.
//! So an attachment that lasts for a shorter time than lies between two looks may go unnoticed.
//!
//! On macOS and FreeBSD, and on Windows, all of it is looked for again and again: what
//! [`list`](crate::inspect::list) tells there. Who attaches is told of POSIX segments only.

mod events;
mod pace;
mod until;

pub use events::{Event, Events, Happening, Watch};
pub use until::{Until, wait};
