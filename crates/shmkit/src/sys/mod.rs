//! The only place that talks to an operating system: small safe wrappers that return `io::Result`.

pub(crate) mod environment;
pub(crate) mod machine;
#[cfg(unix)]
pub(crate) mod user;

#[cfg(any(sys = "linux", sys = "portable"))]
mod unix;
#[cfg(any(sys = "linux", sys = "portable"))]
pub(crate) use unix::*;

#[cfg(sys = "linux")]
mod linux;
#[cfg(sys = "linux")]
pub(crate) use linux::*;

#[cfg(sys = "portable")]
mod portable;
#[cfg(sys = "portable")]
pub(crate) use portable::*;

#[cfg(sys = "windows")]
mod windows;
#[cfg(sys = "windows")]
pub(crate) use windows::*;

#[cfg(sys = "none")]
mod none;
#[cfg(sys = "none")]
pub(crate) use none::*;

/// What happened in a directory that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(sys = "linux"), allow(dead_code, reason = "nothing is watched"))]
pub(crate) enum Change {
    /// A file got this name.
    Appeared(std::ffi::OsString),
    /// A file lost it.
    Vanished(std::ffi::OsString),
    /// A file was opened, or its last user left an opening.
    Used(std::ffi::OsString),
    /// There were too many changes to remember.
    Lost,
    /// The directory is gone or is no longer mounted; nothing more will come.
    Blind,
}

/// What can be told about a process. All of it is missing for one that ended, and what a system does
/// not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg(any(sys = "linux", sys = "portable"))]
pub(crate) struct Who {
    /// The user that it acts as.
    pub(crate) user: Option<u32>,
    pub(crate) began: Option<std::time::SystemTime>,
    /// The number of its PID namespace.
    pub(crate) pid_namespace: Option<u64>,
    /// What it is called in there, if that is another one.
    pub(crate) pid_inside: Option<u32>,
    pub(crate) container: Option<String>,
}
