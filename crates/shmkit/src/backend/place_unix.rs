//! Placing the pages of a segment, and why that is not to be had.

#![expect(unsafe_code, reason = "views of pages that the segment has mapped")]

use std::io;

use super::any::Segment;
use super::{Advice, Nodes, bytes};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::sys::memory::{Pages, page_size};
use crate::sys::placement::{self, Policy};

impl Segment {
    /// The pages that hold `len` bytes from `offset` on; as many of them as there are.
    fn pages(&self, offset: usize, len: usize) -> Pages<'_> {
        match self {
            Self::Posix(segment) | Self::File(segment) => segment.pages(offset, len),
            Self::SystemV(segment) => segment.pages(offset, len),
        }
    }

    pub(crate) fn advise(&self, offset: usize, len: usize, advice: Advice) -> Result<()> {
        let pages = self.pages(offset, len);
        let done = match advice {
            Advice::Normal => pages.expect_nothing(),
            Advice::Sequential => pages.expect_sequential(),
            Advice::Random => pages.expect_random(),
            Advice::WillNeed => pages.will_need(),
            Advice::Cold => pages.will_not_need_soon(),
            Advice::NotInDumps => pages.dump(false),
            Advice::InDumps => pages.dump(true),
        };
        done.map_err(|error| Error::os(Op::Place, error))
    }

    /// Asks for transparent huge pages.
    pub(crate) fn prefer_huge_pages(&self) -> Result<()> {
        let op = Op::Place;
        let (in_memory, directory) = match self.file() {
            Some(segment) => (segment.fs_kind()?.is_ram_backed(), segment.mount_point()),
            // They lie where memfds do.
            None => (true, None),
        };
        let objection = match in_memory {
            true => placement::no_transparent_huge_pages(directory.as_deref()),
            false => Some("files on a disk have none".to_owned()),
        };
        if let Some(objection) = objection {
            return Err(Error::new(op, ErrorKind::Unsupported)
                .detail(format!("no transparent huge pages: {objection}")));
        }
        self.pages(0, self.size())
            .prefer_huge(true)
            .map_err(|error| Error::os(op, error).detail("this kernel has no huge pages"))
    }

    /// Maps pages, and takes the memory that is missing.
    pub(crate) fn populate(&self, offset: usize, len: usize, write: bool) -> Result<()> {
        match self.pages(offset, len).populate(write) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                touch(self, offset, len, write);
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
                Err(Error::os(Op::Place, error)
                    .detail("there is no memory for all of it, or somebody has cut it")
                    .with_kind(ErrorKind::OutOfSpace))
            }
            done => done.map_err(|error| Error::os(Op::Place, error)),
        }
    }

    pub(crate) fn lock_in_memory(&self, offset: usize, len: usize, lock: bool) -> Result<()> {
        self.pages(offset, len)
            .lock(lock)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOMEM | libc::EPERM | libc::EAGAIN) => Error::os(Op::Place, error)
                    .detail(format!(
                        "{} may not be kept in memory: this process's limit is lower, or there \
                         is not enough",
                        bytes(len as u64)
                    ))
                    .hint("raise the limit (`ulimit -l`)")
                    .with_kind(ErrorKind::OutOfResources),
                _ => Error::os(Op::Place, error),
            })
    }

    pub(crate) fn bind(&self, offset: usize, len: usize, nodes: &Nodes) -> Result<()> {
        let op = Op::Place;
        let online = placement::nodes();
        let refused = |why: String| Err(Error::new(op, ErrorKind::Unsupported).detail(why));
        if online.is_empty() {
            return refused("this kernel knows no nodes".to_owned());
        }
        let list = nodes.list();
        if list.is_empty() || list.iter().any(|node| !online.contains(node)) {
            return refused(format!(
                "of the nodes `{nodes}` not all are there; this machine has {}",
                Nodes::Only(online)
            ));
        }
        let policy = match nodes {
            Nodes::Only(_) => Policy::Bind,
            Nodes::Interleaved(_) => Policy::Interleave,
            Nodes::Preferred(_) => Policy::Preferred,
        };
        self.pages(offset, len)
            .bind(policy, list)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM) => Error::os(op, error)
                    .detail("this kernel or sandbox does not let programs choose nodes")
                    .with_kind(ErrorKind::Unsupported),
                _ => Error::os(op, error),
            })
    }
}

/// Touches every page, where the kernel has no call for it.
fn touch(segment: &Segment, offset: usize, len: usize, write: bool) {
    use crate::mapping::{Ro, Rw, View};
    use std::sync::atomic::{AtomicU8, Ordering};
    let start = segment.address().as_ptr();
    let end = offset.saturating_add(len).min(segment.size());
    for at in (offset..end).step_by(page_size()) {
        if write {
            // SAFETY: the segment is mapped for writing, and reaches beyond `at`.
            let view: View<'_, Rw> = unsafe { View::from_raw_parts(start.wrapping_add(at), 1) };
            // Nobody's byte changes, whoever writes to it meanwhile.
            let _ = view
                .atomic::<AtomicU8>(0)
                .map(|byte| byte.fetch_or(0, Ordering::Relaxed));
        } else {
            // SAFETY: as above, for reading.
            let view: View<'_, Ro> = unsafe { View::from_raw_parts(start.wrapping_add(at), 1) };
            let _ = view.read::<u8>(0);
        }
    }
}
