//! Atomics in shared memory: which types, and loads that read-only memory allows.
#![expect(unsafe_code, reason = "a reference to an atomic at a raw address")]

use std::sync::atomic::{self, Ordering};

mod sealed {
    pub trait Sealed {}
}

/// The integer atomics of a fixed size, from `AtomicU8` to `AtomicI64`.
///
/// Not among them: `AtomicUsize` and `AtomicPtr`, which mean different things in different
/// processes, and `AtomicBool`, for which another process may leave a byte that is no `bool`.
pub trait Atomic: sealed::Sealed + Send + Sync + Sized + 'static {
    /// The integer in it.
    type Value: Copy;

    /// # Safety
    /// For all of `'s` there is such an atomic at `at`: mapped, initialised, aligned to its size.
    /// If the memory is not writable, only [`load_relaxed`](Self::load_relaxed) may be called.
    #[doc(hidden)]
    unsafe fn at<'s>(at: *mut u8) -> &'s Self;

    #[doc(hidden)]
    fn load_relaxed(&self) -> Self::Value;
}

macro_rules! atomics {
    ($($size:literal: $($atomic:ident $value:ident),*;)*) => {$($(
        #[cfg(target_has_atomic = $size)]
        impl sealed::Sealed for atomic::$atomic {}

        #[cfg(target_has_atomic = $size)]
        impl Atomic for atomic::$atomic {
            type Value = $value;

            #[inline]
            unsafe fn at<'s>(at: *mut u8) -> &'s Self {
                // SAFETY: the caller's promise.
                unsafe { Self::from_ptr(at.cast()) }
            }

            #[inline]
            fn load_relaxed(&self) -> $value {
                self.load(Ordering::Relaxed)
            }
        }
    )*)*};
}

atomics! {
    "8": AtomicU8 u8, AtomicI8 i8;
    "16": AtomicU16 u16, AtomicI16 i16;
    "32": AtomicU32 u32, AtomicI32 i32;
    "64": AtomicU64 u64, AtomicI64 i64;
}

/// An atomic in a segment that is attached for reading only; see
/// [`View::atomic_load`](super::View::atomic_load).
#[derive(Debug)]
pub struct AtomicLoad<'s, T: Atomic>(&'s T);

impl<T: Atomic> Clone for AtomicLoad<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Atomic> Copy for AtomicLoad<'_, T> {}

impl<'s, T: Atomic> AtomicLoad<'s, T> {
    pub(super) const fn new(atomic: &'s T) -> Self {
        Self(atomic)
    }

    /// Loads the value.
    ///
    /// # Panics
    /// If `ordering` is `Release` or `AcqRel`, which no load has.
    #[inline]
    #[must_use]
    pub fn load(self, ordering: Ordering) -> T::Value {
        // Only relaxed loads are sure not to write, on any processor, so fences do the rest.
        match ordering {
            Ordering::Relaxed => self.0.load_relaxed(),
            Ordering::Acquire => {
                let value = self.0.load_relaxed();
                atomic::fence(Ordering::Acquire);
                value
            }
            Ordering::SeqCst => {
                atomic::fence(Ordering::SeqCst);
                let value = self.0.load_relaxed();
                atomic::fence(Ordering::Acquire);
                value
            }
            _ => panic!("a load cannot have the ordering {ordering:?}"),
        }
    }

    /// Where the atomic is in this process; for a futex wait, say.
    #[must_use]
    pub const fn as_ptr(self) -> *const T::Value {
        std::ptr::from_ref(self.0).cast()
    }
}
