//! Unix systems whose kernel does not say who uses a file: macOS and FreeBSD, and Linux when it is
//! built with `--cfg shmkit_force_portable`, so that the tests can run what those two get.
//!
//! What one system alone has is asked of it in `futex`, `memfd`, `volume` and `process`; all else
//! is the same for all of them.

pub(crate) mod census;
pub(crate) mod clock;
pub(crate) mod directory_watch;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod lease;
mod lock_file;
pub(crate) mod memfd;
pub(crate) mod placement;
pub(crate) mod process;
pub(crate) mod volume;
#[cfg(keys = "systemv")]
pub(crate) mod waiting;
pub(crate) mod watch;
pub(crate) mod who;
