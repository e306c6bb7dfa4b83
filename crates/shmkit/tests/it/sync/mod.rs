//! Locks and signals inside segments, between real processes that really die.

mod board;
mod death;
mod fork;
mod forms;
mod misuse;
mod namespaces;
mod placed;
mod read_only;
mod readers;
mod signals;
