//! Who waits for a lock, which these systems do not tell.

/// How many threads of a process sleep on a set of System V semaphores: none that is known of.
pub(crate) fn on_set(_pid: u32, _id: i32) -> usize {
    0
}
