//! `shmkit get`: a segment's bytes.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use shmkit::{Access, Detached, ErrorKind, InUse, Origin, Owners, SharedMemory, View};

use super::rendezvous;
use crate::args::Get;
use crate::key;
use crate::progress::Progress;

/// So much is copied at once.
const PIECE: usize = 1 << 20;

pub(crate) fn run(args: Get) -> Result<ExitCode> {
    let key = key::parse(&args.key)?;
    let mut options = SharedMemory::options();
    // Whoever names a segment wants that one, whosever it is.
    options.owners(Owners::Anyone).access(Access::ReadOnly);
    let segment = match options.attach(&key) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let Some(given) = rendezvous::take(&key)? else {
                return Err(error.into());
            };
            copy(given.view(), &given.name(), args.file.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        attached => attached?,
    };
    copy(segment.view(), &segment.name(), args.file.as_deref())?;
    if args.take {
        if segment.detach()? == Detached::Remains {
            match options.remove(&key, InUse::Refuse) {
                // Another user, the last one, was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    } else if segment.origin() == Origin::Adopted {
        // An orphan was there before us and shall be there after us: we go as its users went, at
        // the end of this process.
        std::mem::forget(segment);
    }
    Ok(ExitCode::SUCCESS)
}

fn copy(bytes: View<'_>, called: &str, file: Option<&Path>) -> Result<()> {
    let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
        let out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        return copy_to(bytes, called, out, is_terminal, "standard output");
    };
    let name = path.display().to_string();
    let file = File::create(path).with_context(|| format!("cannot write to {name}"))?;
    copy_to(bytes, called, file, false, &name)
}

fn copy_to(
    bytes: View<'_>,
    called: &str,
    mut out: impl Write,
    only_text: bool,
    name: &str,
) -> Result<()> {
    let size = bytes.len();
    let mut progress = Progress::new(Some(size as u64));
    let mut buffer = vec![0; PIECE.min(size)];
    let mut offset = 0;
    while offset < size {
        let piece = &mut buffer[..PIECE.min(size - offset)];
        bytes.copy_to(offset, piece)?;
        if only_text && !piece.iter().all(is_text) {
            bail!("cannot show {called} on a terminal: it is not text; name a file or use a pipe");
        }
        out.write_all(piece)
            .with_context(|| format!("cannot write to {name}"))?;
        offset += piece.len();
        progress.add(piece.len() as u64);
    }
    out.flush()
        .with_context(|| format!("cannot write to {name}"))
}

fn is_text(byte: &u8) -> bool {
    !byte.is_ascii_control() || matches!(byte, b'\n' | b'\r' | b'\t')
}
