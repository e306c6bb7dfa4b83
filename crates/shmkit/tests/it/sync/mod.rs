//! Locks and signals inside segments, between real processes that really die.

mod board;
mod death;
#[cfg(unix)]
mod fork;
mod forms;
mod misuse;
#[cfg(unix)]
mod namespaces;
mod placed;
mod read_only;
mod readers;
#[cfg(unix)]
mod signals;
