//! The bytes of a segment: bounds, copies, single values, atomics.
//!
//! A [`View`] is an address range of a segment with a lifetime and an access mode. Other processes
//! may change the bytes at any time, so no safe function here makes a `&[u8]` or a `&T` of them.
//! There are four ways to them instead:
//!
//! | what for | how |
//! |---|---|
//! | blocks of bytes | [`copy_to`](View::copy_to), [`copy_from`](View::copy_from), [`fill`](View::fill), [`cursor`](View::cursor) |
//! | values at any offset | [`read`](View::read), [`write`](View::write) |
//! | one aligned value, again and again | [`at`](View::at), and its [`load`](SharedCell::load) and [`store`](SharedCell::store) |
//! | words that synchronise | [`atomic`](View::atomic), [`atomic_load`](View::atomic_load) |
//!
//! # Rules
//!
//! - **A byte is either payload or control, never both.** What is read and written by the first
//!   three ways must not be used as an atomic at the same time. Nothing crashes, but neither
//!   Rust's memory model nor the processor's says what comes out when accesses of different sizes
//!   meet.
//! - **Copies are not snapshots.** A writer that runs beside a reader leaves it with some old and
//!   some new bytes. Take the segment's lock, or use what synchronises: atomics and what is built
//!   on them.
//! - **An order needs an atomic or a lock.** Payload goes with the relaxed ordering: it becomes
//!   visible to another process together with a `Release` store that this one sees with `Acquire`.

mod atomics;
mod cell;
mod copy;
mod cursor;
mod view;

pub use atomics::{Atomic, AtomicLoad};
pub use cell::SharedCell;
pub use cursor::Cursor;
pub use view::{Mode, Ro, Rw, View};

/// How a segment is attached: what its user may do with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// Reading only; the pages themselves refuse a write.
    ReadOnly,
    /// Reading and writing.
    #[default]
    ReadWrite,
}
