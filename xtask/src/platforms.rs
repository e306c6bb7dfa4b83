//! The table in `docs/PLATFORM.md` of what is shown where, made from what has run.
//!
//! `docs/platforms/promises.json` says by which tests a promise is shown, as beginnings of their names,
//! and what stands in the table where it is not. `docs/platforms/records.json` has for each target the
//! promises of which tests passed in its last recorded run. Each full run is compared with it, so that
//! the table says neither more nor less than what has run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::run::{quietly, root};
use crate::tally::Tally;

/// The target of `cargo xtask test`.
pub(crate) const HERE: &str = "x86_64-unknown-linux-gnu";

/// What the table has for a target: its title, and the word for what has run there.
const COLUMNS: [(&str, &str, &str); 6] = [
    (HERE, "Linux x86-64, glibc", "run"),
    ("x86_64-unknown-linux-musl", "musl", "by hand"),
    ("i686-unknown-linux-gnu", "i686", "by hand"),
    ("aarch64-unknown-linux-gnu", "aarch64", "by hand, QEMU"),
    ("x86_64-pc-windows-gnu", "Windows", "under Wine"),
    ("others", "macOS, FreeBSD, Android", ""),
];

const BEGIN: &str = "<!-- made by `cargo xtask platforms` -->\n";
const END: &str = "<!-- end -->\n";

/// A line of the table.
struct Promise {
    text: String,
    tests: Vec<String>,
    /// What stands where it is not shown, by target.
    otherwise: BTreeMap<String, String>,
}

/// The last recorded run on a target.
#[derive(PartialEq, Eq)]
struct Record {
    date: String,
    shown: BTreeSet<String>,
}

type Records = BTreeMap<String, Record>;

impl Promise {
    fn is_shown_by(&self, names: &BTreeSet<String>) -> bool {
        let shows = |name: &String| self.tests.iter().any(|begin| name.starts_with(begin));
        names.iter().any(shows)
    }

    fn cell(&self, target: &str, word: &str, records: &Records) -> String {
        let record = records.get(target);
        if record.is_some_and(|record| record.shown.contains(&self.text)) {
            return word.to_owned();
        }
        match (self.otherwise.get(target), record) {
            (Some(otherwise), _) => otherwise.clone(),
            (None, _) if target == "others" => "type-checked".to_owned(),
            (None, Some(_)) => "not shown".to_owned(),
            (None, None) => "no recorded run".to_owned(),
        }
    }
}

/// Compares what has passed in a full run on a target with what is recorded, and keeps it for
/// [`write()`].
pub(crate) fn compare(target: &str, names: &BTreeSet<String>) -> Result<String> {
    let shown = shown(names)?;
    keep(target, &shown)?;
    let recorded = match records(&file("records.json"))?.remove(target) {
        Some(record) => record.shown,
        None => BTreeSet::new(),
    };
    let list = |some: &BTreeSet<String>, others: &BTreeSet<String>| {
        let some: Vec<&str> = some.difference(others).map(String::as_str).collect();
        some.join("; ")
    };
    ensure!(
        shown == recorded,
        "docs/PLATFORM.md is not what ran. Shown and not said: [{}]. Said and not shown: [{}]. \
         `cargo xtask platforms` writes it",
        list(&shown, &recorded),
        list(&recorded, &shown)
    );
    Ok(format!("{} promises shown", shown.len()))
}

/// Keeps what the log of a full run says.
pub(crate) fn read_log(log: &Path, target: &str) -> Result<()> {
    ensure!(
        COLUMNS.iter().any(|(known, ..)| *known == target),
        "the table has no target {target}"
    );
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let tally = Tally::of_log(&String::from_utf8_lossy(&text));
    ensure!(tally.is_good(), "{}: {tally}", log.display());
    keep(target, &shown(&tally.names)?)
}

/// Writes the records and the table.
pub(crate) fn write() -> Result<()> {
    let mut all = records(&file("records.json"))?;
    for (target, ..) in COLUMNS {
        let new = records(&kept(target))?;
        for (target, record) in new {
            // A run that shows the same makes no difference.
            if all.get(&target).is_none_or(|old| old.shown != record.shown) {
                all.insert(target, record);
            }
        }
    }
    fs::write(file("records.json"), text_of(&all)?)?;
    let page = page()?;
    fs::write(
        &page,
        with_table(&fs::read_to_string(&page)?, &table(&promises()?, &all))?,
    )?;
    Ok(())
}

/// Whether the table is what the promises and the records make.
pub(crate) fn check() -> Result<String> {
    let text = fs::read_to_string(page()?)?;
    let made = table(&promises()?, &records(&file("records.json"))?);
    ensure!(
        with_table(&text, &made)? == text,
        "the table in docs/PLATFORM.md is not up to date: `cargo xtask platforms` writes it"
    );
    Ok(String::new())
}

fn shown(names: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let promises = promises()?;
    let shown = promises.iter().filter(|promise| promise.is_shown_by(names));
    Ok(shown.map(|promise| promise.text.clone()).collect())
}

fn table(promises: &[Promise], records: &Records) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut table = row([String::new()]
        .into_iter()
        .chain(COLUMNS.map(|(_, title, _)| title.to_owned()))
        .collect());
    table += &row(vec!["---".to_owned(); COLUMNS.len() + 1]);
    for promise in promises {
        let cells = COLUMNS.map(|(target, _, word)| promise.cell(target, word, records));
        table += &row([promise.text.clone()].into_iter().chain(cells).collect());
    }
    let dates = COLUMNS.iter().filter_map(|(target, title, _)| {
        let record = records.get(*target)?;
        Some(format!("{title} {}", record.date))
    });
    let dates: Vec<String> = dates.collect();
    table + &format!("\nRecorded: {}.\n", dates.join(", "))
}

fn with_table(page: &str, table: &str) -> Result<String> {
    let parts = page.split_once(BEGIN);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.context("docs/PLATFORM.md has lost the marks of the table")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn page() -> Result<PathBuf> {
    Ok(root().join("docs/PLATFORM.md"))
}

fn file(name: &str) -> PathBuf {
    root().join("docs/platforms").join(name)
}

fn kept(target: &str) -> PathBuf {
    root().join(format!("target/xtask/platforms/{target}.json"))
}

fn keep(target: &str, shown: &BTreeSet<String>) -> Result<()> {
    let date = quietly(Command::new("date").args(["-u", "+%F"]))?;
    let record = Record {
        date: date.trim().to_owned(),
        shown: shown.clone(),
    };
    let path = kept(target);
    fs::create_dir_all(path.parent().expect("a folder"))?;
    let records = Records::from([(target.to_owned(), record)]);
    Ok(fs::write(path, text_of(&records)?)?)
}

fn promises() -> Result<Vec<Promise>> {
    let path = file("promises.json");
    let value: Value = serde_json::from_str(&fs::read_to_string(&path)?)
        .with_context(|| format!("{} is no JSON", path.display()))?;
    let list = value.as_array().context("the promises are no list")?;
    list.iter().map(promise).collect()
}

fn promise(value: &Value) -> Result<Promise> {
    let otherwise = value["otherwise"].as_object().into_iter().flatten();
    let promise = Promise {
        text: value["promise"].as_str().unwrap_or_default().to_owned(),
        tests: texts(&value["tests"]),
        otherwise: otherwise
            .map(|(target, text)| (target.clone(), text.as_str().unwrap_or_default().to_owned()))
            .collect(),
    };
    if promise.text.is_empty() || promise.tests.is_empty() {
        bail!("a promise needs words and tests: {value}");
    }
    let known = |target: &&String| COLUMNS.iter().any(|(known, ..)| known == target);
    match promise.otherwise.keys().find(|target| !known(target)) {
        Some(target) => bail!("the table has no target {target}"),
        None => Ok(promise),
    }
}

/// None, if nothing was recorded yet.
fn records(path: &Path) -> Result<Records> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(Records::new());
    };
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    let targets = value.as_object().into_iter().flatten();
    let records = targets.map(|(target, record)| {
        let record = Record {
            date: record["date"].as_str().unwrap_or_default().to_owned(),
            shown: texts(&record["shown"]).into_iter().collect(),
        };
        (target.clone(), record)
    });
    Ok(records.collect())
}

fn text_of(records: &Records) -> Result<String> {
    let targets = records.iter().map(|(target, record)| {
        let Record { date, shown } = record;
        (target.clone(), json!({ "date": date, "shown": shown }))
    });
    let value = Value::Object(targets.collect());
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise_of(value: &Value) -> Promise {
        promise(value).unwrap()
    }

    #[test]
    fn a_cell_says_what_a_recorded_test_shows_and_nothing_else() {
        let locks = promise_of(&json!({
            "promise": "locks", "tests": ["sync::", "lock"], "otherwise": { "others": "none" },
        }));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(locks.is_shown_by(&names(&["a", "sync::death::key"])));
        assert!(!locks.is_shown_by(&names(&["a::sync::death", "loc"])));
        let record = |shown: &[&str]| Record {
            date: "2026-01-01".to_owned(),
            shown: names(shown),
        };
        let records = Records::from([
            (HERE.to_owned(), record(&["locks"])),
            ("x86_64-pc-windows-gnu".to_owned(), record(&["other"])),
        ]);
        let row = table(&[locks], &records);
        let none = "no recorded run";
        let row = row.lines().nth(2).unwrap();
        assert_eq!(
            row,
            format!("| locks | run | {none} | {none} | {none} | not shown | none |")
        );
    }

    #[test]
    fn the_table_stands_between_its_marks() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        let made = with_table(&page, "new\n").unwrap();
        assert_eq!(made, format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(with_table("no marks", "new").is_err());
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        assert!(!promises().unwrap().is_empty());
        let path = file("records.json");
        let all = records(&path).unwrap();
        assert_eq!(text_of(&all).unwrap(), fs::read_to_string(path).unwrap());
        assert!(promise(&json!({ "promise": "nothing" })).is_err());
    }
}
