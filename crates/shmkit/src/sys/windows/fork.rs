//! There are no forks on Windows.

pub(crate) fn generation() -> u32 {
    0
}

/// Changes when something is detached.
pub(crate) fn epoch() -> u32 {
    super::attachment::epoch()
}
