//! Checks for other operating systems and processors.

use clap::builder::PossibleValuesParser;

use anyhow::Result;

use crate::compiler::Compiler;
use crate::report::Report;
use crate::run::run;

/// The crates that every target must build.
const CRATES: [&str; 2] = ["shmkit", "shmkit-cli"];

/// A target, and what can be done for it on a Debian machine.
struct Target {
    triple: &'static str,
    /// What would run its tests.
    runner: Runner,
}

enum Runner {
    /// The machine itself.
    Native,
    /// Another program.
    Program(&'static str),
    /// Nothing: the code is checked, and that is all.
    None,
}

const TARGETS: [Target; 7] = [
    Target {
        triple: "x86_64-pc-windows-gnu",
        runner: Runner::Program("wine"),
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        runner: Runner::Program("qemu-aarch64-static"),
    },
    Target {
        triple: "i686-unknown-linux-gnu",
        runner: Runner::Native,
    },
    Target {
        triple: "x86_64-unknown-linux-musl",
        runner: Runner::Native,
    },
    Target {
        triple: "aarch64-apple-darwin",
        runner: Runner::None,
    },
    Target {
        triple: "x86_64-unknown-freebsd",
        runner: Runner::None,
    },
    Target {
        triple: "aarch64-linux-android",
        runner: Runner::None,
    },
];

/// The targets that may be asked for.
pub(crate) fn triples() -> PossibleValuesParser {
    TARGETS.map(|target| target.triple).into()
}

/// The table of targets.
pub(crate) fn list() -> String {
    let lines = TARGETS.iter().map(|Target { triple, runner }| {
        let tests = match runner {
            Runner::Native => "can run here",
            Runner::Program(program) => &format!("can run under {program}"),
            Runner::None => "cannot run here",
        };
        format!("{triple:28}  checked; its tests {tests}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Checks the crates for the chosen targets, or for all if none is chosen; true if they all pass.
pub(crate) fn check(chosen: &[String]) -> Result<bool> {
    let compiler = Compiler::set_up()?;
    let mut report = Report::default();
    for Target { triple, .. } in &TARGETS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == triple) {
            report.step(triple, || {
                let mut clippy = compiler.cargo("clippy", triple)?;
                for name in CRATES {
                    clippy.args(["--package", name]);
                }
                run(clippy.args(["--", "--deny", "warnings"]))?;
                Ok("checked".to_owned())
            });
        }
    }
    Ok(report.finish())
}
