//! What a place is made of.

use std::fmt;

/// The kind of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsKind {
    /// Where its bytes are.
    pub medium: Medium,
    /// What it is called: `tmpfs`, `ext4`, ...; its number, if it is not known.
    pub name: String,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Medium {
    /// In memory, and nowhere else: gone with a reboot, never written to a disk but as swap.
    Memory,
    /// On a disk, with a copy in memory that the kernel writes back.
    Disk,
    /// On another machine: what a process there writes does not show here, and leases and locks
    /// may mean nothing.
    Network,
    /// It cannot be told.
    Unknown,
}

impl FsKind {
    /// Whether it is in memory.
    pub fn is_ram_backed(&self) -> bool {
        self.medium == Medium::Memory
    }
}

impl fmt::Display for FsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.medium {
            Medium::Memory => write!(f, "{} (in memory)", self.name),
            Medium::Disk => write!(f, "{} (on a disk)", self.name),
            Medium::Network => write!(f, "{} (on another machine)", self.name),
            Medium::Unknown => write!(f, "{} (on who knows what)", self.name),
        }
    }
}
