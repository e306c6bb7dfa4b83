//! How it is drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Table, TableState, Wrap};
use shmkit::inspect::State;

use super::app::{App, Mode};
use super::row::{CHANGED, COLUMNS, LOCK, NAME, Row, STATE};
use crate::output::{bytes, shown};

/// The name is to have so much; other columns go before it has less.
const NAME_AT_LEAST: u16 = 24;

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, is_coloured: bool) {
    let details = match app.details {
        true => 8,
        false => 0,
    };
    let [head, table, below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(details),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Line::from(summary(app)), head);
    draw_table(frame, app, table, is_coloured);
    if app.details {
        draw_details(frame, app, below);
    }
    frame.render_widget(Line::from(last_line(app)), foot);
    if app.mode == Mode::Help {
        draw_help(frame);
    }
}

fn summary(app: &App) -> String {
    if !app.has_looked {
        return "shmkit top: looking".to_owned();
    }
    let count = |state| app.rows.iter().filter(|row| row.state == state).count();
    let size = app.rows.iter().map(|row| row.size).sum();
    let order = format!("{:?}", app.sort).to_lowercase();
    let mut text = format!(
        "shmkit top: {} segments, {}; {} live, {} orphans; by {order}",
        app.rows.len(),
        bytes(size),
        count(State::Live),
        count(State::Orphan),
    );
    if app.reverse {
        text.push_str(", reversed");
    }
    if !app.word.is_empty() && app.mode != Mode::Filter {
        text.push_str(&format!("; only \"{}\"", app.word));
    }
    if app.paused {
        text.push_str("; STOPPED");
    }
    text
}

fn last_line(app: &App) -> String {
    match (&app.mode, &app.message) {
        (Mode::Filter, _) => format!("only what has: {}_", app.word),
        (Mode::Confirm(key), _) => {
            format!("remove {} if nobody uses it? y/n", shown(&key.to_string()))
        }
        (_, Some(message)) => shown(message),
        _ => "q quit  Enter details  s sort  r reverse  / filter  c changes  x remove  ? help"
            .to_owned(),
    }
}

fn draw_table(frame: &mut Frame<'_>, app: &mut App, area: Rect, is_coloured: bool) {
    app.fit = usize::from(area.height.saturating_sub(1)).max(1);
    let columns = fitting(&app.rows, area.width, app.changes);
    let title = |&(column, _): &(usize, u16)| cell(column, COLUMNS[column].0);
    let header =
        TableRow::new(columns.iter().map(title)).style(Style::new().add_modifier(Modifier::BOLD));
    let last = app.rows.len().saturating_sub(app.fit);
    app.first = app
        .first
        .clamp(app.chosen.saturating_sub(app.fit - 1), app.chosen)
        .min(last);
    let shown = app.rows.iter().skip(app.first).take(app.fit);
    let rows = shown.map(|row| table_row(row, &columns, is_coloured));
    let widths = columns.iter().map(|&(column, wide)| match column {
        NAME => Constraint::Min(NAME_AT_LEAST),
        _ => Constraint::Length(wide),
    });
    let table = Table::new(rows, widths)
        .header(header)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new();
    if !app.rows.is_empty() {
        state.select(Some(app.chosen - app.first));
    }
    frame.render_stateful_widget(table, area, &mut state);
    if app.has_looked && app.rows.is_empty() && area.height > 1 {
        let below = Rect {
            y: area.y + 1,
            height: 1,
            ..area
        };
        frame.render_widget("there are no such segments", below);
    }
}

/// The columns that there is room for, and how wide they are: as their texts are, the name what is
/// left.
fn fitting(rows: &[Row], width: u16, changes: bool) -> Vec<(usize, u16)> {
    let wide = |column: usize| match COLUMNS[column] {
        (_, 0) => NAME_AT_LEAST,
        (title, most) => {
            let texts = rows.iter().map(|row| row.texts[column].chars().count());
            let widest = texts.max().unwrap_or(0).max(title.len());
            u16::try_from(widest).unwrap_or(most).min(most)
        }
    };
    let mut columns: Vec<(usize, u16)> = (0..COLUMNS.len())
        .filter(|&column| column != CHANGED || changes)
        .map(|column| (column, wide(column)))
        .collect();
    // Those that are missed least, first.
    for goes in [2, 5, 6, 4, 0, LOCK, 7, CHANGED] {
        let sum: u16 = columns.iter().map(|(_, wide)| wide + 1).sum();
        if sum <= width + 1 {
            break;
        }
        columns.retain(|&(column, _)| column != goes);
    }
    columns
}

fn table_row(row: &Row, columns: &[(usize, u16)], is_coloured: bool) -> TableRow<'static> {
    let cells = columns.iter().map(|&(column, _)| {
        let cell = cell(column, &row.texts[column]);
        match column == STATE && is_coloured {
            true => cell.style(colour(row.state)),
            false => cell,
        }
    });
    TableRow::new(cells.collect::<Vec<_>>())
}

/// Numbers stand at the right of their columns.
fn cell(column: usize, text: &str) -> Cell<'static> {
    let line = Line::from(Span::raw(text.to_owned()));
    match COLUMNS[column].0 {
        "SIZE" | "RESIDENT" | "AGE" | "ATT" | "CHANGED" => Cell::new(line.right_aligned()),
        _ => Cell::new(line),
    }
}

fn colour(state: State) -> Style {
    match state {
        State::Live => Style::new().fg(Color::Green),
        State::Orphan => Style::new().fg(Color::Yellow),
        State::Unknown => Style::new().fg(Color::DarkGray),
        _ => Style::new(),
    }
}

fn draw_details(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(row) = app.rows.get(app.chosen) else {
        return;
    };
    let mut lines = vec![Line::from(format!("{}: {}", row.texts[STATE], row.reason))];
    if let Some(lock) = &row.lock {
        lines.push(Line::from(format!("lock: {lock}")));
    }
    lines.extend(row.holders.iter().cloned().map(Line::from));
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .block(Block::bordered().title(format!(" {} ", row.name())));
    frame.render_widget(text, area);
}

const HELP: [&str; 11] = [
    "Up Down PgUp PgDn Home End   choose (also j and k)",
    "Enter   who uses it, and why it has its state",
    "s S     the next order, the one before",
    "r       the other way round",
    "/       only what has a word; Esc ends it",
    "c       how much of each segment changes",
    "x       remove the segment, if nobody uses it",
    "space   stop and go on",
    "q       the end",
    "",
    "LOCK: who has it, for how long that was seen, +N wait",
];

fn draw_help(frame: &mut Frame<'_>) {
    let [area] = Layout::vertical([Constraint::Length(HELP.len() as u16 + 2)])
        .flex(ratatui::layout::Flex::Center)
        .areas(frame.area());
    let [area] = Layout::horizontal([Constraint::Length(58)])
        .flex(ratatui::layout::Flex::Center)
        .areas(area);
    frame.render_widget(Clear, area);
    let lines: Vec<Line<'_>> = HELP.iter().map(|&line| Line::from(line)).collect();
    let text = Paragraph::new(lines).block(Block::bordered().title(" any key closes this "));
    frame.render_widget(text, area);
}
