//! What a segment and its lock leave in the kernel and in the file system while they exist.

use std::fmt;
use std::path::PathBuf;

use shmkit::key::NativeIpcKey;
#[cfg(target_os = "linux")]
use shmkit::key::{KeyRules, KeyType, ProjectId};

/// One thing that can be found without any help of the library.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux shows such things")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    File(PathBuf),
    /// A line of a table under `/proc/sysvipc` with this key.
    SystemV {
        table: &'static str,
        key: i32,
    },
}

impl Trace {
    pub(crate) fn exists(&self) -> bool {
        match self {
            // Not followed: a link would be a trace as well.
            Self::File(path) => path.symlink_metadata().is_ok(),
            Self::SystemV { table, key } => {
                std::fs::read_to_string(format!("/proc/sysvipc/{table}")).is_ok_and(|lines| {
                    let key = key.to_string();
                    lines
                        .lines()
                        .any(|line| line.split_whitespace().next() == Some(&key))
                })
            }
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::SystemV { table, key } => write!(f, "{table} {key:#010x}"),
        }
    }
}

/// What there is of a segment that exists, and of its lock.
#[cfg(target_os = "linux")]
pub(crate) fn of(segment: &NativeIpcKey) -> Vec<Trace> {
    let lock = KeyRules::of_this_process().semaphore_key(segment);
    let mut traces: Vec<_> = match segment.key_type() {
        KeyType::PosixRealtime => [(segment, ""), (&lock, "sem.")]
            .into_iter()
            .map(|(key, prefix)| {
                let name = key.native_key().trim_start_matches('/');
                Trace::File(format!("/dev/shm/{prefix}{name}").into())
            })
            .collect(),
        KeyType::SystemV(project) => [(segment, "shm"), (&lock, "sem")]
            .into_iter()
            .flat_map(|(key, table)| system_v(key, project, table))
            .collect(),
        KeyType::Windows => Vec::new(),
    };
    traces.retain(Trace::exists);
    traces
}

/// Other systems do not show them: what is left there is what can still be attached to.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(_segment: &NativeIpcKey) -> Vec<Trace> {
    Vec::new()
}

/// The key file, and what the kernel has under the key that ftok(3) makes of it.
#[cfg(target_os = "linux")]
fn system_v(key: &NativeIpcKey, project: ProjectId, table: &'static str) -> Vec<Trace> {
    use std::os::unix::fs::MetadataExt as _;
    let path = PathBuf::from(key.native_key());
    let Ok(file) = path.metadata() else {
        return Vec::new();
    };
    let [device, inode] = [file.dev() as i32 & 0xff, file.ino() as i32 & 0xffff];
    let key = i32::from(project.get()) << 24 | device << 16 | inode;
    vec![Trace::SystemV { table, key }, Trace::File(path)]
}
