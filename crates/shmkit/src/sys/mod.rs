//! The only place that talks to an operating system: small safe wrappers that return `io::Result`.

pub(crate) mod environment;
pub(crate) mod machine;
#[cfg(unix)]
pub(crate) mod user;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod none;
#[cfg(not(target_os = "linux"))]
pub(crate) use none::*;
