//! Steps that are all taken, whichever fail, and the table at their end.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::progress::{green, header, red, seconds};

/// The steps taken so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    title: String,
    time: Duration,
    /// A remark on the success, or why it failed.
    outcome: Result<String>,
}

impl Report {
    /// Takes a step under a header of its own; it may return a remark for the table.
    pub(crate) fn step(&mut self, title: &str, work: impl FnOnce() -> Result<String>) {
        header(title);
        let start = Instant::now();
        let outcome = work();
        if let Err(error) = &outcome {
            eprintln!("{} {error:#}", red("failed:"));
        }
        self.rows.push(Row {
            title: title.to_owned(),
            time: start.elapsed(),
            outcome,
        });
    }

    /// Prints the table; true if every step went well.
    pub(crate) fn finish(self) -> bool {
        header("summary");
        let width = self
            .rows
            .iter()
            .map(|row| row.title.len())
            .max()
            .unwrap_or(0);
        for Row {
            title,
            time,
            outcome,
        } in &self.rows
        {
            let (verdict, remark) = match outcome {
                Ok(remark) => (green("ok    "), remark.clone()),
                Err(error) => (red("FAILED"), error.to_string()),
            };
            let line = format!(
                "{verdict}  {title:width$}  {:>12}  {remark}",
                seconds(*time)
            );
            eprintln!("{}", line.trim_end());
        }
        self.is_good()
    }

    /// Whether every step so far went well.
    pub(crate) fn is_good(&self) -> bool {
        self.rows.iter().all(|row| row.outcome.is_ok())
    }
}
