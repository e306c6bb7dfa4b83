//! Everything that CI checks.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::apt;
use crate::leftovers::Leftovers;
use crate::lint::{self, flags};
use crate::package;
use crate::platforms;
use crate::python;
use crate::report::Report;
use crate::run::{cargo, root};
use crate::tally::{Tally, count};

/// Makes the library use its fallbacks where it would use something better.
const FALLBACKS: &str = "--cfg shmkit_force_fallbacks";

/// Makes the library use on Linux what it has for macOS and FreeBSD.
const PORTABLE: &str = "--cfg shmkit_force_portable";

/// Gives the library points at which a test can make the process die.
const FAULT_POINTS: &str = "--cfg shmkit_fault_points";

/// Puts loom's atomics under the locks.
const LOOM: &str = "--cfg loom";

/// What the tests start, and the Debian packages that have it.
const PROGRAMS: [(&str, &str); 8] = [
    ("cc", "gcc"),
    ("groff", "groff-base"),
    ("ipcs", "util-linux"),
    ("lsof", "lsof"),
    ("pkill", "procps"),
    ("script", "bsdutils"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
];

/// Takes all the steps, or only the tests if `quick`; true if they went well.
pub(crate) fn test(quick: bool, limit: Duration, arguments: &[String]) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let python = python::set_up().context("the tests need a Python with PyQt6")?;
    apt::install_missing(&PROGRAMS).context("the tests need programs that are not here")?;
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
            built_otherwise(&mut command, FALLBACKS, "fallbacks");
            count(&mut command, deadline, &mut all)
        });
    }
    if arguments.is_empty() {
        report.step("Python package", || {
            package::test(&python, deadline, &[], &mut all)
        });
    }
    if !quick && arguments.is_empty() {
        report.step("Python package for users", package::install_as_users_do);
        report.step("tests of lock files and naps", || {
            let mut command = cargo_test(&python);
            command.args(["--package", "shmkit", "--lib", "--test", "it"]);
            // Waiters nap, so nobody is first in a queue, and one may starve for as long as it waits.
            command.args([
                "--",
                "--skip",
                "handles_come_and_go_while_others_come_and_go",
            ]);
            built_otherwise(&mut command, PORTABLE, "portable");
            count(&mut command, deadline, &mut all)
        });
        report.step("deaths between any two effects", || {
            let mut command = cargo_test(&python);
            command.args(["--package", "shmkit", "--test", "faults"]);
            built_otherwise(&mut command, FAULT_POINTS, "faults");
            count(&mut command, deadline, &mut all)
        });
        report.step("the same with lock files and naps", || {
            let mut command = cargo_test(&python);
            command.args(["--package", "shmkit", "--test", "faults"]);
            let flags = format!("{FAULT_POINTS} {PORTABLE}");
            built_otherwise(&mut command, &flags, "portable-faults");
            count(&mut command, deadline, &mut all)
        });
        report.step("loom models", || {
            let mut command = cargo();
            command.args([
                "test",
                "--package",
                "shmkit",
                "--lib",
                "--features",
                "async",
                "sync::models",
            ]);
            // The dependencies are what takes the time.
            command.args(["--config", "profile.dev.package.'*'.opt-level=3"]);
            built_otherwise(&mut command, LOOM, "loom");
            count(&mut command, deadline, &mut all)
        });
    }
    if !quick && arguments.is_empty() && all.is_good() && report.is_good() {
        report.step("what is said of this machine", || {
            platforms::compare(platforms::HERE, &all.names)
        });
    }
    report.step("nothing left behind", || leftovers.none_since());
    let good = report.finish();
    println!("{all}");
    Ok(good)
}

/// Tests the Python package alone; true if that went well.
pub(crate) fn python(arguments: &[String]) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(30 * 60);
    let python = python::set_up().context("the tests need a Python with PyQt6")?;
    let mut report = Report::default();
    let mut all = Tally::default();
    report.step("Python package", || {
        package::test(&python, deadline, arguments, &mut all)
    });
    Ok(report.finish())
}

fn cargo_test(python: &Path) -> Command {
    let mut command = cargo();
    command
        .args(["test", "--no-fail-fast", "--all-features"])
        .env(python::VARIABLE, python);
    command
}

/// Adds a flag to the build, which goes to a folder of its own, so that neither set of flags throws
/// away the other's work.
fn built_otherwise(command: &mut Command, flag: &str, folder: &str) {
    command.env("CARGO_TARGET_DIR", root().join("target/xtask").join(folder));
    for variable in ["RUSTFLAGS", "RUSTDOCFLAGS"] {
        command.env(variable, flags(variable, flag));
    }
}
