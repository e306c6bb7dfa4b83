//! Finds a Python that has PyQt6, so that a real Qt process can join.

use std::ffi::OsString;
use std::process::Command;
use std::{env, io};

use shmkit::key::{KeyRules, NativeIpcKey, Platform};

/// Names the Python to use.
const VARIABLE: &str = "SHMKIT_TEST_PYTHON";

/// The reader's program.
const READER: &str = include_str!("reader.py");

/// Fails where Qt is older than 6.6, which has no `QNativeIpcKey`.
const PROBE: &str = "\
from PyQt6.QtCore import PYQT_VERSION_STR, QNativeIpcKey, QSharedMemory, qVersion
print(f'PyQt6 {PYQT_VERSION_STR} with Qt {qVersion()}')";

/// A Python with PyQt6.
#[derive(Debug)]
pub(crate) struct Qt {
    python: OsString,
    /// Of PyQt6 and of Qt.
    pub(crate) version: String,
}

impl Qt {
    /// The Python with PyQt6, or why there is none and what to do about it.
    pub(crate) fn find() -> Result<Self, String> {
        if KeyRules::of_this_process().platform() == Platform::Windows {
            return Err("its reader is not made for Windows".to_owned());
        }
        let python = env::var_os(VARIABLE).unwrap_or_else(|| "python3".into());
        let probe = Command::new(&python).args(["-c", PROBE]).output();
        let why = match probe {
            Ok(output) if output.status.success() => {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return Ok(Self { python, version });
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or("it ended without a word");
                format!(
                    "{} has no PyQt6 of version 6.6 or newer ({last})",
                    python.display()
                )
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("there is no {}", python.display())
            }
            Err(error) => format!("cannot run {}: {error}", python.display()),
        };
        Err(format!(
            "{why}; `cargo xtask demo` installs one for itself, or set {VARIABLE} to a Python where \
             `pip install PyQt6` was done"
        ))
    }

    /// The command that starts the reader.
    pub(crate) fn reader(&self, key: &NativeIpcKey) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-c", READER, &key.to_string()]);
        command
    }
}
