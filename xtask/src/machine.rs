//! What runs programs for other targets here: Wine, an emulator, or this machine itself.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::compiler::cache;
use crate::run::{quietly, root};
use crate::{apt, progress, python};

/// What runs a target's programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Wine, for 64-bit Windows.
    Wine,
    /// QEMU's user mode emulation, for 64-bit ARM.
    Arm,
    /// This machine, with 32-bit libraries.
    Here32,
    /// This machine, with musl.
    HereMusl,
    /// Nothing: the code is checked, and that is all.
    None,
}

/// Where a target's programs find what they need, as environment variables.
pub(crate) type Environment = Vec<(String, OsString)>;

/// Tells the tests by which program they must start themselves again.
const RUNNER: &str = "SHMKIT_TEST_RUNNER";

/// Tells the tests which program has the real Qt.
const QT_PEER: &str = "SHMKIT_TEST_QT_PEER";

/// The package of an unwinder without ties to GCC's own, which needs more of glibc.
const UNWINDER: &str = "libunwind-19-dev";

impl Machine {
    /// What it is called in the list of targets.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wine => "built, and run under Wine",
            Self::Arm => "built, and run under QEMU",
            Self::Here32 | Self::HereMusl => "built, and run on this machine",
            Self::None => "checked; nothing here can run it",
        }
    }

    /// Installs what it needs and says how cargo and the tests find it.
    pub(crate) fn set_up(self, triple: &str) -> Result<Environment> {
        let of_target = |what: &str, value: OsString| {
            let triple = triple.to_uppercase().replace('-', "_");
            (format!("CARGO_TARGET_{triple}_{what}"), value)
        };
        Ok(match self {
            Self::Wine => {
                let mut environment = wine()?;
                environment.push(of_target("RUNNER", "wine".into()));
                environment
            }
            Self::Arm => {
                apt::install_missing(&[
                    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
                    ("/usr/aarch64-linux-gnu/lib/crt1.o", "libc6-dev-arm64-cross"),
                    ("qemu-aarch64-static", "qemu-user-static"),
                ])?;
                let runner = "qemu-aarch64-static -L /usr/aarch64-linux-gnu";
                vec![
                    of_target("LINKER", "aarch64-linux-gnu-gcc".into()),
                    of_target("RUNNER", runner.into()),
                    (RUNNER.to_owned(), runner.into()),
                ]
            }
            Self::Here32 => {
                let gcc = quietly(Command::new("gcc").arg("-dumpversion"))?;
                let gcc = gcc.trim();
                // The package `gcc-multilib` would do, but it cannot be installed beside
                // compilers for other processors.
                apt::install_missing(&[
                    ("/usr/lib32/crt1.o", "libc6-dev-i386"),
                    (
                        &format!("/usr/lib/gcc/x86_64-linux-gnu/{gcc}/32/libgcc.a"),
                        &format!("lib32gcc-{gcc}-dev"),
                    ),
                ])?;
                Environment::new()
            }
            Self::HereMusl => {
                apt::install_missing(&[("musl-gcc", "musl-tools")])?;
                let folder = unwinder()?.display().to_string();
                let flags = format!("-C link-self-contained=no -L native={folder}");
                vec![
                    of_target("LINKER", "musl-gcc".into()),
                    of_target("RUSTFLAGS", flags.into()),
                ]
            }
            Self::None => Environment::new(),
        })
    }
}

/// Wine with a Windows of its own, which lacks one library that Rust programs need.
fn wine() -> Result<Environment> {
    apt::install_missing(&[
        ("x86_64-w64-mingw32-g++", "g++-mingw-w64-x86-64-win32"),
        ("/usr/lib/wine/wine64", "wine64"),
        ("wine", "wine"),
    ])?;
    let folder = cache()?.join("wine");
    let libraries = folder.join("libraries");
    fs::create_dir_all(&libraries)?;
    let library = libraries.join("bcryptprimitives.dll");
    if !library.exists() {
        let source = root().join("xtask/src/bcryptprimitives.c");
        let mut gcc = Command::new("x86_64-w64-mingw32-gcc");
        gcc.args(["-shared", "-O1", "-o"]).arg(&library);
        quietly(gcc.arg(source).arg("-ladvapi32"))?;
    }
    let peer = qt(&folder, &libraries)?;
    Ok(vec![
        ("WINEPREFIX".to_owned(), folder.join("prefix").into()),
        ("WINEPATH".to_owned(), windows_path(&libraries).into()),
        ("WINEDEBUG".to_owned(), "-all".into()),
        (QT_PEER.to_owned(), windows_path(&peer).into()),
    ])
}

/// Makes the program that puts the real Windows Qt at the other end of the tests, with Qt's library
/// of the same version that the tests on Linux have.
fn qt(folder: &Path, libraries: &Path) -> Result<PathBuf> {
    let sources = root().join("crates/shmkit-testkit/windows");
    if !libraries.join("Qt6Core.dll").exists() {
        let scratch = folder.join("scratch");
        fs::create_dir_all(&scratch)?;
        progress::spin("fetching Qt for Windows", || {
            python::fetch_windows_qt(&scratch, libraries)
        })?;
        fs::remove_dir_all(scratch)?;
    }
    let mut icu = Command::new("x86_64-w64-mingw32-gcc");
    icu.args(["-shared", "-O1", "-o"]);
    quietly(
        icu.arg(libraries.join("icuuc.dll"))
            .arg(sources.join("icuuc.c")),
    )?;
    let peer = libraries.join("qt_peer.exe");
    let mut program = Command::new("x86_64-w64-mingw32-g++");
    program.args(["-std=c++17", "-O1", "-static", "-o"]);
    quietly(program.arg(&peer).arg(sources.join("qt_peer.cpp")))?;
    Ok(peer)
}

/// How Wine calls a file of this machine.
fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// The folder of an unwinder that can be linked with musl: LLVM's, whose only tie to glibc is its
/// checked `fprintf`.
fn unwinder() -> Result<PathBuf> {
    let folder = cache()?.join("musl");
    let library = folder.join("libunwind.a");
    if library.exists() {
        return Ok(folder);
    }
    let scratch = folder.join("scratch");
    fs::create_dir_all(&scratch)?;
    apt::unpack_alone(&[UNWINDER], &scratch, &folder)
        .context("cannot fetch an unwinder for musl")?;
    let original = folder.join("usr/lib/x86_64-linux-gnu/libunwind.a");
    let unfinished = scratch.join("libunwind.a");
    fs::copy(&original, &unfinished)?;
    let object = scratch.join("fprintf_chk.o");
    let source = root().join("xtask/src/fprintf_chk.c");
    let mut gcc = Command::new("musl-gcc");
    quietly(gcc.arg("-c").arg("-o").arg(&object).arg(source))?;
    quietly(Command::new("ar").arg("r").arg(&unfinished).arg(object))?;
    fs::rename(unfinished, &library)?;
    fs::remove_dir_all(scratch)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wine_knows_this_machines_files_as_drive_z() {
        assert_eq!(windows_path(Path::new("/a/b c")), r"Z:\a\b c");
    }
}
