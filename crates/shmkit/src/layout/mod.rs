//! What may lie in a typed segment: [`ShmSafe`], and the description of a type's bytes.
//!
//! A [`Layout`] is made by the compiler, from the type. Its [text](Layout::text) goes into the
//! segment, so that programs that do not have the type can show what is there, and an attempt to
//! open it as something else can say what differs. Its [hash](Layout::hash) is what two programs
//! compare. `docs/FORMAT.md` specifies both for other languages.
#![expect(
    unsafe_code,
    reason = "the promise that a type may lie in shared memory"
)]

// Most implementations are `do_not_recommend`: under each error the compiler lists the first few that
// are not, which the note on the trait says better. (Those of types around a `T` without a bound are
// not, or the error would no longer be about the `T`.)
mod atomics;
#[doc(hidden)]
pub mod check;
mod descriptor;
pub(crate) mod mark;
mod scalar;
mod schema;
mod text;

pub use descriptor::{Field, Kind, Layout, Role, Variant};
pub use scalar::Scalar;
pub use schema::{
    Difference, Differences, Field as SchemaField, Leaf, Leaves, Primitive, Schema, SchemaError,
    Shape, Value, Variant as SchemaVariant,
};
#[cfg(feature = "derive")]
pub use shmkit_derive::ShmSafe;

/// Types that may lie in shared memory: implemented by [`#[derive(ShmSafe)]`](derive@ShmSafe),
/// which proves it.
///
/// Ready to use are the integers from `u8` to `i64`, `f32`, `f64`, `bool`, arrays of what is
/// `ShmSafe`, the atomics of a fixed size, and what [`typed`](crate::typed) and
/// [`sync`](crate::sync) have.
///
/// Not among them, besides everything that holds a pointer: `usize` and `isize` (32-bit and 64-bit
/// processes may share a segment), `u128` and `i128` (compilers disagree about their alignment),
/// and `char`, the `NonZero` types, `Option` and `Result` (see "Torn values" below).
///
/// # Safety
///
/// By implementing it you promise, for each value of the type:
///
/// * **Fixed layout.** [`LAYOUT`](Self::LAYOUT) describes its bytes, which are the same for 32-bit
///   and 64-bit processes, each C library and each compiler: `repr(C)`, and no padding (whose bytes
///   would be undefined, and show others what this process had there).
/// * **Means the same everywhere.** No pointer, no reference, nothing that counts for one process
///   only (a descriptor, a thread id), also not as an integer that `unsafe` code trusts.
/// * **No `Drop` glue.** Nobody could say which process is to run it.
/// * **Shared.** Once it is initialised, what `&T` reaches changes through atomics, through the
///   primitives in shmkit, or through a lock's guard, and in no other way.
/// * **Torn values are values.** A process may be killed in the middle of a copy. A value each of
///   whose bytes comes from some value of the type, or is zero, is a value of the type. So is one
///   that is all zeros, with which a value that is [made in place] begins.
///
/// [made in place]: crate::typed::Shared::open_or_init_in_place
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory",
    label = "not `ShmSafe`",
    note = "for a struct or an enum of your own, add `#[derive(shmkit::ShmSafe)]` to it",
    note = "the locks of `std` are for one process; so is what holds a pointer",
    note = "integers of a fixed size, `f32`, `f64`, `bool`, arrays, fixed-size atomics and the types in `shmkit::typed` and `shmkit::sync` are `ShmSafe`"
)]
pub unsafe trait ShmSafe: Send + Sync + Sized + 'static {
    /// What its bytes are.
    const LAYOUT: &'static Layout;

    /// Can safe code write to it through `&T`, without shmkit having a say?
    ///
    /// Such a type cannot be given out from read-only memory, where the write would be a crash. It
    /// is so for the atomics, and for what contains them; our own primitives look first. By hand
    /// write it only where the layout says too much: a lock that gives nothing out from read-only
    /// memory may hold atomics.
    const WRITES_UNCHECKED: bool = Self::LAYOUT.has_bare_atomics();

    /// [`Layout::hash`] of it, computed by the compiler.
    const LAYOUT_HASH: u64 = Self::LAYOUT.hash();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Looks before it writes, which its layout does not say.
    #[repr(transparent)]
    struct Lock(AtomicU32);

    // SAFETY: an atomic.
    unsafe impl ShmSafe for Lock {
        const LAYOUT: &'static Layout = AtomicU32::LAYOUT;
        const WRITES_UNCHECKED: bool = false;
    }

    #[derive(ShmSafe)]
    #[repr(C)]
    struct Around<T>([[T; 2]; 2], u32);

    #[test]
    fn what_a_type_says_of_its_writes_counts_for_what_holds_it() {
        const { assert!(!Around::<Lock>::WRITES_UNCHECKED) };
        const { assert!(!<[Around<Lock>; 3]>::WRITES_UNCHECKED) };
        const { assert!(Around::<AtomicU32>::WRITES_UNCHECKED) };
        const { assert!(Around::<Around<AtomicU32>>::WRITES_UNCHECKED) };
    }
}
