use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueHint};

/// Compare a segment with a file
///
/// Shows where the bytes of a segment (-) differ from those of FILE (+), line by line in
/// hexadecimal and as text. A size that differs counts as a difference. The segment stays as it
/// is.
///
/// Exit status: 0 if they are the same, 1 if they differ, 2 if they cannot be compared.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit diff cam0 frame.raw
  shmkit diff cam0 frame.raw --quiet && echo unchanged
  shmkit get other | shmkit diff cam0 -        two segments")]
pub(crate) struct Diff {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// The file; `-` is standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Show at most so many lines, or with --json places, that differ; 0 for all of them
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 20)]
    pub(crate) lines: usize,
    /// Print nothing, only answer
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Print JSON: how many bytes differ, and in which ranges
    #[arg(long)]
    pub(crate) json: bool,
}
