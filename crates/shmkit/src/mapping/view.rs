//! `View`: an address range with a lifetime and an access mode; all bounds are checked here.
#![expect(
    unsafe_code,
    reason = "raw copies, and values of what bytes say; bounds checked before"
)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Bound, RangeBounds};
use std::ptr::NonNull;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{Access, Atomic, AtomicLoad, Cursor, SharedCell, copy};
use crate::{Error, ErrorKind, Op, Result};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ro {}
    impl Sealed for super::Rw {}
}

/// What a [`View`] allows, as a type: [`Ro`] or [`Rw`].
pub trait Mode: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The same as a value.
    const ACCESS: Access;
}

/// Marks a [`View`] that only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ro(());

/// Marks a [`View`] that reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rw(());

impl Mode for Ro {
    const ACCESS: Access = Access::ReadOnly;
}

impl Mode for Rw {
    const ACCESS: Access = Access::ReadWrite;
}

/// A range of bytes that other processes may read and change at any time.
///
/// It is a pointer and a length that cannot outlive the segment's mapping: copy it, send it, cut
/// it up. Several views of the same bytes may exist, in several threads too. All access goes by
/// offset, in bytes from the view's own beginning, and every offset is checked.
///
/// It is not a slice and does not turn into one: a `&[u8]` promises that nobody writes, which
/// nobody can promise here. [The module](super) says how the ways of access differ.
///
/// ```
/// # use shmkit::mapping::{Rw, View};
/// # let mut memory = [0_u64; 512];
/// # // SAFETY: nothing else touches `memory` while the view is in use.
/// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr().cast(), 4096) };
/// view.copy_from(0, b"frame 1")?;
/// view.write(8, &1920_u32)?;
///
/// let mut name = [0; 7];
/// view.copy_to(0, &mut name)?;
/// assert_eq!(&name, b"frame 1");
/// assert_eq!(view.read::<u32>(8)?, 1920);
///
/// let error = view.read::<u32>(4094).unwrap_err();
/// assert_eq!(error.to_string(), "cannot read: 4 bytes at offset 4094 reach past the end at 4096");
/// # Ok::<(), shmkit::Error>(())
/// ```
pub struct View<'s, A: Mode = Ro> {
    start: NonNull<u8>,
    len: usize,
    _segment: PhantomData<(&'s (), A)>,
}

impl<A: Mode> Clone for View<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Mode> Copy for View<'_, A> {}

// SAFETY: memory that other processes write at any time cannot mind other threads: all access is
// by copies that allow for it, or by atomics, and nothing depends on the thread.
unsafe impl<A: Mode> Send for View<'_, A> {}

// SAFETY: as for `Send`; a reference to a `View` gives no more than a copy of it does.
unsafe impl<A: Mode> Sync for View<'_, A> {}

impl<A: Mode> fmt::Debug for View<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("start", &self.start)
            .field("len", &self.len)
            .field("access", &A::ACCESS)
            .finish()
    }
}

impl<'s> From<View<'s, Rw>> for View<'s, Ro> {
    fn from(view: View<'s, Rw>) -> Self {
        view.read_only()
    }
}

impl<'s, A: Mode> View<'s, A> {
    /// Makes a view of memory that was mapped by other means than this crate's.
    ///
    /// # Safety
    /// For all of `'s`:
    ///
    /// - `len` bytes from `ptr` are mapped and initialised: readable, and writable if `A` is
    ///   [`Rw`]; `ptr` is not null unless `len` is 0, and `len` is at most `isize::MAX`;
    /// - in this process the bytes are accessed only through views, atomics and other means that
    ///   put up with concurrent writes: no Rust reference to them is used, except to atomics.
    ///
    /// What other processes do to the bytes is not part of the promise. What they do to the object
    /// is: if it shrinks, the bytes past its new end are no longer mapped and touching them raises
    /// `SIGBUS`.
    pub const unsafe fn from_raw_parts(ptr: *mut u8, len: usize) -> Self {
        let start = match NonNull::new(ptr) {
            Some(start) => start,
            None => NonNull::dangling(),
        };
        Self {
            start,
            len,
            _segment: PhantomData,
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes begin in this process; another process has them elsewhere.
    #[must_use]
    pub const fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// The same bytes, for reading only.
    #[must_use]
    pub const fn read_only(self) -> View<'s, Ro> {
        View {
            start: self.start,
            len: self.len,
            _segment: PhantomData,
        }
    }

    /// A part of the bytes, as a view of its own.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if the range reaches past the end or ends before it begins.
    ///
    /// ```
    /// # use shmkit::mapping::{Rw, View};
    /// # let mut memory = [7_u8; 64];
    /// # // SAFETY: nothing else touches `memory` while the view is in use.
    /// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr(), 64) };
    /// let header = view.get(..16)?;
    /// assert_eq!(header.len(), 16);
    /// assert!(view.get(60..70).is_err());
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    #[inline]
    pub fn get(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (from, to) = (range.start_bound().cloned(), range.end_bound().cloned());
        let begin = match from {
            Bound::Included(begin) => Some(begin),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match to {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(end),
            Bound::Unbounded => Some(self.len),
        };
        match (begin, end) {
            (Some(begin), Some(end)) if begin <= end && end <= self.len => {
                Ok(self.part(begin, end - begin))
            }
            _ => Err(bad_range(from, to, self.len)),
        }
    }

    /// The bytes before `middle` and those from there on.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if `middle` lies past the end.
    #[inline]
    pub fn split_at(self, middle: usize) -> Result<(Self, Self)> {
        Ok((self.get(..middle)?, self.get(middle..)?))
    }

    /// Copies the bytes from `offset` on into `buffer`, as many as it holds.
    ///
    /// The copy runs at the speed of `memcpy`. It is not a snapshot: if somebody writes at the
    /// same time, each byte is an old or a new one.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if there are not as many bytes; nothing is copied then.
    #[inline(always)]
    pub fn copy_to(self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let src = self.check(Op::Read, offset, buffer.len())?;
        // SAFETY: `check` proved the range in bounds, the lifetime keeps it mapped, and `buffer`
        // is the caller's alone.
        unsafe { copy::read(src, buffer.as_mut_ptr(), buffer.len()) };
        Ok(())
    }

    /// Copies all bytes into a vector; the same holds as for [`copy_to`](Self::copy_to).
    ///
    /// Like any vector it aborts the program when memory runs out: cut a large segment up with
    /// [`get`](Self::get) first.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        // SAFETY: the whole view is readable, and the vector has room for as much, its own.
        unsafe { copy::read(self.as_ptr(), bytes.as_mut_ptr(), self.len) };
        // SAFETY: that many bytes were just written.
        unsafe { bytes.set_len(self.len) };
        bytes
    }

    /// Reads a value from any offset, aligned or not.
    ///
    /// `T` is anything that any bytes make a valid value of: integers, floats, arrays of them, and
    /// structs that derive zerocopy's `FromBytes`. If somebody writes at the same time, the value
    /// may be part old and part new; [`at`](Self::at) and [`atomic_load`](Self::atomic_load)
    /// promise more.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if the value reaches past the end.
    #[inline]
    pub fn read<T: FromBytes>(self, offset: usize) -> Result<T> {
        let src = self.check(Op::Read, offset, size_of::<T>())?;
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `check` proved the range in bounds, the lifetime keeps it mapped, and `value` is
        // a local of the same size.
        unsafe { copy::read(src, value.as_mut_ptr().cast(), size_of::<T>()) };
        // SAFETY: all its bytes are written, and `FromBytes` says that any bytes will do.
        Ok(unsafe { value.assume_init() })
    }

    /// One aligned value that is loaded, and with [`Rw`] stored, again and again.
    ///
    /// The offset is checked once, here.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if the value reaches past the end, or if its address is not a
    /// multiple of `T`'s alignment.
    ///
    /// ```
    /// # use shmkit::mapping::{Rw, View};
    /// # let mut memory = [0_u64; 8];
    /// # // SAFETY: nothing else touches `memory` while the view is in use.
    /// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr().cast(), 64) };
    /// let frames = view.at::<u64>(16)?;
    /// frames.store(frames.load() + 1);
    /// assert_eq!(frames.load(), 1);
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    #[inline]
    pub fn at<T: FromBytes>(self, offset: usize) -> Result<SharedCell<'s, T, A>> {
        self.check_aligned(Op::Read, offset, size_of::<T>(), align_of::<T>())?;
        let start = self.part(offset, size_of::<T>()).start.cast();
        // SAFETY: in bounds and aligned by the check; the rest is what this view itself promises.
        Ok(unsafe { SharedCell::new(start) })
    }

    /// An atomic that can be loaded and nothing else, which is what read-only memory allows.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if it reaches past the end or if its address is not a multiple
    /// of its size.
    ///
    /// # Platform-specific behavior
    /// On 32-bit processors a 64-bit load may need write access, so [`ErrorKind::Unsupported`]
    /// answers there for 64 bits.
    ///
    /// ```
    /// # use shmkit::mapping::{Rw, View};
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # let mut memory = [5_u32; 4];
    /// # // SAFETY: nothing else touches `memory` while the view is in use.
    /// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr().cast(), 16) };
    /// # let view = view.read_only();
    /// let generation = view.atomic_load::<AtomicU32>(4)?;
    /// assert_eq!(generation.load(Ordering::Acquire), 5);
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    #[inline]
    pub fn atomic_load<T: Atomic>(self, offset: usize) -> Result<AtomicLoad<'s, T>> {
        if size_of::<T>() > size_of::<usize>() {
            return Err(too_wide(size_of::<T>()));
        }
        let at = self.check_aligned(Op::Read, offset, size_of::<T>(), size_of::<T>())?;
        // SAFETY: in bounds and aligned by the check, mapped for `'s`, and only relaxed loads of
        // at most a machine word follow, which need no write access.
        Ok(AtomicLoad::new(unsafe { T::at(at) }))
    }

    /// A cursor at the first byte, for what takes `std::io::Read`, `Write` and `Seek`.
    #[must_use]
    pub const fn cursor(self) -> Cursor<'s, A> {
        Cursor::new(self)
    }

    /// The bytes as a slice. The last resort: all the rest of this type is there to avoid it.
    ///
    /// # Safety
    /// For as long as the slice or anything borrowed from it is used, nobody writes to these
    /// bytes: no process that has the segment attached and no thread of this one. A lock that all
    /// of them take is a good reason; that nobody is known to write is not. And nobody shrinks the
    /// segment's object.
    #[must_use]
    pub const unsafe fn as_slice(self) -> &'s [u8] {
        // SAFETY: the bytes are mapped for `'s` and initialised; the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len) }
    }

    /// The view of a range that was checked.
    #[inline]
    fn part(self, offset: usize, len: usize) -> Self {
        debug_assert!(offset <= self.len && len <= self.len - offset);
        // SAFETY: `offset` is at most the length of the range, so the sum stays within it.
        let start = unsafe { self.start.add(offset) };
        Self {
            start,
            len,
            _segment: PhantomData,
        }
    }

    #[inline]
    fn check(self, op: Op, offset: usize, len: usize) -> Result<*mut u8> {
        if len <= self.len && offset <= self.len - len {
            Ok(self.part(offset, len).start.as_ptr())
        } else {
            Err(outside(op, offset, len, self.len))
        }
    }

    #[inline]
    pub(crate) fn check_aligned(
        self,
        op: Op,
        offset: usize,
        len: usize,
        alignment: usize,
    ) -> Result<*mut u8> {
        let at = self.check(op, offset, len)?;
        if at.addr().is_multiple_of(alignment) {
            Ok(at)
        } else {
            Err(misaligned(op, offset, alignment))
        }
    }
}

impl<'s> View<'s, Rw> {
    /// Where the bytes begin in this process, for writing through the pointer.
    #[must_use]
    pub const fn as_mut_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Copies all of `bytes` to `offset` and on.
    ///
    /// The copy runs at the speed of `memcpy`. Who reads at the same time sees each byte old or
    /// new, in no order.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if they do not fit; nothing is copied then.
    #[inline(always)]
    pub fn copy_from(self, offset: usize, bytes: &[u8]) -> Result<()> {
        let dst = self.check(Op::Write, offset, bytes.len())?;
        // SAFETY: `check` proved the range in bounds, the lifetime keeps it mapped, `Rw` says that
        // it is writable, and nobody writes to a `&[u8]`.
        unsafe { copy::write(bytes.as_ptr(), dst, bytes.len()) };
        Ok(())
    }

    /// Copies all bytes of `source`, another view, to `offset` and on.
    ///
    /// The two may overlap: the bytes arrive as if by way of a buffer. That fails only where the
    /// same memory is mapped at two addresses and the views are of one each; such bytes come out
    /// mixed.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if they do not fit; nothing is copied then.
    ///
    /// ```
    /// # use shmkit::mapping::{Rw, View};
    /// # let mut memory = *b"0123456789";
    /// # // SAFETY: nothing else touches `memory` while the view is in use.
    /// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr(), 10) };
    /// view.copy_from_view(2, view.get(..6)?)?;
    /// assert_eq!(view.to_vec(), b"0101234589");
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    #[inline]
    pub fn copy_from_view<B: Mode>(self, offset: usize, source: View<'_, B>) -> Result<()> {
        let dst = self.check(Op::Write, offset, source.len)?;
        // SAFETY: `check` proved the range in bounds, both lifetimes keep them mapped, `Rw` says
        // that this one is writable.
        unsafe { copy::shift(source.as_ptr(), dst, source.len) };
        Ok(())
    }

    /// Writes a value to any offset, aligned or not.
    ///
    /// `T` is anything without padding and without pointers: integers, floats, arrays and slices
    /// of them, and structs that derive zerocopy's `IntoBytes` and `Immutable`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if the value reaches past the end; nothing is written then.
    #[inline]
    pub fn write<T: IntoBytes + Immutable + ?Sized>(self, offset: usize, value: &T) -> Result<()> {
        self.copy_from(offset, value.as_bytes())
    }

    /// Sets every byte; [`get`](View::get) first to set some.
    #[inline]
    pub fn fill(self, byte: u8) {
        // SAFETY: the whole view is mapped and, being `Rw`, writable.
        unsafe { copy::fill(self.as_mut_ptr(), byte, self.len) }
    }

    /// An atomic that lives in the segment.
    ///
    /// All processes must use these bytes as an atomic of this size, and as nothing else. It is
    /// what locks and queues are made of; [`crate`]'s own are easier to get right.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] if it reaches past the end or if its address is not a multiple
    /// of its size.
    ///
    /// ```
    /// # use shmkit::mapping::{Rw, View};
    /// # let mut memory = [0_u64; 8];
    /// # // SAFETY: nothing else touches `memory` while the view is in use.
    /// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr().cast(), 64) };
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let tickets = view.atomic::<AtomicU64>(0)?;
    /// assert_eq!(tickets.fetch_add(1, Ordering::Relaxed), 0);
    /// assert!(view.atomic::<AtomicU64>(1).is_err());
    /// # Ok::<(), shmkit::Error>(())
    /// ```
    #[inline]
    pub fn atomic<T: Atomic>(self, offset: usize) -> Result<&'s T> {
        let at = self.check_aligned(Op::Write, offset, size_of::<T>(), size_of::<T>())?;
        // SAFETY: in bounds and aligned by the check, mapped and writable for `'s`.
        Ok(unsafe { T::at(at) })
    }

    /// The bytes as a slice to write to. The last resort, like [`as_slice`](View::as_slice).
    ///
    /// # Safety
    /// For as long as the slice or anything borrowed from it is used, nobody else reads or writes
    /// these bytes: no process that has the segment attached and no thread of this one, be it
    /// through a copy of this view. And nobody shrinks the segment's object.
    #[must_use]
    pub const unsafe fn as_mut_slice(self) -> &'s mut [u8] {
        // SAFETY: the bytes are mapped for `'s`, initialised and, being `Rw`, writable; the caller
        // keeps everybody else away.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len) }
    }
}

#[cold]
#[inline(never)]
fn outside(op: Op, offset: usize, len: usize, size: usize) -> Error {
    let bytes = if len == 1 { "byte" } else { "bytes" };
    let reach = if len == 1 { "reaches" } else { "reach" };
    Error::new(op, ErrorKind::OutOfBounds).detail(format!(
        "{len} {bytes} at offset {offset} {reach} past the end at {size}"
    ))
}

#[cold]
#[inline(never)]
fn bad_range(from: Bound<usize>, to: Bound<usize>, size: usize) -> Error {
    let from = match from {
        Bound::Included(begin) => begin.to_string(),
        Bound::Excluded(before) => format!("after {before} "),
        Bound::Unbounded => String::new(),
    };
    let to = match to {
        Bound::Included(last) => format!("={last}"),
        Bound::Excluded(end) => end.to_string(),
        Bound::Unbounded => String::new(),
    };
    Error::new(Op::Read, ErrorKind::OutOfBounds)
        .detail(format!("there is no range {from}..{to} in {size} bytes"))
}

#[cold]
#[inline(never)]
fn misaligned(op: Op, offset: usize, alignment: usize) -> Error {
    Error::new(op, ErrorKind::OutOfBounds).detail(format!(
        "the address at offset {offset} is not a multiple of {alignment}"
    ))
}

#[cold]
#[inline(never)]
fn too_wide(size: usize) -> Error {
    Error::new(Op::Read, ErrorKind::Unsupported).detail(format!(
        "this processor has no read-only atomic load of {size} bytes; attach for writing"
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU8, AtomicU32, AtomicU64, Ordering};
    use std::thread;

    use super::*;

    /// Memory that nothing but views touches, freed when dropped. It begins at a multiple of 16.
    pub(in crate::mapping) struct Memory {
        words: *mut [u128],
        len: usize,
    }

    impl Memory {
        pub(in crate::mapping) fn new(len: usize) -> Self {
            let words = vec![0_u128; len.div_ceil(16)].into_boxed_slice();
            Self {
                words: Box::into_raw(words),
                len,
            }
        }

        pub(in crate::mapping) fn of(bytes: &[u8]) -> Self {
            let memory = Self::new(bytes.len());
            memory.view().copy_from(0, bytes).unwrap();
            memory
        }

        pub(in crate::mapping) fn view(&self) -> View<'_, Rw> {
            // SAFETY: the box has at least `len` bytes, lives as long as `self`, and only views
            // touch it until it is dropped.
            unsafe { View::from_raw_parts(self.words.cast(), self.len) }
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: it came from `Box::into_raw`, and all views have ended with the borrow.
            drop(unsafe { Box::from_raw(self.words) });
        }
    }

    fn is_out_of_bounds<T>(result: Result<T>, op: Op) -> bool {
        result.is_err_and(|error| error.kind() == ErrorKind::OutOfBounds && error.op() == op)
    }

    #[test]
    fn a_view_is_two_words_and_goes_to_other_threads() {
        fn shared<T: Copy + Send + Sync>() {}
        shared::<View<'static, Ro>>();
        shared::<View<'static, Rw>>();
        shared::<SharedCell<'static, *const u8, Rw>>();
        assert_eq!(size_of::<Option<View<'_>>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn access_is_for_reading_and_writing_unless_said_otherwise() {
        assert_eq!(Access::default(), Access::ReadWrite);
    }

    #[test]
    fn offsets_and_lengths_that_overflow_are_errors() {
        let memory = Memory::new(64);
        let view = memory.view();
        for offset in [
            61,
            64,
            65,
            isize::MAX as usize,
            usize::MAX - 3,
            usize::MAX - 1,
            usize::MAX,
        ] {
            assert!(
                is_out_of_bounds(view.copy_to(offset, &mut [0; 4]), Op::Read),
                "{offset}"
            );
            assert!(
                is_out_of_bounds(view.copy_from(offset, &[0; 4]), Op::Write),
                "{offset}"
            );
            assert!(is_out_of_bounds(
                view.copy_from_view(offset, view.get(..4).unwrap()),
                Op::Write
            ));
            assert!(
                is_out_of_bounds(view.read::<u32>(offset), Op::Read),
                "{offset}"
            );
            assert!(
                is_out_of_bounds(view.write(offset, &0_u32), Op::Write),
                "{offset}"
            );
            assert!(
                is_out_of_bounds(view.at::<u32>(offset), Op::Read),
                "{offset}"
            );
            assert!(
                is_out_of_bounds(view.atomic::<AtomicU32>(offset), Op::Write),
                "{offset}"
            );
            assert!(
                is_out_of_bounds(view.atomic_load::<AtomicU32>(offset), Op::Read),
                "{offset}"
            );
        }
        assert!(view.copy_to(60, &mut [0; 4]).is_ok());
        assert!(is_out_of_bounds(view.copy_to(0, &mut [0; 65]), Op::Read));
    }

    #[test]
    fn nothing_may_be_read_at_the_end_but_not_past_it() {
        let memory = Memory::new(64);
        assert!(memory.view().copy_to(64, &mut []).is_ok());
        assert!(memory.view().read::<[u8; 0]>(64).is_ok());
        assert!(is_out_of_bounds(
            memory.view().copy_to(65, &mut []),
            Op::Read
        ));
        assert!(is_out_of_bounds(
            memory.view().read::<()>(usize::MAX),
            Op::Read
        ));
    }

    #[test]
    fn a_failed_write_writes_nothing() {
        let memory = Memory::of(&[1; 16]);
        memory.view().copy_from(9, &[2; 8]).unwrap_err();
        assert_eq!(memory.view().to_vec(), [1; 16]);
    }

    #[test]
    fn errors_name_offset_length_and_size() {
        let memory = Memory::new(64);
        let error = memory.view().copy_from(60, &[0; 5]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot write: 5 bytes at offset 60 reach past the end at 64"
        );
        let error = memory.view().read::<u8>(64).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read: 1 byte at offset 64 reaches past the end at 64"
        );
        let error = memory.view().at::<u32>(6).err().unwrap();
        assert_eq!(
            error.to_string(),
            "cannot read: the address at offset 6 is not a multiple of 4"
        );
        let error = memory.view().get(60..=64).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read: there is no range 60..=64 in 64 bytes"
        );
    }

    #[test]
    fn get_takes_every_kind_of_range() {
        let memory = Memory::of(b"0123456789");
        let view = memory.view();
        assert_eq!(view.get(..).unwrap().to_vec(), b"0123456789");
        assert_eq!(view.get(3..).unwrap().to_vec(), b"3456789");
        assert_eq!(view.get(..3).unwrap().to_vec(), b"012");
        assert_eq!(view.get(..=3).unwrap().to_vec(), b"0123");
        assert_eq!(view.get(2..4).unwrap().to_vec(), b"23");
        assert_eq!(view.get(10..).unwrap().to_vec(), b"");
        let after_two = (Bound::Excluded(2), Bound::Unbounded);
        assert_eq!(view.get(after_two).unwrap().to_vec(), b"3456789");
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "that is the bad input")]
    fn get_refuses_ranges_outside_or_reversed() {
        let memory = Memory::new(10);
        let view = memory.view();
        assert!(is_out_of_bounds(view.get(..11), Op::Read));
        assert!(is_out_of_bounds(view.get(11..), Op::Read));
        assert!(is_out_of_bounds(view.get(4..2), Op::Read));
        assert!(is_out_of_bounds(view.get(..=usize::MAX), Op::Read));
        assert!(is_out_of_bounds(view.get(usize::MAX..), Op::Read));
        let after_all = (Bound::Excluded(usize::MAX), Bound::Unbounded);
        assert!(is_out_of_bounds(view.get(after_all), Op::Read));
        assert!(is_out_of_bounds(view.split_at(11), Op::Read));
    }

    #[test]
    fn parts_keep_to_their_own_bounds() {
        let memory = Memory::of(b"0123456789");
        let (left, right) = memory.view().split_at(4).unwrap();
        assert_eq!(
            (left.to_vec(), right.to_vec()),
            (b"0123".to_vec(), b"456789".to_vec())
        );
        assert!(is_out_of_bounds(left.read::<u8>(4), Op::Read));
        right.fill(b'x');
        assert_eq!(memory.view().to_vec(), b"0123xxxxxx");
    }

    #[test]
    fn an_empty_view_may_have_a_null_pointer() {
        // SAFETY: no bytes, so nothing has to be mapped.
        let view = unsafe { View::<Rw>::from_raw_parts(std::ptr::null_mut(), 0) };
        assert!(view.is_empty());
        assert!(view.to_vec().is_empty());
        view.fill(1);
        assert!(is_out_of_bounds(view.read::<u8>(0), Op::Read));
    }

    #[test]
    fn values_are_written_and_read_at_any_offset() {
        let memory = Memory::new(256);
        let view = memory.view();
        for offset in 0..40 {
            view.write(offset, &0x0123_4567_89AB_CDEF_u64).unwrap();
            assert_eq!(view.read::<u64>(offset).unwrap(), 0x0123_4567_89AB_CDEF);
            view.write(offset, &[1.5_f32, -2.5, 3.5]).unwrap();
            assert_eq!(view.read::<[f32; 3]>(offset).unwrap(), [1.5, -2.5, 3.5]);
            view.write(offset, &[7_u16, 8, 9][..]).unwrap();
            assert_eq!(view.read::<u16>(offset + 4).unwrap(), 9);
            view.write(offset, &[3_u8; 100]).unwrap();
            assert_eq!(view.read::<[u8; 100]>(offset).unwrap(), [3; 100]);
        }
    }

    #[test]
    fn every_process_sees_the_same_byte_order_as_this_one() {
        let memory = Memory::new(8);
        memory.view().write(0, &0x0102_0304_u32).unwrap();
        assert_eq!(
            memory.view().read::<[u8; 4]>(0).unwrap(),
            0x0102_0304_u32.to_ne_bytes()
        );
    }

    #[test]
    fn copies_to_and_from_slices_of_all_lengths() {
        let longest = if cfg!(miri) { 40 } else { 300 };
        let memory = Memory::new(longest + 64);
        let bytes: Vec<u8> = (0..longest).map(|n| (n % 251) as u8).collect();
        for len in 0..=longest {
            for offset in 0..=32 {
                memory.view().copy_from(offset, &bytes[..len]).unwrap();
                let mut back = vec![0; len];
                memory.view().copy_to(offset, &mut back).unwrap();
                assert_eq!(back, bytes[..len], "{len} bytes at {offset}");
            }
        }
    }

    #[test]
    fn views_that_overlap_copy_as_if_by_way_of_a_buffer() {
        let bytes: Vec<u8> = (0..=255).collect();
        for (from, to) in [(0, 1), (1, 0), (0, 100), (100, 0), (13, 13)] {
            let memory = Memory::of(&bytes);
            let mut expected = bytes.clone();
            expected.copy_within(from..from + 150, to);
            let source = memory.view().get(from..from + 150).unwrap();
            memory
                .view()
                .copy_from_view(to, source.read_only())
                .unwrap();
            assert_eq!(memory.view().to_vec(), expected);
        }
    }

    #[test]
    fn slices_show_the_same_bytes() {
        let memory = Memory::of(b"abc");
        // SAFETY: no view is in use beside the slice.
        unsafe { memory.view().as_mut_slice() }.reverse();
        // SAFETY: as above.
        assert_eq!(unsafe { memory.view().as_slice() }, b"cba");
    }

    #[test]
    fn atomics_live_in_the_segment() {
        let memory = Memory::new(64);
        let view = memory.view();
        let word = view.atomic::<AtomicU64>(8).unwrap();
        word.store(7, Ordering::Release);
        assert_eq!(word.fetch_add(3, Ordering::AcqRel), 7);
        assert_eq!(view.read::<u64>(8).unwrap(), 10);
        view.atomic::<AtomicI16>(2)
            .unwrap()
            .store(-2, Ordering::Relaxed);
        assert_eq!(view.read::<i16>(2).unwrap(), -2);
        view.atomic::<AtomicU8>(1)
            .unwrap()
            .store(9, Ordering::SeqCst);
        assert_eq!(view.read::<u8>(1).unwrap(), 9);
    }

    #[test]
    fn read_only_atomics_load_with_every_ordering_that_loads_have() {
        let memory = Memory::new(64);
        memory
            .view()
            .atomic::<AtomicU32>(4)
            .unwrap()
            .store(11, Ordering::Release);
        let word = memory
            .view()
            .read_only()
            .atomic_load::<AtomicU32>(4)
            .unwrap();
        for ordering in [Ordering::Relaxed, Ordering::Acquire, Ordering::SeqCst] {
            assert_eq!(word.load(ordering), 11);
        }
        assert_eq!(word.as_ptr().addr(), memory.view().as_ptr().addr() + 4);
    }

    #[test]
    fn atomics_and_cells_want_their_alignment_in_memory_not_in_the_view() {
        let memory = Memory::new(64);
        let odd = memory.view().get(1..).unwrap();
        assert!(odd.atomic::<AtomicU64>(0).is_err());
        assert!(odd.atomic::<AtomicU64>(7).is_ok());
        assert!(odd.at::<u32>(4).is_err());
        assert!(odd.at::<u32>(3).is_ok());
        assert!(odd.at::<[u8; 8]>(0).is_ok());
    }

    #[test]
    fn bytes_copied_while_another_thread_writes_are_old_or_new() {
        let len = if cfg!(miri) { 64 } else { 5000 };
        let rounds = if cfg!(miri) { 10 } else { 2000 };
        let memory = Memory::new(len);
        let done = AtomicBool::new(false);
        let (view, done) = (memory.view(), &done);
        thread::scope(|scope| {
            scope.spawn(move || {
                let (zeros, ones) = (vec![0; len], vec![0xFF; len]);
                while !done.load(Ordering::Relaxed) {
                    view.copy_from(0, &ones).unwrap();
                    view.copy_from(0, &zeros).unwrap();
                }
            });
            let mut copy = vec![0; len];
            for _ in 0..rounds {
                view.copy_to(0, &mut copy).unwrap();
                assert!(copy.iter().all(|byte| matches!(byte, 0 | 0xFF)));
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
