//! Where the segment lies, and how the workers find it.
#![expect(unsafe_code, reason = "opening a typed segment is the act of trust")]

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::typed::{Location, Shared, ShmSafe};
use shmkit::{Lifetime, Options};

/// What the segment is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Posix,
    File,
    Memfd,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Posix => "POSIX",
            Self::File => "file",
            Self::Memfd => "memfd",
        }
    }

    /// What nobody else has; `cargo xtask test` looks for such names among what tests leave behind.
    fn unique(self) -> String {
        format!(
            "shmkit-test-{}-storm-{}",
            process::id(),
            self.name().to_lowercase()
        )
    }

    /// The path at which its name can be seen, if it has one.
    pub(crate) fn path(self) -> Option<PathBuf> {
        match self {
            Self::Posix => Some(Path::new("/dev/shm").join(self.unique())),
            Self::File => Some(std::env::temp_dir().join(self.unique())),
            Self::Memfd => None,
        }
    }

    /// Creates the segment; and what the workers are told.
    pub(crate) fn create<T: ShmSafe>(self, value: T) -> Result<(Shared<T>, String)> {
        let name = self.unique();
        let mut options = Options::new();
        options.lifetime(Lifetime::Ephemeral);
        let path = std::env::temp_dir().join(&name);
        let key = key(&name);
        let location = match self {
            Self::Posix => Location::Key(&key),
            Self::File => Location::File(&path),
            Self::Memfd => Location::Memory(&name),
        };
        // SAFETY: only this program knows the place.
        let made = unsafe { Shared::create_with(&options, location, value) }?;
        let place = match self {
            Self::Posix => format!("posix:{name}"),
            Self::File => format!("file:{}", path.display()),
            Self::Memfd => format!("fd:{}", door(&name)?.display()),
        };
        Ok((made, place))
    }
}

fn key(name: &str) -> NativeIpcKey {
    NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime)
}

/// The descriptor that this process has of a memfd, as its workers can open it.
fn door(name: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(format!("/proc/{}/fd", process::id()))?.flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if target.to_string_lossy().contains(name) {
            return Ok(entry.path());
        }
    }
    bail!("the memfd has no descriptor")
}

/// Opens what [`Backend::create`] made.
pub(crate) fn open<T: ShmSafe>(place: &str) -> Result<Shared<T>> {
    let (kind, place) = place.split_once(':').context("no place")?;
    let key = key(place);
    let file;
    let location = match kind {
        "posix" => Location::Key(&key),
        "file" => Location::File(Path::new(place)),
        _ => {
            file = File::options().read(true).write(true).open(place)?;
            Location::Fd(file.as_fd())
        }
    };
    // SAFETY: only this program knows the place.
    Ok(unsafe { Shared::open(location) }?)
}
