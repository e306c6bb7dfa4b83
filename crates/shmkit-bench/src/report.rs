//! What a run prints: a table for people, Markdown for documents, JSON for programs.

use std::process::Command;
use std::{env, fs};

use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use serde::Serialize;

use crate::stats::Spread;

/// What one case found. Times are nanoseconds a call, ratios are ours over raw.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) group: String,
    pub(crate) case: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    pub(crate) calls: u64,
    pub(crate) rounds: usize,
    pub(crate) ours_ns: f64,
    pub(crate) raw_ns: f64,
    pub(crate) ratio: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) met: Option<bool>,
}

/// All outcomes, and the machine without which they mean nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    cpu: String,
    cores: usize,
    system: String,
    rustc: String,
    command: String,
    outcomes: Vec<Outcome>,
}

impl Run {
    pub(crate) fn new(outcomes: Vec<Outcome>) -> Self {
        Self {
            cpu: cpu().unwrap_or_else(|| env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            system: system(),
            rustc: rustc().unwrap_or_else(|| "an unknown rustc".to_owned()),
            command: command(),
            outcomes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("a run holds strings and numbers")
    }

    pub(crate) fn table(&self) -> String {
        self.lay_out(presets::UTF8_FULL_CONDENSED)
    }

    pub(crate) fn markdown(&self) -> String {
        self.lay_out(presets::ASCII_MARKDOWN)
    }

    fn lay_out(&self, preset: &str) -> String {
        let mut table = Table::new();
        table.load_preset(preset).set_header([
            "group",
            "case",
            "ours",
            "raw",
            "ours GB/s",
            "ratio",
            "8 in 10 rounds",
            "goal",
            "",
        ]);
        let mut group = "";
        for outcome in &self.outcomes {
            table.add_row([
                Cell::new(if outcome.group == group {
                    ""
                } else {
                    &outcome.group
                }),
                Cell::new(&outcome.case),
                Cell::new(nanoseconds(outcome.ours_ns)),
                Cell::new(nanoseconds(outcome.raw_ns)),
                Cell::new(match outcome.bytes {
                    Some(bytes) => format!("{:.1}", bytes as f64 / outcome.ours_ns),
                    None => String::new(),
                }),
                Cell::new(format!("{:.3}", outcome.ratio.median)),
                Cell::new(format!(
                    "{:.3} to {:.3}",
                    outcome.ratio.p10, outcome.ratio.p90
                )),
                Cell::new(
                    outcome
                        .goal
                        .map_or_else(String::new, |limit| format!("<= {limit}")),
                ),
                match outcome.met {
                    Some(true) => Cell::new("met").fg(Color::Green),
                    Some(false) => Cell::new("missed").fg(Color::Red),
                    None => Cell::new(""),
                },
            ]);
            group = &outcome.group;
        }
        for column in 2..=7 {
            let column = table
                .column_mut(column)
                .expect("the header has nine columns");
            column.set_cell_alignment(CellAlignment::Right);
        }
        let Self {
            cpu,
            cores,
            system,
            rustc,
            command,
            ..
        } = self;
        format!(
            "{table}\n\nTimes are medians a call; a ratio is ours over raw, paired round by round.\n\
             {cpu}, {cores} cores; {system}; {rustc}; `{command}`",
        )
    }
}

/// Three digits and a unit.
fn nanoseconds(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns => (ns / 1e6, "ms"),
    };
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", env::consts::OS, release.trim())
        .trim_end()
        .to_owned()
}

fn rustc() -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The command line with the program's name only: where it was built is nobody's business.
fn command() -> String {
    let mut words = env::args();
    let program = words.next().unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let bench = name.split('-').next().unwrap_or_default();
    let rest: Vec<String> = words.filter(|word| word != "--bench").collect();
    let options = if rest.is_empty() {
        String::new()
    } else {
        format!(" -- {}", rest.join(" "))
    };
    format!("cargo bench -p shmkit-bench --bench {bench}{options}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        assert_eq!(nanoseconds(0.456), "0.46 ns");
        assert_eq!(nanoseconds(12.34), "12.3 ns");
        assert_eq!(nanoseconds(123.4), "123 ns");
        assert_eq!(nanoseconds(1_234.0), "1.23 us");
        assert_eq!(nanoseconds(12_345_678.0), "12.3 ms");
    }

    #[test]
    fn a_run_prints_in_all_forms() {
        let ratio = Spread {
            median: 1.02,
            p10: 0.98,
            p90: 1.1,
        };
        let outcome = Outcome {
            group: "copies".into(),
            case: "4 KiB".into(),
            bytes: Some(4096),
            calls: 512,
            rounds: 99,
            ours_ns: 41.0,
            raw_ns: 40.0,
            ratio,
            goal: Some(1.05),
            met: Some(true),
        };
        let run = Run::new(vec![outcome]);
        for text in [run.table(), run.markdown()] {
            assert!(text.contains("0.980 to 1.100"), "{text}");
            assert!(text.contains("<= 1.05"), "{text}");
            assert!(text.contains("met"), "{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&run.json()).unwrap();
        assert_eq!(json["outcomes"][0]["ratio"]["p90"], 1.1);
        assert_eq!(json["outcomes"][0]["met"], true);
    }
}
