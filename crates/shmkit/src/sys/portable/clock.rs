//! The clock.

use rustix::time::{ClockId, clock_gettime};

/// A number that changes every millisecond.
#[inline]
pub(crate) fn tick() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Milliseconds of a second have 10 bits.
    ((now.tv_sec as u64) << 10) | (now.tv_nsec as u64 / 1_000_000)
}
