//! Standard output for data, standard error for messages; tables, and names made fit to be shown.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table, presets};
use serde::Serialize;

/// Prints text to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    write(text.as_bytes())
}

/// Prints one line to standard output at once, so that a program may wait for it.
pub(crate) fn line(text: &str) -> Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Prints a value as JSON to standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes bytes to standard output.
pub(crate) fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Whether standard output is a pipe that nobody reads any more, which otherwise only the next
/// write would tell.
pub(crate) fn nobody_reads() -> bool {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = io::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec::default();
        poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
    }
    #[cfg(not(unix))]
    false
}

/// Says something on standard error.
pub(crate) fn message(text: &str) {
    tell(&format!("shmkit: {}", shown(text)));
}

/// Says on standard error what can be done.
pub(crate) fn hint(text: &str) {
    tell(&format!("hint: {}", shown(text)));
}

fn tell(line: &str) {
    // There is nobody left to tell that it failed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

static COLOUR: OnceLock<Colour> = OnceLock::new();

/// Sets what the command line says, once.
pub(crate) fn set_colour(when: Colour) {
    let _ = COLOUR.set(when);
}

/// Whether to colour standard output.
pub(crate) fn is_coloured() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    match COLOUR.get() {
        Some(Colour::Always) => true,
        Some(Colour::Never) => false,
        Some(Colour::Auto) | None => {
            io::stdout().is_terminal()
                && !is_set("NO_COLOR")
                && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
        }
    }
}

/// Text that others chose, made fit to be shown: control characters could play tricks on a
/// terminal, and so could those that turn the direction of writing.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "{}", char.escape_unicode());
            }
            char if char.is_control() => {
                let _ = write!(shown, "{}", char.escape_default());
            }
            char => shown.push(char),
        }
    }
    shown
}

/// An empty table without lines. On a terminal it is as wide as that at most, and what does not
/// fit is cut; elsewhere nothing is.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_truncation_indicator("…");
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
    }
    // It would look for a terminal and for NO_COLOR itself.
    if is_coloured() {
        table.enforce_styling();
    }
    table
}

/// The columns of the terminal on standard output; `None` if it is none.
pub(crate) fn width() -> Option<u16> {
    table().width().filter(|_| io::stdout().is_terminal())
}

/// Whether standard output is a terminal that can be drawn on.
pub(crate) fn is_screen() -> bool {
    let is_dumb = env::var_os("TERM").is_none_or(|it| it.is_empty() || it == "dumb");
    io::stdout().is_terminal() && !is_dumb
}

/// The lines of the screen on standard output; `None` if it is none.
pub(crate) fn screen_rows() -> Option<usize> {
    let size = is_screen().then(ratatui::crossterm::terminal::size)?;
    let (_, rows) = size.ok()?;
    (rows > 0).then_some(rows.into())
}

/// A row of one line.
pub(crate) fn row(cells: impl IntoIterator<Item = Cell>) -> Row {
    let mut row = Row::from(cells.into_iter().collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// A cell with a number.
pub(crate) fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// The text of a table, two spaces between its columns and none at the ends of its lines.
pub(crate) fn render(mut table: Table) -> String {
    let last = table.column_count().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
    }
    table.trim_fmt() + "\n"
}

/// A size for people, exact where that is as short.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut unit = (size.ilog2() / 10) as usize;
    let in_unit = |unit: usize| size as f64 / 1024f64.powi(unit as i32);
    // 1023.96 KiB would be shown as 1024.0.
    if in_unit(unit) >= 1023.95 && unit < UNITS.len() {
        unit += 1;
    }
    let value = in_unit(unit);
    let digits = usize::from(value < 1000.0);
    let text = format!("{value:.digits$}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{text} {}", UNITS[unit - 1])
}

/// How long ago something was, for people; `None` if it lies ahead, as after a clock was set.
pub(crate) fn age(since: SystemTime) -> Option<String> {
    let seconds = since.elapsed().ok()?.as_secs();
    Some(match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    })
}

/// Seconds since the epoch.
pub(crate) fn unix_time(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_true() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (65536, "64 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1 MiB"),
            (1000 << 10, "1000 KiB"),
            (3 << 30, "3 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (size, text) in table {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn control_characters_are_shown_and_do_nothing() {
        assert_eq!(shown("a\x1b[31m\n\u{9b}é"), r"a\u{1b}[31m\n\u{9b}é");
        assert_eq!(shown("x\u{202e}y"), r"x\u{202e}y");
    }

    #[test]
    fn a_table_fits_and_is_cut() {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_truncation_indicator("…");
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(40);
        table.set_header(row(["KEY", "SIZE", "STATE"].map(Cell::new)));
        let key = "systemv:/tmp/qipc_sharedmemory_camdd33aaf";
        table.add_row(row([Cell::new(key), number("64 KiB"), Cell::new("live")]));
        let text = render(table);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
        assert!(text.contains('…') && text.contains("64 KiB"), "{text}");
    }
}
