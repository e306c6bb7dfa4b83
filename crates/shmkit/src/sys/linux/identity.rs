//! What this process is called, for others.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// How a process introduces itself.
pub(crate) struct Identity {
    /// In its own PID namespace.
    pub(crate) pid: u32,
    /// The inode of that namespace; 0 if `/proc` does not tell.
    pub(crate) namespace: u64,
    /// The name of the program, at most 15 bytes.
    pub(crate) program: String,
}

/// This process, now: all of it may have changed by a fork.
pub(crate) fn identity() -> Identity {
    let pid = std::process::id();
    Identity {
        pid,
        namespace: fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino()),
        program: fs::read_to_string("/proc/self/comm")
            .map(|name| name.trim_end_matches('\n').to_owned())
            .unwrap_or_default(),
    }
}
