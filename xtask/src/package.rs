//! The Python package: built into a wheel, installed, tested, and type-checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::run::{quietly, root, run};
use crate::tally::{Tally, count};
use crate::{progress, python};

/// Builds the package with the checks of a debug build, installs it beside PyQt6 and runs its tests.
pub(crate) fn test(
    python: &Path,
    deadline: Instant,
    arguments: &[String],
    all: &mut Tally,
) -> Result<String> {
    let wheel = progress::spin("building the Python package", || build(python, "dev"))
        .context("cannot build the Python package")?;
    install(python, &wheel).context("cannot install the Python package")?;
    let mut pytest = Command::new(python);
    pytest.current_dir(root()).args(["-m", "pytest"]);
    pytest
        .args(arguments)
        .env(python::VARIABLE, python)
        .env("QT_QPA_PLATFORM", "offscreen");
    count(&mut pytest, deadline, all)
}

/// Does what the README tells users to do, in an environment that has nothing else, and makes use of it.
pub(crate) fn install_as_users_do() -> Result<String> {
    const USE: &str = "import sys, shmkit\n\
        with shmkit.SharedMemory.create(f'shmkit-test-{__import__(\"os\").getpid()}', 4096) as segment:\n    \
            segment.buf[:5] = b'hello'\n    \
            assert bytes(segment.buf[:5]) == b'hello'\n\
        assert not {'numpy', 'PyQt6', 'asyncio'} & set(sys.modules), 'import is to be light'\n";
    let venv = root().join("target/xtask/clean-venv");
    python::make(&venv)?;
    let clean = venv.join("bin/python");
    let mut pip = python::pip(&clean, "install");
    quietly(pip.arg(".").current_dir(root()))?;
    quietly(Command::new(&clean).args(["-I", "-c", USE]))?;
    Ok("pip install . in a clean environment".to_owned())
}

/// Measures a release build beside its rivals, which have an environment of their own.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let folder = root().join("crates/shmkit-python/bench");
    let requirements = folder.join("requirements.txt");
    let venv = root().join("target/xtask/bench-venv");
    let python = venv.join("bin/python");
    // Written last: an environment whose making was interrupted is made again.
    let stamp = venv.join("installed.txt");
    let wanted = fs::read_to_string(&requirements)?;
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        python::make(&venv)?;
        let mut pip = python::pip(&python, "install");
        pip.arg("--requirement").arg(&requirements);
        progress::spin("installing the rivals", || quietly(&mut pip))?;
        fs::write(&stamp, wanted)?;
    }
    let wheel = progress::spin("building the Python package for release", || {
        build(&python, "release")
    })?;
    install(&python, &wheel)?;
    let mut bench = Command::new(&python);
    bench.arg(folder.join("run.py")).args(arguments);
    bench.env("QT_QPA_PLATFORM", "offscreen");
    run(&mut bench).context("the benchmarks failed")
}

/// The wheel, of a build with this profile.
fn build(python: &Path, profile: &str) -> Result<PathBuf> {
    let wheels = root().join("target/xtask/wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(python);
    maturin.current_dir(root());
    maturin.args(["-m", "maturin", "build", "--quiet", "--profile", profile]);
    // Tools are in the environment's folder, which need not be on the path.
    maturin.args(["--auditwheel", "skip", "--interpreter"]);
    maturin.arg(python).arg("--out").arg(&wheels);
    quietly(&mut maturin)?;
    let wheel = fs::read_dir(&wheels)?.next().context("there is no wheel")?;
    Ok(wheel?.path())
}

fn install(python: &Path, wheel: &Path) -> Result<()> {
    let mut pip = python::pip(python, "install");
    pip.args(["--force-reinstall", "--no-deps", "--no-index"]);
    quietly(pip.arg(wheel)).map(drop)
}
