//! Checks and tests for other operating systems, processors and C libraries.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use crate::compiler::Compiler;
use crate::leftovers::Leftovers;
use crate::machine::Machine;
use crate::platforms;
use crate::python;
use crate::report::Report;
use crate::run::{cargo, quietly, run};
use crate::tally::{Tally, count};

/// The crates that every target must build.
const CRATES: [&str; 2] = ["shmkit", "shmkit-cli"];

/// What is not built otherwise, and must be there on every target.
const FEATURES: [&str; 2] = ["--features", "shmkit/async"];

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
        without: UNDER_QEMU,
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

/// What means nothing under QEMU's emulation of a user's programs.
const UNDER_QEMU: &[&str] = &[
    // It leaves limits of the address space to nobody.
    "no_address_space_left",
    // It shows itself and its own mappings in `/proc`.
    "one_look_finds_who_maps_what",
    "locking::a_lock_that_is_held_is_the_answer_no",
    "looking::holders_names_the_users",
    "sys::linux::process::tests::one_look_finds_who_has_what",
    "watching::a_wait_for_the_lock_names_its_holder",
    "watching::events_are_told_as_they_happen",
    // What a thread waits for is told in numbers and addresses of the emulator's own processor.
    "holders_say_who_has_the_segment_and_its_lock",
    // It has no cachestat(2), and keeps madvise(2) to itself.
    "inspect::what_has_no_key_is_listed_by_its_users",
    "placement::memory_that_is_not_there_is_an_error_and_no_signal",
    "placement::populated_pages_are_there_and_unchanged",
    "placement::progress_is_told_to_the_end",
    // It has no process_vm_readv(2).
    "sys::linux::peek::tests::this_process_can_be_read",
    "sys::unix::checked::tests::both_ways_copy_alike",
    // Its real forks have a share in what is about to be sealed.
    "seals::many_threads_seal_at_once_and_only_complete_seals_are_slices",
    // Many processes start by real forks, for longer than the tests' deadlines.
    "nothing_is_lost_or_left_in_a_storm_of_kills",
    "one_of_many_creates_and_the_others_attach",
    // A shell, `script` or `unshare` starts the program, which they do not know how to.
    "contents::a_terminal_is_shown_text_only",
    "contents::who_reads_no_further_is_no_error",
    "doctor::a_containers_memory_limit_is_told",
    "doctor::a_directory_that_is_no_memory_or_not_there_is_told",
    "doctor::a_process_namespace_and_hidden_processes_are_told",
    "doctor::a_small_and_full_directory_is_told",
    "doctor::findings_are_wrapped_and_coloured_on_a_terminal",
    "doctor::limits_of_processes_are_told",
    "doctor::missing_leases_are_told",
    "doctor::mount_options_and_permissions_are_told",
    "doctor::too_few_files_are_told",
    "doctor::used_up_system_v_segments_are_told",
    "examples::the_examples_of_the_guide_run",
    "help::help_fits_a_terminal",
    "listing::a_table_fits_the_terminal_and_is_whole_in_a_pipe",
    "listing::colours_are_for_terminals_that_want_them",
    "listing::names_do_nothing_to_a_terminal",
    "locking::the_commands_exit_code_is_ours",
    "looking::an_ordinary_user_is_told_what_it_cannot_see",
    "looking::ls_lists_some_in_some_order",
    "segments::a_held_segment_goes_with_its_holder",
    "top::a_signal_leaves_the_terminal_as_it_was",
    "top::a_watched_list_is_drawn_over_the_one_before",
    "top::changes_are_told_where_they_can_be",
    "top::it_ends_when_its_terminal_is_gone",
    "top::names_do_nothing_to_the_screen",
    "top::no_colour_is_no_colour",
    "top::segments_come_change_and_go",
    "top::what_is_in_use_is_not_removed",
    "top::without_a_terminal_it_is_printed_once",
    "watching::events_end_when_nobody_reads",
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
            let mut here = Tally::default();
            report.step(&format!("{}: tests", target.triple), || {
                let mut command = target.test(&compiler, arguments)?;
                count(&mut command, deadline, &mut here)
            });
            if arguments.is_empty() && here.is_good() {
                report.step(&format!("{}: what is said of it", target.triple), || {
                    platforms::compare(target.triple, &here.names)
                });
            }
            all += here;
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
    /// What is built and tested for it.
    fn crates(&self) -> impl Iterator<Item = &'static str> {
        // The other machines show nothing that the demo does not show on this one.
        let demo = (self.machine == Machine::Wine).then_some("shmkit-demo");
        CRATES.into_iter().chain(demo)
    }

    fn is_linux(&self) -> bool {
        self.triple.contains("linux")
    }

    fn lint(&self, compiler: &Compiler) -> Result<String> {
        let mut clippy = compiler.cargo("clippy", self.triple)?;
        for name in self.crates() {
            clippy.args(["--package", name]);
        }
        clippy.args(FEATURES);
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
            test.arg("--tests").args(FEATURES);
            for name in self.crates() {
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
