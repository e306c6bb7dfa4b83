//! `shmkit reap`: removes what crashed programs left behind.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use shmkit::ErrorKind;
use shmkit::reaper::{Leftover, Outcome, Reaper, Report};

use super::user;
use crate::args::Reap;
use crate::columns::{self, Column, Line};
use crate::output::{self, age, bytes, shown};
use crate::progress::Counter;
use crate::{failure, key};

/// What was found, in JSON.
#[derive(Debug, Serialize)]
struct Facts {
    /// Whether it was removed, and not only looked at.
    removed: bool,
    /// What was freed, or would be.
    bytes: u64,
    count: usize,
    /// Of other users, and not to be told.
    untold: u64,
    leftovers: Vec<LeftoverFacts>,
}

#[derive(Debug, Serialize)]
struct LeftoverFacts {
    kind: String,
    key: Option<String>,
    path: Option<String>,
    bytes: u64,
    owner_id: u32,
    /// Seconds since the epoch.
    created: Option<f64>,
    outcome: &'static str,
    reason: String,
    error: Option<String>,
}

pub(crate) fn run(args: Reap) -> Result<ExitCode> {
    let reaper = reaper(&args)?;
    let mut report = match args.yes {
        true => {
            let mut counter = Counter::new("removed");
            reaper.reap_each(|_| counter.add())?
        }
        false => reaper.preview()?,
    };
    report
        .leftovers
        .sort_by_cached_key(|leftover| (leftover.kind.to_string(), name_of(leftover)));
    if args.json {
        output::json(&Facts::of(&report, args.yes))?;
    } else {
        if !report.leftovers.is_empty() {
            output::print(&text(&report.leftovers))?;
        }
        sum_up(&report, args.yes);
    }
    let codes = report
        .leftovers
        .iter()
        .map(|leftover| match &leftover.outcome {
            Outcome::InUse => failure::NO,
            Outcome::Failed(error) if error.kind() == ErrorKind::NotFound => failure::NO,
            Outcome::Failed(_) => failure::ERROR,
            _ => 0,
        });
    Ok(codes.max().unwrap_or(0).into())
}

fn reaper(args: &Reap) -> Result<Reaper> {
    let mut reaper = Reaper::new();
    for name in &args.names {
        reaper.name(name)?;
    }
    if let Some(owner) = &args.owner {
        reaper.owner(user(owner)?);
    }
    if let Some(age) = args.older {
        reaper.older_than(age);
    }
    for text in &args.keys {
        reaper.key(key::parse(text)?);
    }
    Ok(reaper)
}

const COLUMNS: [Column; 6] = [
    Column::text("WHAT", 8),
    Column::cut("NAME", 20, 24),
    Column::number("FREES", 7),
    Column::number("AGE", 5),
    Column::text("OUTCOME", 10),
    Column::cut("REASON", 3, 16),
];

fn text(leftovers: &[Leftover]) -> String {
    let lines: Vec<Line> = leftovers
        .iter()
        .map(|leftover| Line {
            texts: vec![
                leftover.kind.to_string(),
                name_of(leftover),
                bytes(leftover.bytes),
                leftover
                    .created
                    .and_then(age)
                    .unwrap_or_else(|| "?".to_owned()),
                leftover.outcome.name().to_owned(),
                shown(&reason(leftover)),
            ],
            colour: None,
        })
        .collect();
    columns::render(&COLUMNS, &lines, output::width())
}

fn name_of(leftover: &Leftover) -> String {
    match (&leftover.key, &leftover.path) {
        (Some(key), _) => shown(&key.to_string()),
        (None, Some(path)) => shown(&path.display().to_string()),
        (None, None) => "?".to_owned(),
    }
}

fn reason(leftover: &Leftover) -> String {
    match &leftover.outcome {
        Outcome::Failed(error) => error.to_string(),
        _ => leftover.reason.clone(),
    }
}

fn sum_up(report: &Report, removed: bool) {
    let freed = bytes(report.bytes());
    match (report.count(), removed) {
        (0, _) if report.leftovers.is_empty() => output::message("nothing is left behind"),
        (0, _) => output::message("nothing was removed"),
        (count, true) => output::message(&format!("{count} removed, {freed} freed")),
        (1, false) => output::hint(&format!("the same with --yes removes it and frees {freed}")),
        (count, false) => output::hint(&format!(
            "the same with --yes removes these {count} and frees {freed}"
        )),
    }
    if report.untold > 0 {
        output::hint(&format!(
            "{} more belong to other users, and only they and root can tell",
            report.untold
        ));
    }
}

impl Facts {
    fn of(report: &Report, removed: bool) -> Self {
        Self {
            removed,
            bytes: report.bytes(),
            count: report.count(),
            untold: report.untold,
            leftovers: report.leftovers.iter().map(LeftoverFacts::of).collect(),
        }
    }
}

impl LeftoverFacts {
    fn of(leftover: &Leftover) -> Self {
        Self {
            kind: leftover.kind.to_string(),
            key: leftover.key.as_ref().map(ToString::to_string),
            path: leftover
                .path
                .as_ref()
                .map(|path| path.display().to_string()),
            bytes: leftover.bytes,
            owner_id: leftover.owner,
            created: leftover.created.map(output::unix_time),
            outcome: leftover.outcome.name(),
            reason: leftover.reason.clone(),
            error: match &leftover.outcome {
                Outcome::Failed(error) => Some(error.to_string()),
                _ => None,
            },
        }
    }
}
