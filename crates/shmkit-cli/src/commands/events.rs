//! `shmkit events`: what happens, line by line.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use shmkit::Access;
use shmkit::inspect::Place;
use shmkit::watch::{Event, Watch};

use crate::args::Events;
use crate::output::{self, bytes, shown};
use crate::{failure, key};

/// How often to see whether somebody still reads.
const BREATH: Duration = Duration::from_millis(500);

/// An event in JSON.
#[derive(Debug, Serialize)]
struct Facts {
    event: String,
    /// Seconds since the epoch.
    time: f64,
    key: Option<String>,
    path: Option<String>,
    ipc_id: Option<i32>,
    size: Option<u64>,
    pid: Option<u32>,
    program: Option<String>,
    access: Option<&'static str>,
}

pub(crate) fn run(args: Events) -> Result<ExitCode> {
    let mut watch = Watch::new();
    watch.interval(args.interval).existing(args.existing);
    for key in &args.keys {
        watch.key(&key::parse(key)?);
    }
    let end = args
        .timeout
        .and_then(|limit| Instant::now().checked_add(limit));
    let mut events = watch.start()?;
    let mut told = 0;
    while args.count.is_none_or(|count| told < count.get()) {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match events.next_within(left.map_or(BREATH, |left| left.min(BREATH)))? {
            Some(event) => {
                told += 1;
                output::line(&match args.json {
                    true => serde_json::to_string(&Facts::of(&event))?,
                    false => text(&event),
                })?;
            }
            None if left.is_some_and(|left| left.is_zero()) => {
                // Who counts wanted more.
                return Ok(match args.count {
                    Some(_) => failure::NO.into(),
                    None => ExitCode::SUCCESS,
                });
            }
            None if output::nobody_reads() => break,
            None => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Facts {
    fn of(event: &Event) -> Self {
        let (path, ipc_id) = match &event.place {
            Place::Posix { path, .. } => (Some(path.to_string_lossy().into_owned()), None),
            Place::SystemV { id, .. } => (None, Some(*id)),
            _ => (None, None),
        };
        let holder = event.holder.as_ref();
        Self {
            event: event.happening.to_string(),
            time: output::unix_time(event.time),
            key: event.key.as_ref().map(ToString::to_string),
            path,
            ipc_id,
            size: event.size,
            pid: holder.map(|holder| holder.pid),
            program: holder.map(|holder| holder.program.clone()),
            access: holder
                .and_then(|holder| holder.access)
                .map(|access| match access {
                    Access::ReadOnly => "read-only",
                    Access::ReadWrite => "read-write",
                }),
        }
    }
}

/// `2026-11-24T23:01:02.345Z  attached  posix:/cam0  1234 (viewer)`.
fn text(event: &Event) -> String {
    let name = match &event.key {
        Some(key) => key.to_string(),
        None => event.place.to_string(),
    };
    let detail = match (&event.holder, event.size) {
        (Some(holder), _) => format!("  {} ({})", holder.pid, shown(&holder.program)),
        (None, Some(size)) => format!("  {}", bytes(size)),
        (None, None) => String::new(),
    };
    format!(
        "{}  {:8}  {}{detail}",
        humantime::format_rfc3339_millis(event.time),
        event.happening,
        shown(&name)
    )
}
