//! What a lock's word needs to know of the world.

use super::blame::Blame;
use crate::lease;

/// Who takes part in a lock. The real ones are in attached segments; a checker has its own.
pub(crate) trait Peers: Sync {
    /// The lease of this process, not 0.
    fn me(&self) -> u32;

    /// Whether the holder of a lease, this process or another, is still there.
    fn is_alive(&self, lease: u32) -> bool;

    /// Where it is written down who is waited for, if anywhere.
    fn blame(&self) -> Option<Blame<'_>> {
        None
    }
}

/// This process, at what lies at an address in an attached segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) lease: u32,
    pub(crate) address: usize,
}

impl Peers for Process {
    fn me(&self) -> u32 {
        self.lease
    }

    fn is_alive(&self, lease: u32) -> bool {
        lease == self.lease || lease::is_alive(self.address, lease)
    }
}
