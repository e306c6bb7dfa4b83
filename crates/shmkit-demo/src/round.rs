//! One round: a segment, its processes, a film, a death, and the end of all of it.

use std::env;
use std::mem;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use shmkit::key::NativeIpcKey;
use shmkit::{ErrorKind, SharedMemory};

use crate::crew::{Crew, Index};
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
    /// SIGKILL, with the lock in its hands.
    Killed,
}

impl Outcome {
    /// What should not have happened. `checksum` is that of the picture, which is the last frame.
    pub(crate) fn problems(&self, checksum: u32) -> Vec<String> {
        let mut problems = Vec::new();
        let mut no = |what: String| problems.push(format!("{}: {what}", self.key));
        for Process { role, figures, end, .. } in &self.processes {
            if figures.checksum_errors > 0 {
                no(format!("the {role} saw {} wrong checksums", figures.checksum_errors));
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

/// Plays a round.
pub(crate) fn play(plan: &Plan<'_>, log: Log) -> Result<Outcome> {
    let began = Instant::now();
    let Plan { key, frames, .. } = plan;
    log.say(format_args!("{key}"));
    let segment = create(plan)?;
    let mut stage = Stage::new(plan, log)?;
    let traces = traces::of(key);
    log.say(format_args!("all are attached; the system has {}", list(&traces)));
    // The picture was handed over: from now on the segment belongs to the children.
    _ = segment.detach()?;

    let before = frames / 2;
    stage.film(1, before)?;
    stage.hold()?;
    stage.kill_while_filming(before + 1)?;
    stage.leave()?;

    let left_behind = left_behind(key, &traces)?;
    match left_behind.is_empty() {
        true => log.say("nothing is left: attach says NotFound, and the system has none of it"),
        false => log.say(format_args!("left behind: {}", left_behind.join(", "))),
    }
    Ok(Outcome {
        key: key.to_string(),
        frames: *frames,
        seconds: began.elapsed().as_secs_f64(),
        processes: stage.processes()?,
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
    crew: Crew,
    writer: Index,
    /// The one that is killed.
    victim: Index,
    killed: Option<Instant>,
    /// In the order of the crew.
    ends: Vec<Option<(End, Figures)>>,
    told: Vec<Option<f64>>,
    /// Since when a word of the first kind is waited for.
    waiting_for: Vec<Index>,
}

impl<'p> Stage<'p> {
    fn new(plan: &'p Plan<'p>, log: Log) -> Result<Self> {
        todo!()
    }
}

fn list(traces: &[Trace]) -> String {
    let traces: Vec<_> = traces.iter().map(Trace::to_string).collect();
    traces.join(", ")
}
