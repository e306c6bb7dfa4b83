//! Where pages are and how large they are: madvise(2), mlock(2). The rest these systems decide
//! themselves.
#![expect(unsafe_code, reason = "system calls on pages that are mapped")]

use std::io;

use rustix::mm::{self, Advice};

use crate::sys::memory::Pages;

impl Pages<'_> {
    fn advise(self, advice: Advice) -> io::Result<()> {
        // SAFETY: the pages are mapped, and none of the advice used here changes a byte.
        Ok(unsafe { mm::madvise(self.start(), self.len(), advice) }?)
    }

    pub(crate) fn expect_random(self) -> io::Result<()> {
        self.advise(Advice::Random)
    }

    pub(crate) fn expect_sequential(self) -> io::Result<()> {
        self.advise(Advice::Sequential)
    }

    pub(crate) fn expect_nothing(self) -> io::Result<()> {
        self.advise(Advice::Normal)
    }

    pub(crate) fn will_need(self) -> io::Result<()> {
        self.advise(Advice::WillNeed)
    }

    pub(crate) fn will_not_need_soon(self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn dump(self, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn prefer_huge(self, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// `Unsupported`: the caller touches the pages.
    pub(crate) fn populate(self, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Keeps the pages in memory, which takes what is missing.
    pub(crate) fn lock(self, lock: bool) -> io::Result<()> {
        let done = match lock {
            // SAFETY: the pages are mapped, and the call changes no byte.
            true => unsafe { mm::mlock(self.start(), self.len()) },
            // SAFETY: as above.
            false => unsafe { mm::munlock(self.start(), self.len()) },
        };
        Ok(done?)
    }

    pub(crate) fn bind(self, _: Policy, _: &[u32]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How nodes are meant, of which none can be chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Policy {
    Preferred,
    Bind,
    Interleave,
}

pub(crate) fn nodes() -> Vec<u32> {
    Vec::new()
}

pub(crate) fn no_transparent_huge_pages(_: Option<&str>) -> Option<String> {
    Some("this system chooses the size of pages itself".to_owned())
}

pub(crate) fn free_huge_pages(_: usize) -> String {
    "this system has none to be reserved".to_owned()
}

pub(crate) fn default_huge_page() -> Option<usize> {
    None
}
