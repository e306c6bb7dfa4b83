//! `shmkit diff`: where a segment and a file differ.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::reading::Reading;
use crate::args::Diff;
use crate::output::{self, bytes};
use crate::progress::Progress;
use crate::{failure, hex};

/// So much is compared at once.
const PIECE: usize = 1 << 20;

/// What differs, in JSON.
#[derive(Debug, Default, Serialize)]
struct Difference {
    equal: bool,
    segment_size: u64,
    file_size: u64,
    /// How many bytes of those that both have.
    differing: u64,
    /// In how many places.
    places: u64,
    /// Where the first of them are: the first byte and the one after the last.
    ranges: Vec<(u64, u64)>,
    /// The byte after the last that differs.
    #[serde(skip)]
    end: Option<u64>,
}

pub(crate) fn run(args: Diff) -> Result<ExitCode> {
    let segment = Reading::of(&args.key)?;
    let mut file = open(&args.file)?;
    let name = args.file.display();
    let size = segment.size();
    let mut found = Difference {
        segment_size: size as u64,
        ..Difference::default()
    };
    let most = match args.lines {
        0 => usize::MAX,
        lines => lines,
    };
    let mut lines = Lines {
        most,
        left: most,
        is_silent: args.quiet || args.json,
        more: false,
    };
    let mut progress = Progress::new(Some(size as u64));
    let [mut ours, mut theirs] = [vec![0; PIECE], vec![0; PIECE]];
    let mut offset = 0;
    loop {
        let read = fill(&mut file, &mut theirs).with_context(|| format!("cannot read {name}"))?;
        found.file_size += read as u64;
        let both = read.min(size.saturating_sub(offset));
        segment.read_at(offset, &mut ours[..both])?;
        if ours[..both] != theirs[..both] {
            found.compare(offset, &ours[..both], &theirs[..both], &mut lines)?;
            if args.quiet {
                break;
            }
        }
        offset += both;
        progress.add(both as u64);
        if read < PIECE {
            break;
        }
    }
    drop(progress);
    found.equal = found.differing == 0 && found.segment_size == found.file_size;
    if args.json {
        output::json(&found)?;
    } else if !args.quiet && !found.equal {
        lines.end()?;
        found.sum_up(&name.to_string())?;
    }
    Ok(match found.equal {
        true => ExitCode::SUCCESS,
        false => failure::NO.into(),
    })
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(file))
}

/// Reads until the buffer is full or nothing is left.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Difference {
    /// Notes what differs in two pieces of the same length.
    fn compare(
        &mut self,
        offset: usize,
        ours: &[u8],
        theirs: &[u8],
        lines: &mut Lines,
    ) -> Result<()> {
        for (index, pair) in ours.iter().zip(theirs).enumerate() {
            if pair.0 == pair.1 {
                continue;
            }
            self.differing += 1;
            let at = (offset + index) as u64;
            let goes_on = self.end.replace(at + 1) == Some(at);
            if !goes_on {
                self.places += 1;
            }
            match self.ranges.last_mut() {
                Some((_, end)) if goes_on && *end == at => *end += 1,
                _ if !goes_on && (self.places as usize) <= lines.most => {
                    self.ranges.push((at, at + 1));
                }
                _ => {}
            }
        }
        let rows = ours.chunks(hex::WIDTH).zip(theirs.chunks(hex::WIDTH));
        for (row, (ours, theirs)) in rows.enumerate() {
            if ours != theirs && !lines.show(offset + row * hex::WIDTH, ours, theirs)? {
                break;
            }
        }
        Ok(())
    }

    fn sum_up(&self, name: &str) -> Result<()> {
        if self.differing > 0 {
            let places = match self.places {
                1 => "one place".to_owned(),
                count => format!("{count} places"),
            };
            output::line(&format!("{} differ, in {places}", count_of(self.differing)))?;
        }
        if self.segment_size != self.file_size {
            output::line(&format!(
                "the segment has {}, {} has {}",
                bytes(self.segment_size),
                output::shown(name),
                bytes(self.file_size)
            ))?;
        }
        Ok(())
    }
}

fn count_of(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

/// The lines that are shown.
struct Lines {
    most: usize,
    left: usize,
    is_silent: bool,
    /// There would have been more.
    more: bool,
}

impl Lines {
    /// Shows a line of both; `false` when no more are wanted.
    fn show(&mut self, offset: usize, ours: &[u8], theirs: &[u8]) -> Result<bool> {
        if self.is_silent {
            return Ok(false);
        }
        if self.left == 0 {
            self.more = true;
            return Ok(false);
        }
        self.left -= 1;
        let [ours, theirs] = [ours, theirs].map(|bytes| hex::line(offset as u64, bytes));
        output::print(&format!("-{ours}\n+{theirs}\n"))?;
        Ok(true)
    }

    fn end(&self) -> Result<()> {
        match self.more {
            true => output::line("..."),
            false => Ok(()),
        }
    }
}
