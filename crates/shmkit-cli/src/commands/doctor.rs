//! `shmkit doctor`: what gets in the way of shared memory.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use comfy_table::{Cell, Color};
use serde::Serialize;
use shmkit::doctor::{Checkup, Finding, Severity};

use crate::args::Doctor;
use crate::failure;
use crate::output::{self, shown, table};

/// A finding in JSON.
#[derive(Debug, Serialize)]
struct Facts<'f> {
    severity: String,
    check: &'static str,
    summary: &'f str,
    why: Option<&'f str>,
    mend: Option<&'f str>,
}

pub(crate) fn run(args: Doctor) -> Result<ExitCode> {
    let mut found = Checkup::new().root(&args.root).run()?;
    for name in &args.ignore {
        let is_known = found.iter().any(|finding| finding.check == name);
        // One that finds nothing today may find something tomorrow, but not a misspelt one.
        ensure!(
            is_known || OCCASIONAL.contains(&&**name),
            "there is no check {name}; `shmkit doctor --all` lists them"
        );
    }
    found.retain(|finding| !args.ignore.iter().any(|name| name == finding.check));
    if args.json {
        output::json(&found.iter().map(Facts::of).collect::<Vec<_>>())?;
    } else {
        let least = match args.all {
            true => Severity::Good,
            false => Severity::Note,
        };
        let (told, untold): (Vec<_>, Vec<_>) =
            found.iter().partition(|finding| finding.severity >= least);
        if !told.is_empty() {
            output::print(&text(told))?;
        }
        sum_up(&found, untold.len());
    }
    let worst = found.iter().map(|finding| finding.severity).max();
    Ok(match worst {
        Some(Severity::Warning | Severity::Critical) => failure::NO.into(),
        _ => ExitCode::SUCCESS,
    })
}

/// Checks that say nothing if all is well.
const OCCASIONAL: [&str; 4] = [
    "shm-files",
    "memory-limit-shm",
    "systemv-removal",
    "half-made",
];

impl<'f> Facts<'f> {
    fn of(finding: &'f Finding) -> Self {
        Self {
            severity: finding.severity.to_string(),
            check: finding.check,
            summary: &finding.summary,
            why: Some(&*finding.why).filter(|why| !why.is_empty()),
            mend: finding.mend.as_deref(),
        }
    }
}

/// The worst first. Sentences are wrapped, not cut.
fn text(mut found: Vec<&Finding>) -> String {
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut table = table();
    let is_coloured = output::is_coloured();
    for finding in found {
        let severity = Cell::new(finding.severity);
        let severity = match is_coloured.then(|| colour(finding.severity)) {
            Some(colour) => severity.fg(colour),
            None => severity,
        };
        let mut lines = vec![shown(&finding.summary)];
        if !finding.why.is_empty() {
            lines.push(shown(&finding.why));
        }
        if let Some(mend) = &finding.mend {
            lines.push(format!("$ {}", shown(mend)));
        }
        table.add_row([
            severity,
            Cell::new(finding.check),
            Cell::new(lines.join("\n")),
        ]);
    }
    output::render(table)
}

fn colour(severity: Severity) -> Color {
    match severity {
        Severity::Good => Color::Green,
        Severity::Note => Color::Blue,
        Severity::Warning => Color::Yellow,
        _ => Color::Red,
    }
}

fn sum_up(found: &[Finding], untold: usize) {
    let count = |severity| {
        found
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (critical, warnings) = (count(Severity::Critical), count(Severity::Warning));
    let plural = |count| if count == 1 { "" } else { "s" };
    let verdict = match (critical, warnings) {
        (0, 0) => "nothing gets in the way".to_owned(),
        (0, warnings) => format!("{warnings} warning{}", plural(warnings)),
        (critical, 0) => format!("{critical} critical"),
        (critical, warnings) => format!(
            "{critical} critical, {warnings} warning{}",
            plural(warnings)
        ),
    };
    let rest = match untold {
        0 => String::new(),
        untold => format!("; {untold} check{} found nothing (--all)", plural(untold)),
    };
    output::message(&format!("{verdict}{rest}"));
}
