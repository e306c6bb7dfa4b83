//! `shmkit holders`: who uses a segment and its lock.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use shmkit::inspect::{self, Holder, Holders as Found, LockInfo, LockUser};

use super::facts::{HolderFacts, access};
use crate::args::Holders;
use crate::columns::{self, Column, Line};
use crate::output::{self, age, shown};
use crate::{failure, key};

/// Who uses a segment, in JSON.
#[derive(Debug, Serialize)]
struct Facts {
    processes: Vec<HolderFacts>,
    complete: bool,
    lock: Option<LockFacts>,
}

#[derive(Debug, Serialize)]
struct LockFacts {
    key: String,
    held: Option<bool>,
    holders: Vec<UserFacts>,
    held_by_one_of: bool,
    owner_died: bool,
    waiting: Option<u64>,
    waiters: Vec<UserFacts>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct UserFacts {
    pid: u32,
    program: String,
}

pub(crate) fn run(args: Holders) -> Result<ExitCode> {
    let found = inspect::holders(&key::parse(&args.key)?)?;
    if args.json {
        output::json(&Facts::of(&found))?;
    } else {
        if !found.processes.is_empty() {
            output::print(&table_of(&found.processes))?;
        }
        if let Some(lock) = &found.lock {
            let gap = if found.processes.is_empty() { "" } else { "\n" };
            output::print(&format!("{gap}{}", text(lock)))?;
        }
        if !found.complete {
            output::hint("some processes cannot be seen by this user or from here");
        }
    }
    Ok(match found.processes.is_empty() {
        true => failure::NO.into(),
        false => ExitCode::SUCCESS,
    })
}

const COLUMNS: [Column; 9] = [
    Column::number("PID", 20),
    Column::cut("PROGRAM", 20, 8),
    Column::text("USER", 8),
    Column::text("ACCESS", 10),
    Column::number("ATTACHED", 9),
    Column::number("OPEN", 2),
    Column::number("RUNS", 5),
    Column::text("CONTAINER", 4),
    Column::number("PID INSIDE", 3),
];

/// The processes as a table. What nobody has is left out.
pub(super) fn table_of(holders: &[Holder]) -> String {
    let (contained, inside) = (
        holders.iter().any(|holder| holder.container.is_some()),
        holders.iter().any(|holder| holder.pid_inside.is_some()),
    );
    let shown_columns: Vec<usize> = (0..COLUMNS.len())
        .filter(|&index| (index != 7 || contained) && (index != 8 || inside))
        .collect();
    let columns: Vec<Column> = shown_columns.iter().map(|&index| COLUMNS[index]).collect();
    let lines: Vec<Line> = holders
        .iter()
        .map(|holder| {
            let texts = texts(holder);
            Line {
                texts: shown_columns
                    .iter()
                    .map(|&index| texts[index].clone())
                    .collect(),
                colour: None,
            }
        })
        .collect();
    columns::render(&columns, &lines, output::width())
}

fn texts(holder: &Holder) -> [String; 9] {
    let user = match (&holder.user_name, holder.user) {
        (Some(name), _) => shown(name),
        (None, Some(user)) => user.to_string(),
        (None, None) => "?".to_owned(),
    };
    let access = match (holder.access, holder.opened) {
        (Some(mapped), _) => access(mapped).to_owned(),
        (None, Some(opened)) => format!("open {}", access(opened)),
        // Not every system tells how.
        (None, None) if holder.attached > 0 => "attached".to_owned(),
        (None, None) => "open, not mapped".to_owned(),
    };
    [
        holder.pid.to_string(),
        shown(&holder.program),
        user,
        access,
        holder.attached.to_string(),
        holder.descriptors.to_string(),
        holder.since.and_then(age).unwrap_or_else(|| "?".to_owned()),
        holder.container.as_deref().map_or("-".to_owned(), shown),
        holder
            .pid_inside
            .map_or("-".to_owned(), |pid| pid.to_string()),
    ]
}

fn text(lock: &LockInfo) -> String {
    let mut text = format!("lock {}: {}\n", shown(&lock.key.to_string()), lock.reason);
    let mut add = |name: &str, users: &[LockUser]| {
        for LockUser { pid, program, .. } in users {
            text.push_str(&format!("{name:<8} {pid} {}\n", shown(program)));
        }
    };
    add(
        if lock.held_by_one_of {
            "perhaps"
        } else {
            "holder"
        },
        &lock.holders,
    );
    add("waiter", &lock.waiters);
    let unseen = lock
        .waiting
        .unwrap_or(0)
        .saturating_sub(lock.waiters.len() as u64);
    if unseen > 0 && lock.held == Some(true) {
        text.push_str(&format!("waiting  {} in all\n", lock.waiting.unwrap_or(0)));
    }
    text
}

impl Facts {
    fn of(found: &Found) -> Self {
        Self {
            processes: found.processes.iter().map(HolderFacts::of).collect(),
            complete: found.complete,
            lock: found.lock.as_ref().map(LockFacts::of),
        }
    }
}

impl LockFacts {
    fn of(lock: &LockInfo) -> Self {
        Self {
            key: lock.key.to_string(),
            held: lock.held,
            holders: lock.holders.iter().map(UserFacts::of).collect(),
            held_by_one_of: lock.held_by_one_of,
            owner_died: lock.owner_died,
            waiting: lock.waiting,
            waiters: lock.waiters.iter().map(UserFacts::of).collect(),
            reason: lock.reason.clone(),
        }
    }
}

impl UserFacts {
    fn of(user: &LockUser) -> Self {
        Self {
            pid: user.pid,
            program: user.program.clone(),
        }
    }
}
