//! The cheapest clock there is.

use rustix::time::{ClockId, clock_gettime};

/// The kernel's tick counter in nanoseconds: read without a system call, one to ten milliseconds
/// coarse. Two equal readings are at most one tick apart.
#[inline]
pub(crate) fn tick() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
