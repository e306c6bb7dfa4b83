//! Being told when a file changes its size (`inotify(7)`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// Tells of changes of a file by system calls; what is written through mappings is not told of.
pub(crate) struct Watch(OwnedFd);

impl Watch {
    /// Watches from now on. It needs no name: `/proc` leads to the file of any descriptor.
    pub(crate) fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if cfg!(shmkit_force_fallbacks) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let this = format!("/proc/self/fd/{}", fd.as_raw_fd());
        inotify::add_watch(&watch, this, WatchFlags::MODIFY)?;
        Ok(Self(watch))
    }

    /// Sleeps until something has changed, at most `limit`. Waking early is allowed.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<()> {
        let limit = Timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // What was told is read, so that the next wait waits for what comes.
        let mut told = [0; 1024];
        while rustix::io::read(&self.0, &mut told).is_ok_and(|read| read > 0) {}
        Ok(())
    }
}
