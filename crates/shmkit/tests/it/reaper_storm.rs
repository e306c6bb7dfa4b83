//! Reaping while programs start, work, and are killed: what somebody uses is never removed, and
//! what nobody uses any more never stays.
//!
//! `SHMKIT_TEST_CHANCES=100000 cargo test -p shmkit --test it reaper_storm` takes as many chances
//! for each type of key; usually there are fewer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::{env, fs};

use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::reaper::{LeftoverKind, Outcome, Reaper, Report};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{Cleanup, PATIENCE, deadline, launch, role, role_command, spawn, under};

use crate::support::{LONG, TestKey, for_every_key};

for_every_key!(nothing_in_use_is_removed_and_nothing_stays);

/// How often a worker has a segment in use while reapers look for something to remove.
fn chances() -> u64 {
    let number = env::var("SHMKIT_TEST_CHANCES").ok();
    number.map_or(1000, |number| number.parse().expect("a number"))
}

/// A worker tells of so many chances at once.
const AT_ONCE: u64 = 50;

/// Uses the segment again and again, and looks each time whether it was taken away meanwhile.
#[test]
#[ignore = "child role"]
fn role_use_again_and_again() {
    let Some(me) = role() else { return };
    let shared: NativeIpcKey = me.arg().parse().unwrap();
    let own = |what: &str| {
        let name = format!("{}-{}-{what}", shared.native_key(), std::process::id());
        NativeIpcKey::new(name, shared.key_type())
    };
    // It is held for all of its life, and so is certain to be left behind.
    let _held = SharedMemory::create(&own("held"), 4096).unwrap();
    let key = match shared.key_type() {
        KeyType::PosixRealtime => shared.clone(),
        // Here it is alone with the reapers.
        _ => own("used"),
    };
    for turn in 0_u64.. {
        let segment = SharedMemory::create_or_attach(&key, 4096).unwrap();
        let other = match SharedMemory::attach(&key) {
            Ok(other) => other,
            Err(error) => return me.say(format_args!("its name was removed: {error}")),
        };
        // The same memory: what is written to one is in the other.
        let place = usize::from(turn % 2 == 0) * 8 + std::process::id() as usize % 64 * 16;
        segment.write_at(place, &turn.to_le_bytes()).unwrap();
        let mut seen = [0; 8];
        other.read_at(place, &mut seen).unwrap();
        if u64::from_le_bytes(seen) != turn {
            return me.say("its name leads to another segment");
        }
        if turn % 4 == 0 {
            let guard = segment.lock_timeout(LONG).unwrap().assume_recovered();
            match other.try_lock() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return me.say("its lock was removed"),
            }
            drop(guard);
        }
        if turn % AT_ONCE == AT_ONCE - 1 {
            me.say("used");
        }
    }
}

fn nothing_in_use_is_removed_and_nothing_stays(key: TestKey) {
    if key.key_type() == KeyType::PosixRealtime {
        return storm(&key);
    }
    // A worker that dies between the removal of a key file and that of its set leaves a set to which
    // no key leads, and which nobody can tell from one in use. They go with the namespace.
    let scene = role_command("reaper_storm::role_storm", key.to_string());
    let mut scene = launch(under(["unshare", "--ipc"], scene));
    let end = scene.line_within(PATIENCE * 20);
    assert_eq!(end.as_deref(), Some("over"));
    scene.finish();
}

#[test]
#[ignore = "child role"]
fn role_storm() {
    let Some(me) = role() else { return };
    let key = me.arg().parse().unwrap();
    storm(&TestKey::of(key, Cleanup::default()));
    me.say("over");
}

fn storm(key: &TestKey) {
    let _watchdog = deadline(PATIENCE * 20);
    let wanted = chances();
    let [taken, lives, reaped] = [0, 0, 0].map(AtomicU64::new);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=3_u64)
            .map(|seed| {
                let (taken, lives) = (&taken, &lives);
                scope.spawn(move || {
                    let mut random = seed * 7;
                    while taken.load(Ordering::Relaxed) < wanted {
                        let role = "reaper_storm::role_use_again_and_again";
                        let mut worker = spawn(role, key.to_string());
                        // It dies anywhere, after more or less work.
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        for _ in 0..=(random >> 33) % 6 {
                            worker.expect("used");
                            taken.fetch_add(AT_ONCE, Ordering::Relaxed);
                        }
                        worker.kill();
                        lives.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let reapers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let report = reaper_of(key).reap().unwrap();
                        reaped.fetch_add(orphans(&report), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        let reapers = reapers.into_iter().map(|reaper| reaper.join());
        for end in ends.into_iter().chain(reapers) {
            end.unwrap();
        }
    });
    // Two that ask at the same moment see each other, and the last one may have died since.
    let objects = key.kernel_objects();
    for _ in 0..2 {
        reaped.fetch_add(orphans(&reaper_of(key).reap().unwrap()), Ordering::Relaxed);
    }
    assert_eq!(traces(key), Vec::<String>::new());
    assert_eq!(crate::support::still_in_kernel(&objects), []);
    let [lives, reaped] = [lives, reaped].map(AtomicU64::into_inner);
    assert!(
        reaped >= lives,
        "{lives} workers left an orphan, and {reaped} were reaped"
    );
}

/// How many segments were removed.
fn orphans(report: &Report) -> u64 {
    let removed = report.leftovers.iter().filter(|leftover| {
        assert!(
            !matches!(leftover.outcome, Outcome::Failed(_)),
            "{leftover:?}"
        );
        leftover.kind == LeftoverKind::Segment
    });
    removed.count() as u64
}

/// Every file that has to do with the key, or with that of a worker.
fn traces(key: &TestKey) -> Vec<String> {
    let native = Path::new(key.native_key());
    let folder = match key.key_type() {
        KeyType::PosixRealtime => Path::new("/dev/shm"),
        _ => native.parent().unwrap(),
    };
    let name = native.file_name().unwrap().to_str().unwrap();
    let all = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let all = all.map(|name| name.into_string().unwrap());
    let mut traces: Vec<String> = all.filter(|found| found.contains(name)).collect();
    traces.extend(key.traces());
    traces
}

/// A reaper of what has to do with the key, or with that of a worker.
fn reaper_of(key: &TestKey) -> Reaper {
    let mut reaper = Reaper::new();
    for name in [
        key.legacy_key().unwrap_or(key.native_key()),
        key.native_key(),
    ] {
        let name = name.rsplit('/').next().unwrap();
        reaper.name(&format!("*{name}*")).unwrap();
    }
    reaper
}
