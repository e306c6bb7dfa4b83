//! A typed segment on its way, whatever type it is of: with a sound header, and a value that may not
//! be there yet.
#![expect(unsafe_code, reason = "places in a segment")]

use std::ptr::NonNull;
use std::time::Duration;

use super::Location;
use super::header::{self, Geometry, Header};
use super::outline::Outline;
use crate::atomic::fault_point;
use crate::backend::Origin;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::lease;
use crate::segment::{Options, SharedMemory};
use crate::sync::{Limit, LockHolder, Once, Undone};
use crate::sys::attachment;

/// See the module.
pub(super) struct Begun {
    pub(super) segment: SharedMemory,
    /// Where the value begins; it has as many bytes as the outline said, and is aligned.
    pub(super) value: NonNull<u8>,
}

impl Begun {
    pub(super) fn create(
        options: &Options,
        location: &Location<'_>,
        outline: &Outline,
    ) -> Result<Self> {
        let segment = location.create(&headed(options, outline)?)?;
        Self::of(segment, Op::Create, outline)
    }

    pub(super) fn open_or_create(
        options: &Options,
        location: &Location<'_>,
        outline: &Outline,
    ) -> Result<Self> {
        let segment = location.create_or_attach(&headed(options, outline)?)?;
        Self::of(segment, Op::CreateOrAttach, outline)
    }

    /// Checks the header, and makes known what the segment keeps for its users.
    pub(super) fn of(segment: SharedMemory, op: Op, outline: &Outline) -> Result<Self> {
        let header = Header::read(segment.view())
            .and_then(|header| header.check(outline).map(|()| header))
            .map_err(|defect| header::refuse(defect, op).on(segment.name()))?;
        let base = segment.view().as_ptr().cast_mut();
        let align = header::LINE.max(outline.align as usize);
        if !base.addr().is_multiple_of(align) {
            return Err(Error::new(op, ErrorKind::OutOfBounds)
                .on(segment.name())
                .detail(format!(
                    "it begins at an address that is no multiple of {align}"
                ))
                .hint("attach the whole of it, or a range that begins at the start of a page"));
        }
        attachment::set_ledger(base.expose_provenance(), header::ledger(segment.name()));
        // SAFETY: the header lies inside the segment, as `read` saw.
        let value = unsafe { base.add(header.header_len) };
        let value = NonNull::new(value).expect("nothing is mapped at address 0");
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
    pub(super) fn is_made_here(&self) -> bool {
        matches!(self.segment.origin(), Origin::Created | Origin::Reclaimed)
    }

    /// Has `write` put the value there, unless somebody else has done so; waits for one who is at it.
    pub(super) fn initialize_by<E>(
        &self,
        patience: Duration,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        match self.is_made_here() {
            true => {
                lease::introduce(self.value.addr().get());
                self.once().go_on(write)
            }
            false => self.once().call_once_or_fail(patience, write),
        }
    }

    /// The same for one to whom `fill` comes with a value of zeros.
    ///
    /// # Safety
    /// The value has `size` bytes, in a segment that is attached for writing.
    pub(super) unsafe fn initialize_zeros_by<E>(
        &self,
        size: usize,
        patience: Duration,
        fill: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        let is_zeros = self.is_made_here();
        self.initialize_by(patience, || {
            if !is_zeros {
                // Somebody else has begun, and died or failed half-way.
                fault_point();
                // SAFETY: inside the segment, as the caller says, and this process's turn.
                unsafe { self.value.write_bytes(0, size) };
            }
            fill()
        })
    }

    /// Waits until somebody else has put the value there.
    pub(super) fn wait_until_initialized(&self, limit: Limit) -> Result<()> {
        match self.once().wait_until_done(limit) {
            Ok(()) => Ok(()),
            Err(Undone::Abandoned) => Err(Error::new(Op::Attach, ErrorKind::BadHeader)
                .on(self.segment.name())
                .detail("it was never initialised: whoever made it died, or failed")
                .hint("open it with `open_or_init`, or remove it")),
            Err(Undone::Busy(holder)) => Err(busy(&self.segment, &holder)),
        }
    }
}

/// The options with a size and a header for such a value.
fn headed(options: &Options, outline: &Outline) -> Result<Options> {
    let geometry = Geometry::of(outline).ok_or_else(|| {
        Error::new(Op::Create, ErrorKind::InvalidSize).detail("no address space is so large")
    })?;
    Ok(options.headed(geometry.total_size, header::new(outline, geometry)))
}

fn busy(segment: &SharedMemory, holder: &LockHolder) -> Error {
    interrupt::over(Op::Attach, || {
        format!("it is not initialised yet; at it is {holder}")
    })
    .on(segment.name())
}
