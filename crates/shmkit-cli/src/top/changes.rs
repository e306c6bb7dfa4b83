//! How much of a segment changes: pages spread over it are read at each look and compared with what
//! they were. Reading opens the segment for an instant, as `get` does, and attaches nothing.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::Path;

use shmkit::inspect::{Place, SegmentInfo};

const PAGE: u64 = 4096;

/// So many pages are read of each segment.
const MOST: u64 = 64;

/// What the pages of segments were at the last look.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Place, Vec<u64>>);

impl Changes {
    /// The share of the pages that have changed since the last look; `None` at the first, and if it
    /// cannot be read.
    pub(super) fn of(&mut self, segment: &SegmentInfo) -> Option<f64> {
        let path = match &segment.place {
            Place::Posix { path, .. } => path,
            Place::Memfd { door, .. }
            | Place::File { door, .. }
            | Place::Anonymous { door, .. } => door,
            // The kernel has no other way to it than attaching.
            _ => return None,
        };
        let now = pages(path, segment.size).ok()?;
        let before = self.0.insert(segment.place.clone(), now.clone())?;
        share(&before, &now)
    }

    pub(super) fn forget_all_but(&mut self, places: &[Place]) {
        self.0.retain(|place, _| places.contains(place));
    }
}

/// `None` if they are not of the same pages, because the size has changed.
fn share(before: &[u64], now: &[u64]) -> Option<f64> {
    let changed = before.iter().zip(now).filter(|(before, now)| before != now);
    (before.len() == now.len() && !now.is_empty())
        .then(|| changed.count() as f64 / now.len() as f64)
}

/// A number for each page.
fn pages(path: &Path, size: u64) -> io::Result<Vec<u64>> {
    let file = open(path)?;
    let all = size.div_ceil(PAGE);
    let read = all.min(MOST);
    (0..read)
        .map(|index| {
            let mut page = [0; PAGE as usize];
            // The first and the last are among them.
            let number = match read {
                0 | 1 => 0,
                read => index * (all - 1) / (read - 1),
            };
            let len = read_at(&file, &mut page, number * PAGE)?;
            let mut hasher = DefaultHasher::new();
            hasher.write(&page[..len]);
            Ok(hasher.finish())
        })
        .collect()
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    // Neither a FIFO nor one who asks the kernel whether it is alone is waited for.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

#[cfg(unix)]
fn read_at(file: &File, page: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, page, at)
}

#[cfg(not(unix))]
fn open(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn read_at(_file: &File, _page: &mut [u8], _at: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use shmkit_testkit::Scratch;

    use super::*;

    #[test]
    fn the_share_of_changed_pages_is_told() {
        let scratch = Scratch::new();
        let path = scratch.join("segment");
        let file = File::create(&path).unwrap();
        let size = 10 * PAGE;
        file.set_len(size).unwrap();
        let before = pages(&path, size).unwrap();
        assert_eq!(before.len(), 10);
        assert_eq!(share(&before, &pages(&path, size).unwrap()), Some(0.0));
        file.write_at(b"x", 3 * PAGE + 17).unwrap();
        file.write_at(b"x", 10 * PAGE - 1).unwrap();
        assert_eq!(share(&before, &pages(&path, size).unwrap()), Some(0.2));
        assert_eq!(share(&before, &before[1..]), None);
    }

    #[test]
    fn of_large_ones_the_first_the_last_and_some_between_are_read() {
        let scratch = Scratch::new();
        let path = scratch.join("segment");
        let file = File::create(&path).unwrap();
        let size = 1000 * PAGE + 1;
        file.set_len(size).unwrap();
        let before = pages(&path, size).unwrap();
        assert_eq!(before.len(), 64);
        file.write_at(b"x", 0).unwrap();
        file.write_at(b"x", size - 1).unwrap();
        assert_eq!(
            share(&before, &pages(&path, size).unwrap()),
            Some(2.0 / 64.0)
        );
    }
}
