//! What a segment is made or attached by: a key, a path, or nothing but memory.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::key::NativeIpcKey;

/// See the module. Its text is what messages call the segment.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Key(NativeIpcKey),
    File(PathBuf),
    /// A file without a name, in this directory.
    Unnamed(PathBuf),
    /// Memory without a name; what it is called is only for people.
    Memory(String),
}

impl Target {
    pub(crate) fn key(&self) -> Option<&NativeIpcKey> {
        match self {
            Self::Key(key) => Some(key),
            _ => None,
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }
}

impl Target {
    /// The directory of a new file; none where shmkit chooses.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(directory_of(path)),
            Self::Unnamed(directory) => Some(directory),
            Self::Key(_) | Self::Memory(_) => None,
        }
    }
}

/// Where a file of a path lies.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Unnamed(directory) => write!(f, "file:{} (unnamed)", directory.display()),
            Self::Memory(name) => write!(f, "memfd:{name}"),
        }
    }
}
