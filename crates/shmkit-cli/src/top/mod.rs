//! The live view: a thread that looks, what is known, and how it is drawn.

mod app;
mod changes;
mod look;
mod once;
mod row;
mod view;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use shmkit::inspect::Filter;

use crate::args::Top;
use crate::output;
use app::{App, Next};
use look::Looker;

/// A signal is noticed, and a new look shown, after so long at most.
const BREATH: Duration = Duration::from_millis(100);

/// Shows segments until it is told to end.
pub(crate) fn run(args: &Top) -> Result<()> {
    let mut filter = Filter::new();
    for name in &args.names {
        filter.name(name)?;
    }
    for name in &args.types {
        filter.place(name);
    }
    if args.once {
        return once::print(&filter, args);
    }
    if !is_live() {
        output::message("this is no terminal to draw on, so it is printed once");
        return once::print(&filter, args);
    }
    let end = signals().context("cannot wait for signals")?;
    let mut app = App::new(args.sort, args.reverse, args.changes);
    let looker = Looker::start(filter, args.interval, app.wish());
    // It puts the terminal right again also after a panic.
    let mut terminal = ratatui::try_init().context("cannot draw on this terminal")?;
    let ended = live(&mut terminal, &mut app, &looker, &end);
    ratatui::restore();
    ended
}

fn is_live() -> bool {
    output::is_screen() && io::stdin().is_terminal()
}

fn live(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    looker: &Looker,
    end: &AtomicBool,
) -> Result<()> {
    let is_coloured = output::is_coloured();
    let mut is_stale = true;
    while !end.load(Ordering::Relaxed) {
        while let Some(seen) = looker.latest() {
            app.take(seen?);
            is_stale = true;
        }
        if is_stale {
            terminal
                .draw(|frame| view::draw(frame, app, is_coloured))
                .context("cannot draw")?;
            looker.wish(app.wish());
        }
        is_stale = event::poll(BREATH).context("cannot read from the terminal")?;
        if is_stale {
            match event::read().context("cannot read from the terminal")? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match app.press(key) {
                    Next::Go => {}
                    Next::LookNow => looker.look_now(),
                    Next::End => return Ok(()),
                },
                _ => {}
            }
        }
    }
    Ok(())
}

/// Set when a signal asks for the end.
fn signals() -> io::Result<Arc<AtomicBool>> {
    let end = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&end))?;
        }
        end_with_terminal()?;
    }
    Ok(end)
}

/// How long a terminal that says that it hangs up may still be drawn on.
#[cfg(unix)]
const LAST_BREATH: Duration = Duration::from_millis(500);

/// Ends the program a moment after its terminal has gone: reading from what is left of one never
/// comes back.
#[cfg(unix)]
fn end_with_terminal() -> io::Result<()> {
    use signal_hook::consts::SIGHUP;
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::thread::sleep(LAST_BREATH);
            // As a program ends that does not handle it.
            std::process::exit(128 + SIGHUP);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests;
