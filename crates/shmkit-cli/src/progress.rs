//! How far a long copy is, on a terminal's standard error.

use std::io::{self, Read};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Less is done before anybody could read how far it is.
const WORTH_IT: u64 = 64 << 20;

/// Counts bytes, and shows how far it is once they are many. Gone when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    is_shown: bool,
}

impl Progress {
    /// `size` is how many bytes there will be, if that is known.
    pub(crate) fn new(size: Option<u64>) -> Self {
        let template = match size {
            Some(_) => {
                "{wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
            }
            None => "{spinner} {binary_bytes}, {binary_bytes_per_sec}",
        };
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
        bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
        let mut progress = Self {
            bar,
            is_shown: false,
        };
        if size.is_some_and(|size| size >= WORTH_IT) {
            progress.show();
        }
        progress
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if !self.is_shown && self.bar.position() >= WORTH_IT {
            self.show();
        }
    }

    fn show(&mut self) {
        self.is_shown = true;
        // Draws nothing if it is no terminal.
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
    }

    /// Counts what is read.
    pub(crate) fn of<R: Read>(&mut self, source: R) -> Counted<'_, R> {
        Counted {
            source,
            progress: self,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Counts what is done one by one, on a terminal's standard error. Gone when it is dropped.
pub(crate) struct Counter(ProgressBar);

impl Counter {
    /// `done` says what was done with each.
    pub(crate) fn new(done: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos} {msg}");
        let bar = ProgressBar::no_length();
        bar.set_style(style.expect("a valid template"));
        bar.set_message(done.to_owned());
        Self(bar)
    }

    pub(crate) fn add(&mut self) {
        self.0.inc(1);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// See [`Progress::of`].
pub(crate) struct Counted<'p, R> {
    source: R,
    progress: &'p mut Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}
