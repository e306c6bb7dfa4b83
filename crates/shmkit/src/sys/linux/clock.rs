//! The cheapest clock there is.

use rustix::time::{ClockId, clock_gettime};

/// A number that changes with the kernel's tick: read without a system call, one to ten
/// milliseconds coarse. Two equal readings are at most one tick apart.
#[inline]
pub(crate) fn tick() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    // Nanoseconds of a second have 30 bits.
    (now.tv_sec as u64) << 30 | now.tv_nsec as u64
}
