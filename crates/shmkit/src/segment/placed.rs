//! Values that lie at an offset in a segment that has no type of its own.
#![expect(
    unsafe_code,
    reason = "a reference into a segment that its user vouched for"
)]

use super::SharedMemory;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::KeyType;
use crate::layout::ShmSafe;
use crate::mapping::Access;

impl SharedMemory {
    /// A `T` that lies at `offset`: a lock, an event, or a type with some in it, in a segment whose
    /// bytes you have laid out yourself.
    ///
    /// For a segment that is one `T` there is [`Shared`](crate::typed::Shared), which also sees to
    /// it that the value is made once and is of that type.
    ///
    /// A new segment is all zeros. That is a value of the integers, floats, `bool`, atomics and
    /// arrays of them, of enums that have a variant 0, and of structs of such; it is the initial
    /// state of all that [`sync`](crate::sync) has (a [`Barrier`](crate::sync::Barrier) is then for
    /// nobody, an [`Event`](crate::sync::Event) a manual one), and an empty
    /// [`ArrayVec`](crate::typed::ArrayVec), [`ArrayString`](crate::typed::ArrayString) or
    /// [`RingBuffer`](crate::typed::RingBuffer). What must begin otherwise is put there by the one
    /// that makes the segment, before others can find it ([`Options::create_from`]), or under a
    /// [`Once`](crate::sync::Once).
    ///
    /// ```
    /// use shmkit::{SharedMemory, sync::Mutex};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// let segment = SharedMemory::options().size(1 << 20).memfd("frames")?;
    /// // SAFETY: nothing else is ever at these bytes, zeros are a free mutex around 0, and all our
    /// // programs agree.
    /// let frames_so_far: &Mutex<u64> = unsafe { segment.placed(4096) }?;
    /// *frames_so_far.lock()?.assume_recovered() += 1;
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// [`Options::create_from`]: crate::Options::create_from
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds) if it reaches past the end, or its address is no
    /// multiple of the type's alignment; [`ReadOnly`](ErrorKind::ReadOnly) if the segment is
    /// attached so and the type has bare atomics, a store to which would be a crash.
    ///
    /// # Safety
    /// For as long as the segment is borrowed, the bytes are a `T`, and whoever may write to them,
    /// this process or another, does so only as a `T` at the same place, or by the rules in
    /// `docs/FORMAT.md`. Nobody shrinks the segment.
    ///
    /// # Platform-specific behavior
    /// In a System V segment locks are [`Unsupported`](ErrorKind::Unsupported), and so is this if it
    /// is attached read-only.
    pub unsafe fn placed<T: ShmSafe>(&self, offset: usize) -> Result<&T> {
        if self.access == Access::ReadOnly {
            self.refuse_what_would_crash::<T>()?;
        }
        let align = align_of::<T>().max(T::LAYOUT.align() as usize);
        let at = self
            .view()
            .check_aligned(Op::Read, offset, size_of::<T>(), align)
            .map_err(|error| error.on(&self.target))?;
        // SAFETY: in bounds and aligned by the check, and mapped while `self` is borrowed; the
        // caller vouches for the value and for those who write to it.
        Ok(unsafe { &*at.cast::<T>() })
    }

    fn refuse_what_would_crash<T: ShmSafe>(&self) -> Result<()> {
        if T::WRITES_UNCHECKED {
            return Err(Error::new(Op::Write, ErrorKind::ReadOnly)
                .on(&self.target)
                .detail("the type has bare atomics, and the segment is attached read-only")
                .hint("attach it read-write"));
        }
        match self.key().map(|key| key.key_type()) {
            Some(KeyType::SystemV(_)) => Err(Error::new(Op::Read, ErrorKind::Unsupported)
                .on(&self.target)
                .detail("what lies in a System V segment cannot tell that it is attached read-only")
                .hint("attach it read-write, or use a POSIX key")),
            _ => Ok(()),
        }
    }
}
