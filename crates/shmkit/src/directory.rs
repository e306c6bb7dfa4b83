//! Which directory suits files that are shared memory, and why.
//!
//! ```
//! use shmkit::{SharedMemory, directory};
//!
//! # fn main() -> shmkit::Result<()> {
//! # if cfg!(target_os = "linux") {
//! let size = 1 << 20;
//! for candidate in directory::candidates(size as u64) {
//!     println!("{candidate}"); // /dev/shm: tmpfs (in memory), 23 GiB free; large, ...
//! }
//! let place = directory::choose(size as u64)?;
//! let segment = SharedMemory::options().size(size).temporary_file(place)?;
//! # assert_eq!(segment.size(), size);
//! # }
//! # Ok(()) }
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use crate::backend::{self, FsKind};
use crate::error::{Error, ErrorKind, Op, Result};

/// A directory that files may be put in, and what speaks for and against it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate {
    /// The directory.
    pub path: PathBuf,
    /// What it lies on; `None` if it does not exist or may not be looked at.
    pub kind: Option<FsKind>,
    /// How many bytes are free there for this user.
    pub available: u64,
    /// What it is good for.
    pub merits: &'static str,
    /// Why it will not do, if so.
    pub objection: Option<String>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(kind) = &self.kind {
            write!(f, "{kind}, {} bytes free; ", self.available)?;
        }
        match &self.objection {
            Some(objection) => write!(f, "will not do: {objection}"),
            None => f.write_str(self.merits),
        }
    }
}

/// The usual directories for a file of `size` bytes that is to be in memory, the best first:
/// `/dev/shm`, then `XDG_RUNTIME_DIR`.
pub fn candidates(size: u64) -> Vec<Candidate> {
    let mut found = vec![Candidate {
        merits: "large; every user may put files there, so others see the names",
        ..examine("/dev/shm", size)
    }];
    if let Some(path) = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()) {
        found.push(Candidate {
            merits: "this user's own, so nobody else takes a name or sees one; small, gone at logout",
            ..examine(path, size)
        });
    }
    found
}

/// What speaks for and against a directory, for a file of `size` bytes that is to be in memory.
pub fn examine(path: impl AsRef<Path>, size: u64) -> Candidate {
    let path = path.as_ref();
    let (kind, available, mut objection) = match backend::examine_directory(path) {
        Ok(found) => (Some(found.kind), found.available, found.objection),
        Err(error) => (None, 0, Some(error.to_string())),
    };
    if objection.is_none() {
        objection = match &kind {
            Some(kind) if !kind.is_ram_backed() => Some("it is not in memory".to_owned()),
            _ if available < size => Some(format!("{size} bytes are needed")),
            _ => None,
        };
    }
    Candidate {
        path: path.to_owned(),
        kind,
        available,
        merits: "in memory, with room for it",
        objection,
    }
}

/// The best of the usual directories.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if none will do, with the objections to each.
pub fn choose(size: u64) -> Result<PathBuf> {
    let candidates = candidates(size);
    if let Some(best) = candidates.iter().find(|one| one.objection.is_none()) {
        return Ok(best.path.clone());
    }
    let objections: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    Err(Error::new(Op::Create, ErrorKind::Unsupported)
        .detail(format!("no directory will do; {}", objections.join("; ")))
        .hint("name a directory yourself"))
}
