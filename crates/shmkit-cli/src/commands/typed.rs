//! What a typed segment says of itself: its type, who made it, who holds its locks, its fields.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use comfy_table::{Cell, CellAlignment};
use serde::Serialize;
use shmkit::SharedMemory;
use shmkit::layout::{Leaf, Value};
use shmkit::sync::LockHolder;
use shmkit::typed::{Description, LockState};

use crate::output::{self, shown, table};

/// Bytes of a field that a table shows.
const SHOWN_BYTES: usize = 32;

/// What a typed segment says of itself, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct TypedFacts {
    type_name: String,
    layout: String,
    /// In hexadecimal: 64 bits are too many for a number in JSON.
    layout_hash: String,
    initialized: bool,
    creator_pid: u32,
    creator_program: String,
    /// Seconds since the epoch.
    created: f64,
    locks: Vec<LockFacts>,
}

#[derive(Debug, Serialize)]
struct LockFacts {
    path: String,
    r#type: String,
    poisoned: bool,
    holder: Option<HolderFacts>,
}

#[derive(Debug, Serialize)]
struct HolderFacts {
    pid: Option<u32>,
    own_pid: Option<u32>,
    program: Option<String>,
    label: Option<String>,
    attached_since: Option<f64>,
    held_for_at_least: Option<f64>,
    alive: bool,
}

impl TypedFacts {
    /// `None` if the segment is no typed one.
    pub(crate) fn of(segment: &SharedMemory) -> Result<Option<Self>> {
        let Some(description) = Description::of(segment)? else {
            return Ok(None);
        };
        let (creator_pid, creator_program) = description.creator();
        Ok(Some(Self {
            type_name: description.type_name(),
            layout: description.layout_text().to_owned(),
            layout_hash: format!("{:016x}", description.layout_hash()),
            initialized: description.is_initialized(),
            creator_pid,
            creator_program: creator_program.to_owned(),
            created: output::unix_time(description.created()),
            locks: description
                .locks()?
                .into_iter()
                .map(LockFacts::of)
                .collect(),
        }))
    }

    /// What `info` shows of it, as names and values.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let made_by = match self.creator_program.is_empty() {
            true => format!("process {}", self.creator_pid),
            false => format!(
                "process {} ({})",
                self.creator_pid,
                shown(&self.creator_program)
            ),
        };
        let mut rows = vec![
            ("type", shown(&self.type_name)),
            ("layout hash", self.layout_hash.clone()),
            ("made by", made_by),
        ];
        if !self.initialized {
            rows.push(("value", "not initialised".to_owned()));
        }
        let notable = self.locks.iter().filter(|lock| lock.is_notable());
        let summary = match (self.locks.len(), notable.clone().count()) {
            (0, _) => return rows,
            (all, 0) => format!("{all}, none held"),
            (all, notable) => format!("{all}, of which {notable} held or poisoned"),
        };
        rows.push(("locks inside", summary));
        rows.extend(notable.map(|lock| ("", lock.text())));
        rows
    }
}

impl LockFacts {
    fn of(state: LockState) -> Self {
        Self {
            path: state.path,
            r#type: state.name,
            poisoned: state.is_poisoned,
            holder: state.holder.map(HolderFacts::of),
        }
    }

    fn is_notable(&self) -> bool {
        self.poisoned || self.holder.is_some()
    }

    fn text(&self) -> String {
        let name = match self.path.is_empty() {
            true => &self.r#type,
            false => &self.path,
        };
        let holder = self.holder.as_ref().map(HolderFacts::text);
        let state = match (holder, self.poisoned) {
            (Some(holder), _) => format!("held by {holder}"),
            (None, _) => "poisoned".to_owned(),
        };
        format!("{}: {state}", shown(name))
    }
}

impl HolderFacts {
    fn of(holder: LockHolder) -> Self {
        Self {
            pid: holder.pid,
            own_pid: holder.own_pid,
            program: holder.program,
            label: holder.label,
            attached_since: holder.attached_since.map(output::unix_time),
            held_for_at_least: holder.held_for.map(|time| time.as_secs_f64()),
            alive: holder.is_alive,
        }
    }

    fn text(&self) -> String {
        let mut text = match (self.pid, self.own_pid) {
            (Some(pid), _) => format!("process {pid}"),
            (None, Some(pid)) => format!("process {pid} of another PID namespace"),
            (None, None) => "a process that cannot be seen from here".to_owned(),
        };
        if let Some(program) = &self.program {
            text += &format!(" ({})", shown(program));
        }
        if let Some(label) = &self.label {
            text += &format!(" \"{}\"", shown(label));
        }
        if let Some(time) = self.held_for_at_least {
            text += &format!(", for at least {time:.1} s");
        }
        if !self.alive {
            text += ", which has died";
        }
        text
    }
}

/// A field, in JSON.
#[derive(Debug, Serialize)]
struct FieldFacts {
    path: String,
    offset: u64,
    r#type: String,
    value: serde_json::Value,
}

/// Shows the fields of a typed segment's value, as they are now.
pub(super) fn decode(segment: &SharedMemory, json: bool) -> Result<ExitCode> {
    let description = Description::of(segment)?
        .with_context(|| format!("{} is no typed segment: it has no fields", segment.name()))?;
    let schema = description.schema()?;
    let bytes = description.value().to_vec();
    let leaves = schema
        .decode(&bytes)
        .context("the segment holds fewer bytes than its type has")?;
    if json {
        let fields: Vec<_> = leaves.map(FieldFacts::of).collect();
        output::json(&fields)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut fields = table();
    fields.set_header(["OFFSET", "FIELD", "TYPE", "VALUE"]);
    for leaf in leaves {
        let path = if leaf.path.is_empty() {
            "(the value)"
        } else {
            &leaf.path
        };
        fields.add_row(vec![
            Cell::new(leaf.offset).set_alignment(CellAlignment::Right),
            Cell::new(shown(path)),
            Cell::new(shown(&leaf.type_name)),
            Cell::new(shown(&value_text(&leaf.value))),
        ]);
    }
    output::print(&output::render(fields))?;
    Ok(ExitCode::SUCCESS)
}

/// A value in a table: long bytes are cut.
fn value_text(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) if bytes.len() > SHOWN_BYTES => {
            let start = Value::Bytes(bytes[..SHOWN_BYTES].to_vec());
            format!("{start}… ({} bytes)", bytes.len())
        }
        value => value.to_string(),
    }
}

impl FieldFacts {
    fn of(leaf: Leaf) -> Self {
        let value = match &leaf.value {
            Value::Unsigned(value) => (*value).into(),
            Value::Signed(value) => (*value).into(),
            Value::F32(value) => f64::from(*value).into(),
            Value::F64(value) => (*value).into(),
            Value::Bool(value) => (*value).into(),
            other => other_value(other),
        };
        Self {
            path: leaf.path,
            offset: leaf.offset,
            r#type: leaf.type_name,
            value,
        }
    }
}

/// What JSON has no type for, as text.
fn other_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Variant {
            name: Some(name), ..
        } => name.clone().into(),
        Value::Variant { value, .. } => (*value).into(),
        other => other.to_string().into(),
    }
}
