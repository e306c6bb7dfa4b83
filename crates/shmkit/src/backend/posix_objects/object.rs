//! Objects by name: `shm_open(3)` and what goes with it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::shm::{self, OFlags};

use crate::mapping::Access;
use crate::sys::file::{self, Room, mode_of};
use crate::sys::memory;

/// What the system says of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Whole pages on macOS.
    pub(super) size: u64,
    pub(super) owner: u32,
    pub(super) mode: u32,
}

/// Makes an object with this room; its size can be set once only on macOS. It is removed again if
/// that fails.
pub(super) fn create(name: &CStr, size: u64, mode: u32, room: Room) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let fd = shm::open(name, flags, mode_of(mode))?;
    let sized = size_once(&fd, size, room).and_then(|()| {
        // The umask may have taken bits; macOS cannot give them back.
        match rustix::fs::fchmod(&fd, mode_of(mode)) {
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    match sized {
        Ok(()) => Ok(fd),
        Err(error) => {
            let _ = unlink(name);
            Err(error)
        }
    }
}

/// macOS takes the memory with the first touch, whatever is asked.
fn size_once(fd: &OwnedFd, size: u64, room: Room) -> io::Result<()> {
    match cfg!(target_vendor = "apple") {
        true => file::set_size(fd.as_fd(), size, Room::Lazy),
        false => file::set_size(fd.as_fd(), size, room),
    }
}

pub(super) fn open(name: &CStr, access: Access) -> io::Result<OwnedFd> {
    let flags = match access {
        Access::ReadOnly => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    Ok(shm::open(name, flags, mode_of(0))?)
}

/// Asks about an open object. What kind of file it is macOS does not say.
#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
pub(super) fn facts(fd: &OwnedFd) -> io::Result<Facts> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(Facts {
        size: stat.st_size as u64,
        owner: stat.st_uid,
        mode: stat.st_mode as u32 & 0o777,
    })
}

/// The first bytes of an object, as many of them as there are: not every system reads objects.
pub(super) fn read_start(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let size = facts(fd)?.size;
    let len = usize::try_from(size)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    memory::read_start(fd.as_fd(), &mut buffer[..len])
}

pub(super) fn unlink(name: &CStr) -> io::Result<()> {
    crate::atomic::fault_point();
    Ok(shm::unlink(name)?)
}

/// Removes an object if it is there.
pub(super) fn remove(name: &CStr) -> io::Result<()> {
    match unlink(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
