//! The writer's process: finds the picture in the segment and makes a film of it there.

use anyhow::Result;
use shmkit::key::NativeIpcKey;
use shmkit::{Acquired, Detached, SharedMemory};

use crate::frame;
use crate::picture::Picture;
use crate::tally::Tally;
use crate::words::{Order, Word, orders, say};

/// Plays the role until the parent says to leave.
pub(crate) fn run(key: &NativeIpcKey, width: u32, height: u32) -> Result<()> {
    let segment = SharedMemory::attach(key)?;
    let mut tally = Tally::default();
    let picture = {
        let _held = segment.lock()?;
        let mut pixels = Vec::new();
        frame::read(&segment, &frame::header(&segment)?, &mut pixels)?;
        Picture {
            name: String::new(),
            width,
            height,
            pixels,
        }
    };
    say(&Word::Attached)?;

    let mut pixels = Vec::new();
    for order in orders() {
        match order? {
            Order::Write { through, of } => {
                for number in tally.last_frame() + 1..=through {
                    picture.frame(number, of, &mut pixels);
                    write(&segment, number, &pixels, &mut tally)?;
                    say(&Word::Wrote { number })?;
                }
            }
            Order::Leave => {
                let removed = segment.detach()? == Detached::Removed;
                let figures = tally.figures();
                return say(&Word::Left { removed, figures });
            }
            Order::Look | Order::Hold => {}
        }
    }
    Ok(())
}

fn write(segment: &SharedMemory, number: u64, pixels: &[u8], tally: &mut Tally) -> Result<()> {
    let sum = frame::checksum(pixels);
    let acquired = tally.lock(segment)?;
    if let Acquired::OwnerDied(_) = acquired {
        say(&Word::OwnerDied)?;
    }
    tally.copy(|| frame::write(segment, number, pixels, sum))?;
    // Whatever a dead one left there, all of it is new now.
    acquired.assume_recovered().unlock();
    tally.count(number, pixels, sum);
    Ok(())
}
