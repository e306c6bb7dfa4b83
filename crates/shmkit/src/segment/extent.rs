//! The size of a segment: growing in place, shrinking, waiting for others to grow it. What it lies
//! on, and writing it there.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::{Options, SharedMemory};
use crate::backend::FsKind;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Op, Result};
use crate::interrupt;

impl Options {
    /// Keeps address space for the segment to grow to `capacity` bytes without moving. Default: as
    /// much as it has when it is attached, in whole pages.
    ///
    /// Address space costs no memory, so ask for what may ever be needed.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// use shmkit::SharedMemory;
    ///
    /// let segment = SharedMemory::options().size(4096).growable(1 << 30).memfd("log")?;
    /// let first = segment.view();
    /// segment.grow(1 << 20)?;
    /// assert_eq!(first.len(), 4096); // as it was, and where it was
    /// assert_eq!(segment.view().len(), 1 << 20);
    /// assert_eq!(segment.view().as_ptr(), first.as_ptr());
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Platform-specific behavior
    /// `Unsupported` for System V segments, and for files on Windows.
    pub fn growable(&mut self, capacity: usize) -> &mut Self {
        self.spec.capacity = capacity;
        self
    }
}

impl SharedMemory {
    /// How large the segment may get for this handle; see [`Options::growable`].
    pub fn capacity(&self) -> usize {
        self.segment().capacity()
    }

    /// Makes the segment at least `size` bytes long, for everybody. Nothing moves: views keep what
    /// they have, and new ones reach to the new end. The new bytes are zeros, and memory for them
    /// is taken as [`Options::reserve`] says.
    ///
    /// Others notice when they [`refresh`](Self::refresh) or
    /// [`wait_for_growth`](Self::wait_for_growth). The size of the file itself tells them, so a
    /// program that does not know shmkit may grow it, too.
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds) if it is more than the
    /// [capacity](Self::capacity); [`OutOfSpace`](ErrorKind::OutOfSpace), and then the size is what
    /// it was; [`ReadOnly`](ErrorKind::ReadOnly); [`Sealed`](ErrorKind::Sealed);
    /// [`TimedOut`](ErrorKind::TimedOut) if another one has been at it for a minute;
    /// [`Unsupported`](ErrorKind::Unsupported) for a [range](Options::range), a
    /// [private copy](Options::copy_on_write) and System V segments.
    ///
    /// # Platform-specific behavior
    /// On Windows files are `Unsupported`, and other segments grow by whole pages.
    #[doc(alias = "ftruncate")]
    pub fn grow(&self, size: usize) -> Result<()> {
        self.segment()
            .grow(size)
            .map_err(|error| error.on(&self.target))
    }

    /// Notices that others changed the size, and answers with it. It is the segment's generation:
    /// as long as nobody shrinks the segment in use, it only rises.
    ///
    /// # Errors
    /// [`Os`](ErrorKind::Os).
    pub fn refresh(&self) -> Result<usize> {
        self.segment()
            .refresh()
            .map_err(|error| error.on(&self.target))
    }

    /// Waits until the segment is larger than `size`, at most `limit`, and answers with its size.
    /// No process needs to be awake for that, and readers may wait.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// use std::time::Duration;
    /// # use shmkit::SharedMemory;
    /// # let segment = SharedMemory::options().size(1).growable(4096).memfd("log")?;
    ///
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| segment.grow(100));
    ///     segment.wait_for_growth(1, Duration::from_secs(10))
    /// })?;
    /// assert_eq!(segment.size(), 100);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut); [`Unsupported`](ErrorKind::Unsupported) for System V
    /// segments.
    pub fn wait_for_growth(&self, size: usize, limit: Duration) -> Result<usize> {
        match self.segment().wait_for_growth(size, limit) {
            Ok(Some(now)) => Ok(now),
            Ok(None) => {
                Err(
                    interrupt::over(Op::Inspect, || format!("it did not grow for {limit:?}"))
                        .on(&self.target),
                )
            }
            Err(error) => Err(error.on(&self.target)),
        }
    }

    /// Makes the segment `size` bytes long, if nobody else is attached: what others would touch
    /// past the new end would end their process (SIGBUS).
    ///
    /// # Errors
    /// [`InUse`](ErrorKind::InUse) if somebody else is attached, or that cannot be told;
    /// [`InvalidSize`](ErrorKind::InvalidSize) if that is not smaller, or nothing; otherwise as
    /// [`grow`](Self::grow).
    pub fn shrink(&mut self, size: usize) -> Result<()> {
        self.segment()
            .shrink(size, false)
            .map_err(|error| error.on(&self.target))
    }

    /// Makes the segment `size` bytes long, whoever is attached. Only for those who know that
    /// nobody touches the rest any more: who does is ended by the system.
    ///
    /// # Errors
    /// As [`shrink`](Self::shrink), but never `InUse`.
    ///
    /// # Platform-specific behavior
    /// Nothing shrinks on Windows.
    pub fn shrink_in_use(&mut self, size: usize) -> Result<()> {
        self.segment()
            .shrink(size, true)
            .map_err(|error| error.on(&self.target))
    }

    /// Writes what was changed in a range to where the file lies, and waits for it. When it comes
    /// back, the bytes and the name of the file survive a crash of the machine.
    ///
    /// A crash of the process loses nothing that was written into the segment, with or without a
    /// flush. In memory there is nowhere to write to, and nothing happens.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("shmkit-doc-flush-{}", std::process::id()));
    /// # let options = shmkit::SharedMemory::options();
    /// # std::fs::write(&path, vec![0; 8192]).unwrap();
    /// let segment = options.attach_file(&path)?;
    /// segment.write_at(4096, b"a record")?;
    /// segment.flush(4096..4104)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds); [`Os`](ErrorKind::Os) if the disk failed;
    /// [`Unsupported`](ErrorKind::Unsupported) for a private copy, which goes nowhere.
    #[doc(alias = "msync")]
    pub fn flush(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.write_back(range, true)
    }

    /// Asks for what was changed in a range to be written, and does not wait for it.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    #[doc(alias = "MS_ASYNC")]
    pub fn flush_async(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.write_back(range, false)
    }

    fn write_back(&self, range: impl RangeBounds<usize>, wait: bool) -> Result<()> {
        let (offset, len) = self.part(range)?;
        self.segment()
            .flush(offset, len, wait)
            .map_err(|error| error.on(&self.target))
    }

    /// Where a range begins and how long it is, if it lies in the segment.
    pub(super) fn part(&self, range: impl RangeBounds<usize>) -> Result<(usize, usize)> {
        let bounds: (Bound<usize>, Bound<usize>) =
            (range.start_bound().cloned(), range.end_bound().cloned());
        let whole = self.view();
        let part = whole.get(bounds).map_err(|error| error.on(&self.target))?;
        Ok((part.as_ptr().addr() - whole.as_ptr().addr(), part.len()))
    }

    /// What the segment lies on, and whether that is memory.
    ///
    /// # Errors
    /// [`Os`](ErrorKind::Os).
    #[doc(alias = "statfs")]
    pub fn fs_kind(&self) -> Result<FsKind> {
        self.segment()
            .fs_kind()
            .map_err(|error| error.on(&self.target))
    }
}
