//! How many tests passed: read from what `cargo test` prints.

use std::fmt;
use std::ops::AddAssign;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::run::watch;

/// Runs tests and adds up what they report.
pub(crate) fn count(command: &mut Command, deadline: Instant, all: &mut Tally) -> Result<String> {
    let mut counter = Counter::default();
    let outcome = watch(command, deadline, |bytes| counter.take(bytes));
    let tally = counter.tally;
    *all += tally;
    let remark = format!("{} passed, {} failed", tally.passed, tally.failed);
    match outcome {
        // Otherwise they did not build, or did not get to their end: the error says so.
        Err(error) if tally.failed > 0 => return Err(error.context(remark)),
        outcome => outcome?,
    }
    ensure!(tally.passed > 0, "no test was run");
    Ok(remark)
}

/// How many tests ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} skipped")
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Finds the closing lines of test programs in a stream.
#[derive(Default)]
struct Counter {
    line: Vec<u8>,
    tally: Tally,
}

impl Counter {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.tally +=
                    closing_line(&String::from_utf8_lossy(&self.line)).unwrap_or_default();
                self.line.clear();
            } else {
                self.line.push(byte);
            }
        }
    }
}

/// Reads `test result: ok. 8 passed; 0 failed; 7 ignored; ...`.
fn closing_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what| {
        let (number, _) = counts.split("; ").find_map(|part| part.split_once(what))?;
        number.trim().parse().ok()
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        ignored: count("ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_across_pieces() {
        let mut counter = Counter::default();
        counter.take(b"running 2 tests\ntest result: ok. 1 passed; 0 fai");
        counter.take(b"led; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n");
        counter.take(b"test result: FAILED. 20 passed; 3 failed; 4 ignored; 0 measured\n");
        assert_eq!(
            counter.tally,
            Tally {
                passed: 21,
                failed: 3,
                ignored: 5
            }
        );
    }
}
