//! The Python environment of the tests, with the real PyQt6 that they talk to.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::{exists, quietly, root};
use crate::{apt, progress};

/// Tells the tests which Python has PyQt6.
pub(crate) const VARIABLE: &str = "SHMKIT_TEST_PYTHON";

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// Makes the environment if it is not there yet, and returns its Python.
pub(crate) fn set_up() -> Result<PathBuf> {
    let venv = root().join("target/xtask/venv");
    let python = venv.join("bin/python");
    // Written last: an environment whose making was interrupted is made again.
    let stamp = venv.join("installed.txt");
    let current = fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS);
    if current && import_qt(&python).is_ok() {
        return Ok(python);
    }
    make(&venv).context("cannot make a Python environment")?;
    progress::spin("installing PyQt6 and others into target/xtask/venv", || {
        install(&python)
    })
    .context("cannot install PyQt6")?;
    if import_qt(&python).is_err() {
        apt::install(&["libglib2.0-0"]).context("PyQt6 does not load")?;
    }
    import_qt(&python).context("PyQt6 does not load")?;
    fs::write(stamp, REQUIREMENTS)?;
    Ok(python)
}

/// Makes an environment with nothing in it.
pub(crate) fn make(venv: &Path) -> Result<()> {
    if venv.exists() {
        fs::remove_dir_all(venv)?;
    }
    if !exists("python3") {
        apt::install(&["python3", "python3-venv"])?;
    }
    let make = || {
        let mut command = Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
        quietly(command.args(["-m", "venv", "--clear"]).arg(venv))
    };
    if let Err(error) = make() {
        // Debian ships Python without the means to make an environment.
        if !error.to_string().contains("ensurepip") {
            return Err(error);
        }
        apt::install(&["python3-venv"])?;
        make()?;
    }
    Ok(())
}

fn install(python: &Path) -> Result<()> {
    let mut pip = pip(python, "install");
    pip.args(["--only-binary=:all:", "--requirement"]);
    quietly(pip.arg(root().join("xtask/requirements.txt"))).map(drop)
}

/// An environment's pip, with nothing to ask and nothing to say.
pub(crate) fn pip(python: &Path, command: &str) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", command, "--quiet", "--no-input"]);
    pip.arg("--disable-pip-version-check");
    pip
}

/// Takes the libraries that a Windows program with Qt needs out of PyQt6's Windows package.
pub(crate) fn fetch_windows_qt(scratch: &Path, folder: &Path) -> Result<()> {
    const TAKE: &str = "import pathlib, sys, zipfile\n\
        package = zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob('*.whl')))\n\
        for path in map(pathlib.PurePosixPath, package.namelist()):\n    \
            if path.name.startswith(('msvcp140', 'vcruntime140')) or path.name == 'Qt6Core.dll':\n        \
                (pathlib.Path(sys.argv[2]) / path.name).write_bytes(package.read(str(path)))\n";
    let wanted = REQUIREMENTS
        .lines()
        .find(|line| line.starts_with("PyQt6-Qt6=="));
    let wanted = wanted.context("xtask/requirements.txt does not say which Qt")?;
    let python = set_up()?;
    let mut pip = pip(&python, "download");
    pip.args(["--no-deps", "--only-binary=:all:"]);
    pip.args(["--platform", "win_amd64", wanted, "--dest"]);
    quietly(pip.arg(scratch))?;
    let mut take = Command::new(&python);
    quietly(take.args(["-c", TAKE]).arg(scratch).arg(folder)).map(drop)
}

fn import_qt(python: &Path) -> Result<()> {
    quietly(Command::new(python).args(["-c", "import PyQt6.QtCore"])).map(drop)
}
