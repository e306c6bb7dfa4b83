//! System V segments and semaphores where there are none: each request is refused, and nothing
//! exists.

pub(crate) mod segment {
    use std::ptr::NonNull;

    use super::semaphore::Semaphore;
    use crate::backend::{Detached, InUse, Lifetime, Origin, Removal, Spec, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;
    use crate::sys::memory::Pages;

    #[derive(Debug)]
    pub(crate) enum Segment {}

    pub(crate) fn create(key: &NativeIpcKey, _: &Spec, op: Op) -> Result<(Segment, Semaphore)> {
        Err(unsupported(key, op))
    }

    pub(crate) fn attach(
        key: &NativeIpcKey,
        _: &Spec,
        op: Op,
    ) -> Result<Option<(Segment, Option<Semaphore>)>> {
        Err(unsupported(key, op))
    }

    pub(crate) fn remove(key: &NativeIpcKey, _: &Spec, _: InUse) -> Result<()> {
        Err(unsupported(key, Op::Remove))
    }

    impl Segment {
        pub(crate) fn address(&self) -> NonNull<u8> {
            match *self {}
        }

        pub(crate) fn size(&self) -> usize {
            match *self {}
        }

        pub(crate) fn pages(&self, _: usize, _: usize) -> Pages<'_> {
            match *self {}
        }

        pub(crate) fn mode(&self) -> u32 {
            match *self {}
        }

        pub(crate) fn lifetime(&self) -> Lifetime {
            match *self {}
        }

        pub(crate) fn origin(&self) -> Origin {
            match *self {}
        }

        pub(crate) fn detach(
            self,
            _: &NativeIpcKey,
            _: Removal,
            _: Option<&Semaphore>,
        ) -> Result<Detached> {
            match self {}
        }
    }
}

pub(crate) mod contents {
    use std::io::Read;

    use super::segment::Segment;
    use super::semaphore::Semaphore;
    use crate::backend::{Spec, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    pub(crate) fn create_from(
        key: &NativeIpcKey,
        _: &Spec,
        _: &mut dyn Read,
        op: Op,
    ) -> Result<(Segment, Semaphore)> {
        Err(unsupported(key, op))
    }
}

pub(crate) mod semaphore {
    use std::io;
    use std::time::Duration;

    use crate::backend::{Grant, Owners, Suspect, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;

    #[derive(Debug)]
    pub(crate) enum Semaphore {}

    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Taken {}

    impl Semaphore {
        pub(crate) fn open(key: &NativeIpcKey, _: u32, _: u32, _: Owners, op: Op) -> Result<Self> {
            Err(unsupported(key, op))
        }

        pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken, Grant)>> {
            match *self {}
        }

        pub(crate) fn lock_within(&self, _: Duration) -> io::Result<Option<(Taken, Grant)>> {
            match *self {}
        }

        pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
            match *self {}
        }

        pub(crate) fn acquire_within(&self, _: Option<Duration>) -> io::Result<bool> {
            match *self {}
        }

        pub(crate) fn release(&self, _: u32) -> io::Result<()> {
            match *self {}
        }

        pub(crate) fn set_value(&self, _: u32) -> io::Result<()> {
            match *self {}
        }

        pub(crate) fn leave_to_others(&self, _: &NativeIpcKey) {
            match *self {}
        }

        pub(crate) fn remove_without_segment(self, _: &NativeIpcKey) {
            match self {}
        }

        pub(crate) fn remove_counting(self, _: bool) {
            match self {}
        }
    }

    impl Taken {
        pub(crate) fn give(self, _: bool) {
            match self {}
        }
    }
}

pub(crate) mod presence {
    use crate::key::NativeIpcKey;

    #[derive(Debug)]
    pub(crate) enum Presence {}

    impl Presence {
        pub(crate) fn announce(_: &NativeIpcKey) -> Option<Self> {
            None
        }

        pub(crate) fn is_own(&self) -> bool {
            match *self {}
        }
    }
}

pub(crate) mod key_file {
    use crate::key::NativeIpcKey;

    pub(crate) fn number_of(_: &NativeIpcKey) -> Option<u32> {
        None
    }
}

#[cfg(surveyed)]
pub(crate) mod survey {
    use std::io;

    use crate::backend::{SegmentInfo, unsupported};
    use crate::error::{Op, Result};
    use crate::key::NativeIpcKey;
    use crate::sys::census::Census;

    pub(crate) fn list(_: &Census) -> io::Result<Vec<SegmentInfo>> {
        Ok(Vec::new())
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
