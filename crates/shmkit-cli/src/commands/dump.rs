//! `shmkit dump`: a segment's bytes in hexadecimal, or the fields of a typed one.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use shmkit::SharedMemory;

use super::reading::Reading;
use super::typed;
use crate::args::{Dump, Range};
use crate::hex;

/// So much is copied at once.
const PIECE: usize = 64 << 10;

pub(crate) fn run(args: Dump) -> Result<ExitCode> {
    let segment = Reading::of(&args.key)?;
    if args.decode {
        return typed::decode(&segment, args.json);
    }
    let size = segment.size();
    let all = [Range {
        start: 0,
        end: None,
    }];
    let ranges = match args.ranges.is_empty() {
        true => &all[..],
        false => &args.ranges,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for range in ranges {
        let end = range.end.unwrap_or(size);
        if range.start > size || end > size {
            bail!(
                "the range ends at byte {}, and the segment has {size}",
                end.max(range.start)
            );
        }
        dump(&segment, range.start, end, args.all, &mut out)?;
    }
    out.flush().context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn dump(
    segment: &SharedMemory,
    start: usize,
    end: usize,
    all: bool,
    out: &mut impl Write,
) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut last: Option<Vec<u8>> = None;
    let mut is_repeating = false;
    let mut offset = start;
    while offset < end {
        let piece = &mut buffer[..PIECE.min(end - offset)];
        segment.read_at(offset, piece)?;
        for (index, bytes) in piece.chunks(hex::WIDTH).enumerate() {
            let at = offset + index * hex::WIDTH;
            let repeats = last.as_deref() == Some(bytes) && at + bytes.len() < end;
            let line = match (repeats && !all, is_repeating) {
                (true, true) => continue,
                (true, false) => "*".to_owned(),
                (false, _) => hex::line(at as u64, bytes),
            };
            is_repeating = repeats && !all;
            last = Some(bytes.to_vec());
            writeln!(out, "{line}").context("cannot write to standard output")?;
        }
        offset += piece.len();
    }
    writeln!(out, "{end:08x}").context("cannot write to standard output")
}
