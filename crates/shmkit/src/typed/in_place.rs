//! Values that are made where they lie, as they are larger than a thread's stack.
#![expect(unsafe_code, reason = "the same act of trust as with values")]

use std::convert::Infallible;

use super::draft::Draft;
use super::{Location, Shared, ShmSafe};
use crate::error::Result;
use crate::segment::Options;

impl<T: ShmSafe> Shared<T> {
    /// Creates a segment whose value `fill` makes where it lies; see
    /// [`open_or_init_in_place`](Self::open_or_init_in_place).
    ///
    /// # Errors
    /// As [`create_with`](Self::create_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn create_in_place<'l>(
        location: impl Into<Location<'l>>,
        fill: impl FnOnce(&mut T),
    ) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::create_in_place_with(&Options::new(), location, fill) }
    }

    /// Creates a segment whose value `fill` makes where it lies; see
    /// [`open_or_init_in_place`](Self::open_or_init_in_place). Of the `options` those count that do
    /// in [`create_with`](Self::create_with).
    ///
    /// # Errors
    /// As [`create_with`](Self::create_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn create_in_place_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
        fill: impl FnOnce(&mut T),
    ) -> Result<Self> {
        let draft = Draft::<T>::create(options, &location.into())?;
        // SAFETY: the caller vouches for the others.
        unsafe { draft.initialize_in_place(options.patience(), surely(fill)) }
            .map(|Ok(shared)| shared)
    }

    /// Opens the segment, or creates it with a value that `fill` makes where it lies: as
    /// [`open_or_init`](Self::open_or_init), for values that are too large for the stack.
    ///
    /// The value that `fill` gets is of zeros, which is a value of each [`ShmSafe`]: numbers are 0,
    /// collections are empty, locks are free, an event is manual and not set, a semaphore has no
    /// permits, and a barrier is for nobody. What is to be otherwise it puts there, large things
    /// piece by piece. It takes no memory but where it writes, if the segment is not
    /// [reserved](Options::reserve).
    ///
    /// ```
    /// use shmkit::key::NativeIpcKey;
    /// use shmkit::sync::{Barrier, Mutex};
    /// use shmkit::typed::{Shared, ShmSafe};
    ///
    /// #[derive(ShmSafe)]
    /// #[repr(C)]
    /// struct Film {
    ///     start: Barrier,
    ///     frames: Mutex<[[u8; 65536]; 256]>, // 16 MiB, twice a stack
    /// }
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # let name = format!("shmkit-doc-in-place-{}", std::process::id());
    /// # let key = NativeIpcKey::platform_safe(&name);
    /// let fill = |film: &mut Film| {
    ///     film.start = Barrier::new(2);
    ///     film.frames.get_mut()[0].fill(255); // the others stay black
    /// };
    /// // SAFETY: every program that opens this key is ours.
    /// let film = unsafe { Shared::open_or_init_in_place(&key, fill) }?;
    /// assert_eq!(film.start.parties(), 2);
    /// assert_eq!(film.frames.lock()?.assume_recovered()[1][0], 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    #[doc(alias = "new_zeroed")]
    pub unsafe fn open_or_init_in_place<'l>(
        location: impl Into<Location<'l>>,
        fill: impl FnOnce(&mut T),
    ) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_or_init_in_place_with(&Options::new(), location, fill) }
    }

    /// The same with options: as [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_init_in_place_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
        fill: impl FnOnce(&mut T),
    ) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_or_try_init_in_place_with(options, location, surely(fill)) }
            .map(|Ok(shared)| shared)
    }

    /// The same with a `fill` that may fail, whose error is inside. After one, the next one to open
    /// runs its own, and begins with zeros again.
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_try_init_in_place_with<'l, E>(
        options: &Options,
        location: impl Into<Location<'l>>,
        fill: impl FnOnce(&mut T) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        let draft = Draft::<T>::open_or_create(options, &location.into())?;
        // SAFETY: the caller vouches for the others.
        unsafe { draft.initialize_in_place(options.patience(), fill) }
    }
}

/// The same as one that may fail.
fn surely<T>(fill: impl FnOnce(&mut T)) -> impl FnOnce(&mut T) -> Result<(), Infallible> {
    |value| {
        fill(value);
        Ok(())
    }
}
