//! `shmkit ls`: all segments.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Color;
use shmkit::inspect::{Filter, Holder, Place, SegmentInfo, SortBy, State};

use super::facts::Facts;
use super::info::{name_of, owner_of, type_of};
use super::user;
use crate::args::Ls;
use crate::columns::{self, Column, Line};
use crate::output::{self, age, bytes, shown};
use crate::progress::spinning;

pub(crate) fn run(args: Ls) -> Result<ExitCode> {
    let filter = filter(&args)?;
    let Some(pause) = args.watch else {
        let segments = look(&filter, &args)?;
        if args.json {
            output::json(&segments.iter().map(Facts::of).collect::<Vec<_>>())?;
        } else if segments.is_empty() {
            output::message(match is_narrowed(&args) {
                true => "there are no such segments",
                false => "there are no segments",
            });
        } else {
            output::print(&text(&segments, args.long))?;
            hints(&segments);
        }
        return Ok(ExitCode::SUCCESS);
    };
    loop {
        let segments = look(&filter, &args)?;
        if args.json {
            let facts: Vec<_> = segments.iter().map(Facts::of).collect();
            output::line(&serde_json::to_string(&facts)?)?;
        } else {
            let text = text(&segments, args.long);
            match output::screen_rows() {
                Some(rows) => output::print(&redrawn(&text, rows))?,
                None => output::print(&text)?,
            }
        }
        std::thread::sleep(pause);
        if output::nobody_reads() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn filter(args: &Ls) -> Result<Filter> {
    let mut filter = Filter::new();
    for name in &args.names {
        filter.name(name)?;
    }
    for name in &args.types {
        filter.place(name);
    }
    for name in &args.kinds {
        filter.kind(name);
    }
    for &state in &args.states {
        filter.state(state.into());
    }
    if let Some(owner) = &args.owner {
        filter.owner(user(owner)?);
    }
    if let Some(pid) = args.pid {
        filter.used_by(pid);
    }
    if let Some(size) = args.larger {
        filter.larger_than(size as u64);
    }
    if let Some(age) = args.older {
        filter.older_than(age);
    }
    Ok(filter)
}

fn is_narrowed(args: &Ls) -> bool {
    let lists = [&args.names, &args.types, &args.kinds];
    lists.iter().any(|list| !list.is_empty())
        || !args.states.is_empty()
        || args.owner.is_some()
        || args.pid.is_some()
        || args.larger.is_some()
        || args.older.is_some()
}

fn look(filter: &Filter, args: &Ls) -> Result<Vec<SegmentInfo>> {
    let mut segments = spinning("looking at segments and processes", || filter.list())?;
    SortBy::from(args.sort).sort(&mut segments);
    if args.reverse {
        segments.reverse();
    }
    Ok(segments)
}

/// The table over the one before it, without clearing the screen first, which would flicker. What the
/// screen has no lines for is counted.
fn redrawn(text: &str, rows: usize) -> String {
    // The last one is for the cursor.
    let room = rows.saturating_sub(1);
    let lines: Vec<&str> = text.lines().collect();
    let fitting = match lines.len() > room {
        true => room.saturating_sub(1),
        false => lines.len(),
    };
    let mut shown = "\x1b[H".to_owned();
    for line in &lines[..fitting] {
        // Before it: after a line that is as wide as the screen, its last character would go.
        shown += &format!("\x1b[K{line}\n");
    }
    if fitting < lines.len() {
        shown += &format!("\x1b[K… {} more\n", lines.len() - fitting);
    }
    shown + "\x1b[J"
}

const COLUMNS: [Column; 9] = [
    Column::text("TYPE", 1),
    Column::cut("KEY", 20, 24),
    Column::cut("KIND", 5, 8),
    Column::number("SIZE", 10),
    Column::number("RESIDENT", 3),
    Column::text("OWNER", 6),
    Column::number("AGE", 4),
    Column::number("ATTACHED", 7),
    STATE,
];

const LONG: [Column; 12] = [
    Column::text("TYPE", 20),
    Column::cut("KEY", 20, 24),
    Column::cut("KIND", 20, 8),
    Column::number("SIZE", 20),
    Column::number("RESIDENT", 20),
    Column::text("OWNER", 20),
    Column::text("MODE", 20),
    Column::number("AGE", 20),
    Column::number("ATTACHED", 20),
    Column::cut("PIDS", 20, 8),
    STATE,
    Column::cut("REASON", 20, 10),
];

const STATE: Column = Column::text("STATE", 9);

fn text(segments: &[SegmentInfo], is_long: bool) -> String {
    let columns = match is_long {
        true => &LONG[..],
        false => &COLUMNS,
    };
    let lines: Vec<Line> = segments
        .iter()
        .map(|segment| line(segment, is_long))
        .collect();
    // What is asked for is shown, and cut where it must be.
    let width = output::width().filter(|_| !is_long);
    columns::render(columns, &lines, width)
}

fn line(segment: &SegmentInfo, is_long: bool) -> Line {
    let unknown = || "?".to_owned();
    let attached = segment.attached.map(|times| times.to_string());
    let resident = segment.resident.map(|resident| bytes(resident.bytes));
    let mut texts = vec![
        type_of(segment),
        name_of(segment),
        shown(&segment.kind.to_string()),
        bytes(segment.size),
        resident.unwrap_or_else(unknown),
        owner_of(segment),
        segment.created.and_then(age).unwrap_or_else(unknown),
        attached.unwrap_or_else(unknown),
        segment.state.to_string(),
    ];
    let mut state = 8;
    if is_long {
        texts.insert(6, format!("{:04o}", segment.mode));
        texts.insert(9, pids(&segment.holders));
        texts.push(segment.reason.clone());
        state = 10;
    }
    Line {
        texts,
        colour: colour(segment.state).map(|colour| (state, colour)),
    }
}

fn pids(holders: &[Holder]) -> String {
    let pids: Vec<String> = holders
        .iter()
        .map(|holder| holder.pid.to_string())
        .collect();
    match pids.is_empty() {
        true => "-".to_owned(),
        false => pids.join(","),
    }
}

fn colour(state: State) -> Option<Color> {
    match state {
        State::Live => Some(Color::Green),
        State::Orphan => Some(Color::Yellow),
        State::Unknown => Some(Color::DarkGrey),
        _ => None,
    }
}

fn hints(segments: &[SegmentInfo]) {
    let orphans: Vec<u64> = segments
        .iter()
        .filter(|segment| segment.state == State::Orphan)
        .map(|segment| segment.size)
        .collect();
    let held = bytes(orphans.iter().sum());
    match orphans.len() {
        0 => {}
        1 => output::hint(&format!(
            "an orphan holds {held}: `shmkit reap --yes` frees it, and so does the next create of its key"
        )),
        count => output::hint(&format!(
            "{count} orphans hold {held}: `shmkit reap --yes` frees them, and so does the next create of their keys"
        )),
    }
    // Of the others the kernel itself counts.
    let is_estimate = |segment: &SegmentInfo| {
        !segment.complete && !matches!(segment.place, Place::SystemV { .. } | Place::Windows { .. })
    };
    if segments.iter().any(is_estimate) {
        output::hint(
            "some processes cannot be seen by this user or from here, so ATTACHED may be too low",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::redrawn;

    #[test]
    fn a_table_is_drawn_over_the_one_before() {
        let two = "\x1b[H\x1b[KA\n\x1b[KB\n\x1b[J";
        assert_eq!(redrawn("A\nB\n", 3), two);
        let cut = "\x1b[H\x1b[KA\n\x1b[K… 2 more\n\x1b[J";
        assert_eq!(redrawn("A\nB\nC\n", 3), cut);
        assert_eq!(redrawn("", 24), "\x1b[H\x1b[J");
    }
}
