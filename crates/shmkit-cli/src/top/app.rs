//! What is known, what is chosen, and what keys do.

use std::collections::HashMap;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use shmkit::inspect::{Place, SegmentInfo, SortBy};
use shmkit::key::NativeIpcKey;
use shmkit::reaper::{Outcome, Reaper};

use super::look::{Seen, Wish};
use super::row::{Closer, Row};
use crate::args::SortName;

/// What is shown over the table or below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    /// A word is being typed.
    Filter,
    /// Whether the segment of this key is to be removed.
    Confirm(NativeIpcKey),
    Help,
}

/// What is to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    LookNow,
    End,
}

/// The whole of what is drawn.
pub(super) struct App {
    segments: Vec<SegmentInfo>,
    closer: HashMap<Place, Closer>,
    pub(super) rows: Vec<Row>,
    /// Of the rows.
    places: Vec<Place>,
    pub(super) chosen: usize,
    /// The first row on the screen, and how many fit; the drawing sets them.
    pub(super) first: usize,
    pub(super) fit: usize,
    pub(super) sort: SortName,
    pub(super) reverse: bool,
    pub(super) changes: bool,
    pub(super) paused: bool,
    pub(super) details: bool,
    pub(super) word: String,
    pub(super) mode: Mode,
    /// What became of the last removal.
    pub(super) message: Option<String>,
    pub(super) has_looked: bool,
}

/// More rows than a screen has are not looked at closely before it is known how many fit.
const FEW: usize = 20;

impl App {
    pub(super) fn new(sort: SortName, reverse: bool, changes: bool) -> Self {
        Self {
            segments: Vec::new(),
            closer: HashMap::new(),
            rows: Vec::new(),
            places: Vec::new(),
            chosen: 0,
            first: 0,
            fit: FEW,
            sort,
            reverse,
            changes,
            paused: false,
            details: false,
            word: String::new(),
            mode: Mode::Table,
            message: None,
            has_looked: false,
        }
    }

    /// What is to be looked at.
    pub(super) fn wish(&self) -> Wish {
        let shown = self.places.iter().skip(self.first).take(self.fit);
        Wish {
            shown: shown.cloned().collect(),
            changes: self.changes,
            paused: self.paused,
        }
    }

    /// Takes what a look has seen.
    pub(super) fn take(&mut self, seen: Seen) {
        self.segments = seen.segments;
        self.closer = seen.closer;
        self.has_looked = true;
        self.arrange();
    }

    /// Makes the rows; the one that was chosen stays so.
    fn arrange(&mut self) {
        let chosen = self.places.get(self.chosen).cloned();
        SortBy::from(self.sort).sort(&mut self.segments);
        if self.reverse {
            self.segments.reverse();
        }
        let none = Closer::default();
        let rows = self.segments.iter().map(|segment| {
            let closer = self.closer.get(&segment.place).unwrap_or(&none);
            (segment.place.clone(), Row::new(segment, closer))
        });
        (self.places, self.rows) = rows
            .filter(|(_, row)| self.word.is_empty() || row.has(&self.word))
            .unzip();
        let same = chosen.and_then(|chosen| self.places.iter().position(|it| *it == chosen));
        self.choose(same.unwrap_or(self.chosen));
    }

    fn choose(&mut self, row: usize) {
        self.chosen = row.min(self.rows.len().saturating_sub(1));
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Next::End;
        }
        match self.mode.clone() {
            Mode::Filter => self.press_in_filter(key.code),
            Mode::Confirm(of) => {
                self.mode = Mode::Table;
                match key.code {
                    KeyCode::Char('y' | 'Y') => {
                        self.message = Some(remove(of));
                        return Next::LookNow;
                    }
                    _ => self.message = Some("nothing was removed".to_owned()),
                }
            }
            Mode::Help => self.mode = Mode::Table,
            Mode::Table => return self.press_in_table(key.code),
        }
        Next::Go
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.word.clear();
                self.mode = Mode::Table;
            }
            KeyCode::Backspace => drop(self.word.pop()),
            KeyCode::Char(char) if !char.is_control() => self.word.push(char),
            _ => return,
        }
        self.arrange();
    }

    fn press_in_table(&mut self, key: KeyCode) -> Next {
        self.message = None;
        match key {
            KeyCode::Char('q') => return Next::End,
            KeyCode::Up | KeyCode::Char('k') => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.choose(self.chosen + 1),
            KeyCode::PageUp => self.choose(self.chosen.saturating_sub(self.fit)),
            KeyCode::PageDown => self.choose(self.chosen + self.fit),
            KeyCode::Home | KeyCode::Char('g') => self.choose(0),
            KeyCode::End | KeyCode::Char('G') => self.choose(usize::MAX),
            KeyCode::Enter => self.details = !self.details,
            KeyCode::Char('s') => self.order(1),
            KeyCode::Char('S') => self.order(ORDERS.len() - 1),
            KeyCode::Char('r') => {
                self.reverse = !self.reverse;
                self.arrange();
            }
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => {
                self.word.clear();
                self.arrange();
            }
            KeyCode::Char('c') => {
                self.changes = !self.changes;
                return Next::LookNow;
            }
            KeyCode::Char(' ') => {
                self.paused = !self.paused;
                return Next::LookNow;
            }
            KeyCode::Char('x') => self.ask(),
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            _ => {}
        }
        Next::Go
    }

    fn order(&mut self, by: usize) {
        let at = ORDERS.iter().position(|&order| order == self.sort);
        self.sort = ORDERS[(at.unwrap_or(0) + by) % ORDERS.len()];
        self.arrange();
    }

    fn ask(&mut self) {
        match self.rows.get(self.chosen) {
            None => {}
            Some(Row { key: Some(key), .. }) => self.mode = Mode::Confirm(key.clone()),
            Some(_) => {
                self.message = Some("it has no key that it could be removed by".to_owned());
            }
        }
    }
}

const ORDERS: [SortName; 8] = [
    SortName::Size,
    SortName::Resident,
    SortName::Name,
    SortName::Age,
    SortName::Attached,
    SortName::Owner,
    SortName::Kind,
    SortName::State,
];

/// Removes a segment if nobody uses it, by the kernel's word, and says what became of it.
fn remove(key: NativeIpcKey) -> String {
    let name = key.to_string();
    let report = match Reaper::new().key(key).reap() {
        Ok(report) => report,
        Err(error) => return error.to_string(),
    };
    // The segment, its lock and its key file.
    let failed = report
        .leftovers
        .iter()
        .find_map(|leftover| match &leftover.outcome {
            Outcome::Failed(error) => Some(error.to_string()),
            Outcome::InUse => Some(format!("{name} is in use, so it stays")),
            _ => None,
        });
    failed.unwrap_or_else(|| format!("removed {name}"))
}
