//! The parent's side of the conversation: a child process that speaks in lines.

use std::fmt::Display;
use std::io::{self, BufReader, Read, Write as _};
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::nursery;
use crate::role::MARK;

/// How long a child may take for its next word, or to end.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A child process; killed when dropped, with all that it has forked.
///
/// A word is a line on the child's standard output that starts with `>>`. Everything else that it
/// prints is kept, and shown when the test fails.
#[derive(Debug)]
#[must_use = "the child is killed when dropped"]
pub struct Child {
    process: process::Child,
    stdin: Option<ChildStdin>,
    words: Receiver<String>,
    noise: Noise,
    errors: Noise,
    readers: Vec<JoinHandle<()>>,
}

/// Output that is only shown when something fails.
type Noise = Arc<Mutex<String>>;

/// Starts `command` as a child that speaks in lines.
///
/// # Panics
/// When the process cannot be started.
#[track_caller]
pub fn launch(mut command: Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A group of its own, so that what the child forks can be found when the handle goes.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let shown = format!("{command:?}");
    let mut process =
        nursery::start(command).unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let [noise, errors] = [Noise::default(), Noise::default()];
    let (said, words) = mpsc::channel();
    let stdout = process.stdout.take().expect("a pipe");
    let stderr = process.stderr.take().expect("a pipe");
    let readers = vec![
        listen(stdout, Arc::clone(&noise), Some(said)),
        listen(stderr, Arc::clone(&errors), None),
    ];
    Child {
        stdin: process.stdin.take(),
        process,
        words,
        noise,
        errors,
        readers,
    }
}

/// Makes a command that runs `command` by way of another program: `unshare`, `prlimit`, `setpriv`.
///
/// ```
/// use shmkit_testkit::{role_command, under};
/// let command = role_command("module::role_name", "");
/// let _ = under(["unshare", "--pid", "--fork", "--kill-child"], command);
/// ```
/// Then [`Child::pid`] is that program's, and the child inside dies a moment after it (with
/// `unshare`, only if `--kill-child` says so).
///
/// # Panics
/// When `program` is empty.
#[must_use]
pub fn under<'a>(program: impl IntoIterator<Item = &'a str>, command: Command) -> Command {
    let mut words = program.into_iter();
    let mut outer = Command::new(words.next().expect("a program"));
    outer
        .args(words)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

impl Child {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the child's next word, which must be `word`.
    ///
    /// # Panics
    /// When it says something else, or nothing for [`PATIENCE`], or ends.
    #[track_caller]
    pub fn expect(&mut self, word: &str) {
        let said = self.hear(PATIENCE, &format!("{word:?}"));
        if said != word {
            self.fail(&format!("expected {word:?}, heard {said:?}"));
        }
    }

    /// Waits for the child's next word.
    ///
    /// # Panics
    /// When it says nothing for [`PATIENCE`], or ends.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.hear(PATIENCE, "a word")
    }

    /// Waits for the child's next word for `limit`; `None` if it says nothing that long.
    ///
    /// # Panics
    /// When the child ends.
    #[track_caller]
    pub fn line_within(&mut self, limit: Duration) -> Option<String> {
        match self.words.recv_timeout(limit) {
            Ok(word) => Some(word),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => self.fail("it ended without a word"),
        }
    }

    /// Sends a line to the child.
    ///
    /// # Panics
    /// When the child no longer reads.
    #[track_caller]
    pub fn tell(&mut self, line: impl Display) {
        let Some(stdin) = &mut self.stdin else {
            panic!("the pipe to the child is closed")
        };
        let told = stdin
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stdin.flush());
        if let Err(error) = told {
            self.fail(&format!("it no longer reads: {error}"));
        }
    }

    /// Kills the child (`SIGKILL`) and waits until it is gone; what it has forked lives on until the
    /// drop.
    pub fn kill(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }

    /// Stops the child (`SIGSTOP`) and waits until it stands still.
    ///
    /// # Panics
    /// When the child is gone.
    #[cfg(unix)]
    #[track_caller]
    pub fn stop(&mut self) {
        use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
        let pid = self.signal(Signal::STOP);
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).expect("a child that can stop");
    }

    /// Lets a stopped child go on (`SIGCONT`).
    ///
    /// # Panics
    /// When the child is gone.
    #[cfg(unix)]
    #[track_caller]
    pub fn cont(&mut self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Sends a signal; the process cannot have been replaced, as only `self` waits for it.
    #[cfg(unix)]
    #[track_caller]
    fn signal(&mut self, signal: rustix::process::Signal) -> rustix::process::Pid {
        let pid = rustix::process::Pid::from_child(&self.process);
        if let Ok(Some(status)) = self.process.try_wait() {
            self.fail(&format!("it is gone: {status}"));
        }
        rustix::process::kill_process(pid, signal).expect("a signal to a child");
        pid
    }

    /// Closes the pipe to the child and waits for its end, which must be a success.
    ///
    /// # Panics
    /// When it fails, or does not end within [`PATIENCE`].
    #[track_caller]
    pub fn finish(mut self) {
        let status = self.wait();
        if !status.success() {
            self.fail(&format!("it failed: {status}"));
        }
    }

    /// Closes the pipe to the child and waits for its end, whatever that is.
    ///
    /// # Panics
    /// When it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.stdin = None;
        self.ended_within(PATIENCE)
            .unwrap_or_else(|| self.fail("it does not end"))
    }

    /// Whether the child has ended; the pipe to it stays open.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Whether every thread of the child sleeps in the kernel, waiting for something, or is gone.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn is_asleep(&mut self) -> bool {
        let tasks = format!("/proc/{}/task", self.pid());
        let mut tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        tasks.all(|task| {
            let text = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The name before it may have anything in it.
            let state = text
                .rsplit(')')
                .next()
                .unwrap_or("")
                .trim_start()
                .chars()
                .next();
            matches!(state, None | Some('S' | 'Z' | 'X'))
        })
    }

    /// What the child has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.errors)
    }

    /// Kills the child and all those it has forked.
    fn kill_group(&self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            // It fails if they are all gone, which is fine.
            _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        }
    }

    fn hear(&mut self, limit: Duration, what: &str) -> String {
        match self.words.recv_timeout(limit) {
            Ok(word) => word,
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("expected {what}, heard nothing for {limit:?}"))
            }
            Err(RecvTimeoutError::Disconnected) => {
                self.fail(&format!("expected {what}, but it ended"))
            }
        }
    }

    fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self
                .process
                .try_wait()
                .expect("a child that can be waited for")
            {
                None if start.elapsed() < limit => thread::sleep(Duration::from_millis(1)),
                status => return status,
            }
        }
    }

    /// Ends the child and panics with all that it said aloud.
    #[track_caller]
    fn fail(&mut self, why: &str) -> ! {
        let pid = self.pid();
        let status = self.ended_within(Duration::from_millis(200));
        let end = status.map_or_else(|| "was still running".into(), |status| status.to_string());
        self.kill();
        // A grandchild may keep the pipes open, so the readers get a moment and no more.
        let start = Instant::now();
        while !self.readers.iter().all(JoinHandle::is_finished)
            && start.elapsed() < Duration::from_millis(500)
        {
            thread::sleep(Duration::from_millis(1));
        }
        let [noise, errors] = [text(&self.noise), text(&self.errors)];
        // The drop has nothing to add to this.
        lock(&self.errors).clear();
        let hint = if noise.contains("running 0 tests") {
            "\nno test has that name"
        } else {
            ""
        };
        panic!(
            "child {pid} ({end}): {why}{hint}\n--- its output\n{noise}--- its errors\n{errors}---"
        );
    }
}

/// The handle of the process.
#[cfg(windows)]
impl std::os::windows::io::AsHandle for Child {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.process.as_handle()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
        self.kill();
        let errors = text(&self.errors);
        if thread::panicking() && !errors.is_empty() {
            #[expect(clippy::print_stderr, reason = "libtest shows it with the failed test")]
            {
                eprintln!("--- errors of child {}\n{errors}---", self.pid());
            }
        }
    }
}

/// Reads a child's output in a thread of its own until all its writers are gone.
fn listen(
    pipe: impl Read + Send + 'static,
    noise: Noise,
    said: Option<Sender<String>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = next_line(&mut pipe, &mut line) {
            let text = String::from_utf8_lossy(&line);
            match (&said, text.strip_prefix(MARK)) {
                (Some(said), Some(word)) => _ = said.send(word.trim_end().to_owned()),
                _ if text.trim().is_empty() => {}
                _ => lock(&noise).push_str(&text),
            }
        }
    })
}

fn next_line(pipe: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    pipe.read_until(b'\n', line)
}

fn lock(noise: &Noise) -> std::sync::MutexGuard<'_, String> {
    noise.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(noise: &Noise) -> String {
    lock(noise).clone()
}
