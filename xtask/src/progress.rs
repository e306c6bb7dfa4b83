//! What a person sees while something takes its time.
//!
//! On a terminal a spinner or a bar; elsewhere plain lines. All of it goes to standard error.

use std::env;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// Does `work` behind a spinner, then leaves one line that says how long it took.
pub(crate) fn spin<T>(title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let spinner = ProgressBar::new_spinner().with_message(title.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    track(title, spinner, |_| work())
}

/// Does `work` on each of `items` behind a bar, then leaves one line that says how long it took.
pub(crate) fn each<T: AsRef<str>>(
    title: &str,
    items: &[T],
    mut work: impl FnMut(&T) -> Result<()>,
) -> Result<()> {
    let style = ProgressStyle::with_template("{msg} [{bar:20}] {pos}/{len} {prefix}");
    let bar = ProgressBar::new(items.len() as u64)
        .with_message(title.to_owned())
        .with_style(style?.progress_chars("=> "));
    track(title, bar, |bar| {
        for item in items {
            bar.set_prefix(item.as_ref().to_owned());
            work(item)?;
            bar.inc(1);
        }
        Ok(())
    })
}

fn track<T>(
    title: &str,
    bar: ProgressBar,
    work: impl FnOnce(&ProgressBar) -> Result<T>,
) -> Result<T> {
    if bar.is_hidden() {
        eprintln!("{title} ...");
    }
    let start = Instant::now();
    let done = work(&bar);
    bar.finish_and_clear();
    let verdict = if done.is_ok() {
        green("done:")
    } else {
        red("failed:")
    };
    eprintln!("{verdict} {title} ({})", seconds(start.elapsed()));
    done
}

/// A line above the output of another program.
pub(crate) fn header(title: &str) {
    eprintln!("\n{}", paint("1", &format!("==> {title}")));
}

/// Text for success.
pub(crate) fn green(text: &str) -> String {
    paint("32", text)
}

/// Text for failure.
pub(crate) fn red(text: &str) -> String {
    paint("31", text)
}

fn paint(colour: &str, text: &str) -> String {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !io::stderr().is_terminal() {
        text.to_owned()
    } else {
        format!("\x1b[{colour}m{text}\x1b[0m")
    }
}

/// A time as people read it.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(3210)), "3.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
