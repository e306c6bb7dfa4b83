//! Which processes use a file. These systems do not tell programs of others' files, so only users
//! of shmkit are known, by their locks; see `lease`.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::super::file::FileId;
use crate::mapping::Access;

/// A process that has a file open or mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The name of the program, if it is known.
    pub(crate) program: String,
    pub(crate) mappings: usize,
    pub(crate) attached: u64,
    pub(crate) writes: bool,
    pub(crate) descriptors: usize,
    pub(crate) opened: Option<Access>,
    pub(crate) locks: Vec<u64>,
}

/// What a look at all processes found.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    pub(crate) found: Vec<Holder>,
    /// Whether nobody can have been overlooked.
    pub(crate) complete: bool,
}

/// Finds nobody, and may have overlooked everybody.
pub(crate) fn holders_of(_: FileId) -> io::Result<Holders> {
    Ok(Holders {
        found: Vec::new(),
        complete: false,
    })
}

/// The processes that there are, none of which is told of.
pub(crate) fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(std::iter::empty())
}

/// How one process has the file.
pub(crate) fn holder_with_pid(_: u32, _: FileId) -> io::Result<Option<Holder>> {
    Ok(None)
}

/// Whether there is such a process.
pub(crate) fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

/// The name of a process's program; `None` if it ended or is another user's.
pub(crate) fn program(pid: u32) -> Option<String> {
    name::of(pid.try_into().ok()?)
}

#[cfg(target_os = "macos")]
#[expect(unsafe_code, reason = "a call that rustix does not have")]
mod name {
    pub(super) fn of(pid: i32) -> Option<String> {
        let mut buffer = [0_u8; 2 * libc::MAXCOMLEN + 1];
        let room = (buffer.len() - 1) as u32;
        // SAFETY: the pointer and the room are those of the buffer.
        let len = unsafe { libc::proc_name(pid, buffer.as_mut_ptr().cast(), room) };
        let len = usize::try_from(len).ok().filter(|&len| len > 0)?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }
}

#[cfg(not(target_os = "macos"))]
mod name {
    use std::process::Command;

    /// For messages only, and so rare that a program may tell.
    pub(super) fn of(pid: i32) -> Option<String> {
        let mut ps = Command::new("ps");
        let said = ps
            .args(["-o", "comm=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        (!name.is_empty()).then_some(name)
    }
}
