//! What a System V segment and a counting semaphore leave behind whose user is killed: what a reaper
//! finds, and nothing else.

use std::fs;
use std::path::Path;

use shmkit::fault;
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};
use shmkit::qt::{AccessMode, QNativeIpcKey, QSystemSemaphore};
use shmkit::reaper::Reaper;
use shmkit::{InUse, SharedMemory};
use shmkit_testkit::{self as testkit, Scratch, under};

use crate::cast::{Context, Victim, died, every_point, order};

/// During what a process dies.
struct Life {
    name: &'static str,
    act: fn(&NativeIpcKey, &Victim),
}

const LIVES: &[Life] = &[
    Life {
        name: "create, lock and leave",
        act: |key, me| {
            me.is_ready();
            let segment = SharedMemory::create(key, 4096).unwrap();
            drop(segment.lock().unwrap());
            _ = segment.detach().unwrap();
        },
    },
    Life {
        name: "leave as the last of two",
        act: |key, me| {
            let segment = SharedMemory::create(key, 4096).unwrap();
            let other = SharedMemory::attach(key).unwrap();
            drop(other.lock().unwrap());
            me.is_ready();
            _ = segment.detach().unwrap();
            _ = other.detach().unwrap();
        },
    },
    Life {
        name: "remove by name",
        act: |key, me| {
            let segment = SharedMemory::create(key, 4096).unwrap();
            drop(segment.lock().unwrap());
            me.is_ready();
            SharedMemory::remove(key, InUse::RemoveAnyway).unwrap();
            _ = segment.detach().unwrap();
        },
    },
    Life {
        name: "count and leave",
        act: |key, me| {
            me.is_ready();
            let key = QNativeIpcKey::from_string(&key.to_string());
            let semaphore = QSystemSemaphore::with_native_key(&key, 2, AccessMode::Create);
            assert!(semaphore.acquire() && semaphore.release(1));
            drop(semaphore);
        },
    },
];

/// In an IPC namespace of its own, where nobody else has objects.
#[test]
fn a_reaper_finds_what_is_left_at_every_point() {
    let folder = Scratch::new();
    let mut command = testkit::role_command("system_v::role_directs", "");
    command.env("TMPDIR", folder.path());
    let mut director = testkit::launch(under(["unshare", "--ipc"], command));
    for life in LIVES {
        for _ in 0..2 {
            let said = director.line();
            assert!(said.starts_with(life.name), "{said}");
            println!("{said}");
        }
    }
    director.finish();
}

#[test]
#[ignore = "child role"]
fn role_directs() {
    let Some(me) = testkit::role() else { return };
    let folder = std::env::temp_dir();
    let rules = KeyRules::of_this_process();
    let own = NativeIpcKey::new(folder.join("key").to_str().unwrap(), KeyType::SYSTEM_V);
    let qts = rules.legacy_key(Role::Segment, "Key", KeyType::SYSTEM_V);
    for life in LIVES {
        for key in [&own, &qts] {
            let points = every_point(|number| round(life, key, number, &folder));
            me.say(format_args!("{}: {key}: {points} points", life.name));
        }
    }
}

/// Whether the victim died.
fn round(life: &Life, key: &NativeIpcKey, number: u64, folder: &Path) -> bool {
    let _context = Context(life.name, number);
    let argument = format!("{number} {key} {}", life.name);
    let mut victim = testkit::spawn("system_v::role_victim", argument);
    victim.expect("ready");
    victim.tell("go");
    let has_died = died(&mut victim);
    let mut reaper = Reaper::new();
    // Other tests have key files in other folders, and their objects in another namespace.
    reaper.name(&format!("{}/*", folder.display())).unwrap();
    let report = reaper.reap().unwrap();
    if !has_died {
        assert_eq!(report.count(), 0, "who is not killed leaves nothing");
    }
    for objects in ["/proc/sysvipc/shm", "/proc/sysvipc/sem"] {
        let left = fs::read_to_string(objects).unwrap();
        assert_eq!(left.lines().count(), 1, "{left} after {report:?}");
    }
    let files: Vec<_> = fs::read_dir(folder).unwrap().flatten().collect();
    assert!(files.is_empty(), "{files:?} after {report:?}");
    has_died
}

#[test]
#[ignore = "child role"]
fn role_victim() {
    let Some(me) = testkit::role() else { return };
    let (number, key, name) = order(me.arg());
    let life = LIVES.iter().find(|life| life.name == name).unwrap();
    (life.act)(&key.parse().unwrap(), &Victim::new(&me, number));
    fault::disarm();
}
