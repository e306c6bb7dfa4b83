//! Making a segment of contents whose size is not known beforehand. A System V segment cannot grow,
//! and cannot be without its key until it is complete: so the contents are collected first, and it
//! is only kept once it is.
#![expect(unsafe_code, reason = "a view of the new segment")]

use std::io::{self, Read};
use std::time::Duration;

use super::key_file;
use super::segment::{self, Segment};
use super::semaphore::Semaphore;
use crate::backend::{Lifetime, Removal, Spec, State, no_contents, survey, unreadable};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::mapping::{Rw, View};

/// Pieces of this size are given back one by one while the segment takes up their contents, so
/// that both together need little more memory than one of them.
const PIECE: u64 = 1 << 20;

/// Nobody but those who attach at this moment can have the lock of a new segment.
const PATIENCE: Duration = Duration::from_millis(50);

/// Makes a segment of the contents and of their size; an orphan of the key is removed first.
pub(crate) fn create_from(
    key: &NativeIpcKey,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Semaphore)> {
    // Said before anything is read.
    if survey::find(key).is_ok_and(|found| matches!(found.state, State::Live | State::Kept)) {
        return Err(Error::new(op, ErrorKind::AlreadyExists)
            .on(key)
            .detail("it already exists, and is kept or in use")
            .hint("attach to it, or remove it by name (`shmkit rm`)"));
    }
    let pieces = collect(contents).map_err(|error| unreadable(error, op).on(key))?;
    let size = pieces.iter().map(Vec::len).sum();
    if size == 0 {
        return Err(no_contents(op).on(key));
    }
    let unfinished = Spec {
        size,
        lifetime: Lifetime::Ephemeral,
        ..spec.clone()
    };
    let (mut segment, semaphore) = segment::create(key, &unfinished, op)?;
    let taken = semaphore.lock_within(PATIENCE).ok().flatten();
    // SAFETY: the segment is mapped, read-write and in this size, until the end of this function,
    // and nothing else in this process knows its address.
    let view = unsafe { View::<Rw>::from_raw_parts(segment.address().as_ptr(), size) };
    let filled = fill(view, pieces).and_then(|()| match spec.lifetime {
        Lifetime::Ephemeral => Ok(()),
        Lifetime::Kept => {
            let (path, _) = key_file::parts(key, op)?;
            key_file::mark_kept(path).map_err(|error| key_file::explain(error, path, op))
        }
    });
    if let Some((taken, _)) = taken {
        taken.give(true);
    }
    match filled {
        Ok(()) => {
            segment.lifetime = spec.lifetime;
            Ok((segment, semaphore))
        }
        Err(error) => {
            let _ = segment.detach(key, Removal::Always, Some(&semaphore));
            Err(error.on(key))
        }
    }
}

fn collect(contents: &mut dyn Read) -> io::Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    loop {
        let mut piece = Vec::new();
        if contents.take(PIECE).read_to_end(&mut piece)? == 0 {
            return Ok(pieces);
        }
        pieces.push(piece);
    }
}

fn fill(view: View<'_, Rw>, pieces: Vec<Vec<u8>>) -> Result<()> {
    let mut offset = 0;
    for piece in pieces {
        view.copy_from(offset, &piece)?;
        offset += piece.len();
    }
    Ok(())
}
