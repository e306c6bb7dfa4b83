//! `shmkit ls`: all segments.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{Cell, Color};
use shmkit::inspect::{self, SegmentInfo, State};

use super::facts::Facts;
use super::info::{name_of, owner_of, type_of};
use crate::args::Ls;
use crate::output::{self, age, bytes, number, row, table};

pub(crate) fn run(args: Ls) -> Result<ExitCode> {
    let mut segments = inspect::list()?;
    segments.sort_by_cached_key(|segment| (type_of(segment), name_of(segment)));
    if args.json {
        output::json(&segments.iter().map(Facts::of).collect::<Vec<_>>())?;
    } else if segments.is_empty() {
        output::message("there are no segments");
    } else {
        output::print(&text(&segments))?;
        hints(&segments);
    }
    Ok(ExitCode::SUCCESS)
}

fn text(segments: &[SegmentInfo]) -> String {
    let mut table = table();
    table.set_header(row([
        Cell::new("TYPE"),
        Cell::new("KEY"),
        number("SIZE"),
        Cell::new("OWNER"),
        number("AGE"),
        number("ATTACHED"),
        Cell::new("STATE"),
    ]));
    let is_coloured = output::is_coloured();
    for segment in segments {
        let attached = segment.attached.map(|times| times.to_string());
        let state = Cell::new(segment.state);
        let state = match is_coloured.then(|| colour(segment.state)).flatten() {
            Some(colour) => state.fg(colour),
            None => state,
        };
        table.add_row(row([
            Cell::new(type_of(segment)),
            Cell::new(name_of(segment)),
            number(bytes(segment.size)),
            Cell::new(owner_of(segment)),
            number(segment.created.and_then(age).unwrap_or_else(|| "?".into())),
            number(attached.unwrap_or_else(|| "?".into())),
            state,
        ]));
    }
    output::render(table)
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
            "an orphan holds {held}: `shmkit rm KEY` frees it, and so does the next create of its key"
        )),
        count => output::hint(&format!(
            "{count} orphans hold {held}: `shmkit rm KEY` frees them, and so does the next create of their keys"
        )),
    }
    if segments.iter().any(|segment| !segment.complete) {
        output::hint(
            "some processes cannot be seen by this user or from here, so ATTACHED may be too low",
        );
    }
}
