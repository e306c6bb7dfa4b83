//! POSIX segments and semaphores where there are none: each request is refused, and nothing exists.

pub(crate) mod segment {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use crate::backend::file::Segment;
    use crate::backend::{Detached, InUse, Removal, Spec, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn create(key: &NativeIpcKey, _: &Spec, op: Op) -> Result<Segment> {
        Err(unsupported(key, op))
    }

    pub(crate) fn create_from(
        key: &NativeIpcKey,
        _: &Spec,
        _: &mut dyn Read,
        op: Op,
    ) -> Result<Segment> {
        Err(unsupported(key, op))
    }

    pub(crate) fn attach(key: &NativeIpcKey, _: &Spec, op: Op) -> Result<Option<Segment>> {
        Err(unsupported(key, op))
    }

    pub(crate) fn is_of_key(_: &OwnedFd, _: &NativeIpcKey) -> bool {
        false
    }

    pub(crate) fn detach(_: Segment, key: &NativeIpcKey, _: Removal) -> Result<Detached> {
        Err(unsupported(key, Op::Detach))
    }

    pub(crate) fn remove(key: &NativeIpcKey, _: InUse) -> Result<()> {
        Err(unsupported(key, Op::Remove))
    }
}

pub(crate) mod semaphore {
    use std::convert::Infallible;
    use std::io;
    use std::marker::PhantomData;
    use std::time::Duration;

    use crate::backend::{Grant, Owners, Suspect, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    #[derive(Debug)]
    pub(crate) enum Semaphore {}

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Taken<'s>(Infallible, PhantomData<&'s ()>);

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Ticket(Infallible);

    impl Semaphore {
        pub(crate) fn open(key: &NativeIpcKey, _: u32, _: u32, _: Owners, op: Op) -> Result<Self> {
            Err(unsupported(key, op))
        }

        pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
            match *self {}
        }

        pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
            match *self {}
        }

        pub(crate) fn lock_within(&self, _: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
            match *self {}
        }

        pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
            match *self {}
        }

        pub(crate) fn redeem(&self, _: Ticket) -> Option<Taken<'_>> {
            match *self {}
        }

        pub(crate) fn acquire_within(&self, _: Duration) -> io::Result<bool> {
            match *self {}
        }

        pub(crate) fn release(&self, _: u32) -> io::Result<()> {
            match *self {}
        }

        pub(crate) fn set_value(&self, _: u32) -> io::Result<()> {
            match *self {}
        }
    }

    impl Taken<'_> {
        pub(crate) fn ticket(self) -> Ticket {
            match self.0 {}
        }

        pub(crate) fn give(self, _: bool) {
            match self.0 {}
        }
    }

    pub(crate) fn remove_without_segment(_: &NativeIpcKey) {}

    pub(crate) fn remove_counting(_: &NativeIpcKey, _: bool) {}
}

/// Nobody makes segments with names here; but others' unnamed files in the same directory are seen.
#[cfg(surveyed)]
pub(crate) mod survey {
    use std::collections::HashSet;
    use std::ffi::OsStr;
    use std::io;

    use crate::backend::{Place, SegmentInfo, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;
    use crate::sys::census::Census;
    use crate::sys::file::FileId;

    pub(crate) fn device() -> Option<u64> {
        None
    }

    pub(crate) fn list(_: &Census) -> io::Result<(Vec<SegmentInfo>, HashSet<FileId>)> {
        Ok(Default::default())
    }

    pub(crate) fn may_be_segment(_: &OsStr) -> bool {
        false
    }

    pub(crate) fn named(_: &OsStr) -> Option<(Option<NativeIpcKey>, Place, Option<u64>)> {
        None
    }

    pub(crate) fn find(key: &NativeIpcKey) -> Result<SegmentInfo> {
        Err(unsupported(key, Op::Inspect))
    }
}

#[cfg(surveyed)]
pub(crate) mod lock_info {
    use crate::backend::{LockInfo, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn look(segment: &NativeIpcKey) -> Result<Option<LockInfo>> {
        Err(unsupported(segment, Op::Inspect))
    }
}

#[cfg(surveyed)]
pub(crate) mod leftover {
    use std::io;

    use crate::backend::leftover::{Act, Leftover, Search};
    use crate::backend::unsupported;
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn search(_: &mut Search<'_>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn by_name(key: &NativeIpcKey, _: Act) -> Result<Vec<Leftover>> {
        Err(unsupported(key, Op::Remove))
    }
}
