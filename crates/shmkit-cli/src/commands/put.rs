//! `shmkit put`: a segment of a file or a pipe.
//!
//! The library takes the bytes as they come and gives the segment its name when it has them all. So
//! the size need not be known, the memory is needed once, and an interruption leaves nothing.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::make;
use crate::args::Put;
use crate::progress::Progress;
use crate::{key, output};

pub(crate) fn run(args: Put) -> Result<ExitCode> {
    let key = key::parse(&args.key)?;
    let source = Source::open(args.file.as_deref())?;
    make(&args.new, |options| {
        let mut options = options.clone();
        if let Some(size) = source.size.and_then(|size| size.try_into().ok()) {
            options.size(size);
        }
        let mut progress = Progress::new(source.size);
        Ok(options.create_from(&key, progress.of(source.bytes))?)
    })
}

struct Source {
    bytes: Box<dyn Read>,
    /// `None` if only its end will tell.
    size: Option<u64>,
}

impl Source {
    fn open(file: Option<&Path>) -> Result<Self> {
        let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
            if io::stdin().is_terminal() {
                output::message("reading from the terminal; Ctrl-D on a line of its own ends it");
            }
            return Ok(Self {
                bytes: Box::new(io::stdin().lock()),
                size: None,
            });
        };
        let open = || -> io::Result<_> {
            let file = File::open(path)?;
            let status = file.metadata()?;
            if status.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            // Files of the kernel say 0 and have contents all the same.
            let size = Some(status.len()).filter(|&size| status.is_file() && size > 0);
            Ok((file, size))
        };
        let (file, size) = open().with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            bytes: Box::new(file),
            size,
        })
    }
}
