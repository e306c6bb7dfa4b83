//! What the tests here share: keys of every type that clean up after themselves.

use std::time::Duration;

use shmkit::key::NativeIpcKey;
#[cfg(unix)]
use shmkit::key::{KeyRules, KeyType, Role};
use shmkit_testkit::{Cleanup, unique_name};

/// How large a segment is that was made with this size.
pub(crate) fn size_of_segment(size: usize) -> usize {
    match cfg!(windows) {
        true => size.next_multiple_of(4096),
        false => size,
    }
}

/// Longer than anything here takes; the end of a wait that should never end so.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Short enough to wait for in vain.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// A key that nothing else has, whose traces are removed when it is dropped.
pub(crate) struct TestKey {
    pub(crate) key: NativeIpcKey,
    _cleanup: Cleanup,
}

impl std::ops::Deref for TestKey {
    type Target = NativeIpcKey;

    fn deref(&self) -> &NativeIpcKey {
        &self.key
    }
}

impl TestKey {
    /// This key, and what removes its traces.
    #[cfg_attr(
        shmkit_force_portable,
        allow(dead_code, reason = "for tests that are not built")
    )]
    pub(crate) fn of(key: NativeIpcKey, _cleanup: Cleanup) -> Self {
        Self { key, _cleanup }
    }

    /// `windows:shm_NAME`. What is made of it goes with the processes that use it.
    #[cfg(windows)]
    pub(crate) fn windows() -> Self {
        let key = NativeIpcKey::platform_safe(&unique_name());
        Self::of(key, Cleanup::default())
    }

    /// `windows:qipc_sharedmemory_...?legacyKey=NAME`.
    #[cfg(windows)]
    pub(crate) fn windows_legacy() -> Self {
        Self::of(NativeIpcKey::legacy(&unique_name()), Cleanup::default())
    }

    /// A key of the type that this system has for locks that know their owner's death.
    pub(crate) fn named() -> Self {
        #[cfg(unix)]
        return Self::posix();
        #[cfg(windows)]
        return Self::windows();
    }

    /// `posix:/NAME`.
    #[cfg(unix)]
    pub(crate) fn posix() -> Self {
        let name = unique_name();
        Self {
            key: NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime),
            _cleanup: Cleanup::new(name),
        }
    }

    /// `systemv:/tmp/NAME`: one key file for the segment and its lock.
    #[cfg(unix)]
    pub(crate) fn system_v() -> Self {
        let path = std::env::temp_dir().join(unique_name());
        let _cleanup = Cleanup::default().and_system_v(&path, b'Q');
        Self {
            key: NativeIpcKey::new(path.to_str().unwrap(), KeyType::SYSTEM_V),
            _cleanup,
        }
    }

    /// `systemv:/tmp/qipc_sharedmemory_...?legacyKey=NAME`: two key files.
    #[cfg(unix)]
    pub(crate) fn system_v_legacy() -> Self {
        let (rules, name) = (KeyRules::of_this_process(), unique_name());
        let key = rules.legacy_key(Role::Segment, &name, KeyType::SYSTEM_V);
        let lock = rules.semaphore_key(&key);
        let _cleanup = Cleanup::default()
            .and_system_v(key.native_key(), b'Q')
            .and_system_v(lock.native_key(), b'Q');
        Self { key, _cleanup }
    }

    /// `posix:/qipc_sharedmemory_...?legacyKey=NAME`.
    #[cfg(unix)]
    pub(crate) fn posix_legacy() -> Self {
        let (rules, name) = (KeyRules::of_this_process(), unique_name());
        let key = rules.legacy_key(Role::Segment, &name, KeyType::PosixRealtime);
        let lock = rules.semaphore_key(&key);
        let _cleanup = Cleanup::new(key.native_key()).and_name(lock.native_key());
        Self { key, _cleanup }
    }

    /// Everything that exists of this key: the segment itself. Empty when nothing was left behind.
    #[cfg(windows)]
    pub(crate) fn traces(&self) -> Vec<String> {
        match shmkit::inspect::info(&self.key) {
            Ok(found) => vec![found.place.to_string()],
            Err(error) if error.kind() == shmkit::ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Everything that exists of this key: names in the memory file system, key files. Empty when
    /// nothing was left behind.
    #[cfg(unix)]
    pub(crate) fn traces(&self) -> Vec<String> {
        let lock = KeyRules::of_this_process().semaphore_key(&self.key);
        let mut paths: Vec<String> = match self.key.key_type() {
            KeyType::PosixRealtime => vec![
                format!("/dev/shm{}", self.key.native_key()),
                format!("/dev/shm/sem.{}", &lock.native_key()[1..]),
            ],
            _ => vec![
                self.key.native_key().to_owned(),
                lock.native_key().to_owned(),
            ],
        };
        paths.dedup();
        paths.retain(|path| std::fs::symlink_metadata(path).is_ok());
        paths
    }

    /// Windows has no objects that outlive their users.
    #[cfg(windows)]
    pub(crate) fn kernel_objects(&self) -> Vec<KernelObject> {
        Vec::new()
    }

    /// The System V objects of this key that the kernel has now. Call it while the key files
    /// exist.
    #[cfg(unix)]
    pub(crate) fn kernel_objects(&self) -> Vec<KernelObject> {
        use std::os::linux::fs::MetadataExt;
        let lock = KeyRules::of_this_process().semaphore_key(&self.key);
        let keys: Vec<i64> = [self.key.native_key(), lock.native_key()]
            .iter()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|file| {
                let key = i64::from(b'Q') << 24
                    | ((file.st_dev() & 0xff) << 16) as i64
                    | (file.st_ino() & 0xffff) as i64;
                i64::from(key as i32)
            })
            .collect();
        let mut objects = kernel_objects();
        objects.retain(|object| keys.contains(&object.key));
        objects
    }
}

/// A System V segment or set of semaphores. The id tells it from one that gets the same key later,
/// as happens when another file gets the inode of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelObject {
    table: &'static str,
    key: i64,
    id: i64,
}

#[cfg(windows)]
fn kernel_objects() -> Vec<KernelObject> {
    Vec::new()
}

#[cfg(unix)]
fn kernel_objects() -> Vec<KernelObject> {
    let mut objects = Vec::new();
    for table in ["shm", "sem"] {
        let text = std::fs::read_to_string(format!("/proc/sysvipc/{table}")).unwrap();
        objects.extend(text.lines().skip(1).map(|line| {
            let mut numbers = line
                .split_whitespace()
                .map(|word| word.parse().unwrap_or(-1));
            let mut next = || numbers.next().unwrap_or(-1);
            let (key, id) = (next(), next());
            KernelObject { table, key, id }
        }));
    }
    objects
}

/// Which of these objects the kernel still has.
pub(crate) fn still_in_kernel(objects: &[KernelObject]) -> Vec<KernelObject> {
    let mut still = kernel_objects();
    still.retain(|object| objects.contains(object));
    still
}

/// Runs each test function once for every type of key.
#[cfg(unix)]
macro_rules! for_every_key {
    ($($(#[$attribute:meta])? $test:ident),+ $(,)?) => {
        mod posix { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::posix()); })+ }
        mod posix_legacy { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::posix_legacy()); })+ }
        mod system_v { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::system_v()); })+ }
        mod system_v_legacy { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::system_v_legacy()); })+ }
    };
}
#[cfg(windows)]
macro_rules! for_every_key {
    ($($(#[$attribute:meta])? $test:ident),+ $(,)?) => {
        mod windows { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::windows()); })+ }
        mod windows_legacy { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::support::TestKey::windows_legacy()); })+ }
    };
}
pub(crate) use for_every_key;
