//! `shmkit info`: all about a segment.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use shmkit::inspect::{self, Place, SegmentInfo};

use super::facts::{Facts, access, lifetime, lock};
use crate::args::Info;
use crate::key;
use crate::output::{self, age, bytes, number, row, shown, table};

pub(crate) fn run(args: Info) -> Result<ExitCode> {
    let info = inspect::info(&key::parse(&args.key)?)?;
    match args.json {
        true => output::json(&Facts::of(&info))?,
        false => output::print(&text(&info))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of a segment's type.
pub(crate) fn type_of(info: &SegmentInfo) -> String {
    info.place.key_type().map_or_else(
        || info.place.name().to_owned(),
        |key_type| key_type.to_string(),
    )
}

/// How a segment is called, fit to be shown.
pub(crate) fn name_of(info: &SegmentInfo) -> String {
    match &info.key {
        Some(key) => shown(&key.to_string()),
        None => shown(&info.place.to_string()),
    }
}

/// Whose a segment is, fit to be shown.
pub(crate) fn owner_of(info: &SegmentInfo) -> String {
    match &info.owner_name {
        Some(name) => shown(name),
        None if info.owner == u32::MAX => "?".to_owned(),
        None => info.owner.to_string(),
    }
}

fn text(info: &SegmentInfo) -> String {
    let mut facts = table();
    let mut fact = |name: &str, value: String| {
        facts.add_row(vec![Cell::new(name), Cell::new(value)]);
    };
    fact("key", name_of(info));
    match &info.place {
        Place::SystemV { .. } => fact("System V key", info.place.to_string()),
        place => fact("path", shown(&place.to_string())),
    }
    fact(
        "size",
        match info.size {
            size @ 0..1024 => format!("{size} bytes"),
            size => format!("{} ({size} bytes)", bytes(size)),
        },
    );
    fact(
        "owner",
        match &info.owner_name {
            Some(name) => format!("{} (user {})", shown(name), info.owner),
            None => format!("user {}", info.owner),
        },
    );
    fact("mode", format!("{:04o}", info.mode));
    if let Some(age) = info.created.and_then(age) {
        fact("age", age);
    }
    fact("lifetime", lifetime(info).to_owned());
    fact(
        "attached",
        match info.attached {
            Some(times) if info.complete => times.to_string(),
            Some(times) => format!("{times}, as far as can be seen by this user and from here"),
            None => "cannot be told by this user and from here".to_owned(),
        },
    );
    fact("state", format!("{}: {}", info.state, info.reason));
    if let Some(lock) = lock(info) {
        fact("lock", shown(&lock));
    }
    let mut text = output::render(facts);
    if !info.holders.is_empty() {
        text.push('\n');
        text.push_str(&output::render(holders(info)));
    }
    text
}

fn holders(info: &SegmentInfo) -> comfy_table::Table {
    let mut table = table();
    table.set_header(row([
        number("PID"),
        Cell::new("PROGRAM"),
        number("ATTACHED"),
        Cell::new("ACCESS"),
    ]));
    for holder in &info.holders {
        table.add_row(row([
            number(holder.pid),
            Cell::new(shown(&holder.program)),
            number(holder.attached),
            Cell::new(holder.access.map_or("open, not mapped", access)),
        ]));
    }
    table
}
