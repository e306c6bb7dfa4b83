//! What all segments have in common: a section that is mapped, and leases on it.

use std::os::windows::io::OwnedHandle;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::file::Backing;
use super::named;
use crate::backend::backoff::Backoff;
use crate::backend::{Advice, Detached, FsKind, Lifetime, Medium, Nodes, Origin, Removal, bytes};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::attachment::Attached;
use crate::sys::section::{self, Mapping, Window};
use crate::sys::{file, object};

/// What the names of a segment's leases have at their end, before the number.
pub(super) const LEASE: &str = "lease";

/// What a section is made of, and how it ends.
#[derive(Debug)]
pub(super) enum Of {
    /// A name for the page file, which goes with its last handle.
    Name(String),
    /// The page file, without a name for others to find.
    Memory,
    File(Backing),
}

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Dropped before the mapping.
    pub(super) attached: Attached,
    pub(super) mapping: Mapping,
    /// Qt keeps its handle as well, and by the number of handles one sees who is there.
    pub(super) section: OwnedHandle,
    pub(super) of: Of,
    pub(super) window: Window,
    pub(super) size: AtomicUsize,
    pub(super) mode: u32,
    pub(super) lifetime: Lifetime,
    pub(super) origin: Origin,
    pub(super) warning: Option<String>,
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.mapping.address()
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn mode(&self) -> u32 {
        self.mode
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Leaves. For sections the kernel does the rest, and we only look whether it has.
    pub(crate) fn detach(self, removal: Removal) -> Result<Detached> {
        let Self {
            attached,
            mapping,
            section,
            of,
            lifetime,
            ..
        } = self;
        drop(attached);
        drop(mapping);
        drop(section);
        match of {
            Of::Name(name) => Ok(named::leave(&name)),
            Of::Memory => Ok(Detached::Remains),
            Of::File(backing) => backing.leave(lifetime, removal),
        }
    }

    /// Whether it has pages that can be had later.
    fn can_grow(&self) -> bool {
        !matches!(self.of, Of::File(_)) && self.window.length == 0 && self.window.offset == 0
    }

    pub(crate) fn capacity(&self) -> usize {
        match self.can_grow() {
            true => self.mapping.len,
            false => self.size(),
        }
    }

    pub(crate) fn grow(&self, size: usize) -> Result<()> {
        let op = Op::Grow;
        if self.window.access == Access::ReadOnly {
            return Err(Error::new(op, ErrorKind::ReadOnly).hint("attach it read-write"));
        }
        if self.window.private {
            return Err(Error::new(op, ErrorKind::Unsupported)
                .detail("what is attached copy-on-write does not grow"));
        }
        if size <= self.refresh()? {
            return Ok(());
        }
        if matches!(self.of, Of::File(_)) {
            return Err(no_growing_files(op));
        }
        if size > self.capacity() {
            return Err(Error::new(op, ErrorKind::OutOfBounds)
                .detail(format!(
                    "it can get {} large and no larger",
                    bytes(self.capacity() as u64)
                ))
                .hint("say with `growable` how large it may get when you make it"));
        }
        self.mapping.commit(size).map_err(|cause| {
            Error::os(op, cause)
                .detail(format!("{} are not to be had", bytes(size as u64)))
                .hint("the page file bounds what all programs may have together")
                .with_kind(ErrorKind::OutOfSpace)
        })?;
        self.refresh().map(drop)
    }

    pub(crate) fn shrink(&self, _: usize, _: bool) -> Result<()> {
        let why = match self.of {
            Of::File(_) => "Windows lets no file get shorter while it is mapped",
            _ => "Windows takes no pages back from a section",
        };
        Err(Error::new(Op::Shrink, ErrorKind::Unsupported).detail(why))
    }

    /// The size is what has pages, in whole pages; it only rises.
    pub(crate) fn refresh(&self) -> Result<usize> {
        if self.can_grow() && self.size() < self.mapping.len && !self.window.private {
            let now = self.mapping.committed();
            let now = now.map_err(|cause| Error::os(Op::Inspect, cause))?;
            self.size.fetch_max(now, Ordering::AcqRel);
        }
        Ok(self.size())
    }

    /// Looks again and again: Windows tells nobody.
    pub(crate) fn wait_for_growth(&self, size: usize, limit: Duration) -> Result<Option<usize>> {
        if self.capacity() == self.size() && self.size() <= size && matches!(self.of, Of::File(_)) {
            return Err(no_growing_files(Op::Inspect));
        }
        let mut backoff = Backoff::new(limit);
        loop {
            match self.refresh()? {
                now if now > size => return Ok(Some(now)),
                _ if backoff.again() => {}
                _ => return Ok(None),
            }
        }
    }

    /// Writes to the file, if there is one.
    pub(crate) fn flush(&self, offset: usize, len: usize, wait: bool) -> Result<()> {
        let Of::File(backing) = &self.of else {
            return Ok(());
        };
        let op = Op::Write;
        if self.window.private {
            return Err(Error::new(op, ErrorKind::Unsupported)
                .detail("a private copy goes nowhere, so there is nothing to flush"));
        }
        if self.window.access == Access::ReadOnly {
            return Ok(());
        }
        let flushed = self.mapping.flush(offset, len);
        let flushed = flushed.and_then(|()| match wait {
            true => backing.file().sync_all(),
            false => Ok(()),
        });
        flushed.map_err(|cause| Error::os(op, cause).with_kind(ErrorKind::Os))
    }

    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        match &self.of {
            Of::File(backing) => super::file::kind_of(backing.directory()),
            _ => Ok(FsKind {
                medium: Medium::Memory,
                name: "page file".to_owned(),
            }),
        }
    }

    /// A handle for others: of the file if there is one, which the section is no substitute for.
    pub(crate) fn to_handle(&self, access: Access, goes_to_children: bool) -> Result<OwnedHandle> {
        let op = Op::Attach;
        if access == Access::ReadWrite && self.window.access == Access::ReadOnly {
            return Err(Error::new(op, ErrorKind::ReadOnly).hint("attach it read-write"));
        }
        let copy = match &self.of {
            Of::File(backing) => {
                object::copy_of(backing.file(), file::rights(access), goes_to_children)
            }
            _ => object::copy_of(&self.section, section::rights(access), goes_to_children),
        };
        copy.map_err(|cause| Error::os(op, cause))
    }

    /// Tells the memory manager, as far as Windows takes advice.
    pub(crate) fn advise(&self, offset: usize, len: usize, advice: Advice) -> Result<()> {
        let why = match advice {
            Advice::Normal => return Ok(()),
            Advice::WillNeed => {
                let told = self.mapping.prefetch(offset, len);
                return told.map_err(|cause| Error::os(Op::Place, cause));
            }
            Advice::Cold => {
                // Of pages that are not kept in memory this takes them from this process's working
                // set, and says that they were not kept (ERROR_NOT_LOCKED).
                let _ = self.mapping.lock(offset, len, false);
                return Ok(());
            }
            Advice::Sequential | Advice::Random => {
                "Windows takes no advice on the order in which mapped pages will be used"
            }
            _ => "Windows decides itself which pages are in dumps",
        };
        Err(Error::new(Op::Place, ErrorKind::Unsupported).detail(why))
    }

    /// Touches every page.
    pub(crate) fn populate(&self, offset: usize, len: usize, write: bool) -> Result<()> {
        self.mapping.touch(offset, len, write);
        Ok(())
    }

    pub(crate) fn lock_in_memory(&self, offset: usize, len: usize, lock: bool) -> Result<()> {
        self.mapping.lock(offset, len, lock).map_err(|cause| {
            Error::os(Op::Place, cause)
                .detail(format!("{} may not be kept in memory", bytes(len as u64)))
                .hint("raise the minimum of the process's working set")
                .with_kind(ErrorKind::OutOfResources)
        })
    }

    pub(crate) fn bind(&self, _: usize, _: usize, _: &Nodes) -> Result<()> {
        Err(Error::new(Op::Place, ErrorKind::Unsupported)
            .detail("Windows does not move a section's pages to other nodes"))
    }
}

/// Why a file was not made or attached with room to grow.
pub(super) fn no_growing_files(op: Op) -> Error {
    Error::new(op, ErrorKind::Unsupported)
        .detail("a mapped file cannot get longer in place on Windows")
        .hint("make it as large as it may get, or use a key or memory without a name")
}
