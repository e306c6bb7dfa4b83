//! How many tests passed, and which: read from what `cargo test` prints.

use std::collections::BTreeSet;
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
    let (passed, failed) = (tally.passed, tally.failed);
    *all += tally;
    if outcome.is_err() && failed == 0 {
        // A program that did not come to its end says nothing of what it has left out.
        all.failed += 1;
    }
    let remark = format!("{passed} passed, {failed} failed");
    match outcome {
        // Otherwise they did not build, or did not get to their end: the error says so.
        Err(error) if failed > 0 => return Err(error.context(remark)),
        outcome => outcome?,
    }
    ensure!(passed > 0, "no test was run");
    Ok(remark)
}

/// How many tests ended how.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Those that passed.
    pub(crate) names: BTreeSet<String>,
}

impl Tally {
    /// Adds what a test program's line says.
    fn read(&mut self, line: &str) {
        if let Some(name) = passed(line) {
            self.names.insert(name.to_owned());
        } else if let Some(tally) = closing_line(line) {
            *self += tally;
        }
    }

    /// What a log of `cargo test` says.
    pub(crate) fn of_log(log: &str) -> Self {
        let mut tally = Self::default();
        log.lines().for_each(|line| tally.read(line));
        let begun = log.lines().filter(|line| is_opening_line(line)).count();
        let ended = log.lines().filter_map(closing_line).count();
        // A program that did not come to its end says nothing of what it has left out.
        tally.failed += begun.saturating_sub(ended) as u64;
        tally
    }

    /// Whether some ran and none failed.
    pub(crate) fn is_good(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
            names: _,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} skipped")
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.names.extend(other.names);
    }
}

/// Splits a stream into lines for a tally.
#[derive(Default)]
struct Counter {
    line: Vec<u8>,
    tally: Tally,
}

impl Counter {
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.tally.read(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else {
                self.line.push(byte);
            }
        }
    }
}

/// Reads `test module::name ... ok`.
fn passed(line: &str) -> Option<&str> {
    let (name, end) = line.trim_end().strip_prefix("test ")?.split_once(" ... ")?;
    (end == "ok").then_some(name)
}

/// Whether it is `running 8 tests`.
fn is_opening_line(line: &str) -> bool {
    let count = line.strip_prefix("running ");
    let count = count.and_then(|it| {
        it.strip_suffix(" tests")
            .or_else(|| it.strip_suffix(" test"))
    });
    count.is_some_and(|count| count.parse::<u64>().is_ok())
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
        names: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_come_to_its_end_has_failed() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; kill -9 $$",
        ]);
        let mut all = Tally::default();
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        assert!(count(&mut command, deadline, &mut all).is_err());
        assert_eq!(all.failed, 1);
    }

    #[test]
    fn a_log_of_a_program_that_did_not_come_to_its_end_is_not_good() {
        let whole =
            "running 1 test\ntest a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n";
        assert!(Tally::of_log(whole).is_good());
        assert!(!Tally::of_log(&format!("{whole}running 2 tests\ntest b ... ok\n")).is_good());
    }

    #[test]
    fn closing_lines_are_added_up_across_pieces() {
        let mut counter = Counter::default();
        counter.take(b"running 2 tests\ntest a::b ... ok\ntest a::c ... ignored, child role\n");
        counter.take(b"test result: ok. 1 passed; 0 fai");
        counter.take(b"led; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n");
        counter.take(b"test result: FAILED. 20 passed; 3 failed; 4 ignored; 0 measured\n");
        assert_eq!(
            counter.tally,
            Tally {
                passed: 21,
                failed: 3,
                ignored: 5,
                names: BTreeSet::from(["a::b".to_owned()]),
            }
        );
    }
}
