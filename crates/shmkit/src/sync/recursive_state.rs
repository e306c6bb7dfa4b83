//! How a thread has a lock more than once, over the words that it is made of.
//!
//! Whoever has the word writes its token beside it, and takes it away before it gives the word back.
//! So a thread that finds its own token has the lock: nobody else writes that one, and a token that a
//! dead process has left is never anybody's again.

use std::sync::atomic::Ordering::Relaxed;

use super::peers::Peers;
use super::word::Word;
use crate::atomic::{AtomicU32, AtomicU64};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecursiveState<'a> {
    pub(super) word: &'a Word,
    /// The token of the thread that has it; 0 if nobody has.
    pub(super) owner: &'a AtomicU64,
    pub(super) depth: &'a AtomicU32,
}

/// A thread of a process, for all processes: the lease, and a number in that process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u64);

impl Token {
    #[inline]
    pub(super) fn of(lease: u32, thread: u32) -> Self {
        Self(u64::from(lease) << 32 | u64::from(thread))
    }

    fn lease(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl RecursiveState<'_> {
    /// Takes the lock in the usual cases: it is free, or this thread's, and can be counted on.
    #[inline]
    pub(super) fn take_at_once(&self, me: Token) -> bool {
        if self.is_of(me) {
            let depth = self.depth.load(Relaxed).checked_add(1);
            depth
                .inspect(|&depth| self.depth.store(depth, Relaxed))
                .is_some()
        } else if self.word.take_free(me.lease()) {
            self.settle_in(me);
            true
        } else {
            false
        }
    }

    #[inline]
    pub(super) fn is_of(&self, me: Token) -> bool {
        self.owner.load(Relaxed) == me.0
    }

    /// Writes down which thread has the lock, for one that has taken the word.
    #[inline]
    pub(super) fn settle_in(&self, me: Token) {
        self.owner.store(me.0, Relaxed);
        self.depth.store(1, Relaxed);
    }

    /// Gives the lock back once; its data are in doubt or not.
    #[inline]
    pub(super) fn give(&self, peers: &impl Peers, me: Token, in_doubt: bool) {
        // Or somebody has scribbled there.
        if !self.is_of(me) {
            return;
        }
        match self.depth.load(Relaxed).saturating_sub(1) {
            0 => {
                self.owner.store(0, Relaxed);
                let in_doubt = in_doubt || self.word.is_flagged();
                self.word.unlock(peers, in_doubt, 1);
            }
            depth => {
                self.depth.store(depth, Relaxed);
                if in_doubt {
                    // Whoever comes after the last guard is told.
                    self.word.set_flag(true);
                }
            }
        }
    }
}
