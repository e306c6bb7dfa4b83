//! One round: a segment, its processes, a film, a death, and the end of all of it.

use std::collections::BTreeMap;
use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use shmkit::key::NativeIpcKey;
use shmkit::{ErrorKind, InUse, SharedMemory};

use crate::crew::{Crew, Index, Message};
use crate::frame;
use crate::log::Log;
use crate::picture::Picture;
use crate::qt::Qt;
use crate::tally::Figures;
use crate::traces::{self, Trace};
use crate::units;
use crate::words::{Order, Word};

/// What a round is made of.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    pub(crate) key: NativeIpcKey,
    pub(crate) picture: &'p Picture,
    pub(crate) frames: u64,
    pub(crate) readers: usize,
    pub(crate) qt: Option<&'p Qt>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) key: String,
    pub(crate) frames: u64,
    pub(crate) seconds: f64,
    pub(crate) processes: Vec<Process>,
    /// What is there still, though everybody is gone: nothing, if all is well.
    pub(crate) left_behind: Vec<String>,
}

/// What became of a child.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) role: String,
    pub(crate) pid: u32,
    pub(crate) end: End,
    /// It was told that the one before died with the lock, so long after the kill.
    pub(crate) owner_died_after_seconds: Option<f64>,
    pub(crate) figures: Figures,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// It detached, and others were still there.
    Left,
    /// It was the last one, and removed the segment.
    Removed,
    /// Killed, with the lock in its hands.
    Killed,
}

impl Outcome {
    /// What should not have happened. `checksum` is that of the picture, which is the last frame.
    pub(crate) fn problems(&self, checksum: u32) -> Vec<String> {
        let mut problems = Vec::new();
        let mut no = |what: String| problems.push(format!("{}: {what}", self.key));
        for Process {
            role, figures, end, ..
        } in &self.processes
        {
            if figures.checksum_errors > 0 {
                no(format!(
                    "the {role} saw {} wrong checksums",
                    figures.checksum_errors
                ));
            }
            let last = (figures.last_frame, figures.last_checksum);
            if *end != End::Killed && last != (self.frames, checksum) {
                no(format!("the {role} did not get the last frame as it was"));
            }
        }
        let told = |process: &Process| process.owner_died_after_seconds.is_some();
        if !self.processes.iter().any(told) {
            no("nobody was told of the owner's death".to_owned());
        }
        for trace in &self.left_behind {
            no(format!("left behind: {trace}"));
        }
        problems
    }
}

/// Plays a round. Whatever happens, nothing of it is left afterwards that it can remove.
pub(crate) fn play(plan: &Plan<'_>, crew: &mut Crew, log: Log) -> Result<Outcome> {
    perform(plan, crew, log).inspect_err(|_| {
        crew.disband();
        // Nobody has it any more; most often it is gone already.
        _ = SharedMemory::remove(&plan.key, InUse::Refuse);
    })
}

fn perform(plan: &Plan<'_>, crew: &mut Crew, log: Log) -> Result<Outcome> {
    let began = Instant::now();
    let key = &plan.key;
    let segment = create(plan)?;
    log.say(format_args!(
        "{key}: made, {}, with the picture in it",
        units::bytes(segment.size() as u64)
    ));
    let mut stage = Stage::set(plan, crew, log)?;
    let traces = traces::of(key);
    for trace in &traces {
        log.say(format_args!("the system shows {trace}"));
    }
    // The picture is handed over. From now on the segment belongs to the children.
    _ = segment.detach()?;

    stage.film(plan.frames / 2)?;
    stage.hold()?;
    stage.film(plan.frames)?;
    stage.leave()?;

    let left_behind = left_behind(key, &traces)?;
    match (left_behind.as_slice(), traces.as_slice()) {
        ([], []) => log.say("nothing is left: attach says NotFound"),
        ([], _) => log.say("nothing is left: attach says NotFound, the system shows none of it"),
        (left, _) => log.say(format_args!("left behind: {}", left.join(", "))),
    }
    Ok(Outcome {
        key: key.to_string(),
        frames: plan.frames,
        seconds: began.elapsed().as_secs_f64(),
        processes: stage.processes(),
        left_behind,
    })
}

/// Makes the segment with the picture as frame 0.
fn create(plan: &Plan<'_>) -> Result<SharedMemory> {
    let pixels = &plan.picture.pixels;
    let segment = SharedMemory::create(&plan.key, frame::segment_size(pixels.len()))?;
    let held = segment.lock()?;
    frame::write(&segment, 0, pixels, frame::checksum(pixels))?;
    held.assume_recovered().unlock();
    Ok(segment)
}

/// What there is still of a segment that everybody has left.
fn left_behind(key: &NativeIpcKey, traces: &[Trace]) -> Result<Vec<String>> {
    let mut left: Vec<_> = traces
        .iter()
        .filter(|trace| trace.exists())
        .map(Trace::to_string)
        .collect();
    match SharedMemory::attach_read_only(key) {
        Ok(_) => left.push(format!("the segment {key}")),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(left)
}

/// The children at work.
struct Stage<'p> {
    plan: &'p Plan<'p>,
    log: Log,
    crew: &'p mut Crew,
    writer: Index,
    readers: Vec<Index>,
    /// The reader that will be killed.
    victim: Index,
    killed: Option<Instant>,
    /// When each was told of the owner's death, in seconds since the kill.
    told: BTreeMap<Index, f64>,
    ends: BTreeMap<Index, (End, Figures)>,
}

impl<'p> Stage<'p> {
    /// Starts the children and waits until they are attached.
    fn set(plan: &'p Plan<'p>, crew: &'p mut Crew, log: Log) -> Result<Self> {
        let Picture { width, height, .. } = plan.picture;
        let size = [width, height].map(u32::to_string);
        let writer = crew.start("writer", role("__writer", &plan.key, &size)?)?;
        let mut readers = Vec::new();
        for number in 1..=plan.readers {
            let command = role("__reader", &plan.key, &[])?;
            readers.push(crew.start(&format!("reader {number}"), command)?);
        }
        let victim = *readers.last().context("there must be readers")?;
        if let Some(qt) = plan.qt {
            readers.push(crew.start("Qt reader", qt.reader(&plan.key))?);
        }
        let mut stage = Self {
            plan,
            log,
            crew,
            writer,
            readers,
            victim,
            killed: None,
            told: BTreeMap::new(),
            ends: BTreeMap::new(),
        };
        for _ in 0..=stage.readers.len() {
            match stage.hear()? {
                (who, Word::Attached) => stage.tell_of(who, "attached"),
                (who, word) => return stage.unexpected(who, &word),
            }
        }
        Ok(stage)
    }

    /// Lets the writer write as far as frame `through`, and the readers read.
    fn film(&mut self, through: u64) -> Result<()> {
        let of = self.plan.frames;
        self.crew.tell(self.writer, Order::Write { through, of })?;
        if self.ends.contains_key(&self.victim) {
            // The writer is about to wait for the lock, if it does not already.
            self.killed = Some(self.crew.kill(self.victim)?);
            self.tell_of(self.victim, "killed");
        }
        loop {
            match self.hear()? {
                (_, Word::Wrote { number }) => {
                    self.ring()?;
                    if number == through {
                        self.log
                            .say(format_args!("frame {number} of {of} is written"));
                        return Ok(());
                    }
                }
                (who, word) => return self.unexpected(who, &word),
            }
        }
    }

    /// Tells the readers that there is a new frame.
    fn ring(&mut self) -> Result<()> {
        for &reader in &self.readers {
            if !self.ends.contains_key(&reader) {
                self.crew.tell(reader, Order::Look)?;
            }
        }
        Ok(())
    }

    /// Lets the victim take the lock and keep it.
    fn hold(&mut self) -> Result<()> {
        self.crew.tell(self.victim, Order::Hold)?;
        match self.hear()? {
            (who, Word::Holding { figures }) => {
                self.tell_of(who, "has the lock and keeps it");
                self.ends.insert(who, (End::Killed, figures));
                Ok(())
            }
            (who, word) => self.unexpected(who, &word),
        }
    }

    /// Lets all leave, one after the other: the last one is a reader.
    fn leave(&mut self) -> Result<()> {
        // Qt's reader, if there is one, stands at the end.
        let mut order = vec![self.writer];
        order.extend(self.readers.iter().rev());
        order.retain(|who| *who != self.victim);
        for who in order {
            self.crew.tell(who, Order::Leave)?;
            match self.hear()? {
                (who, Word::Left { removed, figures }) => {
                    let (end, what) = match removed {
                        true => (
                            End::Removed,
                            "left, was the last one and removed the segment",
                        ),
                        false => (End::Left, "left"),
                    };
                    self.tell_of(who, what);
                    self.ends.insert(who, (end, figures));
                }
                (who, word) => return self.unexpected(who, &word),
            }
            self.crew.see_off(who)?;
        }
        Ok(())
    }

    /// The next word, except that somebody was told of the owner's death: that can come at any
    /// time after the kill.
    fn hear(&mut self) -> Result<(Index, Word)> {
        loop {
            let Message { from, at, word } = self.crew.hear()?;
            match (&word, self.killed) {
                (Word::OwnerDied, Some(killed)) => {
                    let after = (at - killed).as_secs_f64();
                    let what = format!(
                        "has the lock {} after the kill, and knows of the death",
                        units::seconds(after)
                    );
                    self.tell_of(from, &what);
                    self.told.insert(from, after);
                }
                _ => return Ok((from, word)),
            }
        }
    }

    fn tell_of(&self, who: Index, what: &str) {
        let (name, pid) = (self.crew.name(who), self.crew.pid(who));
        self.log.say(format_args!("{name} ({pid}) {what}"));
    }

    fn unexpected<T>(&self, who: Index, word: &Word) -> Result<T> {
        bail!(
            "the {} said {word:?} at the wrong time",
            self.crew.name(who)
        )
    }

    fn processes(mut self) -> Vec<Process> {
        std::mem::take(&mut self.ends)
            .into_iter()
            .map(|(who, (end, figures))| Process {
                role: self.crew.name(who).to_owned(),
                pid: self.crew.pid(who),
                end,
                owner_died_after_seconds: self.told.get(&who).copied(),
                figures,
            })
            .collect()
    }
}

/// The command that runs this program again in another role.
fn role(role: &str, key: &NativeIpcKey, arguments: &[String]) -> Result<Command> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg(role).arg(key.to_string()).args(arguments);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUM: u32 = 7;

    fn process(end: End, told: Option<f64>) -> Process {
        Process {
            role: "reader 1".into(),
            pid: 1,
            end,
            owner_died_after_seconds: told,
            figures: Figures {
                frames: 4,
                bytes: 4,
                copy_seconds: 1.0,
                lock_wait_median_seconds: 0.0,
                lock_wait_max_seconds: 0.0,
                checksum_errors: 0,
                last_frame: 4,
                last_checksum: CHECKSUM,
            },
        }
    }

    fn good() -> Outcome {
        Outcome {
            key: "posix:/x".into(),
            frames: 4,
            seconds: 1.0,
            processes: vec![
                process(End::Removed, Some(0.01)),
                process(End::Killed, None),
            ],
            left_behind: Vec::new(),
        }
    }

    #[test]
    fn a_good_round_has_no_problems() {
        assert_eq!(good().problems(CHECKSUM), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_a_problem() {
        let faults: [fn(&mut Outcome); 5] = [
            |round| round.processes[1].figures.checksum_errors = 1,
            |round| round.processes[0].figures.last_frame = 3,
            |round| round.processes[0].figures.last_checksum = 8,
            |round| round.processes[0].owner_died_after_seconds = None,
            |round| round.left_behind.push("/dev/shm/x".into()),
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            let mut round = good();
            fault(&mut round);
            assert_eq!(round.problems(CHECKSUM).len(), 1, "fault {number}");
        }
    }
}
