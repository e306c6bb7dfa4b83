//! Who kills, and sees to it that the others get on.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use shmkit::typed::Shared;
use shmkit::{Acquired, Detached};

use crate::chance::Chance;
use crate::ground::{Ground, Seat, between, now};
use crate::place::Backend;
use crate::record::Record;
use crate::report::Summary;

/// How long the workers may take to end when they are asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// More is not worth finding.
const PROBLEMS: usize = 10;

/// One storm.
pub(crate) struct Plan {
    pub(crate) backend: Backend,
    pub(crate) kills: u64,
    pub(crate) processes: usize,
    pub(crate) seed: u64,
    pub(crate) hang: Duration,
}

/// Makes storms until somebody presses Ctrl-C.
pub(crate) struct Director {
    stopped: Arc<AtomicBool>,
}

impl Director {
    pub(crate) fn new() -> Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        ctrlc::set_handler(move || told.store(true, Relaxed))?;
        Ok(Self { stopped })
    }

    pub(crate) fn play(&self, plan: &Plan) -> Result<Summary> {
        let (ground, place) = plan.backend.create(Ground::new())?;
        let mut storm = Storm {
            plan,
            ground: &ground,
            place,
            chance: Chance::new(plan.seed),
            workers: Vec::new(),
            summary: Summary::new(plan.backend.name()),
        };
        let begun = Instant::now();
        let raged = storm.rage(&self.stopped);
        storm.summary.time = begun.elapsed();
        storm.end();
        let mut summary = storm.summary;
        summary.note(&ground);
        raged?;
        leave(plan.backend, ground, &mut summary);
        Ok(summary)
    }
}

struct Storm<'a> {
    plan: &'a Plan,
    ground: &'a Ground,
    place: String,
    chance: Chance,
    /// Each at its seat.
    workers: Vec<Child>,
    summary: Summary,
}

impl Storm<'_> {
    fn rage(&mut self, stopped: &AtomicBool) -> Result<()> {
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} kills {eta}")?;
        let bar = ProgressBar::new(self.plan.kills)
            .with_message(self.plan.backend.name())
            .with_style(style.progress_chars("=> "));
        for seat in 0..self.plan.processes {
            let worker = self.start(seat)?;
            self.workers.push(worker);
        }
        while self.summary.kills < self.plan.kills
            && self.summary.problems.len() < PROBLEMS
            && !stopped.load(Relaxed)
        {
            let pause = self.chance.below(400);
            thread::sleep(Duration::from_micros(pause));
            self.look_after_the_workers()?;
            let victims = self.victims();
            self.kill(&victims)?;
            bar.set_position(self.summary.kills);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Mostly one; some of those that only just come to be, too.
    fn victims(&mut self) -> Vec<usize> {
        let left = self.plan.kills - self.summary.kills;
        let most = match self.chance.once_in(8) {
            true => 1 + self.chance.below(self.plan.processes as u64 - 1),
            false => 1,
        };
        let mut victims = Vec::new();
        for _ in 0..most.min(left) {
            let seat = self.chance.below(self.plan.processes as u64) as usize;
            let is_ripe = self.seat(seat).works.load(Relaxed) != 0 || self.chance.once_in(16);
            if is_ripe && !victims.contains(&seat) {
                victims.push(seat);
            }
        }
        victims
    }

    fn kill(&mut self, victims: &[usize]) -> Result<()> {
        let before = self.deaths();
        let killed = now();
        for &seat in victims {
            self.workers[seat].kill()?;
        }
        let mut expected = before;
        let mut held = None;
        for &seat in victims {
            self.workers[seat].wait()?;
            if let Some(lock) = self.seat(seat).holds.load(SeqCst).checked_sub(1) {
                expected[lock as usize] = before[lock as usize] + 1;
                held = Some(lock as usize);
                self.summary.holders += 1;
            }
            self.summary.kills += 1;
        }
        if self.others_learn(expected)
            && let (&[_], Some(lock)) = (victims, held)
        {
            let acquired = self.ground.last_death[lock].load(SeqCst);
            self.summary.recoveries.push(between(killed, acquired));
        }
        for &seat in victims {
            self.seat(seat).clear();
            self.workers[seat] = self.start(seat)?;
        }
        Ok(())
    }

    /// Waits until the deaths of holders have been told to others.
    fn others_learn(&mut self, expected: [u64; 3]) -> bool {
        let begun = Instant::now();
        let are_known =
            |told: [u64; 3]| told.iter().zip(expected).all(|(&told, most)| told >= most);
        while !are_known(self.deaths()) {
            if begun.elapsed() > self.plan.hang {
                let time = self.plan.hang;
                self.problem(format!("for {time:?} nobody took over a dead owner's lock"));
                return false;
            }
            thread::yield_now();
        }
        true
    }

    fn deaths(&self) -> [u64; 3] {
        std::array::from_fn(|lock| self.ground.deaths[lock].load(SeqCst))
    }

    fn look_after_the_workers(&mut self) -> Result<()> {
        let now = now();
        for seat in 0..self.workers.len() {
            let since = self.seat(seat).waits_since.load(Relaxed);
            if since != 0 && between(since, now) > self.plan.hang {
                self.problem(format!("a worker has waited for {:?}", between(since, now)));
            }
            if let Some(status) = self.workers[seat].try_wait()? {
                self.problem(format!("a worker ended by itself: {status}"));
                self.seat(seat).clear();
                self.workers[seat] = self.start(seat)?;
            }
        }
        Ok(())
    }

    fn seat(&self, seat: usize) -> &Seat {
        &self.ground.seats[seat]
    }

    fn problem(&mut self, problem: String) {
        self.summary.problems.push(problem);
    }

    fn start(&mut self, seat: usize) -> Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        // Away from the terminal: Ctrl-C is for the director.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .args(["__worker", &self.place, &seat.to_string()])
            .arg(self.chance.number().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start a worker")
    }

    /// Ends the workers.
    fn end(&mut self) {
        self.ground.stop.store(1, SeqCst);
        let begun = Instant::now();
        for mut worker in std::mem::take(&mut self.workers) {
            match end_of(&mut worker, PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) => self.problem(format!("a worker failed: {status}")),
                Ok(None) => self.problem("a worker does not end".to_owned()),
                Err(error) => self.problem(format!("a worker cannot be waited for: {error}")),
            }
        }
    }
}

/// Waits for the end of a process, and kills it if that does not come.
fn end_of(worker: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let begun = Instant::now();
    loop {
        match worker.try_wait()? {
            None if begun.elapsed() < limit => thread::sleep(Duration::from_millis(1)),
            None => {
                worker.kill()?;
                worker.wait()?;
                return Ok(None);
            }
            status => return Ok(status),
        }
    }
}

/// Looks whether all is at rest, leaves as the last one, and looks what is left.
fn leave(backend: Backend, ground: Shared<Ground>, summary: &mut Summary) {
    if let Err(problem) = check(&ground) {
        summary.problems.push(problem);
    }
    let detached = ground.detach();
    let path = backend.path();
    let is_there = path.as_ref().is_some_and(|path| path.exists());
    match detached {
        Ok(Detached::Removed) if !is_there => {}
        Ok(Detached::Remains) if path.is_none() => {}
        other => summary
            .problems
            .push(format!("left over: {path:?} ({other:?})")),
    }
}

/// Whether everything is free, and the records are those that were written last.
fn check(ground: &Ground) -> Result<(), String> {
    let whole = |record: &mut Record, died: bool, reached: u64| {
        let is_whole = record.is_whole() || died && record.mend();
        (is_whole && record.number() >= reached)
            .then_some(())
            .ok_or_else(|| "in the end a record is torn or lost".to_owned())
    };
    let said = |error: shmkit::Error| format!("in the end: {error}");
    match ground.ledger.lock_poisoned(Duration::ZERO).map_err(said)? {
        Acquired::Clean(mut guard) => whole(&mut guard, false, ground.ledger_reached.load(SeqCst))?,
        Acquired::OwnerDied(recovery) => {
            let mut guard = recovery.mark_recovered();
            whole(&mut guard, true, ground.ledger_reached.load(SeqCst))?;
        }
    }
    match ground.table.write_poisoned(Duration::ZERO).map_err(said)? {
        Acquired::Clean(mut guard) => whole(&mut guard, false, ground.table_reached.load(SeqCst))?,
        Acquired::OwnerDied(recovery) => {
            let mut guard = recovery.mark_recovered();
            whole(&mut guard, true, ground.table_reached.load(SeqCst))?;
        }
    }
    drop(ground.queue.try_lock().map_err(said)?.assume_recovered());
    Ok(())
}
