//! What only some systems can do.

#[cfg(keys = "windows")]
mod handles;
#[cfg(any(sys = "linux", sys = "portable"))]
pub mod handover;
