//! Changes in a directory, as they happen (inotify(7)).

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::sys::Change;

/// A directory that is watched.
#[derive(Debug)]
pub(crate) struct DirectoryWatch(OwnedFd);

impl DirectoryWatch {
    pub(crate) fn new(directory: &str) -> io::Result<Self> {
        if cfg!(shmkit_force_fallbacks) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // A mapping keeps its file open, so the close comes with the last use, also by `kill -9`.
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::OPEN
            | WatchFlags::CLOSE
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, directory, flags)?;
        Ok(Self(fd))
    }

    /// Waits for changes, at most so long. None have come if the time is over, or a signal came.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<Vec<Change>> {
        let limit = Timespec::try_from(limit).unwrap_or(Timespec {
            tv_sec: i64::from(i32::MAX),
            tv_nsec: 0,
        });
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)) {
            Ok(_) => self.read(),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The changes that have come and were not read.
    fn read(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut changes = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                    changes.extend(change(event.events(), name));
                }
                Err(Errno::WOULDBLOCK) => return Ok(changes),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn change(flags: ReadFlags, name: Option<OsString>) -> Option<Change> {
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Change::Lost);
    }
    if flags.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
        return Some(Change::Blind);
    }
    let name = name.filter(|_| !flags.contains(ReadFlags::ISDIR))?;
    Some(
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            Change::Appeared(name)
        } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            Change::Vanished(name)
        } else {
            Change::Used(name)
        },
    )
}

#[cfg(all(test, not(shmkit_force_fallbacks)))]
mod tests {
    use std::fs::{self, File};

    use shmkit_testkit::Scratch;

    use super::*;

    /// Long enough for what has happened already.
    const MOMENT: Duration = Duration::from_secs(5);

    #[test]
    fn changes_come_in_their_order() {
        let directory = Scratch::new();
        let watch = DirectoryWatch::new(directory.path().to_str().unwrap()).unwrap();
        assert_eq!(watch.wait(Duration::ZERO).unwrap(), []);
        let file = File::create(directory.join("a")).unwrap();
        fs::create_dir(directory.join("no file")).unwrap();
        drop(file);
        fs::rename(directory.join("a"), directory.join("b")).unwrap();
        fs::remove_file(directory.join("b")).unwrap();
        use Change::{Appeared, Used, Vanished};
        let name = |name: &str| OsString::from(name);
        assert_eq!(
            watch.wait(MOMENT).unwrap(),
            [
                Appeared(name("a")),
                Used(name("a")),
                Used(name("a")),
                Vanished(name("a")),
                Appeared(name("b")),
                Vanished(name("b")),
            ]
        );
    }

    #[test]
    fn a_directory_that_goes_is_told() {
        let directory = Scratch::new();
        let watch = DirectoryWatch::new(directory.path().to_str().unwrap()).unwrap();
        drop(directory);
        assert!(watch.wait(MOMENT).unwrap().contains(&Change::Blind));
        assert!(DirectoryWatch::new("/missing/directory").is_err());
    }
}
