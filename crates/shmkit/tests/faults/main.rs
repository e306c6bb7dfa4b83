//! A process is killed between any two of its effects, in every operation of everything that lives
//! inside a segment, and in its birth and death; then others must get on.
//!
//! For n = 1, 2, 3 ... until it gets to its end, a *victim* does something and dies at its n-th
//! fault point. Then *survivors*, processes that live on from one point to the next, do the same or
//! its counterpart. They must be done in time, alone in what is exclusive, and find the data whole
//! or be told that the owner died; and at the end nothing may be held, owed or left over.
//!
//! The library has these points only in a build of its own, with `--cfg shmkit_fault_points`:
//! `cargo xtask test` makes it and runs this. In other builds there is nothing to run here.
#![cfg(shmkit_fault_points)]
#![expect(
    clippy::print_stdout,
    reason = "how many points there are is worth knowing, and where a test failed"
)]

mod births;
mod cast;
mod locks;
mod onces;
mod place;
mod rwlock;
mod signals;
mod stage;
mod system_v;

use cast::{Scenario, play};
use place::Backend;

/// What is played on a stage.
fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    [
        locks::MUTEX,
        locks::RECURSIVE,
        rwlock::SCENARIOS,
        signals::SCENARIOS,
        onces::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}

macro_rules! on_every_backend {
    ($($module:ident $backend:ident),*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn one_survivor_gets_on() {
                play(Backend::$backend, 1, scenarios());
            }

            #[test]
            fn two_survivors_get_on_with_the_locks() {
                play(Backend::$backend, 2, scenarios().filter(|scenario| scenario.for_many));
            }

            #[test]
            fn eight_survivors_get_on_with_the_locks() {
                if cfg!(shmkit_force_portable) {
                    println!("skipped: eight who nap are not all asleep at one moment");
                    return;
                }
                play(Backend::$backend, 8, scenarios().filter(|scenario| scenario.for_many));
            }
        }
    )*};
}

on_every_backend!(posix Posix, file File, memfd Memfd);

#[test]
fn names_of_scenarios_differ() {
    let mut names: Vec<_> = scenarios().map(|scenario| scenario.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
