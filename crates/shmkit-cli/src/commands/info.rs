//! `shmkit info`: all about a segment.

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use serde::Serialize;
use shmkit::inspect::{self, Kind, LockInfo, Place, ResidentBy, SegmentInfo};

use super::facts::{Facts, lifetime, lock};
use super::holders;
use super::reading::Reading;
use super::typed::TypedFacts;
use crate::args::Info;
use crate::key;
use crate::output::{self, age, bytes, shown, table};

pub(crate) fn run(args: Info) -> Result<ExitCode> {
    let key = key::parse(&args.key)?;
    let info = inspect::info(&key)?;
    let typed = typed_facts(&args.key, &info)?;
    match args.json {
        true => output::json(&All {
            facts: Facts::of(&info),
            typed,
        })?,
        false => {
            // Gone meanwhile, it has no lock either.
            let lock = inspect::holders(&key).ok().and_then(|found| found.lock);
            output::print(&text(&info, lock.as_ref(), typed.as_ref()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `--json` shows.
#[derive(Serialize)]
struct All {
    #[serde(flatten)]
    facts: Facts,
    typed: Option<TypedFacts>,
}

/// What the segment says of itself if it is a typed one, and may be read and is still there.
fn typed_facts(key: &OsStr, info: &SegmentInfo) -> Result<Option<TypedFacts>> {
    match (&info.kind, Reading::of(key)) {
        (Kind::Typed { .. }, Ok(segment)) => TypedFacts::of(&segment),
        _ => Ok(None),
    }
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
    let place = info.place.name();
    match (&info.key, &info.place) {
        (Some(key), _) => shown(&key.to_string()),
        (None, Place::Posix { .. } | Place::SystemV { .. }) => shown(&info.place.to_string()),
        (None, other) => shown(&format!("{place}:{other}")),
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

fn text(info: &SegmentInfo, found: Option<&LockInfo>, typed: Option<&TypedFacts>) -> String {
    let mut facts = table();
    let mut fact = |name: &str, value: String| {
        facts.add_row(vec![Cell::new(name), Cell::new(value)]);
    };
    fact("key", name_of(info));
    match &info.place {
        Place::SystemV { key_file, .. } => {
            fact("System V key", info.place.to_string());
            if let Some(path) = key_file {
                fact("key file", shown(&path.display().to_string()));
            }
        }
        place => fact("path", shown(&place.to_string())),
    }
    fact("kind", shown(&info.kind.to_string()));
    fact("size", exact(info.size));
    if let Some(resident) = info.resident {
        let of = match resident.by {
            ResidentBy::Blocks => "in memory or swapped",
            ResidentBy::PageCache => "of the file in memory",
            _ => "in memory",
        };
        let swapped = match resident.swapped {
            Some(swapped @ 1..) => format!(", {} swapped", bytes(swapped)),
            _ => String::new(),
        };
        fact(
            "resident",
            format!("{} {of}{swapped}", bytes(resident.bytes)),
        );
    }
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
    if let Some(key) = lock(info) {
        let state = found.map_or("never taken", |found| &found.reason);
        fact("lock", format!("{}: {state}", shown(&key)));
    }
    for (name, value) in typed.into_iter().flat_map(TypedFacts::rows) {
        fact(name, value);
    }
    let mut text = output::render(facts);
    if !info.holders.is_empty() {
        text.push('\n');
        text.push_str(&holders::table_of(&info.holders));
    }
    text
}

/// A size that is also told to the byte.
fn exact(size: u64) -> String {
    match size {
        0..1024 => format!("{size} bytes"),
        size => format!("{} ({size} bytes)", bytes(size)),
    }
}
