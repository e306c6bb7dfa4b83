//! One value in shared memory, loaded and stored whole where the processor can.
#![expect(unsafe_code, reason = "values at an address that `View::at` checked")]

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Atomic, Mode, Rw, View};

/// An aligned value in a segment, as a `Cell` is in ordinary memory; see [`View::at`].
///
/// If the value has 1, 2, 4 or (on 64-bit processors) 8 bytes and lies at a multiple of its size,
/// as a `u32`, an `f64` or an `i8` always does, `load` and `store` are one access each: nobody ever
/// sees half of a store. Anything else may be seen torn. The ordering is relaxed in both cases.
///
/// ```
/// # use shmkit::mapping::{Rw, View};
/// # let mut memory = [0_u64; 8];
/// # // SAFETY: nothing else touches `memory` while the view is in use.
/// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr().cast(), 64) };
/// let temperature = view.at::<f64>(24)?;
/// temperature.store(36.6);
/// assert_eq!(view.read_only().at::<f64>(24)?.load(), 36.6);
/// # Ok::<(), shmkit::Error>(())
/// ```
pub struct SharedCell<'s, T, A: Mode> {
    start: NonNull<T>,
    _bytes: PhantomData<View<'s, A>>,
}

impl<T, A: Mode> Clone for SharedCell<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A: Mode> Copy for SharedCell<'_, T, A> {}

// SAFETY: it is a `View` of a few bytes. It holds no `T`: each load makes one of bytes, in whatever
// thread that happens.
unsafe impl<T, A: Mode> Send for SharedCell<'_, T, A> {}

// SAFETY: as above.
unsafe impl<T, A: Mode> Sync for SharedCell<'_, T, A> {}

impl<T: FromBytes + fmt::Debug, A: Mode> fmt::Debug for SharedCell<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedCell").field(&self.load()).finish()
    }
}

impl<'s, T, A: Mode> SharedCell<'s, T, A> {
    /// # Safety
    /// `start` is aligned, and as many bytes as a `T` has are what a view of them asks for.
    #[inline]
    pub(super) const unsafe fn new(start: NonNull<T>) -> Self {
        Self {
            start,
            _bytes: PhantomData,
        }
    }

    #[inline]
    const fn bytes(self) -> View<'s, A> {
        // SAFETY: what `new` was promised.
        unsafe { View::from_raw_parts(self.start.as_ptr().cast(), size_of::<T>()) }
    }

    /// Where the value is in this process.
    #[must_use]
    pub const fn as_ptr(self) -> *const T {
        self.start.as_ptr()
    }

    /// The value as a `W`, if it has the size and the place of one and a register holds it.
    ///
    /// # Safety
    /// Unless the memory is writable, the atomic is only loaded, and with the relaxed ordering.
    #[inline(always)]
    unsafe fn word<W: Atomic>(self) -> Option<&'s W> {
        let at = self.start.as_ptr().cast::<u8>();
        let fits = size_of::<W>() == size_of::<T>()
            && size_of::<W>() <= size_of::<usize>()
            && (align_of::<T>() >= size_of::<W>() || at.addr().is_multiple_of(size_of::<W>()));
        // SAFETY: the view keeps as many bytes mapped for `'s`, and they are aligned. Relaxed loads
        // of at most a machine word do not write.
        fits.then(|| unsafe { W::at(at) })
    }
}

impl<T: FromBytes, A: Mode> SharedCell<'_, T, A> {
    /// Loads the value.
    #[inline]
    #[must_use]
    pub fn load(self) -> T {
        macro_rules! whole {
            ($atomic:ident) => {
                // SAFETY: a relaxed load follows and nothing else.
                if let Some(word) = unsafe { self.word::<$atomic>() } {
                    let bytes = word.load(Relaxed).to_ne_bytes();
                    return T::read_from_bytes(&bytes).expect("`word` compared the sizes");
                }
            };
        }
        whole!(AtomicU8);
        whole!(AtomicU16);
        whole!(AtomicU32);
        #[cfg(target_has_atomic = "64")]
        whole!(AtomicU64);
        self.bytes().read(0).expect("`at` checked the bounds")
    }
}

impl<T: FromBytes + IntoBytes + Immutable> SharedCell<'_, T, Rw> {
    /// Stores a value.
    #[inline]
    pub fn store(self, value: T) {
        macro_rules! whole {
            ($atomic:ident, $integer:ident) => {
                // SAFETY: `Rw` memory is writable.
                if let Some(word) = unsafe { self.word::<$atomic>() } {
                    let bytes = $integer::read_from_bytes(value.as_bytes());
                    word.store(bytes.expect("`word` compared the sizes"), Relaxed);
                    return;
                }
            };
        }
        whole!(AtomicU8, u8);
        whole!(AtomicU16, u16);
        whole!(AtomicU32, u32);
        #[cfg(target_has_atomic = "64")]
        whole!(AtomicU64, u64);
        self.bytes()
            .write(0, &value)
            .expect("`at` checked the bounds");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::super::view::tests::Memory;

    #[test]
    fn values_of_all_sizes_come_back() {
        let memory = Memory::new(128);
        let view = memory.view();
        macro_rules! comes_back {
            ($($type:ty: $value:expr),*) => {$(
                let cell = view.at::<$type>(16).unwrap();
                cell.store($value);
                assert_eq!(cell.load(), $value);
                assert_eq!(view.read_only().at::<$type>(16).unwrap().load(), $value);
                assert_eq!(view.read::<$type>(16).unwrap(), $value);
                assert_eq!(cell.as_ptr().addr(), view.as_ptr().addr() + 16);
            )*};
        }
        comes_back!(
            u8: 1, i16: -2, u32: 3, i64: -4, f32: 5.5, f64: -6.5, u128: 7, (): (),
            [u8; 3]: [1, 2, 3], [u16; 4]: [1, 2, 3, 4], [u64; 9]: [8; 9]
        );
    }

    #[test]
    fn a_value_without_alignment_of_its_own_goes_to_any_offset() {
        let memory = Memory::new(64);
        for offset in 0..16 {
            let cell = memory.view().at::<[u8; 8]>(offset).unwrap();
            cell.store(*b"unsigned");
            assert_eq!(&cell.load(), b"unsigned");
        }
    }

    #[test]
    fn debug_shows_the_value() {
        let memory = Memory::new(64);
        assert_eq!(
            format!("{:?}", memory.view().at::<u16>(2).unwrap()),
            "SharedCell(0)"
        );
    }

    #[test]
    fn nobody_sees_half_of_a_store() {
        let rounds = if cfg!(miri) { 50 } else { 200_000 };
        let memory = Memory::new(64);
        let done = AtomicBool::new(false);
        let (view, done) = (memory.view(), &done);
        thread::scope(|scope| {
            scope.spawn(move || {
                let (word, half) = (view.at::<usize>(8).unwrap(), view.at::<[u8; 4]>(4).unwrap());
                while !done.load(Ordering::Relaxed) {
                    word.store(usize::MAX);
                    half.store([0xFF; 4]);
                    word.store(0);
                    half.store([0; 4]);
                }
            });
            let view = view.read_only();
            let (word, half) = (view.at::<usize>(8).unwrap(), view.at::<[u8; 4]>(4).unwrap());
            for _ in 0..rounds {
                assert!(matches!(word.load(), 0 | usize::MAX));
                assert!(matches!(
                    half.load(),
                    [0, 0, 0, 0] | [0xFF, 0xFF, 0xFF, 0xFF]
                ));
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
