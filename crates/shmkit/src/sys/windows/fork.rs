//! There are no forks on Windows.

pub(crate) fn generation() -> u32 {
    0
}

/// Changes when something is detached.
pub(crate) fn epoch() -> u32 {
    super::attachment::epoch()
}

/// See `unix::fork`: nothing has to wait for the end of a fork.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) fn steady() -> Steady {
    Steady
}

/// Holds off nothing.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) struct Steady;
