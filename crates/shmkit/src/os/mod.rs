//! What only some systems can do.

#[cfg(keys = "windows")]
mod handles;
#[cfg(sys = "linux")]
pub mod handover;
