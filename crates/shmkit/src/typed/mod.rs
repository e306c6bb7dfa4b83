//! Segments that hold a value of a type, and building blocks for such types.

#[doc(no_inline)]
pub use crate::layout::ShmSafe;
