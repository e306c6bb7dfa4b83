//! A typed segment on its way: with a sound header, and a value that may not be there yet.
#![expect(unsafe_code, reason = "the value is written where it lies")]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use super::begun::Begun;
use super::outline::Outline;
use super::{Location, Shared};
use crate::atomic::fault_point;
use crate::error::{Op, Result};
use crate::layout::ShmSafe;
use crate::mapping::Mode;
use crate::segment::{Options, SharedMemory};
use crate::sync::Limit;

/// A segment with a sound header for a `T`, which may not be initialised yet.
pub(super) struct Draft<T> {
    begun: Begun,
    _of: PhantomData<T>,
}

impl<T: ShmSafe> Draft<T> {
    pub(super) fn create(options: &Options, location: &Location<'_>) -> Result<Self> {
        let outline = Outline::from(T::LAYOUT);
        Begun::create(options, location, &outline).map(Self::new)
    }

    pub(super) fn open_or_create(options: &Options, location: &Location<'_>) -> Result<Self> {
        let outline = Outline::from(T::LAYOUT);
        Begun::open_or_create(options, location, &outline).map(Self::new)
    }

    /// Checks the header, and makes known what the segment keeps for its users.
    pub(super) fn of(segment: SharedMemory, op: Op) -> Result<Self> {
        Begun::of(segment, op, &Outline::from(T::LAYOUT)).map(Self::new)
    }

    /// Of one that was begun with the layout of `T`.
    const fn new(begun: Begun) -> Self {
        let _of = PhantomData;
        Self { begun, _of }
    }

    const fn place(&self) -> NonNull<T> {
        self.begun.value.cast()
    }

    /// # Safety
    /// As for [`Shared::create_with`], and there is a value.
    unsafe fn finish<A: Mode>(self) -> Shared<T, A> {
        Shared {
            value: self.place(),
            segment: self.begun.segment,
            _access: PhantomData,
        }
    }

    /// Puts the value there that `make` makes, unless somebody else has made one.
    ///
    /// # Safety
    /// As for [`Shared::create_with`].
    pub(super) unsafe fn initialize<E>(
        self,
        patience: Duration,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<Shared<T>, E>> {
        let place = self.place();
        let write = || {
            let value = make()?;
            fault_point();
            // SAFETY: inside the segment, aligned, and this process's turn.
            unsafe { place.write(value) };
            Ok(())
        };
        let done = self.begun.initialize_by(patience, write)?;
        // SAFETY: initialised, and the caller vouches for the others.
        Ok(done.map(|()| unsafe { self.finish() }))
    }

    /// Lets `fill` make a value of zeros, unless somebody else has made one.
    ///
    /// # Safety
    /// As for [`Shared::create_with`].
    pub(super) unsafe fn initialize_in_place<E>(
        self,
        patience: Duration,
        fill: impl FnOnce(&mut T) -> Result<(), E>,
    ) -> Result<Result<Shared<T>, E>> {
        let mut place = self.place();
        // SAFETY: inside the segment, aligned, and this process's turn; zeros are a value of a
        // `ShmSafe`, and nobody else has a reference before it is initialised.
        let write = || fill(unsafe { place.as_mut() });
        // SAFETY: the segment has a `T`, and is attached for writing.
        let done = unsafe {
            self.begun
                .initialize_zeros_by(size_of::<T>(), patience, write)
        }?;
        // SAFETY: initialised, and the caller vouches for the others.
        Ok(done.map(|()| unsafe { self.finish() }))
    }

    /// # Safety
    /// As for [`Shared::create_with`].
    pub(super) unsafe fn wait_until_initialized<A: Mode>(
        self,
        limit: Limit,
    ) -> Result<Shared<T, A>> {
        self.begun.wait_until_initialized(limit)?;
        // SAFETY: initialised, and the caller vouches for the others.
        Ok(unsafe { self.finish() })
    }
}
