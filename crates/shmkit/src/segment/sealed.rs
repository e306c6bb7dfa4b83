//! Memory that never changes any more, and so is a `&[u8]`.
#![expect(unsafe_code, reason = "a slice over sealed memory")]

use std::fmt;
use std::io;
use std::ops::Deref;
#[cfg(unix)]
use std::os::fd::OwnedFd;

use super::{Options, SharedMemory};
#[cfg(unix)]
use crate::backend::CONSTANT;
use crate::backend::{self, Seals};
use crate::error::{Error, Result};
use crate::mapping::{Access, View};

impl Options {
    /// Sets which seals a segment must have to be attached. Default: none. For memory from
    /// strangers: with [`SHRINK`](Seals::SHRINK) nobody can cut it under us.
    ///
    /// # Platform-specific behavior
    /// Only memfds have seals, on Linux and FreeBSD, so everything else is refused then.
    pub fn demand_seals(&mut self, seals: Seals) -> &mut Self {
        self.spec.seals = seals;
        self
    }
}

impl SharedMemory {
    /// The seals that the segment has. Only a memfd ever gets any; what else is in memory is born
    /// with [`SEAL`](Seals::SEAL) on Linux, so that nobody adds one.
    ///
    /// # Errors
    /// [`Os`](crate::ErrorKind::Os).
    pub fn seals(&self) -> Result<Seals> {
        self.segment()
            .seals()
            .map_err(|error| error.on(&self.target))
    }

    /// Adds seals, all or none, and sees to it that they are there.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// use shmkit::{ErrorKind, Seals, SharedMemory};
    ///
    /// # let mut options = SharedMemory::options();
    /// # if cfg!(not(any(shmkit_force_fallbacks, not(target_os = "linux")))) {
    /// let segment = options.size(4096).growable(1 << 20).memfd("frames")?;
    /// segment.add_seals(Seals::SHRINK | Seals::GROW)?;
    /// assert_eq!(segment.grow(8192).unwrap_err().kind(), ErrorKind::Sealed);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InUse`](crate::ErrorKind::InUse) for [`WRITE`](Seals::WRITE) while anybody has it mapped
    /// for writing, which this handle has itself: see [`seal`](Self::seal);
    /// [`Sealed`](crate::ErrorKind::Sealed) if no more seals may be added;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for what is no memfd, where memfds are
    /// denied, and for seals that the system does not have.
    ///
    /// # Platform-specific behavior
    /// FreeBSD has no [`FUTURE_WRITE`](Seals::FUTURE_WRITE). There, whoever attached it read-only by
    /// a descriptor that writes counts as one who has it mapped for writing, too. macOS and Windows
    /// have no seals.
    pub fn add_seals(&self, seals: Seals) -> Result<()> {
        self.segment()
            .add_seals(seals)
            .map_err(|error| error.on(&self.target))
    }

    /// Gives up writing, and seals the segment against all changes by anybody, for ever.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # let mut options = shmkit::SharedMemory::options();
    /// # if cfg!(not(any(shmkit_force_fallbacks, not(target_os = "linux")))) {
    /// let segment = options.size(4096).memfd("frame")?;
    /// segment.write_at(0, b"a picture")?;
    /// let frame = segment.seal()?;
    /// assert!(frame.starts_with(b"a picture")); // a plain slice
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`add_seals`](Self::add_seals); the segment comes back with the error, as it was.
    pub fn seal(mut self) -> Result<Sealed, Box<Unsealed>> {
        let sealed = self.segment.as_mut().map_or(Ok(()), backend::Segment::seal);
        match sealed {
            Ok(()) => {
                self.access = Access::ReadOnly;
                Ok(Sealed(self))
            }
            Err(error) => {
                let error = error.on(&self.target);
                if self.segment().reads_only() {
                    self.access = Access::ReadOnly;
                }
                let segment = self;
                Err(Box::new(Unsealed { segment, error }))
            }
        }
    }
}

/// A segment that could not be sealed, and why.
#[derive(Debug)]
pub struct Unsealed {
    /// The segment, as it was.
    pub segment: SharedMemory,
    /// Why not.
    pub error: Error,
}

impl fmt::Display for Unsealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unsealed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<Box<Unsealed>> for Error {
    fn from(unsealed: Box<Unsealed>) -> Self {
        unsealed.error
    }
}

/// Memory that nobody can change any more, in any process: a memfd with the seals `WRITE` and
/// `SHRINK`, seen to be there. So its bytes are a plain slice, which may be parsed in place, even
/// if a stranger wrote them.
///
/// ```
/// # fn main() -> shmkit::Result<()> {
/// # if cfg!(not(any(shmkit_force_fallbacks, not(target_os = "linux")))) {
/// use shmkit::Sealed;
///
/// let ours = Sealed::new("greeting", &b"hello"[..])?;
/// // Whoever gets the descriptor can be sure of the bytes as well:
/// let theirs = Sealed::from_fd(ours.to_fd()?)?;
/// assert_eq!(&*theirs, b"hello");
/// # }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Sealed(SharedMemory);

impl Sealed {
    /// Makes sealed memory of `contents`. `name` is for people.
    ///
    /// # Errors
    /// As [`Options::memfd_from`]; [`Unsupported`](crate::ErrorKind::Unsupported) where there are
    /// no memfds: on macOS, Windows, and where a sandbox denies them.
    pub fn new(name: &str, contents: impl io::Read) -> Result<Self> {
        Ok(SharedMemory::options().memfd_from(name, contents)?.seal()?)
    }

    /// Takes sealed memory that somebody sent, and sees to it that it is sealed.
    ///
    /// # Errors
    /// [`Sealed`](crate::ErrorKind::Sealed) if the seals `WRITE` or `SHRINK` are missing;
    /// otherwise as [`Options::attach_fd`].
    #[cfg(unix)]
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        let mut options = SharedMemory::options();
        options
            .access(Access::ReadOnly)
            .owners(crate::Owners::Anyone)
            .demand_seals(CONSTANT);
        Ok(Self(options.attach_fd(fd)?))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        let view = self.0.view();
        // SAFETY: the bytes stay mapped while `self` is borrowed. The seals, which the kernel never
        // takes back, say that no process can write to them or cut them off, and it granted them
        // only when nobody had them mapped for writing any more.
        unsafe { std::slice::from_raw_parts(view.as_ptr(), view.len()) }
    }

    #[allow(dead_code, reason = "unused where nothing is handed over")]
    pub(crate) fn segment(&self) -> &SharedMemory {
        &self.0
    }

    /// The bytes as a view, for what takes views.
    pub fn view(&self) -> View<'_> {
        self.0.view()
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The seals that it has.
    ///
    /// # Errors
    /// [`Os`](crate::ErrorKind::Os).
    pub fn seals(&self) -> Result<Seals> {
        self.0.seals()
    }

    /// A descriptor to give to others, which only reads.
    ///
    /// # Errors
    /// [`OutOfResources`](crate::ErrorKind::OutOfResources).
    ///
    /// # Platform-specific behavior
    /// FreeBSD cannot open memory without a name once more: the descriptor is a duplicate, which
    /// says that it writes. Nobody can, and [`SharedMemory`] takes it for one that reads.
    #[cfg(unix)]
    pub fn to_fd(&self) -> Result<OwnedFd> {
        self.0.to_fd(Access::ReadOnly)
    }
}

impl Deref for Sealed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
