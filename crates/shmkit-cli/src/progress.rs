//! How far something is that takes long, on a terminal's standard error.

use std::io::{self, Read};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

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

/// Work that takes longer is worth a word.
const PATIENCE: Duration = Duration::from_millis(500);

/// Says what is being done if that takes long, until it is done.
pub(crate) fn spinning<T>(what: &str, work: impl FnOnce() -> T) -> T {
    // Draws nothing if it is no terminal.
    spinning_on(ProgressDrawTarget::stderr(), what, work)
}

fn spinning_on<T>(target: ProgressDrawTarget, what: &str, work: impl FnOnce() -> T) -> T {
    if target.is_hidden() {
        return work();
    }
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // Where there are no more threads nothing is said, and the work is done all the same.
        let _ = thread::Builder::new().spawn_scoped(scope, move || {
            if ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let bar = ProgressBar::with_draw_target(None, target);
            bar.set_style(style.expect("a valid template"));
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            // It is an error because nobody can say anything any more.
            let _ = ended.recv();
            bar.finish_and_clear();
        });
        let result = work();
        drop(done);
        result
    })
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that tells what is written to it.
    #[derive(Debug)]
    struct Told(Mutex<Sender<String>>);

    impl TermLike for Told {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            // The test may have seen enough.
            let _ = self.0.lock().unwrap().send(text.to_owned());
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.write_str("cleared")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn terminal() -> (ProgressDrawTarget, Receiver<String>) {
        let (tell, told) = mpsc::channel();
        let terminal = Told(Mutex::new(tell));
        (ProgressDrawTarget::term_like(Box::new(terminal)), told)
    }

    #[test]
    fn what_takes_long_is_said_until_it_is_done() {
        let (terminal, told) = terminal();
        let limit = Duration::from_secs(30);
        let answer = spinning_on(terminal, "looking", || {
            while !told.recv_timeout(limit).unwrap().contains("looking") {}
            7
        });
        assert_eq!(answer, 7);
        assert_eq!(told.iter().last().as_deref(), Some("cleared"));
    }

    #[test]
    fn what_is_done_at_once_says_nothing() {
        let (terminal, told) = terminal();
        spinning_on(terminal, "looking", || ());
        assert_eq!(told.iter().count(), 0);
    }
}
