//! The files in which a machine tells about itself, below any directory: `/` for this machine,
//! another for one whose root is mounted there, and for tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A machine to look at.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: PathBuf,
    /// Whose processes are in question.
    pub(crate) user: u32,
}

/// The room in a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) bytes: u64,
    pub(crate) free: u64,
    /// How many files it may have; 0 is as many as one likes.
    pub(crate) files: u64,
    pub(crate) free_files: u64,
}

impl Machine {
    /// `Unsupported` on systems that do not tell about themselves in files.
    pub(crate) fn at(root: &Path) -> io::Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        fs::read_dir(root)?;
        Ok(Self {
            root: root.to_owned(),
            user: user(),
        })
    }

    /// Whether it is the one that this process runs on.
    pub(crate) fn is_this_one(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where one of its absolute paths is from here.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.path(path).is_dir()
    }

    /// The text of a file without white space around it; `None` if it cannot be read.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The number that a file holds, the first if there are several.
    pub(crate) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?
            .split_ascii_whitespace()
            .next()?
            .parse()
            .ok()
    }

    /// What a symbolic link says.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    /// The names in a directory, in order; none if there is no such directory.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The permission bits of a file.
    pub(crate) fn mode(&self, path: &str) -> Option<u32> {
        mode(&self.path(path))
    }

    /// The room in the file system where a path lies.
    pub(crate) fn room(&self, path: &str) -> io::Result<Room> {
        room(&self.path(path))
    }

    /// The name of the user in question, if there is one.
    pub(crate) fn user_name(&self) -> Option<String> {
        user_name(self.user)
    }
}

/// How many bytes a page has.
pub(crate) fn page_size() -> u64 {
    #[cfg(unix)]
    return rustix::param::page_size() as u64;
    #[cfg(not(unix))]
    return 4096;
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user() -> u32 {
    0
}

#[cfg(unix)]
fn user_name(user: u32) -> Option<String> {
    super::user::name(user)
}

#[cfg(not(unix))]
fn user_name(_user: u32) -> Option<String> {
    None
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

#[cfg(unix)]
#[allow(
    clippy::unnecessary_cast,
    reason = "the types are smaller on some machines"
)]
fn room(path: &Path) -> io::Result<Room> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(Room {
        bytes: (stat.f_blocks * stat.f_frsize) as u64,
        free: (stat.f_bavail * stat.f_frsize) as u64,
        files: stat.f_files as u64,
        free_files: stat.f_favail as u64,
    })
}

#[cfg(not(unix))]
fn room(_path: &Path) -> io::Result<Room> {
    Err(io::ErrorKind::Unsupported.into())
}
