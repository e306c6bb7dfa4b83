//! shmkit against the real Qt, as PyQt6 has it: each in its own process, in turn, on keys of its
//! own. PyQt6 adds about a tenth of a microsecond to each call.
//!
//! The two sides cannot be paired call by call, so each round times a batch of either; the ratio
//! is that of the medians.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing results is this program's work"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Instant;

use shmkit::SharedMemory;
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};

const ROUNDS: usize = 15;

/// Reads `KEY`, then for each line `life N` or `lock N` times N rounds and prints nanoseconds.
const PEER: &str = r#"
import sys, time
from PyQt6.QtCore import QSharedMemory, QNativeIpcKey
key = QNativeIpcKey.fromString(sys.stdin.readline().strip())
held = QSharedMemory(key)
assert held.create(4096), held.errorString()
for line in sys.stdin:
    what, n = line.split()
    if what == "lock":
        begun = time.perf_counter_ns()
        for _ in range(int(n)):
            held.lock()
            held.unlock()
    else:
        begun = time.perf_counter_ns()
        for _ in range(int(n)):
            other = QSharedMemory(key)
            other.attach()
            other.detach()
    print(time.perf_counter_ns() - begun, flush=True)
held.detach()
"#;

struct Qt {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Qt {
    fn start(python: &str, key: &NativeIpcKey) -> std::io::Result<Self> {
        let mut process = Command::new(python)
            .args(["-c", PEER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        let mut qt = Self { process, answers };
        qt.say(&key.to_string())?;
        Ok(qt)
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        let stdin = self.process.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}")?;
        stdin.flush()
    }

    /// Nanoseconds a call.
    fn time(&mut self, what: &str, batch: u32) -> std::io::Result<f64> {
        self.say(&format!("{what} {batch}"))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let total: f64 = answer.trim().parse().map_err(std::io::Error::other)?;
        Ok(total / f64::from(batch))
    }
}

fn ours(batch: u32, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..batch).for_each(|_| call());
    begun.elapsed().as_nanos() as f64 / f64::from(batch)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let Ok(python) = std::env::var("SHMKIT_TEST_PYTHON") else {
        eprintln!(
            "not run: SHMKIT_TEST_PYTHON names no Python with PyQt6; `cargo xtask bench` sets it"
        );
        return ExitCode::SUCCESS;
    };
    match measure(&python) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot measure Qt: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(python: &str) -> std::io::Result<()> {
    println!("| keys | case | shmkit | PyQt6 | shmkit / PyQt6 |");
    println!("| --- | --- | --- | --- | --- |");
    let rules = KeyRules::of_this_process();
    for (name, kind) in [
        ("POSIX", KeyType::PosixRealtime),
        ("System V", KeyType::SYSTEM_V),
    ] {
        let key = |who: &str| {
            let name = format!("shmkit-bench-{who}-{}", std::process::id());
            rules.legacy_key(Role::Segment, &name, kind)
        };
        let mut qt = Qt::start(python, &key("qt"))?;
        let our_key = key("ours");
        let segment = SharedMemory::create(&our_key, 4096)?;
        let life = || drop(SharedMemory::attach(&our_key).expect("the segment"));
        let lock = || drop(segment.lock().expect("the lock"));
        let mut report = |case: &str, what: &str, batch: u32, call: &dyn Fn()| {
            let (mut mine, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                mine.push(ours(batch, call));
                theirs.push(qt.time(what, batch)?);
            }
            let (mine, theirs) = (median(mine), median(theirs));
            let ratio = mine / theirs;
            println!("| {name} | {case} | {mine:.0} ns | {theirs:.0} ns | {ratio:.2} |");
            Ok::<(), std::io::Error>(())
        };
        report("lock+unlock", "lock", 10_000, &lock)?;
        report("attach+detach", "life", 300, &life)?;
        drop(qt.process.stdin.take());
        qt.process.wait()?;
        // Qt leaves POSIX segments behind.
        let _ = SharedMemory::remove(&key("qt"), shmkit::InUse::Refuse);
    }
    Ok(())
}
