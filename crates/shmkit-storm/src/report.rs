//! What a storm ends with.

use std::fmt::Write as _;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::ground::Ground;

/// What was found on one backend.
pub(crate) struct Summary {
    backend: &'static str,
    pub(crate) time: Duration,
    pub(crate) kills: u64,
    /// How many of the killed had a lock to themselves.
    pub(crate) holders: u64,
    /// From the kill of such a one to the next one's having the lock.
    pub(crate) recoveries: Vec<Duration>,
    told: u64,
    torn: u64,
    poisoned: u64,
    records: u64,
    turns: u64,
    longest: Duration,
    pub(crate) problems: Vec<String>,
}

impl Summary {
    pub(crate) fn new(backend: &'static str) -> Self {
        Self {
            backend,
            time: Duration::ZERO,
            kills: 0,
            holders: 0,
            recoveries: Vec::new(),
            told: 0,
            torn: 0,
            poisoned: 0,
            records: 0,
            turns: 0,
            longest: Duration::ZERO,
            problems: Vec::new(),
        }
    }

    /// What the workers wrote down.
    pub(crate) fn note(&mut self, ground: &Ground) {
        self.told = ground.deaths.iter().map(|told| told.load(SeqCst)).sum();
        self.torn = ground.torn.load(SeqCst);
        self.poisoned = ground.poisoned.load(SeqCst);
        self.records = ground.ledger_reached.load(SeqCst) + ground.table_reached.load(SeqCst);
        self.turns = ground.turns.load(SeqCst);
        self.longest = Duration::from_nanos(ground.longest.load(SeqCst));
    }

    /// The recovery time that so many of a thousand do not exceed.
    fn recovery(&self, of_thousand: usize) -> String {
        let mut times = self.recoveries.clone();
        times.sort_unstable();
        let place = (times.len() * of_thousand / 1000).min(times.len().saturating_sub(1));
        times
            .get(place)
            .map_or("-".to_owned(), |&time| millis(time))
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.backend.to_owned(),
            self.kills.to_string(),
            self.holders.to_string(),
            self.told.to_string(),
            self.torn.to_string(),
            self.poisoned.to_string(),
            self.records.to_string(),
            format!("{:.0}", self.turns as f64 / self.time.as_secs_f64()),
            millis(self.longest),
            self.recoveries.len().to_string(),
            self.recovery(500),
            self.recovery(990),
            self.recovery(1000),
        ]
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

const TITLES: [&str; 13] = [
    "backend",
    "kills",
    "with a lock",
    "told",
    "torn, mended",
    "poison met",
    "records",
    "turns/s",
    "longest wait",
    "recoveries",
    "median",
    "99 %",
    "worst",
];

/// The table, and what went wrong.
pub(crate) fn text(summaries: &[Summary]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_header(TITLES);
    for summary in summaries {
        let right = |text| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row(summary.row().into_iter().map(right));
    }
    let mut text = format!("{table}\n");
    let problems: Vec<_> = summaries
        .iter()
        .flat_map(|summary| {
            summary
                .problems
                .iter()
                .map(|problem| (summary.backend, problem))
        })
        .collect();
    for (backend, problem) in &problems {
        _ = writeln!(text, "{backend}: {problem}");
    }
    if problems.is_empty() {
        text += "hangs: none; records lost, or torn and not announced: none; left over: none\n";
    }
    text
}
