//! What loom checks: the words of the locks, in every interleaving of a few threads that the memory
//! model allows, and with a death at every step.
//!
//! Each thread stands for a process with one thread and a lease of its own, unless the model says
//! otherwise. The code is that which ships; only the atomics, the kernel's part in sleeping (`park`)
//! and the answer to "is it alive?" (here) are models. Two kinds of models say different things:
//!
//! * Without time nothing ends a sleep but a wake-up. So one that is lost is a deadlock, which
//!   fails.
//! * Where time passes, a sleep is over at once and the dead are noticed. So it shows that locks and
//!   data are right, whoever dies where.
//!
//! Bounds: as many threads as each model says, and all their interleavings, unless the model says
//! how many preemptions.
//! `RUSTFLAGS="--cfg loom" cargo test --package shmkit --features async --lib sync::models`.
#![expect(
    unsafe_code,
    reason = "data that a lock protects, as loom watches them"
)]

mod blame;
mod once;
mod recursive;
mod rwlock;
mod signal;
#[cfg(feature = "async")]
mod tasks;
mod word;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool as Mark, AtomicUsize as Count};

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread::{self, JoinHandle};

use super::park;
use super::peers::Peers;
use crate::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::atomic::{death, fault_point};

/// How a model is explored.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    time_passes: bool,
    /// How often a thread may be interrupted where it could go on; `None`: as often as can be.
    preemptions: Option<usize>,
    /// At which steps a process dies at most; one that has to wait takes ever more of them.
    steps: u32,
}

/// A sleep ends by a wake-up or never.
const NO_TIME: Bounds = Bounds {
    time_passes: false,
    preemptions: None,
    steps: u32::MAX,
};

/// A sleep is over at once.
const TIME: Bounds = Bounds {
    time_passes: true,
    preemptions: None,
    steps: u32::MAX,
};

impl Bounds {
    const fn preemptions(self, most: usize) -> Self {
        Self {
            preemptions: Some(most),
            ..self
        }
    }

    const fn steps(self, most: u32) -> Self {
        Self {
            steps: most,
            ..self
        }
    }

    /// Tries all that the bounds allow, and says how many interleavings that were.
    #[expect(clippy::print_stderr, reason = "for people that look at a test")]
    fn check(self, model: impl Fn() + Send + Sync + 'static) {
        static RUNS: Count = Count::new(0);
        thread_local! {
            static HERE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
        }
        HERE.set(0);
        park::let_time_pass(self.time_passes);
        let mut builder = Builder::new();
        builder.preemption_bound = self.preemptions;
        builder.check(move || {
            HERE.set(HERE.get() + 1);
            park::reset_clock();
            model();
        });
        let all = RUNS.fetch_add(HERE.get(), Relaxed) + HERE.get();
        let name = std::thread::current();
        let name = name.name().unwrap_or_default();
        eprintln!("{name}: {} interleavings, {all} in all", HERE.get());
    }

    /// The same once for each step at which the process that is given a [`Fate`] can die, and once
    /// more, when it lives.
    fn check_deaths(self, model: impl Fn(Fate) + Send + Sync + Copy + 'static) {
        for step in 1..=self.steps {
            let has_come = std::sync::Arc::new(Mark::new(false));
            let fate = Fate {
                step,
                has_come: std::sync::Arc::clone(&has_come),
            };
            self.check(move || model(fate.clone()));
            if !has_come.load(Relaxed) {
                assert!(step > 2, "it has steps to die at");
                return;
            }
        }
    }
}

/// At which step a process dies.
#[derive(Debug, Clone)]
struct Fate {
    step: u32,
    /// Whether it has, in any interleaving.
    has_come: std::sync::Arc<Mark>,
}

/// The most processes in a model; each has its number as lease.
const PROCESSES: usize = 4;

/// What the processes of a model share.
#[derive(Debug)]
struct World<T> {
    /// Set by a death, which the kernel makes known: whoever sees it sees what came before.
    dead: [AtomicBool; PROCESSES],
    shared: T,
}

/// A process, in a thread of the model.
struct Process<T> {
    lease: u32,
    world: Arc<World<T>>,
}

impl<T: Send + Sync + 'static> Process<T> {
    /// The first one, which is this thread.
    fn first(shared: T) -> Self {
        let dead = std::array::from_fn(|_| AtomicBool::new(false));
        Self {
            lease: 1,
            world: Arc::new(World { dead, shared }),
        }
    }

    /// Another one.
    fn other(&self, lease: u32) -> Self {
        Self {
            lease,
            world: Arc::clone(&self.world),
        }
    }

    /// Another one that does something.
    fn spawn<R: 'static>(
        &self,
        lease: u32,
        act: impl FnOnce(&Process<T>) -> R + 'static,
    ) -> JoinHandle<R> {
        let other = self.other(lease);
        thread::spawn(move || act(&other))
    }

    /// Another one, which dies on the way.
    fn spawn_doomed(
        &self,
        lease: u32,
        fate: Fate,
        act: impl FnOnce(&Process<T>) + 'static,
    ) -> JoinHandle<()> {
        self.spawn(lease, move |process| {
            death::dies_at(fate.step);
            let end = panic::catch_unwind(AssertUnwindSafe(|| act(process)));
            let Err(end) = end else {
                return death::dies_at(0);
            };
            if !end.is::<death::Died>() {
                panic::resume_unwind(end);
            }
            fate.has_come.store(true, Relaxed);
            process.world.dead[lease as usize].store(true, Release);
        })
    }
}

impl<T> std::ops::Deref for Process<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.world.shared
    }
}

impl<T: Send + Sync> Peers for Process<T> {
    fn me(&self) -> u32 {
        self.lease
    }

    fn is_alive(&self, lease: u32) -> bool {
        !self.world.dead[lease as usize].load(Acquire)
    }
}

/// Two numbers that are the same but while somebody changes them. Loom watches that nobody does
/// while another looks.
#[derive(Debug)]
struct Datum {
    first: UnsafeCell<u32>,
    second: UnsafeCell<u32>,
}

// SAFETY: an access that nothing orders after those of the others ends the model.
unsafe impl Sync for Datum {}

impl Datum {
    fn new() -> Self {
        Self {
            first: UnsafeCell::new(0),
            second: UnsafeCell::new(0),
        }
    }

    /// Counts; a process can die half-way.
    fn change(&self) {
        // SAFETY: loom has checked that no other thread is there.
        self.first.with_mut(|first| unsafe { *first += 1 });
        fault_point();
        // SAFETY: as above.
        self.second.with_mut(|second| unsafe { *second += 1 });
    }

    /// Mends what a death half-way has left.
    fn repair(&self) {
        let [_, second] = self.look();
        // SAFETY: loom has checked that no other thread is there.
        self.first.with_mut(|first| unsafe { *first = second });
    }

    fn look(&self) -> [u32; 2] {
        // SAFETY: loom has checked that no other thread writes there.
        let first = self.first.with(|first| unsafe { *first });
        // SAFETY: as above.
        let second = self.second.with(|second| unsafe { *second });
        [first, second]
    }

    /// How often it was changed; they must not be half-way.
    fn count(&self) -> u32 {
        let [first, second] = self.look();
        assert_eq!(first, second, "half-written, and nobody was told");
        second
    }
}
