//! Debian packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::progress;
use crate::run::{exists, quietly, run};

/// Installs the packages of programs and files that are missing.
pub(crate) fn install_missing(needs: &[(&str, &str)]) -> Result<()> {
    let is_there = |what: &str| exists(what) || Path::new(what).exists();
    let missing: Vec<&str> = needs
        .iter()
        .filter(|(what, _)| !is_there(what))
        .map(|(_, package)| *package)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => install(&missing),
    }
}

/// Installs packages, or says which ones a person has to install.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !(exists("apt-get") && is_root()) {
        bail!("these Debian packages are missing; install them and try again: {list}");
    }
    update()?;
    progress::spin(&format!("installing {list}"), || {
        let mut command = apt_get(&["install", "--yes", "--no-install-recommends"]);
        quietly(command.args(packages)).map(drop)
    })
}

/// Unpacks packages into `folder` with all those they need and the system lacks, without installing
/// anything; `scratch` holds the downloads.
pub(crate) fn unpack(packages: &[&str], scratch: &Path, folder: &Path) -> Result<()> {
    ensure!(exists("apt-get"), "this needs Debian's `apt-get`");
    let mut needed = needed_for(packages);
    if needed.is_err() && is_root() {
        update()?;
        needed = needed_for(packages);
    }
    let needed = needed.context("Debian's package lists lack them: try `apt-get update`")?;
    unpack_alone(&needed, scratch, folder)
}

/// Unpacks packages, and nothing that they need, into `folder`; `scratch` holds the downloads.
pub(crate) fn unpack_alone<T: AsRef<str>>(
    packages: &[T],
    scratch: &Path,
    folder: &Path,
) -> Result<()> {
    progress::each("downloading packages", packages, |package| {
        let package = package.as_ref();
        // As root, apt-get complains unless told that it is no sandbox.
        let mut command = apt_get(&["download", "-o", "APT::Sandbox::User=root", package]);
        quietly(command.current_dir(scratch)).map(drop)
    })?;
    let mut archives = Vec::new();
    for entry in scratch.read_dir()? {
        archives.push(entry?.path().display().to_string());
    }
    progress::each("unpacking packages", &archives, |archive| {
        run(Command::new("dpkg").arg("-x").arg(archive).arg(folder))
    })
}

/// The packages and those that they depend on, without the ones that are installed.
fn needed_for(packages: &[&str]) -> Result<Vec<String>> {
    let mut command = apt_get(&["install", "--simulate", "--no-install-recommends"]);
    Ok(to_be_installed(&quietly(command.args(packages))?))
}

/// The names in the lines `Inst NAME ...` of a simulated installation.
fn to_be_installed(simulation: &str) -> Vec<String> {
    let lines = simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Inst "));
    lines
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn update() -> Result<()> {
    progress::spin("reading Debian's package lists", || {
        quietly(&mut apt_get(&["update"])).map(drop)
    })
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_names_the_packages() {
        let simulation = "Reading package lists...\n\
            Remv rustc [1.63]\n\
            Inst libllvm22 (1:22.1.8 Debian [amd64])\n\
            Inst rustc-web (1.96.0 Debian [amd64]) []\n\
            Conf libllvm22 (1:22.1.8 Debian [amd64])\n";
        assert_eq!(to_be_installed(simulation), ["libllvm22", "rustc-web"]);
    }
}
