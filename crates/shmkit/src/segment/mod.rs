//! What users hold: a segment, attached.
#![expect(unsafe_code, reason = "views of the mapping that the segment owns")]

mod checked;
mod extent;
mod files;
mod options;
mod placed;
mod placement;
mod sealed;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::backend::{
    self, Detached, InUse, Lifetime, Origin, Owners, Removal, Semaphore, Target, semaphore_key,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::lock::{Acquired, Guard};
use crate::mapping::{Access, Ro, Rw, View};

pub use options::Options;
pub use placement::Populated;
pub use sealed::{Sealed, Unsealed};

/// A segment of shared memory, attached for as long as this lives.
///
/// The last one to leave an ephemeral segment, which is the default, removes it, whichever process
/// that is. A process that is killed leaves as well, and if it was the last one, the next `create`
/// removes what it left behind. Several handles on one segment in one process are fine, and a
/// forked child has its own share in its parent's.
///
/// ```
/// use shmkit::{SharedMemory, key::NativeIpcKey};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-segment-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // One program:
/// let ours = SharedMemory::create(&key, 4096)?;
/// ours.write_at(0, b"hello")?;
///
/// // Another one, which knows the key:
/// let theirs = SharedMemory::attach(&key)?;
/// let mut greeting = [0; 5];
/// theirs.read_at(0, &mut greeting)?;
/// assert_eq!(&greeting, b"hello");
/// # Ok(()) }
/// ```
#[doc(alias = "shm_open")]
#[doc(alias = "shmget")]
#[doc(alias = "CreateFileMapping")]
#[doc(alias = "QSharedMemory")]
#[derive(Debug)]
pub struct SharedMemory {
    /// `None` only while it is dropped.
    segment: Option<backend::Segment>,
    target: Target,
    access: Access,
    /// Opened when it is first needed: most segments of most programs are never locked.
    lock: OnceLock<Semaphore>,
    trust: Owners,
    removal: Removal,
    lock_timeout: Duration,
    /// It was made in the place of an orphan.
    reclaimed: bool,
    warnings: Vec<String>,
}

impl SharedMemory {
    fn new(
        target: Target,
        segment: backend::Segment,
        lock: Option<Semaphore>,
        access: Access,
        trust: Owners,
        removal: Removal,
        lock_timeout: Duration,
    ) -> Self {
        let lock = lock.map_or_else(OnceLock::new, OnceLock::from);
        let segment = Some(segment);
        Self {
            segment,
            target,
            access,
            lock,
            trust,
            removal,
            lock_timeout,
            reclaimed: false,
            warnings: Vec::new(),
        }
    }

    /// How to make and attach segments that are not like the default.
    pub fn options() -> Options {
        Options::new()
    }

    /// Creates a segment of `size` zero bytes, for this user, read-write; see [`Options::create`].
    ///
    /// # Errors
    /// See [`Options::create`].
    pub fn create(key: &NativeIpcKey, size: usize) -> Result<Self> {
        Self::options().size(size).create(key)
    }

    /// Attaches to a segment that exists, read-write; see [`Options::attach`].
    ///
    /// # Errors
    /// See [`Options::attach`].
    pub fn attach(key: &NativeIpcKey) -> Result<Self> {
        Self::options().attach(key)
    }

    /// Attaches to a segment that exists, read-only; see [`Options::access`].
    ///
    /// # Errors
    /// See [`Options::attach`].
    pub fn attach_read_only(key: &NativeIpcKey) -> Result<Self> {
        Self::options().access(Access::ReadOnly).attach(key)
    }

    /// Attaches to the segment that somebody uses, or creates it; see
    /// [`Options::create_or_attach`].
    ///
    /// # Errors
    /// See [`Options::create_or_attach`].
    pub fn create_or_attach(key: &NativeIpcKey, size: usize) -> Result<Self> {
        Self::options().size(size).create_or_attach(key)
    }

    /// Removes a segment by name; see [`Options::remove`].
    ///
    /// # Errors
    /// See [`Options::remove`].
    #[doc(alias = "shm_unlink")]
    pub fn remove(key: &NativeIpcKey, in_use: InUse) -> Result<()> {
        Self::options().remove(key, in_use)
    }

    pub(crate) fn segment(&self) -> &backend::Segment {
        self.segment
            .as_ref()
            .expect("only taken out when it is dropped")
    }

    #[allow(dead_code, reason = "unused where nothing is handed over")]
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The key that it was created or attached with; `None` for files, memfds and what came as a
    /// descriptor.
    pub fn key(&self) -> Option<&NativeIpcKey> {
        self.target.key()
    }

    /// The path of a segment that was created or attached by its path.
    pub fn path(&self) -> Option<&Path> {
        self.target.path()
    }

    /// What messages call it: the key's text form, `file:/path` or `memfd:name`.
    pub fn name(&self) -> String {
        self.target.to_string()
    }

    /// What was asked for as a [hint](crate::Wish::Hint) and could not be had, and why; and what
    /// else is not as one might think.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The size in bytes: exactly the one that it was created with, where the platform allows
    /// (Linux does).
    pub fn size(&self) -> usize {
        self.segment().size()
    }

    /// How it is attached.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Who may attach to it: permission bits as in `chmod`.
    pub fn mode(&self) -> u32 {
        self.segment().mode()
    }

    /// How long it exists. A segment that shmkit did not make counts as kept: it is left to those
    /// who made it.
    ///
    /// # Platform-specific behavior
    /// A System V segment that shmkit did not make cannot be told from an ephemeral one. There
    /// Qt's rule holds: the last one to detach removes it.
    pub fn lifetime(&self) -> Lifetime {
        self.segment().lifetime()
    }

    /// How this handle came to its segment: made it, joined others, or found it abandoned.
    pub fn origin(&self) -> Origin {
        match self.segment().origin() {
            Origin::Created if self.reclaimed => Origin::Reclaimed,
            origin => origin,
        }
    }

    /// The bytes, to read. They may change at any time, so there is no `&[u8]`; see [`View`].
    pub fn view(&self) -> View<'_, Ro> {
        let segment = self.segment();
        // SAFETY: the segment stays mapped while `self` is borrowed, with at least read access
        // and in this size; nothing else makes references into it.
        unsafe { View::from_raw_parts(segment.address().as_ptr(), segment.size()) }
    }

    /// The bytes, to read and write, from as many threads as you like.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if it is attached read-only.
    pub fn view_mut(&self) -> Result<View<'_, Rw>> {
        if self.access == Access::ReadOnly {
            return Err(Error::new(Op::Write, ErrorKind::ReadOnly)
                .on(&self.target)
                .hint("attach it read-write"));
        }
        let segment = self.segment();
        // SAFETY: as in `view`, and it is mapped read-write.
        Ok(unsafe { View::from_raw_parts(segment.address().as_ptr(), segment.size()) })
    }

    /// Copies bytes from the segment into `buffer`, all of it or none.
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds).
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        self.view()
            .copy_to(offset, buffer)
            .map_err(|error| error.on(&self.target))
    }

    /// Copies `bytes` into the segment, all of them or none.
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds); [`ReadOnly`](ErrorKind::ReadOnly).
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.view_mut()?
            .copy_from(offset, bytes)
            .map_err(|error| error.on(&self.target))
    }

    /// Takes the segment's lock, waiting for it as long as [`Options::lock_timeout`] says
    /// (30 seconds if it says nothing).
    ///
    /// The lock is exclusive between all threads and processes, and it is the one that Qt's
    /// `QSharedMemory::lock()` takes for the same key. If its holder dies, the next one gets it and
    /// is told; see [`Acquired`].
    ///
    /// ```
    /// use shmkit::{Acquired, SharedMemory, key::NativeIpcKey};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # let name = format!("shmkit-doc-lock-{}", std::process::id());
    /// # let segment = SharedMemory::create(&NativeIpcKey::platform_safe(&name), 4096)?;
    /// let guard = match segment.lock()? {
    ///     Acquired::Clean(guard) => guard,
    ///     Acquired::OwnerDied(recovery) => {
    ///         segment.view_mut()?.fill(0); // whatever repairs the data
    ///         recovery.mark_recovered()
    ///     }
    /// };
    /// segment.write_at(0, b"only one at a time")?;
    /// drop(guard);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut), with those who may hold it; `PermissionDenied` if this
    /// user may not write to the lock.
    ///
    /// # Platform-specific behavior
    /// POSIX keys: a holder that uses shmkit is known, and its death is noticed within 10 ms. A
    /// holder that uses Qt cannot be known; its death is noticed once nobody else uses the lock,
    /// or only users of shmkit do and this process may look at all others. Otherwise the wait
    /// times out. System V keys: the kernel gives the lock back at once, whoever held it; that the
    /// owner died is told where shmkit made the lock and held it.
    #[inline]
    pub fn lock(&self) -> Result<Acquired<Guard<'_>>> {
        match self.lock_at_once() {
            Some(acquired) => Ok(acquired),
            None => self.lock_or_wait(self.lock_timeout),
        }
    }

    /// The fast path of the usual case.
    #[inline]
    fn lock_at_once(&self) -> Option<Acquired<Guard<'_>>> {
        self.lock.get()?.lock_at_once().map(Guard::clean)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if it is not; otherwise as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired<Guard<'_>>> {
        match self.lock_at_once() {
            Some(acquired) => Ok(acquired),
            None => self.lock_or_not(),
        }
    }

    fn lock_or_not(&self) -> Result<Acquired<Guard<'_>>> {
        match self.semaphore()?.try_lock() {
            Ok(Some(taken)) => Ok(Guard::acquired(taken)),
            Ok(None) => Err(Error::new(Op::Lock, ErrorKind::WouldBlock).on(&self.target)),
            Err(error) => Err(Error::os(Op::Lock, error).on(&self.target)),
        }
    }

    /// Takes the lock, waiting for it at most about `limit`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub fn lock_timeout(&self, limit: Duration) -> Result<Acquired<Guard<'_>>> {
        match self.lock_at_once() {
            Some(acquired) => Ok(acquired),
            None => self.lock_or_wait(limit),
        }
    }

    fn lock_or_wait(&self, limit: Duration) -> Result<Acquired<Guard<'_>>> {
        let semaphore = self.semaphore()?;
        let taken = match semaphore.try_lock() {
            Ok(None) => semaphore.lock_within(limit),
            result => result,
        };
        match taken {
            Ok(Some(taken)) => Ok(Guard::acquired(taken)),
            Ok(None) => Err(self.explain_timeout(semaphore, limit)),
            Err(error) => Err(Error::os(Op::Lock, error).on(&self.target)),
        }
    }

    #[cold]
    fn explain_timeout(&self, semaphore: &Semaphore, limit: Duration) -> Error {
        interrupt::over(Op::Lock, || {
            format!(
                "timed out after {limit:?}, {}",
                backend::name_holder(semaphore)
            )
        })
        .on(&self.target)
    }

    fn semaphore(&self) -> Result<&Semaphore> {
        if let Some(semaphore) = self.lock.get() {
            return Ok(semaphore);
        }
        let Some(key) = self.key() else {
            return Err(Error::new(Op::Lock, ErrorKind::Unsupported)
                .on(&self.target)
                .detail("a segment without a key has no lock beside it")
                .hint("put a lock into it: typed segments have them"));
        };
        let key = semaphore_key(key);
        let opened = Semaphore::open(&key, 1, self.mode(), self.trust, Op::Lock)
            .map_err(|error| error.on(&self.target))?;
        // Another thread may have been faster; then this one is closed again.
        Ok(self.lock.get_or_init(|| opened))
    }

    /// Detaches now instead of at drop, says whether the segment is gone, and reports a failure.
    ///
    /// # Errors
    /// If the segment was to be removed and the system refused. It is detached in any case.
    pub fn detach(mut self) -> Result<Detached> {
        self.leave()
    }

    fn leave(&mut self) -> Result<Detached> {
        match self.segment.take() {
            Some(segment) => segment.detach(&self.target, self.removal, self.lock.take()),
            None => Ok(Detached::Remains),
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // Whoever wants to know calls `detach`.
        let _ = self.leave();
    }
}
