//! Being told what happens in a directory, which these systems do for each file alone.

use std::io;
use std::time::Duration;

use crate::sys::Change;

/// A directory that is watched, of which there is none.
#[derive(Debug)]
pub(crate) enum DirectoryWatch {}

impl DirectoryWatch {
    pub(crate) fn new(_directory: &str) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn wait(&self, _limit: Duration) -> io::Result<Vec<Change>> {
        match *self {}
    }
}
