//! How long somebody may wait, and how often to look up meanwhile.

use std::time::{Duration, Instant};

use crate::interrupt;

/// The moment at which a wait ends, if it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Never,
    At(Instant),
    /// There is to be no wait.
    Now,
    /// When the thread has slept so often, in models.
    #[cfg(loom)]
    Slept(u32),
}

impl Limit {
    /// So long from now; never, if that is further than clocks go.
    pub(crate) fn after(time: Duration) -> Self {
        Instant::now()
            .checked_add(time)
            .map_or(Self::Never, Self::At)
    }

    /// What is left of it, at most `slice`; `None` if it is over, also because the thread's program
    /// has had enough.
    pub(crate) fn left(self, slice: Duration) -> Option<Duration> {
        let deadline = match self {
            Self::Now => return None,
            _ if interrupt::is_wanted() => return None,
            Self::Never => return Some(slice),
            #[cfg(loom)]
            Self::Slept(times) => return (super::park::slept() < times).then_some(slice),
            Self::At(deadline) => deadline,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(slice))
    }
}

/// Says once in a while that it is time.
#[derive(Debug)]
pub(crate) struct Watch {
    slice: Duration,
    since: Option<Instant>,
}

impl Watch {
    pub(crate) fn every(slice: Duration) -> Self {
        let since = Some(Instant::now());
        Self { slice, since }
    }

    /// For the first time at once.
    pub(crate) fn now_and_every(slice: Duration) -> Self {
        let since = None;
        Self { slice, since }
    }

    /// Whether a slice is over since the last time that it was.
    #[cfg(not(loom))]
    pub(crate) fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let is_over = self.since.is_none_or(|since| now - since >= self.slice);
        if is_over {
            self.since = Some(now);
        }
        is_over
    }

    #[cfg(loom)]
    pub(crate) fn is_over(&mut self) -> bool {
        super::park::time_passes()
    }
}
