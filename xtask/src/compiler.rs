//! A compiler for every target: Debian's newest, with the source of its standard library.
//!
//! Debian packages a compiler for its browsers that is kept new, and the standard library's source,
//! so `std` can be built for targets that nobody has packaged. The packages conflict with other Rust
//! packages, so they are unpacked into a cache folder instead of installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::iter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context as _, Result};

use crate::apt;
use crate::run::{quietly, root};

/// The compiler, and the program that makes import libraries for Windows.
const PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-clippy",
    "rust-web-src",
    "binutils-mingw-w64-x86-64",
];

/// What is started of them.
const PROGRAMS: [&str; 7] = [
    "rustc",
    "rustdoc",
    "cargo",
    "cargo-clippy",
    "clippy-driver",
    "x86_64-w64-mingw32-as",
    "x86_64-w64-mingw32-dlltool",
];

/// An unpacked compiler.
pub(crate) struct Compiler {
    folder: PathBuf,
}

impl Compiler {
    /// Unpacks the compiler into the cache if it is not there yet.
    pub(crate) fn set_up() -> Result<Self> {
        let folder = cache()?.join("compiler");
        let compiler = Self { folder };
        // Written last: a set-up that was interrupted is made again.
        let stamp = compiler.folder.join("contents.txt");
        let contents = [&PACKAGES[..], &PROGRAMS[..]].concat().join("\n");
        if !fs::read_to_string(&stamp).is_ok_and(|unpacked| unpacked == contents) {
            compiler
                .unpack()
                .context("cannot set up a compiler for other targets")?;
            fs::write(stamp, contents)?;
        }
        PROGRAMS
            .iter()
            .try_for_each(|program| compiler.wrap(program))?;
        let version = quietly(Command::new(compiler.program("rustc")).arg("--version"))
            .with_context(|| format!("remove {} and try again", compiler.folder.display()))?;
        eprintln!("{} in {}", version.trim(), compiler.folder.display());
        Ok(compiler)
    }

    fn unpack(&self) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        let archives = self.folder.join("archives");
        fs::create_dir_all(&archives)?;
        apt::unpack(&PACKAGES, &archives, &self.folder)?;
        Ok(fs::remove_dir_all(archives)?)
    }

    /// A cargo of this compiler that builds its own standard library.
    pub(crate) fn cargo(&self, subcommand: &str, target: &str) -> Result<Command> {
        let mut cargo = Command::new(self.program("cargo"));
        if subcommand == "clippy" {
            cargo = Command::new(self.program("cargo-clippy"));
        }
        cargo
            .arg(subcommand)
            .args(["-Zbuild-std=std,panic_unwind,test", "--target", target])
            .current_dir(root())
            .env("CARGO", self.program("cargo"))
            .env("RUSTC", self.program("rustc"))
            .env("RUSTDOC", self.program("rustdoc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", root().join("target/xtask/cross"))
            .env("PATH", self.path()?)
            .env_remove("RUSTUP_TOOLCHAIN");
        Ok(cargo)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.wrappers().join(name)
    }

    fn wrappers(&self) -> PathBuf {
        self.folder.join("wrappers")
    }

    /// The search path, with our programs first.
    fn path(&self) -> Result<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = iter::once(self.wrappers()).chain(env::split_paths(&path));
        env::join_paths(folders).context("a folder in PATH has a name that cannot be there")
    }

    /// Writes a script that starts a program with the libraries that came with it, if it is not
    /// there yet.
    fn wrap(&self, name: &str) -> Result<()> {
        if !self.folder.join("usr/bin").join(name).exists() {
            // Not unpacked, because it is installed.
            return Ok(());
        }
        // Not in `sh`, which may drop what is no name to it, such as `CARGO_BIN_EXE_shmkit-demo`.
        let script = format!(
            "#!/usr/bin/env bash\n\
            here=$(dirname \"$(readlink -f \"$0\")\")/../usr\n\
            LD_LIBRARY_PATH=$(echo \"$here\"/lib/*-linux-gnu) exec \"$here/bin/{name}\" \"$@\"\n"
        );
        let path = self.program(name);
        if fs::read_to_string(&path).is_ok_and(|written| written == script) {
            return Ok(());
        }
        fs::create_dir_all(self.wrappers())?;
        // Others may be running the old one, which stays whole for them.
        let unfinished = self.wrappers().join(format!(".{name}.{}", process::id()));
        fs::write(&unfinished, script)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(unfinished, path)?)
    }
}

/// A folder that `cargo clean` keeps.
pub(crate) fn cache() -> Result<PathBuf> {
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let caches = caches
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(caches.join("shmkit-xtask"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_wrapped_program_gets_variables_of_any_name() {
        let folder = env::temp_dir().join(format!("shmkit-xtask-{}", process::id()));
        let compiler = Compiler { folder };
        let programs = compiler.folder.join("usr/bin");
        fs::create_dir_all(&programs).unwrap();
        symlink("/usr/bin/env", programs.join("env")).unwrap();
        compiler.wrap("env").unwrap();
        let mut program = Command::new(compiler.program("env"));
        let variables = quietly(program.env("CARGO_BIN_EXE_a-b", "here"));
        fs::remove_dir_all(&compiler.folder).unwrap();
        let variables = variables.unwrap();
        assert!(variables.contains("CARGO_BIN_EXE_a-b=here"), "{variables}");
    }
}
