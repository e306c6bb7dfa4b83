//! A reader's process: copies frames out of the segment and checks them.

use anyhow::Result;
use shmkit::key::NativeIpcKey;
use shmkit::{Acquired, Detached, SharedMemory};

use crate::frame::{self, Header};
use crate::tally::Tally;
use crate::words::{Order, Word, orders, park, say};

/// Plays the role until the parent says to leave, or kills it.
pub(crate) fn run(key: &NativeIpcKey) -> Result<()> {
    let segment = SharedMemory::attach_read_only(key)?;
    let mut tally = Tally::default();
    let mut pixels = Vec::new();
    say(&Word::Attached)?;

    for order in orders() {
        match order? {
            Order::Look => look(&segment, &mut pixels, &mut tally)?,
            Order::Hold => {
                let _held = segment.lock()?;
                let figures = tally.figures();
                say(&Word::Holding { figures })?;
                park();
            }
            Order::Leave => {
                let removed = segment.detach()? == Detached::Removed;
                let figures = tally.figures();
                return say(&Word::Left { removed, figures });
            }
            Order::Write { .. } => {}
        }
    }
    Ok(())
}

fn look(segment: &SharedMemory, pixels: &mut Vec<u8>, tally: &mut Tally) -> Result<()> {
    match tally.lock(segment)? {
        Acquired::Clean(guard) => {
            let header = frame::header(segment)?;
            if header.number == tally.last_frame() {
                return Ok(());
            }
            copy(segment, &header, pixels, tally)?;
            guard.unlock();
            tally.count(header.number, pixels, header.checksum);
        }
        Acquired::OwnerDied(recovery) => {
            say(&Word::OwnerDied)?;
            // The frame may be half-written: look at it before anybody else may.
            let header = frame::header(segment)?;
            copy(segment, &header, pixels, tally)?;
            if tally.count(header.number, pixels, header.checksum) {
                recovery.mark_recovered().unlock();
            }
        }
    }
    Ok(())
}

fn copy(
    segment: &SharedMemory,
    header: &Header,
    pixels: &mut Vec<u8>,
    tally: &mut Tally,
) -> Result<()> {
    tally.copy(|| frame::read(segment, header, pixels))
}
