//! A task that waits for something inside a segment.

use std::time::{Duration, Instant};

use super::lock::Wait;
use super::reactor::changed;
use crate::atomic::AtomicU32;
use crate::error::{Error, Op, Result};

/// How long it waits, and whether it has slept.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) wait: Wait,
    pub(super) begun: Instant,
    pub(super) has_slept: bool,
}

impl Task {
    pub(super) fn new(wait: Wait) -> Self {
        let begun = Instant::now();
        Self {
            wait: wait.since(begun),
            begun,
            has_slept: false,
        }
    }

    /// Whether it has waited as long as it was to.
    pub(super) fn is_over(&self) -> bool {
        self.wait.limit().left(Duration::MAX).is_none()
    }

    /// Sleeps while `word` is `state`, at most `slice`, after which it is to look again.
    pub(super) async fn sleep_on(
        &self,
        word: &AtomicU32,
        state: u32,
        slice: Duration,
    ) -> Result<()> {
        // A moment longer than there is left does no harm.
        let left = self.wait.limit().left(slice).unwrap_or(Duration::ZERO);
        let slept = changed(word, state, left).await;
        slept.map_err(|cause| Error::os(Op::Lock, cause).detail("no thread can watch for the task"))
    }
}
