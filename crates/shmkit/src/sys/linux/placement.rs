//! Where pages are and how large they are: madvise(2), mlock(2), mbind(2), and why not.
#![expect(unsafe_code, reason = "system calls on pages that are mapped")]

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::mm::{self, Advice};

use crate::sys::filter::TAKES_ANY_CALL;
use crate::sys::memory::Pages;

impl Pages<'_> {
    /// Gives the kernel a hint. None of those used here changes a byte.
    fn advise(self, advice: Advice) -> io::Result<()> {
        loop {
            // SAFETY: the pages are mapped, and the advice changes no byte.
            match unsafe { mm::madvise(self.start(), self.len(), advice) } {
                // The pages are busy, or a signal came; both pass.
                Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
                done => return Ok(done?),
            }
        }
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
        self.advise(Advice::LinuxCold)
    }

    pub(crate) fn dump(self, dump: bool) -> io::Result<()> {
        self.advise(match dump {
            true => Advice::LinuxDoDump,
            false => Advice::LinuxDontDump,
        })
    }

    pub(crate) fn prefer_huge(self, huge: bool) -> io::Result<()> {
        self.advise(match huge {
            true => Advice::LinuxHugepage,
            false => Advice::LinuxNoHugepage,
        })
    }

    /// Maps the pages, and takes the memory that is missing. Where there is none, or the file ends,
    /// it is `EFAULT` and no signal. `Unsupported` before Linux 5.14.
    pub(crate) fn populate(self, write: bool) -> io::Result<()> {
        if cfg!(shmkit_force_fallbacks) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let advice = match write {
            true => Advice::LinuxPopulateWrite,
            false => Advice::LinuxPopulateRead,
        };
        match self.advise(advice) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            done => done,
        }
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

    /// Says which nodes the pages shall be on, and moves those that are elsewhere.
    pub(crate) fn bind(self, policy: Policy, nodes: &[u32]) -> io::Result<()> {
        if !TAKES_ANY_CALL {
            return Err(io::ErrorKind::Unsupported.into());
        }
        const MOVE: libc::c_ulong = 1 << 1;
        const BITS: usize = libc::c_ulong::BITS as usize;
        let highest = nodes.iter().copied().max().unwrap_or(0) as usize;
        let mut mask = vec![0 as libc::c_ulong; highest / BITS + 1];
        for &node in nodes {
            mask[node as usize / BITS] |= 1 << (node as usize % BITS);
        }
        // The kernel takes one bit less than it is told.
        let bits = (mask.len() * BITS + 1) as libc::c_ulong;
        // SAFETY: the pages are mapped, the mask has the bits that are said, and mbind changes no
        // byte.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.start(),
                self.len(),
                policy as libc::c_int,
                mask.as_ptr(),
                bits,
                MOVE,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// How nodes are meant (numaif.h).
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub(crate) enum Policy {
    Preferred = 1,
    Bind = 2,
    Interleave = 3,
}

/// The nodes of this machine that are online; none where the kernel knows none.
pub(crate) fn nodes() -> Vec<u32> {
    let list = fs::read_to_string("/sys/devices/system/node/online").unwrap_or_default();
    parse_list(list.trim()).unwrap_or_default()
}

/// Reads `0-2,5`.
fn parse_list(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in list.split(',').filter(|part| !part.is_empty()) {
        match part.split_once('-') {
            Some((first, last)) => numbers.extend(first.parse().ok()?..=last.parse::<u32>().ok()?),
            None => numbers.push(part.parse().ok()?),
        }
    }
    Some(numbers)
}

/// What the system has chosen of `always [madvise] never`.
fn chosen(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Why memory files get no transparent huge pages, if the system says so. `directory` is where the
/// file lies; `None` is a memfd.
pub(crate) fn no_transparent_huge_pages(directory: Option<&str>) -> Option<String> {
    const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let setting = match chosen(SETTING) {
        Some(setting) => setting,
        None => return Some("this kernel has none for shared memory".to_owned()),
    };
    match (&*setting, directory) {
        ("force", _) => None,
        ("deny", _) => Some(format!("{SETTING} is `deny`")),
        ("never", None) => Some(format!(
            "{SETTING} is `never`; root may write `advise` to it"
        )),
        (_, None) => None,
        (_, Some(directory)) => match mount_option(directory, "huge=") {
            Some(option) if option != "never" => None,
            _ => Some(format!(
                "{directory} is mounted without them; root may \
                 `mount -o remount,huge=advise {directory}`"
            )),
        },
    }
}

/// The value of an option of what is mounted at a path.
fn mount_option(path: &str, option: &str) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let line = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some(path))?;
    let options = line.split(' ').nth(3)?;
    options
        .split(',')
        .find_map(|one| one.strip_prefix(option))
        .map(str::to_owned)
}

/// How many huge pages of a size are reserved and free, for messages.
pub(crate) fn free_huge_pages(size: usize) -> String {
    let directory = format!("/sys/kernel/mm/hugepages/hugepages-{}kB", size >> 10);
    let number = |name| {
        let text = fs::read_to_string(format!("{directory}/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    match (number("free_hugepages"), number("nr_hugepages")) {
        (Some(free), Some(all)) => format!(
            "{free} of {all} reserved huge pages of {} KiB are free; root may reserve more \
             (`{directory}/nr_hugepages`)",
            size >> 10
        ),
        _ => format!("this machine has no huge pages of {} KiB", size >> 10),
    }
}

/// The size of the huge pages that one gets who does not say which.
pub(crate) fn default_huge_page() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers_are_read() {
        assert_eq!(parse_list("0"), Some(vec![0]));
        assert_eq!(parse_list("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_list(""), Some(vec![]));
        assert_eq!(parse_list("x"), None);
    }

    #[test]
    fn mount_options_are_read() {
        assert!(mount_option("/proc", "rw").is_some());
        assert_eq!(mount_option("/nowhere", "rw"), None);
    }
}
