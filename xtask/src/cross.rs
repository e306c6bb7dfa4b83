//! Checks and tests for other operating systems, processors and C libraries.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::compiler::Compiler;
use crate::leftovers::Leftovers;
use crate::machine::Machine;
use crate::python;
use crate::report::Report;
use crate::run::{cargo, quietly, run};
use crate::tally::{Tally, count};

/// The crates that every target must build.
const CRATES: [&str; 2] = ["shmkit", "shmkit-cli"];

/// Tells the tests where this machine's own build of them is: processes of different builds must be
/// able to share segments and locks.
const OTHER_BUILD: &str = "SHMKIT_TEST_OTHER_BUILD";

/// A target, and what can be done for it on a Debian machine.
struct Target {
    triple: &'static str,
    machine: Machine,
    /// Tests that mean nothing there.
    without: &'static [&'static str],
}

const TARGETS: [Target; 7] = [
    Target {
        triple: "x86_64-pc-windows-gnu",
        machine: Machine::Wine,
        without: &[],
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        machine: Machine::Arm,
        // QEMU leaves limits of the address space to nobody, and shows System V segments otherwise
        // in a process's list of mappings.
        without: &["no_address_space_left", "one_look_finds_who_maps_what"],
    },
    Target {
        triple: "i686-unknown-linux-gnu",
        machine: Machine::Here32,
        // There is only a 64-bit PyQt6, whose semaphores a 32-bit program cannot share.
        without: &["qt_interop", "same_life"],
    },
    Target {
        triple: "x86_64-unknown-linux-musl",
        machine: Machine::HereMusl,
        without: &[],
    },
    Target {
        triple: "aarch64-apple-darwin",
        machine: Machine::None,
        without: &[],
    },
    Target {
        triple: "x86_64-unknown-freebsd",
        machine: Machine::None,
        without: &[],
    },
    Target {
        triple: "aarch64-linux-android",
        machine: Machine::None,
        without: &[],
    },
];

/// The targets that may be asked for.
pub(crate) fn triples() -> PossibleValuesParser {
    TARGETS.map(|target| target.triple).into()
}

/// The table of targets.
pub(crate) fn list() -> String {
    let lines = TARGETS
        .iter()
        .map(|target| format!("{:28}  {}", target.triple, target.machine.name()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Checks the crates for the chosen targets, or for all if none is chosen, and runs the tests with
/// these arguments where something can run them; true if all went well.
pub(crate) fn cross(chosen: &[String], tests: Option<&[String]>, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    let compiler = Compiler::set_up()?;
    let leftovers = Leftovers::now();
    let mut report = Report::default();
    let mut all = Tally::default();
    for target in &TARGETS {
        if !chosen.is_empty() && !chosen.iter().any(|chosen| chosen == target.triple) {
            continue;
        }
        report.step(&format!("{}: lints", target.triple), || {
            target.lint(&compiler)
        });
        if let Some(arguments) = tests
            && target.machine != Machine::None
        {
            report.step(&format!("{}: tests", target.triple), || {
                let mut command = target.test(&compiler, arguments)?;
                count(&mut command, deadline, &mut all)
            });
        }
    }
    if tests.is_some() {
        report.step("nothing left behind", || leftovers.none_since());
    }
    let good = report.finish();
    if tests.is_some() {
        println!("{all}");
    }
    Ok(good)
}

impl Target {
    fn is_linux(&self) -> bool {
        self.triple.contains("linux")
    }

    fn lint(&self, compiler: &Compiler) -> Result<String> {
        let mut clippy = compiler.cargo("clippy", self.triple)?;
        for name in CRATES {
            clippy.args(["--package", name]);
        }
        if self.machine != Machine::None {
            clippy.arg("--all-targets");
        }
        clippy.args(["--", "--deny", "warnings"]);
        // On Windows it is said to be missing where it is.
        clippy.args(["--allow", "clippy::missing_const_for_thread_local"]);
        run(&mut clippy)?;
        Ok(String::new())
    }

    fn test(&self, compiler: &Compiler, arguments: &[String]) -> Result<Command> {
        let environment = self
            .machine
            .set_up(self.triple)
            .with_context(|| format!("cannot set up what runs {}", self.triple))?;
        let mut test = compiler.cargo("test", self.triple)?;
        test.arg("--no-fail-fast");
        test.envs(environment);
        if self.is_linux() {
            test.env(python::VARIABLE, python::set_up()?);
            test.env(OTHER_BUILD, own_build()?);
        }
        let (mine, theirs) = match arguments.iter().position(|word| word == "--") {
            Some(at) => arguments.split_at(at),
            None => (arguments, [].as_slice()),
        };
        if mine.is_empty() {
            test.arg("--tests");
            for name in CRATES {
                test.args(["--package", name]);
            }
        }
        test.args(mine).arg("--").args(theirs.iter().skip(1));
        if self.machine == Machine::Arm {
            // QEMU starts a program by a real fork, which for a moment has a share in the segments
            // of all other tests.
            test.arg("--test-threads=1");
        }
        for name in self.without {
            test.args(["--skip", name]);
        }
        Ok(test)
    }
}

/// Builds the tests for this machine itself.
fn own_build() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["test", "--package", "shmkit", "--test", "it", "--no-run"]);
    let messages = quietly(build.args(["--message-format", "json"]))?;
    executable(&messages).context("cargo does not say where the tests are")
}

/// The last program that cargo's messages name.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
        .fold(None, |_, program| Some(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_the_tests_are() {
        let messages = r#"{"reason":"compiler-artifact","executable":null}
            {"reason":"compiler-artifact","target":{"name":"it"},"executable":"/target/it-1"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some("/target/it-1".into()));
        assert_eq!(executable("warning: not a message"), None);
    }
}
