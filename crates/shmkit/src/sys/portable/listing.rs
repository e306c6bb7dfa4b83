//! What exists: the names in a directory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt as _;
use std::path::Path;

/// The names in a directory with their inodes, in no order; `.` and `..` are not among them.
pub(crate) fn names_in(directory: impl AsRef<Path>) -> io::Result<Vec<(OsString, u64)>> {
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| (entry.file_name(), entry.ino())))
        .collect()
}
