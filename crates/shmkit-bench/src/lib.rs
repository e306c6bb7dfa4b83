//! Paired benchmarks: shmkit against the raw call that does the same work.
//!
//! A figure in nanoseconds says little when the machine is shared, throttles or has two cores and
//! ten tenants. What users ask is "how much dearer than the plain call is it?", and that is a
//! ratio. So both sides run in the same process, in turn, in many short rounds, and every round
//! gives one ratio: whatever slows the machine for a while slows both halves of a round alike.
//! The table gives the median ratio and the range in which eight of ten rounds lay.
//!
//! # Why not an existing harness
//!
//! criterion and divan measure one function after the other, each for seconds, so a busy spell
//! falls on one side only; neither reports a ratio with its spread. tango-bench does pair, but two
//! builds of the same function (a commit against its predecessor), each in a library of its own,
//! not two functions of one build. What is needed is a screen of code, and it is below.
//!
//! # Writing a benchmark
//!
//! ```
//! use shmkit_bench::{Goal, run};
//!
//! fn main() -> std::process::ExitCode {
//!     run(|bench| {
//!         let mut group = bench.group("sums");
//!         group.case("fold").goal(Goal::AtMost(1.10)).pair(
//!             || (0..100_u64).fold(0, |sum, n| sum + n),
//!             || (0..100_u64).sum::<u64>(),
//!         );
//!     })
//! }
//! ```
//!
//! `cargo bench -p shmkit-bench` prints tables; after `--`, `--markdown` and `--json` print the
//! same for documents and programs, a word picks the cases whose group or name contains it, and
//! `--seconds` sets how long each case may take. Without cargo's own `--bench` flag, as under
//! `cargo test --benches`, each side runs once: a check that the benchmark still works.
#![expect(clippy::print_stdout, reason = "printing results is this crate's work")]

mod report;
mod stats;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use report::{Outcome, Run};
use stats::Spread;

/// How long one side of one round shall take, so that reading the clock costs nothing beside it.
const HALF_ROUND: Duration = Duration::from_micros(50);
/// Fewer rounds than this do not make a percentile.
const FEWEST_ROUNDS: usize = 31;
/// More rounds than this add nothing but time.
const MOST_ROUNDS: usize = 4001;

/// What the ratio, the time of ours over the time of the raw call, has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Goal {
    /// Ours takes at most this many times as long.
    AtMost(f64),
}

impl Goal {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
        }
    }
}

#[derive(Debug, Parser)]
#[command(about = "Measures shmkit against the raw calls, side by side")]
struct Arguments {
    /// Only cases whose group or name contains one of these words
    words: Vec<String>,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a Markdown table
    #[arg(long)]
    markdown: bool,
    /// How long each case may take
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// What cargo says to a benchmark; without it each side runs once
    #[arg(long, hide = true)]
    bench: bool,
}

/// Runs the benchmarks which `register` names and prints what came out.
///
/// This is the whole `main` of a `harness = false` benchmark; it reads the command line.
pub fn run(register: impl FnOnce(&mut Bench)) -> ExitCode {
    let arguments = Arguments::parse();
    let progress = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{spinner} {msg}").expect("the template is fixed"),
    );
    let mut bench = Bench {
        arguments,
        progress,
        outcomes: Vec::new(),
    };
    register(&mut bench);
    bench.progress.finish_and_clear();

    let run = Run::new(bench.outcomes);
    match (
        bench.arguments.bench,
        bench.arguments.json,
        bench.arguments.markdown,
    ) {
        (false, ..) => println!("{} cases ran once; `cargo bench` measures", run.len()),
        (_, true, _) => println!("{}", run.json()),
        (_, _, true) => println!("{}", run.markdown()),
        _ => println!("{}", run.table()),
    }
    ExitCode::SUCCESS
}

/// One run of a benchmark program: makes groups and keeps what they found.
#[derive(Debug)]
pub struct Bench {
    arguments: Arguments,
    progress: ProgressBar,
    outcomes: Vec<Outcome>,
}

impl Bench {
    /// Begins a group of cases, such as "view copies".
    pub fn group(&mut self, name: impl Into<String>) -> Group<'_> {
        Group {
            bench: self,
            name: name.into(),
        }
    }

    fn wants(&self, group: &str, case: &str) -> bool {
        let words = &self.arguments.words;
        words.is_empty()
            || words
                .iter()
                .any(|word| group.contains(word) || case.contains(word))
    }
}

/// Cases that stand together in the table.
#[derive(Debug)]
pub struct Group<'b> {
    bench: &'b mut Bench,
    name: String,
}

impl Group<'_> {
    /// Begins a case; [`Case::pair`] runs it.
    pub fn case(&mut self, name: impl Into<String>) -> Case<'_> {
        Case {
            bench: self.bench,
            group: self.name.clone(),
            name: name.into(),
            goal: None,
            bytes: None,
        }
    }
}

/// One comparison: what it is called and what it has to reach.
#[derive(Debug)]
#[must_use = "a case runs when `pair` is called"]
pub struct Case<'b> {
    bench: &'b mut Bench,
    group: String,
    name: String,
    goal: Option<Goal>,
    bytes: Option<u64>,
}

impl Case<'_> {
    /// Sets what the median ratio has to be. Default: nothing, the case only informs.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Sets how many bytes one call moves, so that the table can give GB/s. Default: none.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Measures `ours` against `raw`.
    ///
    /// Both should touch the same memory: where a buffer lies changes the speed of a copy by more
    /// than what is measured here. What they return is kept from the optimiser; what they take in
    /// is for them to hide with [`black_box`].
    pub fn pair<A, B>(self, mut ours: impl FnMut() -> A, mut raw: impl FnMut() -> B) {
        if !self.bench.wants(&self.group, &self.name) {
            return;
        }
        let mut ours = |calls| time(calls, &mut ours);
        let mut raw = |calls| time(calls, &mut raw);
        if !self.bench.arguments.bench {
            ours(1);
            raw(1);
            let nothing = Spread::of(&mut [0.0]);
            self.record(1, 1, nothing, nothing, nothing);
            return;
        }
        self.bench
            .progress
            .set_message(format!("{}: {}", self.group, self.name));
        self.bench.progress.tick();

        let calls = calls_per_half_round(&mut ours, &mut raw);
        let budget = Duration::from_secs_f64(self.bench.arguments.seconds);
        let (mut our_times, mut raw_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let begin = Instant::now();
        while ratios.len() < FEWEST_ROUNDS
            || (ratios.len() < MOST_ROUNDS && begin.elapsed() < budget)
        {
            // Who goes second finds the caches as the other left them, so they take turns.
            let (our_time, raw_time) = if ratios.len() % 2 == 0 {
                let our_time = ours(calls);
                (our_time, raw(calls))
            } else {
                let raw_time = raw(calls);
                (ours(calls), raw_time)
            };
            our_times.push(our_time);
            raw_times.push(raw_time);
            ratios.push(our_time / raw_time);
        }
        let rounds = ratios.len();
        self.record(
            calls,
            rounds,
            Spread::of(&mut our_times),
            Spread::of(&mut raw_times),
            Spread::of(&mut ratios),
        );
    }

    /// Takes what was measured in some other way, each figure as often as it was measured and in
    /// nanoseconds a call; they are paired in their order.
    ///
    /// # Panics
    /// If there are none, or not as many of both.
    pub fn figures(self, mut ours: Vec<f64>, mut raw: Vec<f64>) {
        assert!(ours.len() == raw.len() && !ours.is_empty(), "no pairs");
        let mut ratios: Vec<f64> = ours
            .iter()
            .zip(&raw)
            .map(|(ours, raw)| ours / raw)
            .collect();
        let rounds = ratios.len();
        self.record(
            1,
            rounds,
            Spread::of(&mut ours),
            Spread::of(&mut raw),
            Spread::of(&mut ratios),
        );
    }

    /// Whether the case was asked for, and is to be measured and not only tried.
    pub fn is_measured(&self) -> bool {
        self.bench.wants(&self.group, &self.name) && self.bench.arguments.bench
    }

    fn record(self, calls: u64, rounds: usize, ours: Spread, raw: Spread, ratio: Spread) {
        let met = self.goal.map(|goal| goal.is_met(ratio.median));
        self.bench.outcomes.push(Outcome {
            group: self.group,
            case: self.name,
            bytes: self.bytes,
            calls,
            rounds,
            ours_ns: ours.median,
            raw_ns: raw.median,
            ratio,
            goal: self.goal.map(|Goal::AtMost(limit)| limit),
            met,
        });
    }
}

/// Nanoseconds that a call of `work` takes, over `calls` of them.
///
/// Never inlined, so that `work` has one caller and is inlined itself: otherwise it is up to chance
/// which of the two sides pays for a call.
#[inline(never)]
fn time<T>(calls: u64, work: &mut impl FnMut() -> T) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    begin.elapsed().as_secs_f64() * 1e9 / calls as f64
}

/// Doubles the number of calls until the quicker side fills half a round; this warms up too.
fn calls_per_half_round(
    ours: &mut impl FnMut(u64) -> f64,
    raw: &mut impl FnMut(u64) -> f64,
) -> u64 {
    let goal = HALF_ROUND.as_secs_f64() * 1e9;
    let mut calls = 1;
    while ours(calls).min(raw(calls)) * (calls as f64) < goal {
        calls *= 2;
    }
    calls
}
