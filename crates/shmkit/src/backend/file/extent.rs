//! The size of an attached file: growing in place, shrinking, noticing that others did; and
//! writing it to the disk.
//!
//! Bytes that are attached stay where they are: address space for more was kept when the file was
//! mapped. The size of the file itself is what others notice, so it needs no word that they would
//! have to agree on, and a program that does not know shmkit may grow the file, too.

use std::io;
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::explain::{explain, explain_size};
use super::last::{while_alone_and_mapped, while_resizing};
use super::segment::Segment;
use crate::backend::backoff::Backoff;
use crate::backend::target::directory_of;
use crate::backend::{FsKind, Medium, bytes};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::mapping::Access;
use crate::sys::file;
use crate::sys::fork;
use crate::sys::volume::{self, Volume};
use crate::sys::watch::Watch;

/// How long somebody who only looks at the file, or is on the way out, may need.
const PATIENCE: Duration = Duration::from_millis(50);

impl Segment {
    /// How large it may get without being attached anew.
    pub(crate) fn capacity(&self) -> usize {
        match self.shape.to_the_end {
            true => self.shape.window.len,
            false => self.size(),
        }
    }

    /// Makes it `size` bytes long, for everybody; nothing if it is that long already.
    pub(crate) fn grow(&self, size: usize) -> Result<()> {
        let op = Op::Grow;
        self.check_resizable(op)?;
        if size > self.capacity() {
            return Err(Error::new(op, ErrorKind::OutOfBounds)
                .detail(format!(
                    "{} is more than the {} that address space was kept for",
                    bytes(size as u64),
                    bytes(self.capacity() as u64)
                ))
                .hint("attach it with a larger `Options::growable`"));
        }
        let fd = self.user.as_fd();
        let end = self.end(size);
        let _one_at_a_time = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        while_resizing(fd, || file::extend(fd, end, self.shape.room))
            .map_err(|error| self.explain_resize(error, end, op))?;
        self.size.fetch_max(size, Ordering::AcqRel);
        Ok(())
    }

    /// Makes it `size` bytes long, if nobody else is attached or `in_use` does not matter. The
    /// caller sees to it that no view of this handle is left.
    pub(crate) fn shrink(&self, size: usize, in_use: bool) -> Result<()> {
        let op = Op::Shrink;
        self.check_resizable(op)?;
        if size == 0 || size > self.size() {
            return Err(Error::new(op, ErrorKind::InvalidSize).detail(format!(
                "{size} bytes are not between 1 and {}",
                self.size()
            )));
        }
        let fd = self.user.as_fd();
        let end = self.end(size);
        let _one_at_a_time = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = || file::cut(fd, end);
        let try_cut = || {
            // A fork opens descriptions of its own for a moment.
            let _steady = fork::steady();
            match in_use {
                true => cut().map(Some),
                false if self.user.is_blind() => Ok(None),
                false => while_alone_and_mapped(fd, self.id, cut),
            }
        };
        let done = while_resizing(fd, || {
            let mut backoff = Backoff::new(PATIENCE);
            loop {
                let done = try_cut()?;
                if done.is_some() || self.user.is_blind() || !backoff.again() {
                    return match done {
                        None if interrupt::has_come() => Err(interrupt::over_for_system()),
                        done => Ok(done),
                    };
                }
            }
        });
        match done {
            Ok(Some(())) => {
                self.size.store(size, Ordering::Release);
                Ok(())
            }
            Ok(None) => Err(Error::new(op, ErrorKind::InUse)
                .detail("somebody else is attached, and what they touch past the new end ends them")
                .hint("end those programs first, or ask for it to be shrunk in use")),
            Err(error) => Err(self.explain_resize(error, end, op)),
        }
    }

    /// Notices what others did to the size, and answers with it.
    pub(crate) fn refresh(&self) -> Result<usize> {
        if self.shape.to_the_end {
            let status =
                file::status(self.user.as_fd()).map_err(|error| Error::os(Op::Inspect, error))?;
            let window = &self.shape.window;
            let size = status.size.saturating_sub(window.offset);
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(window.len);
            self.size.store(size, Ordering::Release);
        }
        Ok(self.size())
    }

    /// Waits until it is larger than `size`, at most `limit`; `None` if it is not by then.
    pub(crate) fn wait_for_growth(&self, size: usize, limit: Duration) -> Result<Option<usize>> {
        let deadline = Instant::now().checked_add(limit);
        // Watched before the first look, so that nothing happens in between. Where the user has
        // too many watches, the size is looked at every few milliseconds.
        let watch = Watch::new(self.user.as_fd()).ok();
        let mut backoff = Backoff::new(limit);
        loop {
            let now = self.refresh()?;
            if now > size {
                return Ok(Some(now));
            }
            let left = deadline.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            let left = interrupt::slice(left);
            if left.is_zero() {
                return Ok(None);
            }
            match &watch {
                Some(watch) => watch
                    .wait(left)
                    .map_err(|error| Error::os(Op::Inspect, error))?,
                None => _ = backoff.again(),
            }
        }
    }

    /// Writes what was changed to where the file lies.
    pub(crate) fn flush(&self, offset: usize, len: usize, wait: bool) -> Result<()> {
        let op = Op::Flush;
        if self.shape.window.private {
            return Err(Error::new(op, ErrorKind::Unsupported)
                .detail("what is written to a copy-on-write segment goes nowhere"));
        }
        self.user
            .pages(offset, len)
            .sync(wait)
            .map_err(|error| Error::os(op, error))?;
        // The name of a new file must get to the disk, too. A directory that this user may not
        // read is written when the kernel likes.
        if wait
            && let Some(path) = &self.path
            && !self.is_named_for_good.swap(true, Ordering::Relaxed)
        {
            let _ = file::sync_directory(directory_of(path));
        }
        Ok(())
    }

    /// What it lies on.
    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        if self.is_object {
            return Ok(FsKind {
                medium: Medium::Memory,
                name: "POSIX".to_owned(),
            });
        }
        let volume =
            volume::of(self.user.as_fd()).map_err(|error| Error::os(Op::Inspect, error))?;
        Ok(volume.into())
    }

    fn end(&self, size: usize) -> u64 {
        self.shape.window.offset.saturating_add(size as u64)
    }

    fn check_resizable(&self, op: Op) -> Result<()> {
        let window = &self.shape.window;
        if !self.shape.to_the_end || window.private {
            return Err(Error::new(op, ErrorKind::Unsupported)
                .detail("a part or a private copy of a file has no end of its own")
                .hint("attach it as a whole and shared"));
        }
        match window.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => {
                Err(Error::new(op, ErrorKind::ReadOnly).hint("attach it read-write"))
            }
        }
    }

    fn explain_resize(&self, cause: io::Error, end: u64, op: Op) -> Error {
        let place = self.path.as_deref().unwrap_or("memory".as_ref());
        match cause.raw_os_error() {
            Some(libc::EPERM) => Error::os(op, cause)
                .detail("a seal forbids it")
                .with_kind(ErrorKind::Sealed),
            Some(libc::EACCES) => explain(cause, place, op),
            _ => explain_size(cause, directory_of(place), Some(self.user.as_fd()), end, op),
        }
    }
}

impl From<Volume> for FsKind {
    fn from(volume: Volume) -> Self {
        Self {
            medium: match volume.kind() {
                volume::Kind::Memory => Medium::Memory,
                volume::Kind::Disk => Medium::Disk,
                volume::Kind::Network => Medium::Network,
                volume::Kind::Unknown => Medium::Unknown,
            },
            name: volume.name(),
        }
    }
}
