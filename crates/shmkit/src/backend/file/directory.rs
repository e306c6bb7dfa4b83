//! Directories that files are put in.

use std::path::Path;

use super::explain::explain;
use crate::backend::{Examined, Owners, Spec};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::sys::{file, volume};

/// In a directory where everybody may rename and remove others' files, a name means nothing.
pub(in crate::backend) fn check(directory: &Path, spec: &Spec, op: Op) -> Result<()> {
    match is_free_for_all(directory) {
        Some(mode) if spec.trust != Owners::Anyone => {
            Err(Error::new(op, ErrorKind::PermissionDenied)
                .detail(format!(
                    "everybody may replace files in {} (mode {mode:04o}, not sticky)",
                    directory.display(),
                ))
                .hint("choose another directory, or accept any owner in the options"))
        }
        // What else is wrong with it will be said when it is used.
        _ => Ok(()),
    }
}

/// The mode of a directory in which everybody may replace everybody's files.
fn is_free_for_all(directory: &Path) -> Option<u32> {
    let status = file::status_of_path(directory).ok()?;
    (status.mode & 0o1002 == 0o0002).then_some(status.mode)
}

/// What a directory is like.
pub(crate) fn examine(directory: &Path) -> Result<Examined> {
    let volume =
        volume::of_path(directory).map_err(|error| explain(error, directory, Op::Inspect))?;
    let objection = match file::may_write_in(directory) {
        _ if !file::is_directory(directory) => Some("it is no directory".to_owned()),
        Err(error) => Some(format!("no file can be made there: {error}")),
        Ok(()) => is_free_for_all(directory)
            .map(|_| "everybody may replace files there (not sticky)".to_owned()),
    };
    Ok(Examined {
        available: volume.available,
        kind: volume.into(),
        objection,
    })
}
