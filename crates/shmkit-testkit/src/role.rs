//! A child's side of the conversation: the role it plays.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, BufRead as _, Write as _};
use std::process::Command;

use crate::child::{Child, launch};

/// Stands before every word that a child says, so that libtest's own output is not taken for one.
pub(crate) const MARK: &str = ">>";

/// Tells a child that it is one, and its argument.
const ARGUMENT: &str = "SHMKIT_TEST_ROLE_ARGUMENT";

/// The role that this process was started for, or `None` if it is no child.
///
/// Call it first in an ignored test, and return if there is none: someone may run all the ignored
/// tests. On Linux this also ties the process's life to its parent's.
#[must_use]
pub fn role() -> Option<Role> {
    let argument = env::var(ARGUMENT).ok()?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL)).expect("prctl(PR_SET_PDEATHSIG)");
    }
    Some(Role { argument })
}

/// What a child knows and can say; made by [`role`].
#[derive(Debug)]
pub struct Role {
    argument: String,
}

impl Role {
    /// The argument that the parent gave to [`spawn`].
    #[must_use]
    pub fn arg(&self) -> &str {
        &self.argument
    }

    /// Says one line to the parent, whose [`Child::expect`] or [`Child::line`] receives it.
    ///
    /// # Panics
    /// When the parent no longer listens, or `word` has more than one line.
    pub fn say(&self, word: impl Display) {
        let word = word.to_string();
        assert!(!word.contains('\n'), "a word is one line: {word:?}");
        let mut out = io::stdout().lock();
        // libtest leaves `test name ...` without an end of line before the test's own output.
        let said = out
            .write_all(format!("\n{MARK}{word}\n").as_bytes())
            .and_then(|()| out.flush());
        said.expect("the parent listens");
    }

    /// Waits for the next line from the parent's [`Child::tell`].
    ///
    /// # Panics
    /// When the parent closed the pipe, or is dead.
    #[must_use]
    pub fn ask(&self) -> String {
        self.orders().next().expect("the parent has one more line")
    }

    /// The lines that the parent tells, until it closes the pipe.
    pub fn orders(&self) -> impl Iterator<Item = String> {
        io::stdin().lock().lines().map_while(Result::ok)
    }

    /// Does nothing until the parent closes the pipe, kills this process or dies.
    pub fn park(&self) {
        self.orders().for_each(drop);
    }
}

/// Ends this process as `kill -9` from outside does: nothing of it runs any more.
#[cfg(unix)]
pub fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    kill_process(getpid(), Signal::KILL).expect("a signal to oneself");
    // The signal has come when the call is over; other threads end a moment later.
    loop {
        std::thread::park();
    }
}

/// Starts this test binary again as the ignored test `name` (`module::role_hold_lock`), which gets
/// `arg` from [`Role::arg`].
///
/// # Panics
/// When the process cannot be started.
#[track_caller]
pub fn spawn(name: &str, arg: impl Display) -> Child {
    launch(role_command(name, arg))
}

/// As [`spawn`], for a child whose command `customise` has changed: environment, user, folder.
///
/// To start it by way of another program, see [`under`](crate::under).
///
/// # Panics
/// When the process cannot be started.
#[track_caller]
pub fn spawn_with(name: &str, arg: impl Display, customise: impl FnOnce(&mut Command)) -> Child {
    let mut command = role_command(name, arg);
    customise(&mut command);
    launch(command)
}

/// The command that [`spawn`] starts.
///
/// # Panics
/// When the path of this program is not known.
pub fn role_command(name: &str, arg: impl Display) -> Command {
    let this = env::current_exe().expect("the path of this program");
    as_role(program(this), name, arg)
}

/// The same in this machine's own build of the test binary, if this is another one (32-bit, another
/// C library, emulated) and `cargo xtask cross` said where that is: processes of both builds must be
/// able to share what they share.
pub fn other_build_command(name: &str, arg: impl Display) -> Option<Command> {
    let other = env::var_os("SHMKIT_TEST_OTHER_BUILD")?;
    Some(as_role(Command::new(other), name, arg))
}

fn as_role(mut command: Command, name: &str, arg: impl Display) -> Command {
    command
        .args([
            name,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ARGUMENT, arg.to_string());
    command
}

/// Names the program by which those of this build are started where this machine cannot start them.
const RUNNER: &str = "SHMKIT_TEST_RUNNER";

/// Whether another program plays the processor.
#[must_use]
pub fn is_emulated() -> bool {
    env::var_os(RUNNER).is_some()
}

/// A command that starts a program of this build; by way of an emulator if `SHMKIT_TEST_RUNNER`
/// names one, which `cargo xtask cross` does where this machine cannot start it.
#[must_use]
pub fn program(path: impl AsRef<OsStr>) -> Command {
    let Ok(runner) = env::var(RUNNER) else {
        return Command::new(path);
    };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg(path);
    command
}
