//! A typed segment on its way: with a sound header, and a value that may not be there yet.
#![expect(unsafe_code, reason = "the value is written where it lies")]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

use super::header::{self, Geometry, Header};
use super::{Location, Shared};
use crate::atomic::fault_point;
use crate::backend::Origin;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::layout::ShmSafe;
use crate::lease;
use crate::mapping::Mode;
use crate::segment::{Options, SharedMemory};
use crate::sync::{Limit, LockHolder, Once, Undone};
use crate::sys::attachment::{self, Ledger};

/// A segment with a sound header for a `T`, which may not be initialised yet.
pub(super) struct Draft<T> {
    segment: SharedMemory,
    value: NonNull<T>,
}

impl<T: ShmSafe> Draft<T> {
    pub(super) fn create(options: &Options, location: &Location<'_>) -> Result<Self> {
        let segment = location.create(&Self::headed(options)?)?;
        Self::of(segment, Op::Create)
    }

    pub(super) fn open_or_create(options: &Options, location: &Location<'_>) -> Result<Self> {
        let segment = location.create_or_attach(&Self::headed(options)?)?;
        Self::of(segment, Op::CreateOrAttach)
    }

    /// The options with a size and a header for a `T`.
    fn headed(options: &Options) -> Result<Options> {
        let geometry = Geometry::of(T::LAYOUT).ok_or_else(|| {
            Error::new(Op::Create, ErrorKind::InvalidSize).detail("no address space is so large")
        })?;
        Ok(options.headed(geometry.total_size, header::new(T::LAYOUT, geometry)))
    }

    /// Checks the header, and makes known what the segment keeps for its users.
    pub(super) fn of(segment: SharedMemory, op: Op) -> Result<Self> {
        let header = Header::read(segment.view())
            .and_then(|header| header.check(T::LAYOUT).map(|()| header))
            .map_err(|defect| header::refuse(defect, op).on(segment.name()))?;
        let base = segment.view().as_ptr().cast_mut();
        let align = header::LINE.max(T::LAYOUT.align() as usize);
        if !base.addr().is_multiple_of(align) {
            return Err(Error::new(op, ErrorKind::OutOfBounds)
                .on(segment.name())
                .detail(format!(
                    "it begins at an address that is no multiple of {align}"
                ))
                .hint("attach the whole of it, or a range that begins at the start of a page"));
        }
        let ledger = Ledger {
            counter: header::COUNTER,
            roster: header::ROSTER,
            name: segment.name(),
        };
        attachment::set_ledger(base.expose_provenance(), ledger);
        // SAFETY: the header lies inside the segment, as `read` saw.
        let value = unsafe { base.add(header.header_len) };
        let value = NonNull::new(value.cast()).expect("nothing is mapped at address 0");
        Ok(Self { segment, value })
    }

    fn once(&self) -> &Once {
        let base = self.segment.view().as_ptr();
        // SAFETY: inside the header, which is inside the segment.
        let once = unsafe { base.add(header::READY) };
        // SAFETY: a `Once` is two words that all users treat as atomics; it is aligned, as the
        // segment is, and stays mapped while the segment is borrowed.
        unsafe { &*once.cast() }
    }

    /// Whether the segment is new: the value's bytes are zeros, and it is this process's turn.
    fn is_made_here(&self) -> bool {
        matches!(self.segment.origin(), Origin::Created | Origin::Reclaimed)
    }

    /// # Safety
    /// As for [`Shared::create_with`].
    unsafe fn finish<A: Mode>(self) -> Shared<T, A> {
        Shared {
            segment: self.segment,
            value: self.value,
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
        let place = self.value;
        let write = || {
            let value = make()?;
            fault_point();
            // SAFETY: inside the segment, aligned, and this process's turn.
            unsafe { place.write(value) };
            Ok(())
        };
        // SAFETY: the caller's promise is the same.
        unsafe { self.initialize_by(patience, write) }
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
        let mut place = self.value;
        let is_zeros = self.is_made_here();
        let write = || {
            if !is_zeros {
                // Somebody else has begun, and died or failed half-way.
                fault_point();
                // SAFETY: inside the segment, aligned, and this process's turn.
                unsafe { place.write_bytes(0, 1) };
            }
            // SAFETY: as above, and zeros are a value of a `ShmSafe`; nobody else has a reference
            // before it is initialised.
            fill(unsafe { place.as_mut() })
        };
        // SAFETY: the caller's promise is the same.
        unsafe { self.initialize_by(patience, write) }
    }

    /// Has `write` put the value there, unless somebody else has done so; waits for one who is at it.
    ///
    /// # Safety
    /// As for [`Shared::create_with`], and if `write` succeeds there is a value.
    unsafe fn initialize_by<E>(
        self,
        patience: Duration,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<Shared<T>, E>> {
        let done = match self.is_made_here() {
            true => {
                lease::introduce(self.value.addr().get());
                self.once().go_on(write)?
            }
            false => self.once().try_call_timeout(patience, write)?,
        };
        // SAFETY: initialised, and the caller vouches for the others.
        Ok(done.map(|()| unsafe { self.finish() }))
    }

    /// # Safety
    /// As for [`Shared::create_with`].
    pub(super) unsafe fn wait_until_initialized<A: Mode>(
        self,
        limit: Limit,
    ) -> Result<Shared<T, A>> {
        match self.once().wait_until_done(limit) {
            // SAFETY: initialised, and the caller vouches for the others.
            Ok(()) => Ok(unsafe { self.finish() }),
            Err(Undone::Abandoned) => Err(Error::new(Op::Attach, ErrorKind::BadHeader)
                .on(self.segment.name())
                .detail("it was never initialised: whoever made it died, or failed")
                .hint("open it with `open_or_init`, or remove it")),
            Err(Undone::Busy(holder)) => Err(busy(&self.segment, &holder)),
        }
    }
}

fn busy(segment: &SharedMemory, holder: &LockHolder) -> Error {
    interrupt::over(Op::Attach, || {
        format!("it is not initialised yet; at it is {holder}")
    })
    .on(segment.name())
}
