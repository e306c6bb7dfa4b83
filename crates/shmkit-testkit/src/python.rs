//! Python processes: the real PyQt6 lives in an environment that `cargo xtask` makes.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use crate::child::{Child, launch};
use crate::files::workspace_root;

/// The Python that has PyQt6: `SHMKIT_TEST_PYTHON`, or the one `cargo xtask test` installs in the
/// workspace.
///
/// # Panics
/// When there is neither.
#[must_use]
pub fn python() -> PathBuf {
    if let Some(path) = env::var_os("SHMKIT_TEST_PYTHON") {
        return path.into();
    }
    let path = workspace_root().join("target/xtask/venv/bin/python");
    assert!(
        path.exists(),
        "no Python with PyQt6: `cargo xtask setup` installs it"
    );
    path
}

/// Starts [`python`] with a script that prints its words as `>>word` and reads its orders line by
/// line.
///
/// `script` is the path of a `.py` file, or the program itself.
///
/// # Panics
/// When the process cannot be started.
#[track_caller]
pub fn spawn_python(script: impl AsRef<OsStr>, args: &[&str]) -> Child {
    launch(python_command(script, args))
}

/// The command that [`spawn_python`] starts.
pub fn python_command(script: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let script = script.as_ref();
    let mut command = Command::new(python());
    command
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if !script.as_encoded_bytes().ends_with(b".py") {
        command.arg("-c");
    }
    command.arg(script).args(args);
    command
}
