//! An attached file, and how it is left.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::explain::{Squatted, explain};
use super::last::{Outcome, be_gone, unlink_if_last};
use super::name::{Name, Remove};
use crate::backend::{Lifetime, Origin, Removal, Spec};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::file::{self, FileId, Room, Status};
use crate::sys::fork::{self, User};
use crate::sys::lease::ONLY_OURS_COUNT;
use crate::sys::memory::{Pages, Window};
use crate::sys::volume;

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(super) user: User,
    /// `None` for one that never had a name, or lost it.
    pub(super) path: Option<PathBuf>,
    pub(super) id: FileId,
    /// How many bytes of the mapping there are; the rest is address space to grow into.
    pub(super) size: AtomicUsize,
    pub(super) mode: u32,
    pub(super) lifetime: Lifetime,
    pub(super) origin: Origin,
    pub(super) shape: Shape,
    pub(super) warning: Option<String>,
    /// The bytes are those of an object that the file only stands for.
    pub(super) is_object: bool,
    /// Its name is on the disk, if that is where it lies.
    pub(super) is_named_for_good: AtomicBool,
    /// Threads of this process change the size one after the other.
    pub(super) resizing: Mutex<()>,
}

/// What part of the file is mapped, and what may be done with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) window: Window,
    /// It reaches to the end of the file, wherever that will be.
    pub(super) to_the_end: bool,
    pub(super) room: Room,
}

/// What leaving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Left {
    /// It was the last one, and the name is gone.
    Removed,
    /// Others use it, or it stays.
    Remains,
    /// Somebody has removed the name before.
    WithoutName,
}

impl Segment {
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.user.address()
    }

    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    pub(in crate::backend) fn pages(&self, offset: usize, len: usize) -> Pages<'_> {
        self.user.pages(offset, len)
    }

    /// Where the memory file system is mounted that the file has its name in; `None` for one that
    /// has no name, and lies in the kernel's own.
    pub(in crate::backend) fn mount_point(&self) -> Option<String> {
        let mut place = self.path.as_deref()?;
        let device = file::status_of_path(place).ok()?.id.device;
        while let Some(above) = place.parent()
            && file::status_of_path(above).is_ok_and(|status| status.id.device == device)
        {
            place = above;
        }
        Some(place.to_string_lossy().into_owned())
    }

    /// What was asked for when it was made and could not be had.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    pub(crate) fn access(&self) -> Access {
        self.shape.window.access
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

    /// A descriptor for others, with a description that is not this user's.
    pub(in crate::backend) fn to_fd(&self, access: Access) -> Result<OwnedFd> {
        if self.is_object {
            return Err(Error::new(Op::Send, ErrorKind::Unsupported)
                .detail("a POSIX segment of this system is found by its name only")
                .hint("send its key, or use a memfd or a file"));
        }
        if access == Access::ReadWrite && self.shape.window.file_access() == Access::ReadOnly {
            return Err(Error::new(Op::Send, ErrorKind::ReadOnly)
                .detail("it is attached read-only")
                .hint("send it read-only"));
        }
        // By its path if it can be, so that whoever gets it knows that: the descriptor with which a
        // file was made may never have had a name.
        let opened = match &self.path {
            Some(path) => file::open_same(self.as_fd(), path, access)
                .or_else(|_| file::reopen(self.as_fd(), access)),
            None => file::reopen(self.as_fd(), access),
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => Error::os(Op::Send, error)
                .detail(
                    "this system opens no descriptor once more, and it has no path to be opened by \
                     for reading alone",
                )
                .hint("seal it, use a file that has a name, or send it read-write"),
            _ => explain(error, Path::new("/proc/self/fd"), Op::Send),
        })
    }

    /// The same user with the bytes of an object instead of the file's: the file stands for it.
    #[cfg(anchored)]
    pub(in crate::backend) fn onto(self, object: &OwnedFd, size: usize) -> io::Result<Self> {
        let Self {
            user,
            mut shape,
            size: bytes,
            ..
        } = self;
        shape.to_the_end = false;
        shape.window.len = shape
            .window
            .len
            .min(size.next_multiple_of(crate::sys::memory::page_size()));
        bytes.store(size, Ordering::Release);
        let slot = user.slot();
        let user = User::map_object(user.unmap_only(), object, shape.window)?;
        user.settle_slot(slot);
        Ok(Self {
            user,
            shape,
            size: bytes,
            // Anchors have a mark among these.
            mode: self.mode & 0o666,
            is_object: true,
            ..self
        })
    }

    /// How the file is open.
    #[cfg(anchored)]
    pub(in crate::backend) fn file_access(&self) -> Access {
        self.shape.window.file_access()
    }

    /// Where what is attached ends in the file.
    #[cfg(anchored)]
    pub(in crate::backend) fn needed(&self) -> u64 {
        self.shape.window.offset + self.size() as u64
    }

    /// Leaves the segment; the last one out removes its name.
    pub(in crate::backend) fn leave(self, removal: Removal) -> Result<Left> {
        self.leave_for(removal, None)
    }

    /// The same where the file stands for something, which this removes.
    pub(in crate::backend) fn leave_for(
        self,
        removal: Removal,
        remove_first: Option<Remove<'_>>,
    ) -> Result<Left> {
        let Self {
            user,
            path,
            id,
            lifetime,
            ..
        } = self;
        let _steady = fork::steady();
        let blind = user.is_blind();
        let fd = user.unmap();
        let removes = match removal {
            Removal::Always => true,
            Removal::IfEphemeral => lifetime == Lifetime::Ephemeral || is_let_go(&fd),
            Removal::Never => false,
        };
        let gone = be_gone(fd.as_fd());
        let Some(path) = path else {
            // Its last description takes it along.
            return Ok(Left::Remains);
        };
        let outcome = gone.and_then(|()| match removes && !blind {
            true => unlink_if_last(fd.as_fd(), Name::new(&path, remove_first), id),
            false => Ok(Outcome::InUse),
        });
        match outcome {
            Ok(Outcome::Removed) => Ok(Left::Removed),
            Ok(Outcome::InUse) => Ok(Left::Remains),
            Ok(Outcome::LeftToOthers) => Ok(Left::WithoutName),
            Err(error) => Err(explain(error, &path, Op::Detach)),
        }
    }
}

impl AsFd for Segment {
    /// The description that stands for this user; nobody else may get it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.user.as_fd()
    }
}

/// The part of a file that `spec` asks for, and how many bytes of it there are.
pub(super) fn shape(
    spec: &Spec,
    fd: impl AsFd,
    status: &Status,
    access: Access,
) -> io::Result<(Shape, usize)> {
    let file_size = status.size;
    let too_short = |needed| Squatted::Short {
        has: file_size,
        needed,
    };
    let left = match file_size.checked_sub(spec.offset) {
        None | Some(0) => return Err(too_short(spec.offset.saturating_add(1)).into()),
        Some(left) => left,
    };
    let size = match spec.length {
        Some(0) => return Err(Squatted::NoBytes.into()),
        Some(length) if length as u64 > left => {
            return Err(too_short(spec.offset.saturating_add(length as u64)).into());
        }
        Some(length) => length,
        None => usize::try_from(left).map_err(|_| io::ErrorKind::OutOfMemory)?,
    };
    // Huge pages are mapped and unmapped as a whole.
    let len = size
        .max(spec.capacity)
        .checked_next_multiple_of(volume::page_size_of(fd, status)?)
        .ok_or(io::ErrorKind::OutOfMemory)?;
    let window = Window {
        offset: spec.offset,
        len,
        access,
        private: spec.private,
    };
    let shape = Shape {
        window,
        to_the_end: spec.length.is_none(),
        room: spec.room(),
    };
    Ok((shape, size))
}

/// Whether a segment that was kept has become ephemeral meanwhile: who kept it does not any more.
fn is_let_go(fd: impl AsFd) -> bool {
    file::status(fd).is_ok_and(|status| lifetime_of(&status) == Lifetime::Ephemeral)
}

pub(super) fn lifetime_of(status: &Status) -> Lifetime {
    match status.is_ephemeral() {
        true => Lifetime::Ephemeral,
        false => Lifetime::Kept,
    }
}

/// Whether all users of a file are counted that are to be counted. Linux does not count whoever has
/// the description that memfd_create(2) gave; see `sys::memfd`.
pub(super) fn is_counted(status: &Status) -> bool {
    ONLY_OURS_COUNT || status.links > 0 || status.is_ephemeral()
}
