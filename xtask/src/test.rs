//! Everything that CI checks.

use std::ops::AddAssign;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::leftovers::Leftovers;
use crate::lint::{self, flags};
use crate::python;
use crate::report::Report;
use crate::run::{cargo, root, watch};

/// Makes the library use its fallbacks where it would use something better.
const FALLBACKS: &str = "--cfg shmkit_force_fallbacks";

/// Takes all the steps, or only the tests if `quick`; true if they went well.
pub(crate) fn test(quick: bool, limit: Duration, arguments: &[String]) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let python = python::set_up().context("the tests need a Python with PyQt6")?;
    let mut report = Report::default();
    let mut all = Tally::default();
    if !quick {
        lint::steps(&mut report);
    }
    let leftovers = Leftovers::now();
    report.step("tests", || {
        let mut command = cargo_test(&python);
        if arguments.is_empty() {
            command.arg("--workspace");
        }
        count(command.args(arguments), deadline, &mut all)
    });
    if !quick {
        report.step("tests of the fallbacks", || {
            let mut command = cargo_test(&python);
            if arguments.is_empty() {
                command.args(["--package", "shmkit"]);
            }
            command.args(arguments);
            // In a folder of its own, so that neither set of flags throws away the other's work.
            command.env("CARGO_TARGET_DIR", root().join("target/xtask/fallbacks"));
            for variable in ["RUSTFLAGS", "RUSTDOCFLAGS"] {
                command.env(variable, flags(variable, FALLBACKS));
            }
            count(&mut command, deadline, &mut all)
        });
    }
    report.step("nothing left behind", || leftovers.none_since());
    let good = report.finish();
    println!(
        "{} passed, {} failed, {} skipped",
        all.passed, all.failed, all.ignored
    );
    Ok(good)
}

fn cargo_test(python: &Path) -> Command {
    let mut command = cargo();
    command
        .args(["test", "--no-fail-fast"])
        .env(python::VARIABLE, python);
    command
}

/// Runs tests and adds up what they report.
fn count(command: &mut Command, deadline: Instant, all: &mut Tally) -> Result<String> {
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
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
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
