//! From native keys to paths, as glibc's `shm_open` and `sem_open` do.

use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::file::MEMORY_DIRECTORY;

/// The longest file name (`NAME_MAX`), in bytes.
const LONGEST: usize = 255;

const SEMAPHORE_PREFIX: &str = "sem.";

/// The path of the segment of a key. A name that leaves no room for its lock's prefix can be
/// attached, since others may have made it, but not created.
pub(super) fn segment_path(key: &NativeIpcKey, op: Op) -> Result<String> {
    let longest = match op {
        Op::Create | Op::CreateOrAttach => LONGEST - SEMAPHORE_PREFIX.len(),
        _ => LONGEST,
    };
    Ok(format!(
        "{MEMORY_DIRECTORY}/{}",
        file_name(key, op, longest)?
    ))
}

/// The path of the semaphore of a key.
pub(super) fn semaphore_path(key: &NativeIpcKey, op: Op) -> Result<String> {
    let name = file_name(key, op, LONGEST - SEMAPHORE_PREFIX.len())?;
    Ok(format!("{MEMORY_DIRECTORY}/{SEMAPHORE_PREFIX}{name}"))
}

fn file_name(key: &NativeIpcKey, op: Op, longest: usize) -> Result<&str> {
    let refused = |why: String| {
        Err(Error::new(op, ErrorKind::InvalidKey)
            .on(key)
            .detail(why)
            .hint("a POSIX name is a slash and 1 to 251 bytes without another slash"))
    };
    let name = key.native_key().trim_start_matches('/');
    match name {
        "" => refused("the name is empty".into()),
        "." | ".." => refused(format!("`{name}` is a directory")),
        _ if name.contains('/') => refused("the name has a slash inside".into()),
        _ if name.contains('\0') => refused("the name has a NUL character inside".into()),
        _ if name.len() > longest => refused(format!(
            "the name has {} bytes, and {longest} are possible",
            name.len()
        )),
        _ => Ok(name),
    }
}
