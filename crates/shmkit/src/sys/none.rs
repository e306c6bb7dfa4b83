//! Systems for which there is nothing yet: no attachments, so no leases and nobody who sleeps.

/// See `linux::fork`.
pub(crate) mod fork {
    pub(crate) fn generation() -> u32 {
        0
    }

    pub(crate) fn epoch() -> u32 {
        1
    }

    #[allow(dead_code, reason = "for the feature `async`")]
    pub(crate) fn steady() {}
}

/// See `linux::attachment`.
pub(crate) mod attachment {
    use std::io;

    use crate::mapping::Access;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Leased {
        pub(crate) base: usize,
        pub(crate) len: usize,
        pub(crate) lease: u32,
        pub(crate) is_new: bool,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "nobody looks into it")]
    pub(crate) struct Ledger {
        pub(crate) counter: usize,
        pub(crate) roster: usize,
        pub(crate) name: String,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "the reasons of other systems")]
    pub(crate) enum NoLease {
        Nowhere,
        ReadOnly,
        Private,
        UsedUp,
        Os(io::Error),
    }

    #[derive(Debug)]
    pub(crate) struct Holder {
        pub(crate) pid: u32,
        pub(crate) program: String,
    }

    pub(crate) const FIRST: u32 = 1;

    pub(crate) fn lease(_: usize) -> Result<Leased, NoLease> {
        Err(NoLease::Nowhere)
    }

    pub(crate) fn is_alive(_: usize, _: u32) -> bool {
        true
    }

    pub(crate) fn access(_: usize) -> Option<Access> {
        None
    }

    pub(crate) fn set_ledger(_: usize, _: Ledger) {}

    pub(crate) fn roster(_: usize) -> Option<usize> {
        None
    }

    pub(crate) fn name(_: usize) -> Option<String> {
        None
    }

    pub(crate) fn holder(_: usize, _: u32, _: Option<u32>) -> Option<Holder> {
        None
    }
}

/// See `linux::futex`.
pub(crate) mod futex {
    use std::io;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    pub(crate) fn wait(_: &AtomicU32, _: u32, _: Duration) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn wake(_: &AtomicU32, _: u32) {}

    #[derive(Debug, Clone, Copy)]
    #[allow(dead_code, reason = "nobody looks into it")]
    pub(crate) struct Watched {
        pub(crate) address: usize,
        pub(crate) expected: u32,
    }

    #[allow(dead_code, reason = "for the feature `async`")]
    pub(crate) const MOST_WATCHED: usize = 128;

    #[allow(dead_code, reason = "for the feature `async`")]
    pub(crate) fn wait_any(_: &[Watched], _: Duration) -> io::Result<Option<usize>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[allow(dead_code, reason = "for the feature `async`")]
    pub(crate) fn wake_one_at(_: Watched) {}

    #[allow(dead_code, reason = "for the feature `async`")]
    pub(crate) fn has_changed(_: Watched) -> bool {
        true
    }
}

/// See `linux::identity`.
pub(crate) mod identity {
    pub(crate) struct Identity {
        pub(crate) pid: u32,
        pub(crate) namespace: u64,
        pub(crate) program: String,
    }

    pub(crate) fn identity() -> Identity {
        Identity {
            pid: std::process::id(),
            namespace: 0,
            program: String::new(),
        }
    }
}

/// See `linux::directory_watch`.
pub(crate) mod directory_watch {
    use std::io;
    use std::time::Duration;

    use crate::sys::Change;

    /// A directory that is watched, of which there is none.
    #[derive(Debug)]
    pub(crate) enum DirectoryWatch {}

    impl DirectoryWatch {
        pub(crate) fn new(_directory: &str) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn wait(&self, _limit: Duration) -> io::Result<Vec<Change>> {
            match *self {}
        }
    }
}
