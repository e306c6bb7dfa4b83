//! Where a frame lies in the segment. `reader.py` knows this too.

use anyhow::{Context as _, Result};
use shmkit::SharedMemory;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where the pixels begin: behind the header, at a cache line of their own.
const PIXELS: usize = 64;

/// What stands before the pixels, at the start of the segment; read and written under the lock.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Header {
    /// The frame's number; 0 is the picture, before the film begins.
    pub(crate) number: u64,
    /// Bytes of pixels.
    pub(crate) length: u64,
    /// Of the pixels, as zlib has it.
    pub(crate) checksum: u32,
    pub(crate) unused: u32,
}

/// Bytes of a segment for frames of so many bytes.
pub(crate) fn segment_size(length: usize) -> usize {
    PIXELS + length
}

/// Writes a frame. The caller has the lock.
pub(crate) fn write(segment: &SharedMemory, number: u64, pixels: &[u8], sum: u32) -> Result<()> {
    let header = Header {
        number,
        length: pixels.len() as u64,
        checksum: sum,
        unused: 0,
    };
    let view = segment.view_mut()?;
    view.write(0, &header)?;
    Ok(view.copy_from(PIXELS, pixels)?)
}

/// Which frame is there. The caller has the lock.
pub(crate) fn header(segment: &SharedMemory) -> Result<Header> {
    Ok(segment.view().read(0)?)
}

/// Copies the pixels of the frame out. The caller has the lock.
pub(crate) fn read(segment: &SharedMemory, header: &Header, pixels: &mut Vec<u8>) -> Result<()> {
    let length = usize::try_from(header.length).context("the header is damaged")?;
    // Checked against the segment's size before the vector grows to it.
    let part = segment.view().get(PIXELS..)?.get(..length)?;
    pixels.resize(length, 0);
    Ok(part.copy_to(0, pixels)?)
}

/// The checksum that Python has as `zlib.crc32`.
pub(crate) fn checksum(pixels: &[u8]) -> u32 {
    crc32fast::hash(pixels)
}
