//! What is drawn, and what keys do, without a terminal.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use shmkit::inspect::State;
use shmkit::key::{KeyType, NativeIpcKey};

use super::app::{App, Mode, Next};
use super::row::Row;
use super::view;
use crate::args::SortName;

fn row(name: &str, state: State, lock: &str) -> Row {
    Row {
        key: Some(NativeIpcKey::new(
            format!("/{name}"),
            KeyType::PosixRealtime,
        )),
        state,
        size: 65536,
        texts: [
            "posix",
            name,
            "raw",
            "64 KiB",
            "4 KiB",
            "root",
            "3 min",
            "2",
            &state.to_string(),
            lock,
            "12 %",
        ]
        .map(str::to_owned),
        reason: "mapped by 2 processes".to_owned(),
        holders: vec!["1412 viewer, attached once".to_owned()],
        lock: Some("held".to_owned()),
    }
}

fn app(rows: Vec<Row>) -> App {
    let mut app = App::new(SortName::Size, false, false);
    app.rows = rows;
    app.has_looked = true;
    app
}

fn screen(app: &mut App, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app, true)).unwrap();
    terminal
}

fn lines(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
    symbols
        .chunks(width)
        .map(|line| line.concat().trim_end().to_owned())
        .collect()
}

fn press(app: &mut App, keys: &str) -> Next {
    let codes = keys.chars().map(|char| match char {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        char => KeyCode::Char(char),
    });
    let pressed = codes.map(|code| app.press(KeyEvent::new(code, KeyModifiers::NONE)));
    pressed.last().unwrap()
}

#[test]
fn a_wide_screen_shows_everything() {
    let mut app = app(vec![
        row("cam0", State::Live, "1412 viewer 3 s +2"),
        row("cam1", State::Orphan, "-"),
    ]);
    let terminal = screen(&mut app, 120, 6);
    let lines = lines(&terminal);
    assert_eq!(
        lines[0],
        "shmkit top: 2 segments, 128 KiB; 1 live, 1 orphans; by size"
    );
    let titles: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        titles,
        [
            "TYPE", "KEY", "KIND", "SIZE", "RESIDENT", "OWNER", "AGE", "ATT", "STATE", "LOCK"
        ]
    );
    assert!(
        lines[2].starts_with("posix") && lines[2].ends_with("live   1412 viewer 3 s +2"),
        "{lines:?}"
    );
    assert!(
        lines[3].contains("cam1") && lines[3].contains("orphan"),
        "{lines:?}"
    );
    assert!(lines[5].starts_with("q quit"), "{lines:?}");
    // The chosen one is marked, and states have colours.
    let buffer = terminal.backend().buffer();
    let state = lines[3].find("orphan").unwrap() as u16;
    assert_eq!(buffer[(state, 3)].fg, Color::Yellow);
}

#[test]
fn a_narrow_screen_keeps_names_sizes_and_states() {
    let mut app = app(vec![row("cam0", State::Live, "free")]);
    let lines = lines(&screen(&mut app, 38, 4));
    let titles: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(titles, ["KEY", "SIZE", "STATE"]);
    assert!(lines.iter().all(|line| line.chars().count() <= 38));
    // However small, nothing breaks.
    for (width, height) in [(1, 1), (5, 2), (200, 3), (20, 60)] {
        app.details = !app.details;
        app.mode = Mode::Help;
        screen(&mut app, width, height);
    }
}

#[test]
fn the_chosen_row_stays_on_the_screen() {
    let rows = (0..100)
        .map(|n| row(&format!("cam{n:02}"), State::Kept, "-"))
        .collect();
    let mut app = app(rows);
    assert!(lines(&screen(&mut app, 80, 12))[2].contains("cam00"));
    press(&mut app, "G");
    assert!(lines(&screen(&mut app, 80, 12))[10].contains("cam99"));
    press(&mut app, "k");
    assert!(
        lines(&screen(&mut app, 80, 12))[10].contains("cam99"),
        "no need to scroll"
    );
    press(&mut app, "g");
    assert!(lines(&screen(&mut app, 80, 12))[2].contains("cam00"));
    press(&mut app, "jjjjjjjjjjj");
    let shown = lines(&screen(&mut app, 80, 12));
    assert!(
        shown[10].contains("cam11") && shown[2].contains("cam03"),
        "{shown:?}"
    );
}

#[test]
fn details_help_and_the_filter_are_shown() {
    let mut app = app(vec![row("cam0", State::Live, "free")]);
    press(&mut app, "\n");
    let shown = lines(&screen(&mut app, 80, 24)).join("\n");
    for part in [
        " cam0 ",
        "live: mapped by 2 processes",
        "lock: held",
        "1412 viewer, attached once",
    ] {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    press(&mut app, "?");
    assert!(
        lines(&screen(&mut app, 80, 24))
            .join("\n")
            .contains("any key closes this")
    );
    press(&mut app, "q");
    assert_eq!(
        app.mode,
        Mode::Table,
        "the key closed the help and nothing else"
    );
    press(&mut app, "/xyz");
    assert!(
        lines(&screen(&mut app, 80, 24))
            .join("\n")
            .contains("only what has: xyz")
    );
    press(&mut app, "\n");
    assert!(lines(&screen(&mut app, 80, 24))[0].ends_with("only \"xyz\""));
    press(&mut app, "\x1b");
    assert_eq!(app.word, "");
}

#[test]
fn nothing_is_removed_without_a_yes() {
    let mut app = app(vec![row("cam0", State::Orphan, "-")]);
    press(&mut app, "x");
    let shown = lines(&screen(&mut app, 80, 5));
    assert!(
        shown[4].starts_with("remove posix:/cam0 if nobody uses it? y/n"),
        "{shown:?}"
    );
    press(&mut app, "n");
    assert!(lines(&screen(&mut app, 80, 5))[4].starts_with("nothing was removed"));
    assert_eq!(press(&mut app, "q"), Next::End);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.press(control_c), Next::End);
}

#[test]
fn orders_go_round() {
    let mut app = app(Vec::new());
    for _ in 0..3 {
        press(&mut app, "s");
    }
    press(&mut app, "SSS");
    assert_eq!(app.sort, SortName::Size);
    press(&mut app, "r");
    assert!(lines(&screen(&mut app, 80, 5))[0].ends_with("by size, reversed"));
    assert!(lines(&screen(&mut app, 80, 5))[2].starts_with("there are no such segments"));
}
