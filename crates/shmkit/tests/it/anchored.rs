//! What is left behind where POSIX segments are objects with anchors beside them, as on macOS and
//! FreeBSD.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use shmkit::inspect::{self, Kind, State};
use shmkit::reaper::{LeftoverKind, Reaper, Report};
use shmkit::{Lifetime, SharedMemory};
use shmkit_testkit::{Cleanup, spawn, unique_name};

use crate::support::TestKey;

/// Where this user's anchors and lock files lie.
fn directory() -> PathBuf {
    let user = fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me));
    Path::new("/var/tmp").join(format!("shmkit-locks-{}", user.unwrap()))
}

/// The anchors that have this in their names.
fn anchors(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.to_string_lossy().contains(name))
        .collect()
}

fn kinds(report: &Report) -> Vec<(LeftoverKind, &'static str)> {
    let each = report.leftovers.iter();
    each.map(|this| (this.kind, this.outcome.name())).collect()
}

fn reap(name: &str) -> Report {
    let mut reaper = Reaper::new();
    reaper.name(&format!("*{name}*")).unwrap();
    reaper.reap().unwrap()
}

#[test]
fn an_orphan_goes_with_its_anchors() {
    let key = TestKey::posix();
    let name = &key.native_key()[1..];
    let mut holder = spawn("crash::role_create_and_hold", key.to_string());
    holder.expect("locked");
    assert_eq!(anchors(name).len(), 2, "the segment's and the lock's");
    assert_eq!(reap(name).count(), 0, "it is in use");
    holder.kill();
    assert_eq!(inspect::info(&key).unwrap().state, State::Orphan);
    let removed = [
        (LeftoverKind::Segment, "removed"),
        (LeftoverKind::Lock, "removed"),
    ];
    assert_eq!(kinds(&reap(name)), removed);
    assert_eq!(anchors(name), Vec::<PathBuf>::new());
    assert_eq!(key.traces(), Vec::<String>::new());
}

#[test]
fn a_lock_stays_while_somebody_has_it_open() {
    let key = TestKey::posix();
    let name = &key.native_key()[1..];
    let segment = SharedMemory::create(&key, 1).unwrap();
    drop(segment.lock().unwrap());
    // As a program without shmkit takes the segment's name away.
    fs::remove_file(format!("/dev/shm{}", key.native_key())).unwrap();
    assert_eq!(reap(name).count(), 0);
    drop(segment);
    assert_eq!(reap(name).count(), 0, "its last user took all along");
    assert_eq!(anchors(name), Vec::<PathBuf>::new());
}

#[test]
fn a_foreign_segment_is_known_by_its_key_and_goes_by_its_name_only() {
    let key = TestKey::posix();
    let name = &key.native_key()[1..];
    let path = format!("/dev/shm{}", key.native_key());
    fs::write(&path, "another program's").unwrap();
    let info = inspect::info(&key).unwrap();
    assert_eq!(
        (info.state, info.kind, info.size),
        (State::Unknown, Kind::Unknown, 17)
    );
    assert_eq!(info.lifetime, Lifetime::Kept);
    assert_eq!(reap(name).count(), 0);
    let named = || Reaper::new().key(key.clone()).reap().unwrap();
    // Who attaches to it with shmkit is seen from then on.
    let attached = SharedMemory::attach(&key).unwrap();
    assert_eq!(kinds(&named()), [(LeftoverKind::Segment, "in use")]);
    drop(attached);
    assert_eq!(reap(name).count(), 0);
    assert_eq!(kinds(&named()), [(LeftoverKind::Segment, "removed")]);
    assert!(!fs::exists(&path).unwrap());
    assert_eq!(anchors(name), Vec::<PathBuf>::new());
}

/// Everybody may put files into the directory, and nobody else's say what its owner has left.
#[test]
fn an_anchor_of_another_user_is_none() {
    let key = TestKey::posix();
    let name = &key.native_key()[1..];
    let mut holder = spawn("crash::role_create_and_hold", key.to_string());
    holder.expect("locked");
    holder.kill();
    let anchors = anchors(name);
    let give_to = |user| {
        for anchor in &anchors {
            std::os::unix::fs::chown(anchor, Some(user), None).unwrap();
        }
    };
    give_to(12345);
    assert_eq!(reap(name).count(), 0);
    let listed = || inspect::list().unwrap().into_iter();
    assert!(!listed().any(|info| info.key.as_ref() == Some(&key.key)));
    give_to(0);
    assert!(listed().any(|info| info.key.as_ref() == Some(&key.key)));
    assert_eq!(reap(name).count(), 2);
}

#[test]
fn what_else_a_crash_leaves_in_the_directory_goes() {
    // The directory is there.
    drop(SharedMemory::create(&TestKey::posix(), 1).unwrap());
    let name = unique_name();
    let file = |name: &str, age: u64| {
        let path = directory().join(name);
        let file = File::create(&path).unwrap();
        let then = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(then).unwrap();
        (Cleanup::path(&path), path)
    };
    // No process has so high a number, and init runs.
    let (_cleanup, left) = file(&format!(".shmkit-99999999-{name}"), 120);
    let (_cleanup, young) = file(&format!(".shmkit-99999999-{name}-1"), 0);
    let (_cleanup, alive) = file(&format!(".shmkit-1-{name}"), 120);
    let (_cleanup, other) = file(&format!("{name}-7"), 120);
    let report = reap(&name);
    assert_eq!(
        kinds(&report),
        [(LeftoverKind::Temporary, "removed")],
        "{report:?}"
    );
    assert!(!left.exists() && young.exists() && alive.exists() && other.exists());

    // Nothing has this inode.
    let (_cleanup, locks) = file("ffffffff-fffffffffffff", 0);
    assert_eq!(
        kinds(&reap("ffffffff-fffffffffffff")),
        [(LeftoverKind::Temporary, "removed")]
    );
    assert!(!locks.exists());
}
