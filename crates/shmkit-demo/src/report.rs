//! What a run ends with: a table for people, JSON for programs.

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::picture::Picture;
use crate::qt::Qt;
use crate::round::{End, Outcome, Process};
use crate::units;

/// All that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    picture: Shared,
    qt: Joined,
    rounds: Vec<Outcome>,
    seconds: f64,
    pub(crate) problems: Vec<String>,
}

/// The picture.
#[derive(Debug, Serialize)]
struct Shared {
    name: String,
    width: u32,
    height: u32,
    frame_bytes: usize,
    checksum: u32,
}

/// Whether a Qt process took part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Joined {
    Joined(String),
    LeftOut(String),
}

impl Report {
    pub(crate) fn new(
        picture: &Picture,
        qt: &Result<Qt, String>,
        rounds: Vec<Outcome>,
        seconds: f64,
    ) -> Self {
        let checksum = picture.checksum();
        Self {
            picture: Shared {
                name: picture.name.clone(),
                width: picture.width,
                height: picture.height,
                frame_bytes: picture.pixels.len(),
                checksum,
            },
            qt: match qt {
                Ok(qt) => Joined::Joined(qt.version.clone()),
                Err(why) => Joined::LeftOut(why.clone()),
            },
            problems: rounds
                .iter()
                .flat_map(|round| round.problems(checksum))
                .collect(),
            rounds,
            seconds,
        }
    }

    /// One line of JSON, in seconds and bytes.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("a report holds strings and numbers")
    }

    /// A table for each round, and what it all came to.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for round in &self.rounds {
            text += &format!(
                "\n{}: {} frames in {}\n{}\n",
                round.key,
                round.frames,
                units::seconds(round.seconds),
                table(&round.processes)
            );
        }
        text + &match self.problems.as_slice() {
            [] => format!(
                "\nAll checksums right, nothing left behind, {} in all.\n",
                units::seconds(self.seconds)
            ),
            problems => format!("\nNot all is well:\n  {}\n", problems.join("\n  ")),
        }
    }
}

fn table(processes: &[Process]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header([
        "process",
        "pid",
        "frames",
        "data",
        "GB/s",
        "lock wait\nmedian",
        "lock wait\nmaximum",
        "checksum\nerrors",
        "told of the\nowner's death",
        "end",
    ]);
    for process in processes {
        let figures = &process.figures;
        let told = process.owner_died_after_seconds;
        table.add_row([
            Cell::new(&process.role),
            number(process.pid),
            number(figures.frames),
            number(units::bytes(figures.bytes)),
            number(format!(
                "{:.1}",
                figures.bytes as f64 / figures.copy_seconds.max(1e-9) / 1e9
            )),
            number(units::seconds(figures.lock_wait_median_seconds)),
            number(units::seconds(figures.lock_wait_max_seconds)),
            number(figures.checksum_errors),
            number(told.map_or_else(String::new, |after| {
                format!("after {}", units::seconds(after))
            })),
            Cell::new(match process.end {
                End::Left => "left",
                End::Removed => "left last",
                End::Killed => "killed",
            }),
        ]);
    }
    table
}

fn number(value: impl ToString) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}
