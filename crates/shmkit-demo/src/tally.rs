//! What a child counts.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shmkit::{Acquired, Guard, SharedMemory};

use crate::frame;

/// What a child did, for the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Frames written, or copied out.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// The time that the copies took, without waiting for the lock.
    pub(crate) copy_seconds: f64,
    pub(crate) lock_wait_median_seconds: f64,
    pub(crate) lock_wait_max_seconds: f64,
    pub(crate) checksum_errors: u64,
    pub(crate) last_frame: u64,
    pub(crate) last_checksum: u32,
}

/// Counts, while a child works.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    waits: Vec<Duration>,
    frames: u64,
    bytes: u64,
    copying: Duration,
    checksum_errors: u64,
    last_frame: u64,
    last_checksum: u32,
}

impl Tally {
    /// Takes the lock and counts the wait for it.
    pub(crate) fn lock<'s>(
        &mut self,
        segment: &'s SharedMemory,
    ) -> shmkit::Result<Acquired<Guard<'s>>> {
        let asked = Instant::now();
        let acquired = segment.lock()?;
        self.waits.push(asked.elapsed());
        Ok(acquired)
    }

    /// Makes a copy of a frame and counts its time.
    pub(crate) fn copy<T>(&mut self, copy: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = copy();
        self.copying += began.elapsed();
        result
    }

    /// Counts a frame that was copied, and says whether its checksum is the one it should have.
    pub(crate) fn count(&mut self, number: u64, pixels: &[u8], expected: u32) -> bool {
        self.frames += 1;
        self.bytes += pixels.len() as u64;
        self.last_frame = number;
        self.last_checksum = frame::checksum(pixels);
        let right = self.last_checksum == expected;
        self.checksum_errors += u64::from(!right);
        right
    }

    pub(crate) fn last_frame(&self) -> u64 {
        self.last_frame
    }

    pub(crate) fn figures(&mut self) -> Figures {
        self.waits.sort_unstable();
        let seconds = |wait: Option<&Duration>| wait.map_or(0.0, Duration::as_secs_f64);
        Figures {
            frames: self.frames,
            bytes: self.bytes,
            copy_seconds: self.copying.as_secs_f64(),
            lock_wait_median_seconds: seconds(self.waits.get(self.waits.len() / 2)),
            lock_wait_max_seconds: seconds(self.waits.last()),
            checksum_errors: self.checksum_errors,
            last_frame: self.last_frame,
            last_checksum: self.last_checksum,
        }
    }
}
