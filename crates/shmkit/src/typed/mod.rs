//! Segments that hold a value of a type, and building blocks for such types.
//!
//! [`Shared`] is the segment; [`Dynamic`] is one whose type no compiler has seen. [`ArrayVec`], [`ArrayString`] and [`RingBuffer`] are `Vec`, `String`
//! and `VecDeque` with a fixed capacity: they may lie in a segment, where what holds a pointer may
//! not. They are for use by one at a time, so put them into a lock of [`sync`](crate::sync).

mod array_string;
mod array_vec;
mod begun;
mod description;
mod draft;
mod dynamic;
mod header;
mod in_place;
mod location;
mod outline;
mod ring;
mod schemas;
mod shared;

use std::fmt;

#[doc(no_inline)]
pub use crate::layout::ShmSafe;

pub use array_string::ArrayString;
pub use array_vec::ArrayVec;
pub use description::{Description, LockState};
pub use dynamic::Dynamic;
pub use location::Location;
pub use ring::RingBuffer;
pub use shared::Shared;

/// There was no room; what should have been added is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Display for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room for it")
    }
}

impl<T: fmt::Debug> std::error::Error for Full<T> {}

/// The alignment of what has two `u32` before elements of that type.
const fn align_of_items<T: ShmSafe>() -> u32 {
    let align = T::LAYOUT.align();
    if align > 8 { align } else { 8 }
}
