//! What only some systems can do.

#[cfg(sys = "linux")]
pub mod handover;
