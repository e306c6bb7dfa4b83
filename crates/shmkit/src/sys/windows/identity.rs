//! What this process calls itself.

use super::process;

pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) namespace: u64,
    pub(crate) program: String,
}

pub(crate) fn identity() -> Identity {
    let pid = std::process::id();
    Identity {
        pid,
        namespace: 0,
        program: process::program(pid).unwrap_or_default(),
    }
}
