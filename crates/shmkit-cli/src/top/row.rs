//! A segment as it is shown: texts, and nothing that could play tricks on a terminal.

use std::time::Duration;

use shmkit::inspect::{LockInfo, SegmentInfo, State};
use shmkit::key::NativeIpcKey;

use crate::commands::info::{name_of, owner_of, type_of};
use crate::output::{age, bytes, shown};

/// A line of the table and what is behind it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: Option<NativeIpcKey>,
    pub(super) state: State,
    pub(super) size: u64,
    /// The texts of the columns, in their order.
    pub(super) texts: [String; COLUMNS.len()],
    pub(super) reason: String,
    /// `1412 viewer, attached once`.
    pub(super) holders: Vec<String>,
    /// What the lock says of itself.
    pub(super) lock: Option<String>,
}

/// The titles of the columns, and how wide they may become; the name has what is left.
pub(super) const COLUMNS: [(&str, u16); 11] = [
    ("TYPE", 9),
    ("KEY", 0),
    ("KIND", 8),
    ("SIZE", 10),
    ("RESIDENT", 10),
    ("OWNER", 8),
    ("AGE", 7),
    ("ATT", 4),
    ("STATE", 7),
    ("LOCK", 32),
    ("CHANGED", 7),
];

/// Where some of them are.
pub(super) const NAME: usize = 1;
pub(super) const STATE: usize = 8;
pub(super) const LOCK: usize = 9;
pub(super) const CHANGED: usize = 10;

/// What a closer look at a segment told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closer {
    pub(super) lock: Option<LockInfo>,
    /// How long the same process has been seen to have it.
    pub(super) held_for: Option<Duration>,
    /// The share of what was looked at that has changed.
    pub(super) changed: Option<f64>,
}

impl Row {
    pub(super) fn new(segment: &SegmentInfo, closer: &Closer) -> Self {
        let unknown = || "?".to_owned();
        let resident = segment.resident.map(|resident| bytes(resident.bytes));
        let attached = segment.attached.map(|times| times.to_string());
        let changed = closer
            .changed
            .map(|share| format!("{:.0} %", share * 100.0));
        Self {
            key: segment.key.clone(),
            state: segment.state,
            size: segment.size,
            texts: [
                type_of(segment),
                name_of(segment),
                shown(&segment.kind.to_string()),
                bytes(segment.size),
                resident.unwrap_or_else(unknown),
                owner_of(segment),
                segment.created.and_then(age).unwrap_or_else(unknown),
                attached.unwrap_or_else(unknown),
                segment.state.to_string(),
                lock(closer),
                changed.unwrap_or_else(|| "-".to_owned()),
            ],
            reason: shown(&segment.reason),
            holders: segment
                .holders
                .iter()
                .map(|holder| {
                    let times = match holder.attached {
                        0 => "has it open".to_owned(),
                        1 => "attached once".to_owned(),
                        times => format!("attached {times} times"),
                    };
                    format!("{} {}, {times}", holder.pid, shown(&holder.program))
                })
                .collect(),
            lock: closer.lock.as_ref().map(|lock| shown(&lock.reason)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.texts[NAME]
    }

    /// Whether a word is in what is shown of it.
    pub(super) fn has(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let mut texts = self.texts.iter().chain(&self.holders);
        texts.any(|text| text.to_lowercase().contains(&word))
    }
}

/// `1412 viewer 3 s +2`: who has it, for how long that was seen, how many wait.
fn lock(closer: &Closer) -> String {
    let Some(lock) = &closer.lock else {
        return "-".to_owned();
    };
    let mut text = match (lock.held, &lock.holders[..]) {
        (None, _) => "?".to_owned(),
        (Some(false), _) => "free".to_owned(),
        (Some(true), []) => "held".to_owned(),
        (Some(true), [holder]) => format!("{} {}", holder.pid, shown(&holder.program)),
        (Some(true), holders) => format!("one of {}", holders.len()),
    };
    if let Some(since) = closer.held_for {
        text.push_str(&format!(" {} s", since.as_secs()));
    }
    if let Some(waiting @ 1..) = lock.waiting {
        text.push_str(&format!(" +{waiting}"));
    }
    text
}
