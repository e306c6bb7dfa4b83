//! Giving segments to other processes as handles.

use std::os::windows::io::{AsRawHandle as _, BorrowedHandle, OwnedHandle, RawHandle};

use crate::backend::{self, Target};
use crate::error::{Error, Op, Result};
use crate::mapping::Access;
use crate::segment::{Options, SharedMemory};

impl Options {
    /// Attaches to what a handle leads to: memory without a name, a file, a named segment, whoever
    /// made it. The handle is this segment's own from then on.
    ///
    /// ```
    /// use shmkit::{Access, SharedMemory};
    ///
    /// # fn main() -> shmkit::Result<()> {
    /// let frames = SharedMemory::options().size(4096).memfd("frames")?;
    /// let handle = frames.to_handle(Access::ReadWrite)?;
    /// let same = SharedMemory::options().attach_handle(handle)?;
    /// frames.write_at(0, b"hello")?;
    /// assert_eq!(same.view().read::<[u8; 5]>(0)?, *b"hello");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) if it may only read and [`access`](Self::access)
    /// does not say so; otherwise as [`attach_file`](Self::attach_file).
    pub fn attach_handle(&self, handle: OwnedHandle) -> Result<SharedMemory> {
        let target = Target::Memory("handle".to_owned());
        let segment = backend::adopt(handle, self.spec(), Op::Attach);
        self.attached(target.clone(), segment.map_err(|error| error.on(&target))?)
    }
}

impl SharedMemory {
    /// A handle to give to others, who then [attach](Options::attach_handle) to it. With
    /// [`Access::ReadOnly`] they can read only.
    ///
    /// # Errors
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly) if it is attached read-only and that is not what is
    /// asked for; [`OutOfResources`](crate::ErrorKind::OutOfResources).
    pub fn to_handle(&self, access: Access) -> Result<OwnedHandle> {
        self.segment()
            .to_handle(access, false)
            .map_err(|error| error.on(self.target()))
    }

    /// The same, for the children that are started while it is open: there it has the same number.
    /// It goes to all of them, whoever starts them.
    ///
    /// # Errors
    /// As [`to_handle`](Self::to_handle).
    pub fn to_inherited_handle(&self, access: Access) -> Result<OwnedHandle> {
        self.segment()
            .to_handle(access, true)
            .map_err(|error| error.on(self.target()))
    }

    /// Puts a handle into another process, and answers with what that process calls it. It must be
    /// told the number by some other way, and makes an [`OwnedHandle`] of it to
    /// [attach](Options::attach_handle) to.
    ///
    /// Whoever may open a process to put handles into it may do anything with it: this is for
    /// children and helpers. A [`Child`](std::process::Child) is such a process.
    ///
    /// # Errors
    /// As [`to_handle`](Self::to_handle); [`PermissionDenied`](crate::ErrorKind::PermissionDenied) if
    /// the handle of the process does not allow it.
    #[doc(alias = "DuplicateHandle")]
    pub fn give_to(&self, process: BorrowedHandle<'_>, access: Access) -> Result<RawHandle> {
        let handle = self.to_handle(access)?;
        crate::sys::object::duplicate(&handle, process.as_raw_handle(), None, false)
            .map_err(|cause| Error::os(Op::Attach, cause).on(self.target()))
    }
}
