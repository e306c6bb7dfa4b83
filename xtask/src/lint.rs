//! Formatting, lints, docs.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::platforms;
use crate::report::Report;
use crate::run::{cargo, quietly, run};

/// The combinations of the library's features that the other steps do not build.
const FEATURES: [&str; 6] = [
    "",
    "derive,posix",
    "async,systemv",
    "posix",
    "systemv",
    "derive,async",
];

/// Takes all the steps; true if they went well.
pub(crate) fn lint() -> Result<bool> {
    let mut report = Report::default();
    steps(&mut report);
    Ok(report.finish())
}

/// Adds the steps to a report.
pub(crate) fn steps(report: &mut Report) {
    report.step("formatting", || {
        silent(cargo().args(["fmt", "--all", "--check"]))
    });
    report.step("lints", || {
        silent(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "--deny",
            "warnings",
        ]))
    });
    report.step("features", || {
        for features in FEATURES {
            let mut check = cargo();
            check.args(["clippy", "--package", "shmkit", "--no-default-features"]);
            silent(check.args(["--features", features, "--", "--deny", "warnings"]))?;
        }
        let mut test = cargo();
        test.args(["test", "--package", "shmkit", "--no-default-features"]);
        quietly(test.args(["--features", "derive", "--lib", "backend::tests"]))?;
        Ok(format!("{} combinations compile", FEATURES.len()))
    });
    report.step("table of platforms", platforms::check);
    report.step("docs", || {
        // The library and the program are both called `shmkit`, so they cannot go at once.
        silent(&mut doc(&["--workspace", "--exclude", "shmkit-cli"]))?;
        silent(&mut doc(&["--package", "shmkit-cli"]))
    });
}

fn doc(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command
        .args(["doc", "--no-deps", "--all-features"])
        .args(arguments);
    command.env("RUSTDOCFLAGS", flags("RUSTDOCFLAGS", "--deny warnings"));
    command
}

/// The flags that a variable holds, and one more.
pub(crate) fn flags(variable: &str, flag: &str) -> String {
    let before = env::var(variable).unwrap_or_default();
    format!("{before} {flag}").trim_start().to_owned()
}

/// Runs a command that leaves no remark.
fn silent(command: &mut Command) -> Result<String> {
    run(command)?;
    Ok(String::new())
}
