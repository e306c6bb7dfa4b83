//! Files of memory that never have a name (`memfd_create(2)`), and where those are denied, files
//! of a memory file system that have none.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, MemfdFlags, Mode};
use rustix::io::Errno;

use super::file::{MEMORY_DIRECTORY, Newborn};

/// Makes an empty one, called `name` in `/proc`, that takes seals and that nobody can execute.
pub(crate) fn create(name: &str, mode: u32) -> io::Result<OwnedFd> {
    let fd = match make(name) {
        // A sandbox forbids it, or a kernel before 3.17 has none.
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => return without_memfd(mode),
        other => other?,
    };
    // The kernel gives it to everybody who can reach it through `/proc`.
    fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    Ok(fd)
}

fn make(name: &str) -> Result<OwnedFd, Errno> {
    if cfg!(shmkit_force_fallbacks) {
        return Err(Errno::NOSYS);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // A kernel before 6.3.
        Err(Errno::INVAL) => fs::memfd_create(name, flags),
        other => other,
    }
}

fn without_memfd(mode: u32) -> io::Result<OwnedFd> {
    // A temporary name goes here and now.
    Ok(Newborn::new(MEMORY_DIRECTORY, mode)?.fd)
}
