//! What the reaper removes, and what it never does.
#![cfg_attr(
    shmkit_force_portable,
    allow(unused_imports, reason = "for tests that are not built")
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};
use shmkit::qt::{AccessMode, QSystemSemaphore};
use shmkit::reaper::{LeftoverKind, Outcome, Reaper, Report};
use shmkit::{ErrorKind, Lifetime, SharedMemory};
use shmkit_testkit::{Child, Cleanup, Scratch, spawn, unique_name};

use crate::support::{TestKey, for_every_key};

for_every_key!(
    an_orphan_goes_with_all_that_belongs_to_it,
    a_segment_in_use_stays,
    a_kept_segment_stays_unless_it_is_named,
    a_young_orphan_stays_if_only_old_ones_are_wanted,
);

/// A reaper of nothing but this key's.
fn reaper_of(key: &TestKey) -> Reaper {
    let mut reaper = Reaper::new();
    // Its first bytes are random enough not to be a pattern's special ones.
    let name = key.legacy_key().unwrap_or(key.native_key());
    for name in [name, key.native_key()] {
        let name = name.rsplit('/').next().unwrap();
        reaper.name(&format!("*{name}")).unwrap();
    }
    reaper
}

fn kinds(report: &Report) -> Vec<(LeftoverKind, &'static str)> {
    let each = report.leftovers.iter();
    each.map(|this| (this.kind, this.outcome.name())).collect()
}

fn holder(key: &NativeIpcKey) -> Child {
    let mut holder = spawn("crash::role_create_and_hold", key.to_string());
    holder.expect("locked");
    holder
}

fn an_orphan_goes_with_all_that_belongs_to_it(key: TestKey) {
    holder(&key).kill();
    let objects = key.kernel_objects();
    let preview = reaper_of(&key).preview().unwrap();
    assert!(
        kinds(&preview).contains(&(LeftoverKind::Segment, "found")),
        "{preview:?}"
    );
    assert!(preview.bytes() >= 4096, "{preview:?}");
    assert!(!key.traces().is_empty(), "a preview removes nothing");

    let report = reaper_of(&key).reap().unwrap();
    assert!(
        kinds(&report).contains(&(LeftoverKind::Segment, "removed")),
        "{report:?}"
    );
    assert!(report.bytes() >= 4096);
    // The key file of a legacy lock is one more.
    let rest = reaper_of(&key).reap().unwrap();
    assert_eq!(key.traces(), Vec::<String>::new(), "{report:?} {rest:?}");
    assert_eq!(crate::support::still_in_kernel(&objects), []);
    assert_eq!(reaper_of(&key).preview().unwrap().count(), 0);
}

/// How often a segment in use is looked at. Without leases each is a look at all processes, and without
/// a table of System V objects at all numbers of projects.
const ROUNDS: usize = if cfg!(any(shmkit_force_fallbacks, shmkit_force_portable)) {
    10
} else {
    100
};

fn a_segment_in_use_stays(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    segment.write_at(0, b"data").unwrap();
    let mut other = spawn("crash::role_wait_for_the_lock", key.to_string());
    other.expect("waiting");
    for _ in 0..ROUNDS {
        assert_eq!(reaper_of(&key).reap().unwrap().count(), 0);
    }
    let named = Reaper::new().key(key.clone()).reap().unwrap();
    assert_eq!(kinds(&named), [(LeftoverKind::Segment, "in use")]);
    let again = SharedMemory::attach(&key).unwrap();
    let mut data = [0; 4];
    again.read_at(0, &mut data).unwrap();
    assert_eq!(&data, b"data");
    other.kill();
}

fn a_kept_segment_stays_unless_it_is_named(key: TestKey) {
    let mut options = SharedMemory::options();
    options.size(4096).lifetime(Lifetime::Kept);
    drop(options.create(&key).unwrap());
    assert_eq!(reaper_of(&key).reap().unwrap().count(), 0);
    assert!(SharedMemory::attach(&key).is_ok());

    let named = Reaper::new().key(key.clone()).preview().unwrap();
    assert_eq!(named.leftovers[0].outcome.name(), "found");
    let named = Reaper::new().key(key.clone()).reap().unwrap();
    assert_eq!(named.leftovers[0].outcome.name(), "removed", "{named:?}");
    let gone = SharedMemory::attach(&key).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let again = Reaper::new().key(key.clone()).reap().unwrap();
    let Outcome::Failed(error) = &again.leftovers[0].outcome else {
        panic!("{again:?}");
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn a_young_orphan_stays_if_only_old_ones_are_wanted(key: TestKey) {
    holder(&key).kill();
    let mut reaper = reaper_of(&key);
    reaper.older_than(Duration::from_secs(3600));
    assert_eq!(reaper.reap().unwrap().count(), 0);
    reaper.older_than(Duration::ZERO).owner(u32::MAX - 1);
    assert_eq!(reaper.reap().unwrap().count(), 0);
    assert_ne!(reaper_of(&key).reap().unwrap().count(), 0);
}

/// Another process that has a file open, which is not told everywhere. Without leases a descriptor of this process would count as
/// one of those who ask.
#[cfg(not(shmkit_force_portable))]
struct OpenElsewhere(std::process::Child);

#[cfg(not(shmkit_force_portable))]
impl OpenElsewhere {
    /// Opens the file as the shell's `redirection` says.
    fn new(redirection: &str, path: &Path) -> Self {
        let script = format!("exec 3{redirection}\"$0\"; echo open; read line");
        let mut shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .arg(path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 5];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut word).unwrap();
        assert_eq!(&word, b"open\n");
        Self(shell)
    }
}

#[cfg(not(shmkit_force_portable))]
impl Drop for OpenElsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn a_foreign_segment_that_nobody_uses_stays_unless_it_is_named() {
    let key = TestKey::posix();
    let path = PathBuf::from(format!("/dev/shm{}", key.native_key()));
    fs::write(&path, "another program's").unwrap();
    assert_eq!(reaper_of(&key).reap().unwrap().count(), 0);
    let open = OpenElsewhere::new("<", &path);
    let named = || Reaper::new().key(key.clone()).reap().unwrap();
    assert_eq!(kinds(&named()), [(LeftoverKind::Segment, "in use")]);
    assert!(path.exists());
    drop(open);
    assert_eq!(kinds(&named()), [(LeftoverKind::Segment, "removed")]);
    assert!(!path.exists());
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn a_lock_without_segment_goes_unless_somebody_has_it_open() {
    let key = TestKey::posix();
    let path = PathBuf::from(format!("/dev/shm/sem.{}", &key.native_key()[1..]));
    let segment = SharedMemory::create(&key, 1).unwrap();
    drop(segment.lock().unwrap());
    fs::remove_file(format!("/dev/shm{}", key.native_key())).unwrap();
    assert_eq!(reaper_of(&key).reap().unwrap().count(), 0, "it is open");
    // As a crash leaves it: without an end of its handle.
    let left = fs::read(&path).unwrap();
    drop(segment);
    fs::write(&path, left).unwrap();
    let mark = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mark(0o600);
    assert_eq!(reaper_of(&key).reap().unwrap().count(), 0, "it may be Qt's");
    mark(0o1600);
    let report = reaper_of(&key).reap().unwrap();
    assert_eq!(kinds(&report), [(LeftoverKind::Lock, "removed")]);
    assert!(!path.exists());
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn half_made_files_go_with_their_makers() {
    let name = format!(".shmkit-{}", unique_name());
    let path = PathBuf::from("/dev/shm").join(&name);
    let _cleanup = Cleanup::path(&path);
    let mut reaper = Reaper::new();
    reaper.name(&name).unwrap();
    let maker = OpenElsewhere::new(">", &path);
    assert_eq!(reaper.reap().unwrap().count(), 0, "its maker lives");
    drop(maker);
    let report = reaper.reap().unwrap();
    assert_eq!(kinds(&report), [(LeftoverKind::Temporary, "removed")]);

    // One that got its name is in use under that, and only the first name goes.
    let published = format!("/dev/shm/{}", unique_name());
    let _cleanup = Cleanup::path(&path).and_path(&published);
    let user = fs::File::create(&path).unwrap();
    fs::hard_link(&path, &published).unwrap();
    let report = reaper.reap().unwrap();
    assert_eq!(kinds(&report), [(LeftoverKind::Temporary, "removed")]);
    assert_eq!(report.bytes(), 0, "nothing is freed");
    assert!(fs::exists(&published).unwrap());
    drop(user);
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn key_files_of_nothing_go() {
    let path = std::env::temp_dir().join(unique_name());
    let _cleanup = Cleanup::default().and_system_v(&path, b'Q');
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut reaper = Reaper::new();
    reaper.name(name).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(reaper.reap().unwrap().count(), 0, "it has no mark");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o1640)).unwrap();
    let open = OpenElsewhere::new("<", &path);
    assert_eq!(reaper.reap().unwrap().count(), 0, "somebody has it open");
    drop(open);
    let key = NativeIpcKey::new(path.to_str().unwrap(), KeyType::SYSTEM_V);
    let segment = SharedMemory::create(&key, 1).unwrap();
    assert_eq!(reaper.reap().unwrap().count(), 0, "a segment is made of it");
    drop(segment);
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o1640)).unwrap();
    let report = reaper.reap().unwrap();
    assert_eq!(kinds(&report), [(LeftoverKind::KeyFile, "removed")]);
    assert!(!path.exists());
}

/// A name may begin like Qt's legacy ones and be another: then segment and lock have one key file.
#[test]
fn an_orphan_stays_as_long_as_somebody_has_its_lock() {
    let name = unique_name();
    let legacy = KeyRules::of_this_process().legacy_key(Role::Segment, &name, KeyType::SYSTEM_V);
    let folder = std::env::temp_dir();
    for path in [
        folder.join(&name),
        folder.join(format!("qipc_sharedmemory_{name}")),
        legacy.native_key().into(),
    ] {
        let cleanup = Cleanup::default().and_system_v(&path, b'Q');
        let key = NativeIpcKey::new(path.to_str().unwrap(), KeyType::SYSTEM_V);
        let key = TestKey::of(key, cleanup);
        holder(&key).kill();
        let lock = QSystemSemaphore::with_native_key(&key.key.clone().into(), 1, AccessMode::Open);
        assert!(lock.acquire(), "{}", lock.error_string());
        let report = reaper_of(&key).reap().unwrap();
        assert_eq!(kinds(&report), [], "{report:?}");
        assert!(lock.release(1), "{}", lock.error_string());
        let report = reaper_of(&key).reap().unwrap();
        assert_eq!(kinds(&report), [(LeftoverKind::Segment, "removed")]);
        drop(lock);
        assert_eq!(key.traces(), Vec::<String>::new());
    }
}

#[test]
fn what_is_no_pattern_is_an_error() {
    let error = Reaper::new().name("[").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    assert!(error.to_string().contains("pattern"), "{error}");
}

/// Directories and links that have a segment's name are left alone.
#[cfg(not(shmkit_force_portable))]
#[test]
fn what_is_no_segment_stays() {
    let scratch = Scratch::new();
    let key = TestKey::posix();
    let path = format!("/dev/shm{}", key.native_key());
    std::os::unix::fs::symlink(scratch.path(), &path).unwrap();
    assert_eq!(reaper_of(&key).reap().unwrap().count(), 0);
    let report = Reaper::new().key(key.clone()).reap().unwrap();
    assert_eq!(report.leftovers[0].outcome.name(), "failed");
    assert!(scratch.path().exists() && fs::symlink_metadata(path).is_ok());
}
