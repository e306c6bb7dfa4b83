use std::ffi::OsString;

use clap::Parser;

use crate::size;

/// Show a segment's bytes
///
/// Prints the bytes of a segment in hexadecimal and as text. Lines that repeat the one before are
/// shown as one star. The segment stays as it is, an orphan too.
///
/// Others may write to it meanwhile. To have them wait, if they use its lock, take that:
/// `shmkit lock KEY -- shmkit dump KEY`.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  shmkit dump cam0 | less
  shmkit dump cam0 0..256              the first 256 bytes
  shmkit dump cam0 0x1000+64           64 bytes from there on
  shmkit dump cam0 4K.. --all          the rest, also what repeats
  shmkit dump cam0 0..64 8K..8K+64     two pieces
  shmkit dump state --decode           the fields of a typed segment")]
pub(crate) struct Dump {
    /// The key: posix:/NAME, systemv:/PATH, or NAME for posix:/NAME
    #[arg(value_name = "KEY")]
    pub(crate) key: OsString,
    /// Which bytes: START..END, START+LENGTH, START.. or ..END, as 4096, 0x1000 or 4K
    #[arg(value_name = "RANGE", value_parser = range)]
    pub(crate) ranges: Vec<Range>,
    /// Show lines that repeat, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show the fields of a typed segment instead, which says itself what they are
    #[arg(short, long, conflicts_with_all = ["ranges", "all"])]
    pub(crate) decode: bool,
    /// Print the fields as JSON
    #[arg(long, requires = "decode")]
    pub(crate) json: bool,
}

/// Bytes of a segment; up to its end if none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) end: Option<usize>,
}

fn range(text: &str) -> Result<Range, String> {
    let wrong = || "expected START..END, START+LENGTH, START.. or ..END".to_owned();
    let range = if let Some((start, end)) = text.split_once("..") {
        Range {
            start: if start.is_empty() { 0 } else { offset(start)? },
            end: match end.split_once('+') {
                _ if end.is_empty() => None,
                Some((from, length)) => Some(sum(from, length)?),
                None => Some(offset(end)?),
            },
        }
    } else {
        let (start, length) = text.split_once('+').ok_or_else(wrong)?;
        Range {
            start: offset(start)?,
            end: Some(sum(start, length)?),
        }
    };
    match range.end {
        Some(end) if end < range.start => Err("the end lies before the start".to_owned()),
        _ => Ok(range),
    }
}

fn sum(start: &str, length: &str) -> Result<usize, String> {
    let sum = offset(start)?.checked_add(offset(length)?);
    sum.ok_or_else(|| "more than this machine can address".to_owned())
}

fn offset(text: &str) -> Result<usize, String> {
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16)
            .map_err(|_| "expected hexadecimal digits after 0x".to_owned()),
        None => size::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        for (text, start, end) in [
            ("0..256", 0, Some(256)),
            ("..16", 0, Some(16)),
            ("0x10..", 16, None),
            ("..", 0, None),
            ("4K+64", 4096, Some(4160)),
            ("8K..8K+64", 8192, Some(8256)),
            ("7..7", 7, Some(7)),
        ] {
            assert_eq!(range(text), Ok(Range { start, end }), "{text}");
        }
        for wrong in ["", "5", "9..5", "0x..", "a..b", "1+", "+", "16E..16E+16E"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
