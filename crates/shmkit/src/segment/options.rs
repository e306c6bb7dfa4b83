//! How a segment is made and attached to.

use std::io;
use std::time::Duration;

use super::SharedMemory;
use super::placement::Placement;
use crate::backend::backoff::Backoff;
use crate::backend::{self, InUse, Lifetime, Orphans, Owners, Removal, Seals, Spec, Target, Wish};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::mapping::Access;

/// How [`create_or_attach`](Options::create_or_attach) may spend running after a name that others
/// make and remove all the time.
const PATIENCE: Duration = Duration::from_secs(5);
const TURNS: u32 = 20;

/// How a segment is made and attached to: setters, then a verb.
///
/// ```
/// use shmkit::{SharedMemory, key::NativeIpcKey};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-options-{}", std::process::id());
/// let key = NativeIpcKey::platform_safe(&name);
/// let segment = SharedMemory::options().size(64 << 10).mode(0o660).create(&key)?;
/// assert_eq!(segment.size(), 64 << 10);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) spec: Spec,
    lock_timeout: Duration,
    /// What the caller said; files and names have different defaults.
    pub(super) lifetime: Option<Lifetime>,
    pub(super) ram_backed: Wish,
    pub(super) placement: Placement,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            spec: Spec {
                size: 0,
                head: Vec::new(),
                mode: 0o600,
                access: Access::ReadWrite,
                offset: 0,
                length: None,
                private: false,
                capacity: 0,
                huge: None,
                seals: Seals::NONE,
                reserve: true,
                lifetime: Lifetime::Ephemeral,
                trust: Owners::Mine,
                removal: Removal::IfEphemeral,
                orphans: Orphans::Adopt,
            },
            lock_timeout: Duration::from_secs(30),
            lifetime: None,
            ram_backed: Wish::Hint,
            placement: Placement::default(),
        }
    }
}

impl Options {
    /// The defaults: what each setter says.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size in bytes, 1 to `isize::MAX`. Needed by `create` and `create_or_attach`;
    /// `attach` ignores it. There is no default.
    ///
    /// The segment has exactly this size where the platform allows (Linux does). The memory behind
    /// it comes in whole pages.
    pub fn size(&mut self, bytes: usize) -> &mut Self {
        self.spec.size = bytes;
        self
    }

    /// Sets who may attach to a new segment, as `chmod` does: read and write permission of the
    /// owner, the group and the others. Default `0o600`: this user only. The umask does not
    /// matter. Whoever may read or write a segment may lock it.
    pub fn mode(&mut self, permissions: u32) -> &mut Self {
        self.spec.mode = permissions & 0o666;
        self
    }

    /// Sets how `attach` attaches. Default [`Access::ReadWrite`].
    ///
    /// With [`Access::ReadOnly`] the processor enforces it: a write into the mapping ends the
    /// process with SIGSEGV. The safe API has no way to write one. Segments that this handle
    /// creates are always read-write.
    pub fn access(&mut self, access: Access) -> &mut Self {
        self.spec.access = access;
        self
    }

    /// Sets how long a new segment exists. Default [`Lifetime::Ephemeral`]: it goes with its last
    /// user. Only a file that is [created by its path](Self::create_file) is kept by default.
    pub fn lifetime(&mut self, lifetime: Lifetime) -> &mut Self {
        self.spec.lifetime = lifetime;
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets whether memory for the whole segment is taken when it is created. Default `true`: a
    /// lack of it is an error at once. With `false` memory is taken page by page when it is first
    /// touched, and a lack of it then ends the process with SIGBUS; for sparse giants.
    ///
    /// # Platform-specific behavior
    /// System V segments are only accounted for (`false`: `SHM_NORESERVE`); their pages are
    /// always taken when they are first touched.
    pub fn reserve(&mut self, reserve: bool) -> &mut Self {
        self.spec.reserve = reserve;
        self
    }

    /// Sets whose segments are accepted. Default [`Owners::Mine`]: this user's and root's. Anybody
    /// may have taken the name in a directory that everybody may write to.
    pub fn owners(&mut self, owners: Owners) -> &mut Self {
        self.spec.trust = owners;
        self
    }

    /// Sets how long [`SharedMemory::lock`] waits. Default 30 seconds.
    pub fn lock_timeout(&mut self, limit: Duration) -> &mut Self {
        self.lock_timeout = limit;
        self
    }

    /// Sets what the last one out does: the face of Qt removes segments that it did not make.
    pub(crate) fn removal(&mut self, removal: Removal) -> &mut Self {
        self.spec.removal = removal;
        self
    }

    /// Creates a segment of zeros. It appears under its name complete or not at all.
    ///
    /// An orphan that has the name is removed first: an ephemeral segment that nobody is attached
    /// to any more, because its users were killed.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if somebody is attached to a segment of that
    /// key, or it is kept, or not ours; [`InvalidSize`](ErrorKind::InvalidSize);
    /// [`InvalidKey`](ErrorKind::InvalidKey); [`OutOfSpace`](ErrorKind::OutOfSpace);
    /// [`OutOfResources`](ErrorKind::OutOfResources); [`ForeignOwner`](ErrorKind::ForeignOwner) and
    /// [`NotASegment`](ErrorKind::NotASegment) if something else has the name;
    /// [`PermissionDenied`](ErrorKind::PermissionDenied); [`Unsupported`](ErrorKind::Unsupported).
    pub fn create(&self, key: &NativeIpcKey) -> Result<SharedMemory> {
        self.create_target(Target::Key(key.clone()), &self.spec)
    }

    /// Creates a segment that holds `contents` and is exactly as large as they are. They are read
    /// to their end first, so that nobody sees the segment without them; if that fails, or this
    /// process dies on the way, nothing is left behind.
    ///
    /// [`size`](Self::size), if it is set, says how much to expect, so that a lack of room is an
    /// error at once. The memory that the contents need is needed once.
    ///
    /// ```
    /// use shmkit::{SharedMemory, key::NativeIpcKey};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// # let name = format!("shmkit-doc-contents-{}", std::process::id());
    /// # let key = NativeIpcKey::platform_safe(&name);
    /// let segment = SharedMemory::options().create_from(&key, &b"hello"[..])?;
    /// assert_eq!(segment.view().to_vec(), b"hello");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create); [`InvalidSize`](ErrorKind::InvalidSize) if there are no
    /// contents; [`Os`](ErrorKind::Os) if they cannot be read.
    ///
    /// # Platform-specific behavior
    /// System V has no segments without a name, so the contents are collected first, and moved to
    /// the new segment piece by piece while its lock is held. Who attaches without waiting for the
    /// lock can see it half-filled. If this process is killed then, it is an orphan, also if it was
    /// to be kept.
    pub fn create_from(
        &self,
        key: &NativeIpcKey,
        mut contents: impl io::Read,
    ) -> Result<SharedMemory> {
        self.create_target_from(Target::Key(key.clone()), &self.spec, &mut contents)
    }

    /// Attaches to a segment that exists.
    ///
    /// An orphan is attached like any other; [`SharedMemory::origin`] tells.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); [`PermissionDenied`](ErrorKind::PermissionDenied);
    /// [`ForeignOwner`](ErrorKind::ForeignOwner) and [`NotASegment`](ErrorKind::NotASegment) if
    /// something else has the name; [`OutOfSpace`](ErrorKind::OutOfSpace) without enough address
    /// space; [`OutOfResources`](ErrorKind::OutOfResources);
    /// [`InvalidKey`](ErrorKind::InvalidKey); [`Unsupported`](ErrorKind::Unsupported).
    pub fn attach(&self, key: &NativeIpcKey) -> Result<SharedMemory> {
        self.attach_target(Target::Key(key.clone()), &self.spec)
    }

    /// Attaches to a segment that somebody uses or that is kept, and creates it otherwise. However
    /// many do this at once, one creates and the others attach. An orphan is removed and created
    /// anew.
    ///
    /// The segment that it attaches to may have another [size](SharedMemory::size) than the one
    /// asked for.
    ///
    /// # Errors
    /// As `create` and `attach`, but neither `AlreadyExists` nor `NotFound`.
    pub fn create_or_attach(&self, key: &NativeIpcKey) -> Result<SharedMemory> {
        self.create_or_attach_target(Target::Key(key.clone()), &self.spec)
    }

    /// Removes a segment by name, with its lock. For kept segments and for cleaning up; ephemeral
    /// ones go by themselves.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound); [`InUse`](ErrorKind::InUse) if somebody is attached and
    /// `in_use` refuses that; [`PermissionDenied`](ErrorKind::PermissionDenied) if it belongs to
    /// another user; [`NotASegment`](ErrorKind::NotASegment).
    pub fn remove(&self, key: &NativeIpcKey, in_use: InUse) -> Result<()> {
        backend::remove(key, &self.spec, in_use)
    }

    /// The same for a new segment of this size that begins with these bytes.
    pub(crate) fn headed(&self, size: usize, head: Vec<u8>) -> Self {
        let mut headed = self.clone();
        headed.spec.size = size;
        headed.spec.head = head;
        headed
    }

    /// How long somebody else's work is waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.lock_timeout
    }

    pub(super) fn create_target(&self, target: Target, spec: &Spec) -> Result<SharedMemory> {
        check_size(&target, spec, Op::Create)?;
        let warnings = self.check_medium(&target, Op::Create)?;
        let (segment, lock) = backend::create(&target, spec, Op::Create)?;
        let mut made = self.handle(target, segment, lock);
        made.warnings.extend(warnings);
        self.place(made)
    }

    pub(super) fn create_target_from(
        &self,
        target: Target,
        spec: &Spec,
        contents: &mut dyn io::Read,
    ) -> Result<SharedMemory> {
        let warnings = self.check_medium(&target, Op::Create)?;
        let (segment, lock) = backend::create_from(&target, spec, contents, Op::Create)?;
        let mut made = self.handle(target, segment, lock);
        made.warnings.extend(warnings);
        self.place(made)
    }

    pub(super) fn attach_target(&self, target: Target, spec: &Spec) -> Result<SharedMemory> {
        let spec = Spec {
            orphans: Orphans::Adopt,
            ..spec.clone()
        };
        match backend::attach(&target, &spec, Op::Attach)? {
            Some((segment, lock)) => self.place(self.handle(target, segment, lock)),
            None => Err(Error::new(Op::Attach, ErrorKind::NotFound).on(&target)),
        }
    }

    pub(super) fn create_or_attach_target(
        &self,
        target: Target,
        spec: &Spec,
    ) -> Result<SharedMemory> {
        let op = Op::CreateOrAttach;
        check_size(&target, spec, op)?;
        let warnings = self.check_medium(&target, op)?;
        let spec = Spec {
            orphans: Orphans::Remove,
            ..spec.clone()
        };
        let mut backoff = Backoff::new(PATIENCE).at_least(TURNS);
        let mut removed_orphan = false;
        loop {
            match backend::attach(&target, &spec, op) {
                Ok(Some((segment, lock))) => {
                    return self.place(self.handle(target, segment, lock));
                }
                Ok(None) => removed_orphan = true,
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) => {}
            }
            match backend::create(&target, &spec, op) {
                Ok((segment, lock)) => {
                    let mut made = self.handle(target, segment, lock);
                    made.reclaimed = removed_orphan;
                    made.warnings.extend(warnings);
                    return self.place(made);
                }
                // Another was faster; or everybody left meanwhile, and we shall be faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && backoff.again() => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists && interrupt::has_come() => {
                    return Err(Error::new(op, ErrorKind::Interrupted).on(&target));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What is asked for.
    #[allow(dead_code, reason = "for what is handed over as a handle")]
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// A segment that was attached by other means than a name.
    #[allow(dead_code, reason = "for what is handed over as a handle")]
    pub(crate) fn attached(
        &self,
        target: Target,
        segment: backend::Segment,
    ) -> Result<SharedMemory> {
        self.place(self.handle(target, segment, None))
    }

    pub(super) fn handle(
        &self,
        target: Target,
        segment: backend::Segment,
        lock: Option<backend::Semaphore>,
    ) -> SharedMemory {
        let access = match segment.origin() {
            backend::Origin::Created | backend::Origin::Reclaimed => Access::ReadWrite,
            _ => self.spec.access,
        };
        let Spec { trust, removal, .. } = self.spec;
        let warnings = segment.warning().map(str::to_owned).into_iter().collect();
        let mut made = SharedMemory::new(
            target,
            segment,
            lock,
            access,
            trust,
            removal,
            self.lock_timeout,
        );
        made.warnings = warnings;
        made
    }
}

fn check_size(target: &Target, spec: &Spec, op: Op) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::new(op, ErrorKind::InvalidSize)
            .on(target)
            .detail(why)
            .hint("a segment has 1 to isize::MAX bytes"))
    };
    match spec.size {
        0 => refused("the size is 0 or was not given"),
        size if isize::try_from(size).is_err() => refused(&format!("{size} bytes is too large")),
        _ => Ok(()),
    }
}
