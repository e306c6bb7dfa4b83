//! What only some systems can do.

#[cfg(target_os = "linux")]
pub mod handover;
