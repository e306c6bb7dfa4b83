//! Starts a process away from the terminal, so that Ctrl-C does not reach it.

use std::io;
use std::process::{Child, Command};

/// Starts `command` in a process group of its own.
#[cfg(unix)]
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    std::os::unix::process::CommandExt::process_group(command, 0).spawn()
}

/// Starts `command` in a process group of its own.
///
/// Wine 8 on a busy machine sometimes has a process that ends before it has begun, and then says
/// that there was an internal error. None of the program has run by then, so another one may.
/// What tests start has the same in the testkit; but these are the demo's own children, and it is run
/// by people, too, who have no testkit.
#[cfg(windows)]
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    const ATTEMPTS: usize = 10;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    for _ in 1..ATTEMPTS {
        match command.spawn() {
            Err(error) if error.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {}
            born => return born,
        }
    }
    command.spawn()
}
