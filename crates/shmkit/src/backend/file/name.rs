//! The name of a file, and what goes with it.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::file;

/// A file's name. If the file stands for something else, that is removed first: whoever is killed in
/// between leaves the file, by which others find out.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Name<'n> {
    pub(in crate::backend) path: &'n Path,
    remove_first: Option<Remove<'n>>,
}

/// How something is removed; also if it is not there.
pub(in crate::backend) type Remove<'n> = &'n dyn Fn() -> io::Result<()>;

impl<'n> Name<'n> {
    /// The name of a file that stands for what this removes.
    pub(in crate::backend) fn new(path: &'n Path, remove_first: Option<Remove<'n>>) -> Self {
        Self { path, remove_first }
    }

    /// Removes it.
    pub(super) fn unlink(self) -> io::Result<()> {
        self.remove_first.map_or(Ok(()), |remove| remove())?;
        file::unlink(self.path)
    }
}

impl<'n> From<&'n Path> for Name<'n> {
    fn from(path: &'n Path) -> Self {
        Self::new(path, None)
    }
}

impl<'n> From<&'n PathBuf> for Name<'n> {
    fn from(path: &'n PathBuf) -> Self {
        path.as_path().into()
    }
}
