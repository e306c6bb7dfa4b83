//! The file whose inode stands for a System V object (`ftok(3)`).
//!
//! Any existing file will do, also a user's own with data in it, so we remove only what we or Qt
//! made for nothing but this. Ours carry the sticky bit. Qt's are empty and have the mode that Qt
//! gives them, and lie where Qt puts them: under a legacy name, or in the runtime directory. A kept segment's file says so in words, which is also what keeps it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::segment::ATTEMPTS;
use crate::backend::Lifetime;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::file::{self, EPHEMERAL, FileId, Kind, Status};
use crate::sys::system_v::ipc_key;

/// Qt's mode for key files.
const MODE: u32 = 0o640;

/// What the file of a kept segment says.
const KEPT: &[u8] = b"shmkit: kept segment\n";

/// A key file that exists, or existed a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyFile {
    pub(crate) ipc_key: i32,
    id: FileId,
}

/// The path and the project number in a key.
pub(super) fn parts(key: &NativeIpcKey, op: Op) -> Result<(&str, u8)> {
    let refused = |why: &str| {
        Err(Error::new(op, ErrorKind::InvalidKey)
            .on(key)
            .detail(why)
            .hint("a System V key is the path of a file, which is made if there is none"))
    };
    let KeyType::SystemV(project) = key.key_type() else {
        return refused("it is no System V key");
    };
    match key.native_key() {
        "" => refused("the path is empty"),
        path if path.contains('\0') => refused("the path has a NUL character inside"),
        path => Ok((path, project.get())),
    }
}

/// The number that a key stands for in the kernel's table; `None` if it is none of System V, or its
/// file does not exist.
pub(crate) fn number_of(key: &NativeIpcKey) -> Option<u32> {
    let (path, project) = parts(key, Op::Inspect).ok()?;
    Some(KeyFile::find(path, project).ok()?.ipc_key as u32)
}

impl KeyFile {
    /// Finds the key file.
    pub(super) fn find(path: &str, project: u8) -> io::Result<Self> {
        Ok(Self::of(&file::status_of_path(path)?, project))
    }

    fn of(status: &Status, project: u8) -> Self {
        Self {
            ipc_key: ipc_key(status.id.device, status.id.inode, project),
            id: status.id,
        }
    }

    /// Finds the key file, or makes it; says whether it did. Pinned for whoever makes something of
    /// its IPC key: were the file removed meanwhile, that might else be another file's by then. A
    /// process without descriptors goes without.
    pub(super) fn find_or_make(path: &str, project: u8) -> io::Result<(Self, Option<Pin>, bool)> {
        let mut made = false;
        for _ in 0..ATTEMPTS {
            let found = match file::pin_target(path) {
                Ok(pin) => file::status(&pin).map(|it| (Self::of(&it, project), Some(pin))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
                Err(_) => Self::find(path, project).map(|file| (file, None)),
            };
            match found {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found.map(|(file, pin)| (file, pin, made)),
            }
            // Nothing is made of it yet, so a reaper may take it for a leftover.
            made = file::make_file(path, MODE | EPHEMERAL)?;
        }
        Err(io::Error::other(
            "the key file vanishes again and again, or is a symbolic link to nowhere",
        ))
    }

    /// Which file it is.
    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Whether the path still leads to this file. If not, newcomers look elsewhere.
    pub(super) fn is_current(&self, path: &str) -> bool {
        file::status_of_path(path).is_ok_and(|status| status.id == self.id)
    }

    /// How long the segment of this file lives, if the path still leads to the file. Of an empty file
    /// one look tells both. What others hold is looked at again once it is read: it may have been
    /// another file's.
    pub(super) fn lifetime(&self, path: &str) -> Option<Lifetime> {
        let status = file::status_of_path(path).ok()?;
        if status.id != self.id {
            return None;
        }
        if status.size == 0 {
            return Some(Lifetime::Ephemeral);
        }
        let lifetime = match says_kept(path) {
            true => Lifetime::Kept,
            false => Lifetime::Ephemeral,
        };
        self.is_current(path).then_some(lifetime)
    }

    /// Takes the file's name away if the path leads to it and it was made for nothing but this. What
    /// has its IPC key must be removed before the answer is dropped.
    #[must_use = "the file is there until this is dropped"]
    pub(super) fn remove(&self, path: &str) -> Option<Removal> {
        let (pin, status) = self.pin(path)?;
        let grave = match is_made_for_this(path, &status) {
            true => bury(path, self.id).ok()?,
            false => None,
        };
        Some(Removal::of(grave, pin))
    }

    /// The removal of the file that somebody has begun and left to the last user.
    pub(super) fn begun_removal(&self, path: &str) -> Option<Removal> {
        let grave = grave_of(path, self.id);
        let (pin, _) = self.pin(&grave)?;
        Some(Removal::of(Some(grave), pin))
    }

    /// Pins the file if the path leads to it.
    fn pin(&self, path: &str) -> Option<(Pin, Status)> {
        let pin = file::pin(path).ok()?;
        let status = file::status(&pin).ok()?;
        (status.id == self.id).then_some((pin, status))
    }
}

/// A key file without its name, while what is made of it is removed. Until this is dropped no new
/// file gets the inode, and with it the same IPC key.
///
/// If the process is killed meanwhile, the file lies in its *grave*, a hidden name beside the old
/// one. There a reaper finds it, and what is still made of it.
pub(super) struct Removal {
    grave: Option<String>,
    _pin: Pin,
}

impl Removal {
    fn of(grave: Option<String>, pin: Pin) -> Self {
        Self { grave, _pin: pin }
    }

    /// Leaves the file in its grave, and the rest to whoever still uses what is made of it.
    pub(super) fn leave_to_others(mut self) {
        self.grave = None;
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Some(grave) = &self.grave {
            let _ = file::unlink(grave);
        }
    }
}

/// What the hidden names begin with. Those of files that are being born begin otherwise.
const GRAVE: &str = ".shmkit.gone-";

/// Gives the file the name of its grave. Where that cannot be, the file is just removed.
fn bury(path: &str, id: FileId) -> io::Result<Option<String>> {
    let grave = grave_of(path, id);
    if !cfg!(shmkit_force_fallbacks) && file::rename(path, &grave).is_ok() {
        return Ok(Some(grave));
    }
    file::unlink(path).map(|()| None)
}

fn grave_of(path: &str, id: FileId) -> String {
    let directory = path.rfind('/').map_or("", |slash| &path[..=slash]);
    format!("{directory}{GRAVE}{:x}-{:x}", id.device, id.inode)
}

/// Whether a file was about to be removed when its remover died.
pub(super) fn is_grave(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with(GRAVE)
}

/// Keeps an inode, though its file was removed.
pub(super) type Pin = OwnedFd;

fn is_made_for_this(path: &str, status: &Status) -> bool {
    let nothing_else =
        status.kind == Kind::Regular && status.links == 1 && status.owner == file::user();
    // Without group or others where the umask took them.
    let is_qts_mode = status.mode & 0o777 & !MODE == 0 && status.mode & 0o600 == 0o600;
    nothing_else
        && status.size == 0
        && (status.is_ephemeral() || is_qts_mode && (is_where_qt_puts_them(path) || is_grave(path)))
}

/// Whether a regular file may be a key file: ours, by its mark or by what it says, or Qt's.
pub(super) fn may_be_one(path: &str, status: &Status) -> bool {
    status.is_ephemeral()
        || (status.size == 0 && (is_where_qt_puts_them(path) || is_grave(path)))
        || (status.size == KEPT.len() as u64 && is_kept(path))
}

fn is_where_qt_puts_them(path: &str) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else {
        return false;
    };
    let has_hash = |rest: &str| {
        rest.len() >= 40
            && rest.as_bytes()[rest.len() - 40..]
                .iter()
                .all(u8::is_ascii_hexdigit)
    };
    ["qipc_sharedmemory_", "qipc_systemsem_"]
        .iter()
        .any(|prefix| name.strip_prefix(prefix).is_some_and(has_hash))
        || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|runtime| runtime == *directory)
        || directory
            .rsplit('/')
            .next()
            .is_some_and(|last| last.starts_with("runtime-"))
}

/// Whether the segment of this file is kept.
pub(super) fn is_kept(path: &str) -> bool {
    matches!(file::status_of_path(path), Ok(status) if status.size > 0) && says_kept(path)
}

fn says_kept(path: &str) -> bool {
    let mut text = [0; KEPT.len()];
    matches!(file::read_start(path, &mut text), Ok(length) if length == text.len()) && text == KEPT
}

/// Marks the segment of this file as kept. A file with other contents stays as it is: it is the
/// user's own, and its segment cannot be told from an orphan.
pub(super) fn mark_kept(path: &str) -> io::Result<()> {
    let fd = file::open(path, Access::ReadWrite)?;
    if file::status(&fd)?.size == 0 {
        file::write_start(fd.as_fd(), KEPT)?;
    }
    Ok(())
}

/// Forgets that the segment of this file was kept, so that the file can go with it.
pub(super) fn forget_kept(path: &str) -> io::Result<()> {
    if is_kept(path) {
        file::cut(file::open(path, Access::ReadWrite)?.as_fd(), 0)?;
    }
    Ok(())
}

/// Says why a key file could not be used.
pub(super) fn explain(cause: io::Error, path: &str, op: Op) -> Error {
    let kind = cause.kind();
    let error = Error::os(op, cause);
    match kind {
        io::ErrorKind::NotFound => error
            .detail(format!(
                "the key file {path} cannot be made: its directory does not exist"
            ))
            .with_kind(ErrorKind::InvalidKey),
        io::ErrorKind::InvalidFilename => error.detail(format!(
            "the path of the key file has a name of more than 255 bytes: {} in all",
            path.len()
        )),
        io::ErrorKind::PermissionDenied => {
            error.detail(format!("permission denied at the key file {path}"))
        }
        _ => error.detail(format!("the key file {path} cannot be used")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_lives_how_long_is_told_while_the_path_leads_to_the_file() {
        let directory = std::env::temp_dir().join(format!("shmkit-key-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let (path, elsewhere) = (at("key"), at("elsewhere"));

        fs::write(&path, "").unwrap();
        let file = KeyFile::find(&path, 1).unwrap();
        assert_eq!(file.lifetime(&path), Some(Lifetime::Ephemeral));
        mark_kept(&path).unwrap();
        assert_eq!(file.lifetime(&path), Some(Lifetime::Kept));
        fs::write(&path, "a user's own").unwrap();
        assert_eq!(file.lifetime(&path), Some(Lifetime::Ephemeral));

        // Another file at the path, while the first one still has its inode.
        fs::rename(&path, &elsewhere).unwrap();
        assert_eq!(file.lifetime(&path), None);
        fs::write(&path, KEPT).unwrap();
        assert_eq!(file.lifetime(&path), None);
        assert_eq!(file.lifetime(&elsewhere), Some(Lifetime::Ephemeral));
        fs::remove_dir_all(&directory).unwrap();
    }
}
