//! Where a typed segment is.

#[cfg(unix)]
use std::os::fd::BorrowedFd;
#[cfg(keys = "windows")]
use std::os::windows::io::BorrowedHandle;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::segment::{Options, SharedMemory};

/// Where a typed segment is: a key, the path of a file, a descriptor, or memory without a name. What
/// [`Shared`](super::Shared)'s verbs take is anything that is one of them.
///
/// ```
/// use shmkit::sync::Mutex;
/// use shmkit::typed::{Location, Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// // SAFETY: nobody else has it.
/// let counter = unsafe { Shared::create(Location::Memory("counter"), Mutex::new(0_u64)) }?;
/// *counter.lock()?.assume_recovered() += 1;
/// assert_eq!(counter.segment().name(), "memfd:counter");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Location<'l> {
    /// A named segment, of type POSIX.
    Key(&'l NativeIpcKey),
    /// A file; see [`Options::create_file`].
    File(&'l Path),
    /// Memory without a name, called so in messages; see [`Options::memfd`]. It can only be
    /// created: others get it as a descriptor.
    Memory(&'l str),
    /// What a descriptor leads to; see [`Options::attach_fd`]. It can only be opened.
    #[cfg(unix)]
    Fd(BorrowedFd<'l>),
    /// What a handle leads to; see `Options::attach_handle`. It can only be opened.
    #[cfg(keys = "windows")]
    Handle(BorrowedHandle<'l>),
}

impl<'l> From<&'l NativeIpcKey> for Location<'l> {
    fn from(key: &'l NativeIpcKey) -> Self {
        Self::Key(key)
    }
}

impl<'l> From<&'l Path> for Location<'l> {
    fn from(path: &'l Path) -> Self {
        Self::File(path)
    }
}

impl<'l> From<&'l PathBuf> for Location<'l> {
    fn from(path: &'l PathBuf) -> Self {
        Self::File(path)
    }
}

#[cfg(unix)]
impl<'l> From<BorrowedFd<'l>> for Location<'l> {
    fn from(fd: BorrowedFd<'l>) -> Self {
        Self::Fd(fd)
    }
}

#[cfg(keys = "windows")]
impl<'l> From<BorrowedHandle<'l>> for Location<'l> {
    fn from(handle: BorrowedHandle<'l>) -> Self {
        Self::Handle(handle)
    }
}

impl Location<'_> {
    pub(super) fn create(&self, options: &Options) -> Result<SharedMemory> {
        match self {
            Self::Key(key) => options.create(can_tell_who_is_alive(key)?),
            Self::File(path) => options.create_file(path),
            Self::Memory(name) => options.memfd(name),
            #[cfg(unix)]
            Self::Fd(_) => Err(Error::new(Op::Create, ErrorKind::AlreadyExists)
                .detail("a descriptor leads to something that exists")
                .hint("open it")),
            #[cfg(keys = "windows")]
            Self::Handle(_) => Err(Error::new(Op::Create, ErrorKind::AlreadyExists)
                .detail("a handle leads to something that exists")
                .hint("open it")),
        }
    }

    pub(super) fn attach(&self, options: &Options, access: Access) -> Result<SharedMemory> {
        let mut options = options.clone();
        options.access(access);
        match self {
            Self::Key(key) => options.attach(can_tell_who_is_alive(key)?),
            Self::File(path) => options.attach_file(path),
            Self::Memory(name) => Err(Error::new(Op::Attach, ErrorKind::NotFound)
                .on(format!("memfd:{}", name.escape_debug()))
                .detail("memory without a name cannot be found by one")
                .hint("open it by its descriptor")),
            #[cfg(unix)]
            Self::Fd(fd) => {
                let fd = fd
                    .try_clone_to_owned()
                    .map_err(|cause| Error::os(Op::Attach, cause))?;
                options.attach_fd(fd)
            }
            #[cfg(keys = "windows")]
            Self::Handle(handle) => {
                let handle = handle
                    .try_clone_to_owned()
                    .map_err(|cause| Error::os(Op::Attach, cause))?;
                options.attach_handle(handle)
            }
        }
    }

    pub(super) fn create_or_attach(&self, options: &Options) -> Result<SharedMemory> {
        match self {
            Self::Key(key) => options.create_or_attach(can_tell_who_is_alive(key)?),
            Self::File(path) => options.create_or_attach_file(path),
            Self::Memory(name) => options.memfd(name),
            #[cfg(unix)]
            Self::Fd(_) => self.attach(options, Access::ReadWrite),
            #[cfg(keys = "windows")]
            Self::Handle(_) => self.attach(options, Access::ReadWrite),
        }
    }
}

/// Refuses the type of key whose segments cannot tell who is alive.
fn can_tell_who_is_alive(key: &NativeIpcKey) -> Result<&NativeIpcKey> {
    match key.key_type() {
        KeyType::SystemV(_) => Err(Error::new(Op::Attach, ErrorKind::Unsupported)
            .on(key)
            .detail("a System V segment cannot tell which of its users are alive")
            .hint("use a POSIX key")),
        _ => Ok(key),
    }
}
