//! Names that no other test has, and guards that remove what was made under them.

use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Linux keeps POSIX segments and semaphores.
const POSIX_FOLDER: &str = "/dev/shm";

/// Makes a name that nothing else has: `shmkit-test-<pid>-<counter>-<random>`.
///
/// It is good as a POSIX name (put a `/` before it), as a file name and as a legacy key. The random
/// part tells apart two PID namespaces that share a folder.
#[must_use]
pub fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(counter) >> 32;
    format!("shmkit-test-{}-{counter}-{random:08x}", std::process::id())
}

/// Removes files, POSIX names and System V objects when dropped, also by a panic.
///
/// What is already gone is no error: a test that cleans up well leaves nothing to do.
#[derive(Debug, Default)]
#[must_use = "it removes everything when dropped"]
pub struct Cleanup {
    paths: Vec<PathBuf>,
    system_v: Vec<SystemV>,
}

impl Cleanup {
    /// Will remove the POSIX segment and semaphore called `name`; a leading `/` does not matter.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self::default().and_name(name)
    }

    /// Will remove the file `path`.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self::default().and_path(path)
    }

    /// Will also remove the POSIX segment and semaphore called `name`.
    pub fn and_name(self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref().trim_start_matches('/');
        let folder = Path::new(POSIX_FOLDER);
        self.and_path(folder.join(name))
            .and_path(folder.join(format!("sem.{name}")))
    }

    /// Will also remove the file `path`.
    pub fn and_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Will also remove the System V segment and semaphores whose key `ftok` makes of `path` and
    /// `id`, and the file `path`.
    ///
    /// The key is computed now if the file exists, and again at the drop.
    pub fn and_system_v(mut self, path: impl Into<PathBuf>, id: u8) -> Self {
        let path = path.into();
        let keys = ftok(&path, id).into_iter().collect();
        self.system_v.push(SystemV { path, id, keys });
        self
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        for object in &self.system_v {
            let now = ftok(&object.path, object.id);
            for &key in object.keys.iter().chain(now.as_ref()) {
                remove_system_v(key);
            }
            _ = fs::remove_file(&object.path);
        }
        for path in &self.paths {
            _ = fs::remove_file(path);
        }
    }
}

/// A key file, its project id, and the System V keys that they have had.
#[derive(Debug)]
struct SystemV {
    path: PathBuf,
    id: u8,
    keys: Vec<u32>,
}

/// The System V key of a file and a project id, as the C library computes it on Linux.
#[cfg(unix)]
fn ftok(path: &Path, id: u8) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let file = fs::metadata(path).ok()?;
    let [inode, device] = [file.ino() & 0xffff, file.dev() & 0xff].map(|part| part as u32);
    Some(inode | device << 16 | u32::from(id) << 24)
}

#[cfg(not(unix))]
fn ftok(_path: &Path, _id: u8) -> Option<u32> {
    None
}

/// Removes the segment and the semaphores with this key, if `/proc` lists them.
fn remove_system_v(key: u32) {
    for (kind, option) in [("shm", "-M"), ("sem", "-S")] {
        let list = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
        // The first column is the key as a signed decimal number.
        let listed = (key as i32).to_string();
        if list
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&listed))
        {
            let ipcrm = Command::new("ipcrm")
                .args([option, &format!("{key:#x}")])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status();
            drop(ipcrm);
        }
    }
}

/// A folder for one test, removed with everything in it when dropped.
#[derive(Debug)]
#[must_use = "the folder is removed when dropped"]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty folder in the system's temporary one.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[expect(
        clippy::new_without_default,
        reason = "making a folder is more than a default value"
    )]
    pub fn new() -> Self {
        Self::in_directory(std::env::temp_dir())
    }

    /// Makes an empty folder in the memory file system.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn in_memory() -> Self {
        Self::in_directory("/dev/shm")
    }

    fn in_directory(directory: impl AsRef<Path>) -> Self {
        let path = directory.as_ref().join(unique_name());
        fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot make {path:?}: {error}"));
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` in the folder.
    #[must_use]
    pub fn join(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.join(name.as_ref())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_fit_every_system() {
        let [one, two] = [unique_name(), unique_name()];
        assert_ne!(one, two);
        assert!(one.starts_with("shmkit-test-"), "{one}");
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "{one}"
        );
    }

    #[test]
    fn cleanup_removes_also_by_a_panic() {
        let folder = Scratch::new();
        let path = folder.join("left");
        fs::write(&path, "").unwrap();
        let cleanup = Cleanup::path(&path);
        std::panic::catch_unwind(move || {
            let _cleanup = cleanup;
            std::panic::resume_unwind(Box::new(()));
        })
        .unwrap_err();
        assert!(!path.exists());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cleanup_removes_the_segment_and_the_semaphore() {
        let name = unique_name();
        let [segment, semaphore] = [
            format!("{POSIX_FOLDER}/{name}"),
            format!("{POSIX_FOLDER}/sem.{name}"),
        ];
        fs::write(&segment, "").unwrap();
        fs::write(&semaphore, "").unwrap();
        drop(Cleanup::new(format!("/{name}")));
        assert!(!Path::new(&segment).exists());
        assert!(!Path::new(&semaphore).exists());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cleanup_removes_system_v_objects() {
        let folder = Scratch::new();
        let path = folder.join("key");
        fs::write(&path, "").unwrap();
        let key = ftok(&path, b'Q').unwrap();
        let listed = || {
            let list = fs::read_to_string("/proc/sysvipc/shm").unwrap();
            list.lines()
                .any(|line| line.trim_start().starts_with(&format!("{} ", key as i32)))
        };
        // Only a process that asks the system itself can make one with a given key.
        let code = "import ctypes, sys; sys.exit(ctypes.CDLL(None).shmget(int(sys.argv[1]), 4096, 0o1600) < 0)";
        let made = Command::new("python3")
            .args(["-c", code, &(key as i32).to_string()])
            .status();
        assert!(made.unwrap().success());
        assert!(listed());
        drop(Cleanup::default().and_system_v(&path, b'Q'));
        assert!(!listed());
        assert!(!path.exists());
    }

    #[test]
    fn a_scratch_folder_goes_with_its_files() {
        let folder = Scratch::new();
        fs::write(folder.join("file"), "text").unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
