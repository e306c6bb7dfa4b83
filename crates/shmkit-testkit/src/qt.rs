//! A real Qt process at the other end, driven by lines: PyQt6, or on Windows a program with Qt's
//! own library.

use std::fmt::{self, Display};
use std::process::Command;

use crate::child::{Child, launch};
use crate::files::workspace_root;
use crate::python::python_command;

/// A PyQt6 process with one `QSharedMemory` and one `QSystemSemaphore`.
///
/// The commands stand at the top of `python/qt_peer.py`.
///
/// ```no_run
/// let mut qt = shmkit_testkit::QtPeer::start();
/// qt.ok("new posix:/camera0");
/// qt.ok("create 4096");
/// qt.ok("write 0 cafe");
/// ```
#[derive(Debug)]
pub struct QtPeer {
    child: Child,
}

/// What Qt said when it refused: the error's number and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QtError {
    /// The value of `SharedMemoryError` or `SystemSemaphoreError`; -1 for an exception in Python.
    pub number: i32,
    /// The object's `errorString()`.
    pub text: String,
}

impl Display for QtError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.text, self.number)
    }
}

impl QtPeer {
    /// Starts the process and waits until it has loaded Qt.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::launch(Self::command())
    }

    /// Starts the process by a command made of [`QtPeer::command`], and waits until it has loaded Qt.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn launch(command: Command) -> Self {
        let mut child = launch(command);
        child.expect("ready");
        Self { child }
    }

    /// The command that starts the process. On Windows it is the program that
    /// `SHMKIT_TEST_QT_PEER` names, made of `windows/qt_peer.cpp`, which knows fewer commands.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn command() -> Command {
        if cfg!(windows) {
            let peer = std::env::var_os("SHMKIT_TEST_QT_PEER");
            return Command::new(peer.expect("`cargo xtask cross` makes a Qt process"));
        }
        let script = workspace_root().join("crates/shmkit-testkit/python/qt_peer.py");
        python_command(script, &[])
    }

    /// Runs one command and waits for the answer.
    ///
    /// # Errors
    /// What Qt says when it refuses.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn run(&mut self, command: impl Display) -> Result<String, QtError> {
        self.send(command);
        self.answer()
    }

    /// Runs a command that must succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ok(&mut self, command: impl Display) -> String {
        let answer = self.run(&command);
        answer.unwrap_or_else(|error| panic!("Qt refuses `{command}`: {error}"))
    }

    /// Runs a command that must fail.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn no(&mut self, command: impl Display) -> QtError {
        match self.run(&command) {
            Err(error) => error,
            Ok(answer) => panic!("Qt grants `{command}`: {answer}"),
        }
    }

    /// Sends a command that may block; [`QtPeer::answer`] waits for what it says.
    ///
    /// # Panics
    /// When the process no longer reads.
    #[track_caller]
    pub fn send(&mut self, command: impl Display) {
        self.child.tell(command);
    }

    /// Waits for the answer to a command that was sent.
    ///
    /// # Errors
    /// What Qt says when it refuses.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn answer(&mut self) -> Result<String, QtError> {
        parse(&self.child.line())
    }

    /// The process itself: to kill it, to stop it, to see whether it still waits.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

#[track_caller]
fn parse(line: &str) -> Result<String, QtError> {
    let (verdict, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (verdict, rest.split_once(' ').unwrap_or((rest, ""))) {
        ("ok", _) => Ok(rest.to_owned()),
        ("no", (number, text)) if number.parse::<i32>().is_ok() => Err(QtError {
            number: number.parse().expect("just parsed"),
            text: text.to_owned(),
        }),
        _ => panic!("no answer of the Qt peer: {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        assert_eq!(parse("ok"), Ok(String::new()));
        assert_eq!(parse("ok 4096 bytes"), Ok("4096 bytes".into()));
        let error = QtError {
            number: 5,
            text: "QSharedMemory::handle: doesn't exist".into(),
        };
        assert_eq!(
            parse("no 5 QSharedMemory::handle: doesn't exist"),
            Err(error)
        );
    }
}
