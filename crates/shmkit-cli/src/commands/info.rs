//! `shmkit info`: all about a segment.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use serde::Serialize;
use shmkit::inspect::{self, Holder, Place, SegmentInfo};
use shmkit::key::KeyRules;
use shmkit::{Access, Lifetime};

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

/// A segment in JSON: what the tables show, in raw numbers and names.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    r#type: String,
    key: Option<String>,
    path: Option<String>,
    ipc_key: Option<u32>,
    ipc_id: Option<i32>,
    size: u64,
    owner: Option<String>,
    owner_id: u32,
    /// In octal, as `chmod` takes it: what is a number there would be none in JSON.
    mode: String,
    /// Seconds since the epoch.
    created: Option<f64>,
    age: Option<f64>,
    lifetime: &'static str,
    attached: Option<u64>,
    complete: bool,
    state: String,
    reason: String,
    lock: Option<String>,
    holders: Vec<HolderFacts>,
}

#[derive(Debug, Serialize)]
struct HolderFacts {
    pid: u32,
    program: String,
    attached: u64,
    access: Option<&'static str>,
}

impl Facts {
    pub(crate) fn of(info: &SegmentInfo) -> Self {
        let (path, ipc_key, ipc_id) = match &info.place {
            Place::SystemV {
                ipc_key,
                id,
                key_file,
                ..
            } => (key_file.as_ref(), Some(*ipc_key), Some(*id)),
            Place::Posix { path, .. } => (Some(path), None, None),
            _ => (None, None, None),
        };
        let age = info.created.and_then(|created| created.elapsed().ok());
        Self {
            r#type: type_of(info),
            key: info.key.as_ref().map(ToString::to_string),
            path: path.map(|path| path.to_string_lossy().into_owned()),
            ipc_key,
            ipc_id,
            size: info.size,
            owner: info.owner_name.clone(),
            owner_id: info.owner,
            mode: format!("{:04o}", info.mode),
            created: info.created.map(output::unix_time),
            age: age.map(|age| age.as_secs_f64()),
            lifetime: lifetime(info),
            attached: info.attached,
            complete: info.complete,
            state: info.state.to_string(),
            reason: info.reason.clone(),
            lock: lock(info),
            holders: info.holders.iter().map(HolderFacts::of).collect(),
        }
    }
}

impl HolderFacts {
    fn of(holder: &Holder) -> Self {
        Self {
            pid: holder.pid,
            program: holder.program.clone(),
            attached: holder.attached,
            access: holder.access.map(access),
        }
    }
}

/// The name of a segment's type.
pub(crate) fn type_of(info: &SegmentInfo) -> String {
    info.place
        .key_type()
        .map_or_else(|| "systemv".to_owned(), |key_type| key_type.to_string())
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
        None => info.owner.to_string(),
    }
}

fn lifetime(info: &SegmentInfo) -> &'static str {
    match info.lifetime {
        Lifetime::Ephemeral => "ephemeral",
        Lifetime::Kept => "kept",
    }
}

fn access(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "read-only",
        Access::ReadWrite => "read-write",
    }
}

/// The key of a segment's lock.
fn lock(info: &SegmentInfo) -> Option<String> {
    let key = info.key.as_ref()?;
    Some(KeyRules::of_this_process().semaphore_key(key).to_string())
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
