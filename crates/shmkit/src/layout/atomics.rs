//! The atomics of the standard library that have a fixed size.
#![expect(unsafe_code, reason = "atomics may lie in shared memory")]

use std::sync::atomic;

use super::{Layout, Scalar, ShmSafe};

macro_rules! atomics {
    ($($size:literal: $($atomic:ident $scalar:ident),*;)*) => {$($(
        // SAFETY: the same bytes as the scalar, aligned to their number everywhere, and changed
        // by atomic operations only.
        #[cfg(target_has_atomic = $size)]
        #[diagnostic::do_not_recommend]
        unsafe impl ShmSafe for atomic::$atomic {
            const LAYOUT: &'static Layout = &Layout::atomic(Scalar::$scalar);
        }
    )*)*};
}

atomics! {
    "8": AtomicU8 U8, AtomicI8 I8, AtomicBool Bool;
    "16": AtomicU16 U16, AtomicI16 I16;
    "32": AtomicU32 U32, AtomicI32 I32;
    "64": AtomicU64 U64, AtomicI64 I64;
}
