//! Windows segments shared with the real Windows library of Qt, both ways: the bytes, the lock, and
//! what is left of it when somebody is killed. Runs where `cargo xtask cross` has made a Qt process.

use std::thread;
use std::time::Duration;

use shmkit::key::NativeIpcKey;
use shmkit::qt::{AccessMode, QSharedMemory, QSystemSemaphore};
use shmkit::{Access, Detached, ErrorKind, Origin, SharedMemory};
use shmkit_testkit::{QtPeer, deadline, role, spawn, unique_name};

use crate::support::{LONG, SHORT, TestKey, for_every_key, size_of_segment};

for_every_key!(
    made_here_and_joined_there,
    made_there_and_joined_here,
    the_lock_excludes_both_ways,
    no_update_is_lost,
    qt_goes_on_after_a_killed_user_of_shmkit,
    a_killed_qt_beside_no_other_gives_the_lock_back,
    a_killed_qt_beside_a_live_one_times_out,
    the_face_of_qt_says_what_qt_says,
);

fn qt(key: &NativeIpcKey) -> QtPeer {
    let mut qt = QtPeer::start();
    qt.ok(format_args!("new {key}"));
    qt
}

fn is_free(segment: &SharedMemory) -> bool {
    match segment.try_lock() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

fn number(segment: &SharedMemory) -> u64 {
    segment.view().read(0).unwrap()
}

#[test]
fn names_become_the_same_keys() {
    let mut qt = QtPeer::start();
    for name in [
        "cam0",
        "a b/c",
        "Kamera é",
        r"Global\cam",
        r"Local\cam",
        "x?y#z%",
    ] {
        let safe = qt.ok(format_args!("safe-key {name}"));
        assert_eq!(safe, NativeIpcKey::platform_safe(name).to_string());
        let legacy = qt.ok(format_args!("legacy-key {name}"));
        assert_eq!(legacy, NativeIpcKey::legacy(name).to_string());
    }
}

fn made_here_and_joined_there(key: TestKey) {
    let segment = SharedMemory::create(&key, 5000).unwrap();
    segment.write_at(0, b"\xca\xfe").unwrap();
    let mut qt = qt(&key);
    assert_eq!(qt.no("create 10").number, 4, "it exists");
    assert_eq!(qt.ok("attach"), size_of_segment(5000).to_string());
    assert_eq!(qt.ok("read 0 2"), "cafe");
    qt.ok("write 4998 beef");
    assert_eq!(segment.view().read::<[u8; 2]>(4998).unwrap(), [0xbe, 0xef]);
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    assert_eq!(qt.ok("read 0 2"), "cafe");
    qt.ok("detach");
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

fn made_there_and_joined_here(key: TestKey) {
    let mut qt = qt(&key);
    qt.ok("create 100");
    qt.ok("write 0 cafe");
    let error = SharedMemory::create(&key, 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let segment = SharedMemory::attach(&key).unwrap();
    assert_eq!(segment.origin(), Origin::Attached);
    assert_eq!(segment.size(), size_of_segment(100));
    assert_eq!(segment.view().read::<[u8; 2]>(0).unwrap(), [0xca, 0xfe]);
    let reader = SharedMemory::attach_read_only(&key).unwrap();
    drop(reader.lock().unwrap());
    drop(reader);
    qt.ok("detach");
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert_eq!(qt.no("attach").number, 5, "it is gone");
}

fn the_lock_excludes_both_ways(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    assert!(!is_free(&segment));
    let error = segment.lock_timeout(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("Qt"), "{error}");
    qt.ok("unlock");
    let held = segment.lock_timeout(LONG).unwrap();
    assert!(!held.owner_died());
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT * 5), None);
    drop(held);
    qt.answer().unwrap();
    qt.ok("unlock");
    assert!(is_free(&segment));
}

const ROUNDS: u64 = 500;

fn no_update_is_lost(key: TestKey) {
    let _deadline = deadline(LONG * 5);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let view = segment.view_mut().unwrap();
    let mut peers = [0; 2].map(|_| qt(&key));
    for qt in &mut peers {
        qt.ok("attach");
    }
    for qt in &mut peers {
        qt.send(format_args!("incr {ROUNDS}"));
    }
    for _ in 0..ROUNDS {
        let _held = segment.lock_timeout(LONG).unwrap().assume_recovered();
        view.write(0, &(number(&segment) + 1)).unwrap();
    }
    for mut qt in peers {
        qt.answer().unwrap();
    }
    assert_eq!(number(&segment), 3 * ROUNDS);
}

#[test]
#[ignore = "child role"]
fn role_hold() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let _held = segment.lock_timeout(LONG).unwrap();
    me.say("held");
    me.park();
}

fn qt_goes_on_after_a_killed_user_of_shmkit(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    let mut holder = spawn("qt_windows::role_hold", key.to_string());
    holder.expect("held");
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    holder.kill();
    // Qt cannot know; the next one of ours does, and gives back what it takes over.
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
    qt.answer().unwrap();
    assert!(!is_free(&segment));
    qt.ok("unlock");
    assert!(is_free(&segment));
}

fn a_killed_qt_beside_no_other_gives_the_lock_back(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    assert!(!is_free(&segment));
    qt.child().kill();
    drop(segment.lock_timeout(LONG).unwrap());
    assert!(is_free(&segment));
}

fn a_killed_qt_beside_a_live_one_times_out(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut other = qt(&key);
    other.ok("attach");
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    qt.child().kill();
    let error = segment.lock_timeout(SHORT * 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // Once that one has gone, nobody can have it.
    other.child().kill();
    drop(segment.lock_timeout(LONG).unwrap());
}

/// Both answer the same to the same, each with a key of its own.
fn the_face_of_qt_says_what_qt_says(key: TestKey) {
    let mut theirs = qt(&key);
    let ours = match key.legacy_key() {
        Some(_) => NativeIpcKey::legacy(&unique_name()),
        None => NativeIpcKey::platform_safe(&unique_name()),
    };
    let mut memory = QSharedMemory::with_native_key(&ours.into());
    theirs.ok("new windows:");
    let mut memory_without_key = QSharedMemory::new();
    assert!(!memory_without_key.create(10, Access::ReadWrite));
    assert_eq!(
        memory_without_key.error_string(),
        theirs.no("create 10").text
    );
    assert!(!memory_without_key.attach(Access::ReadWrite));
    assert_eq!(memory_without_key.error_string(), theirs.no("attach").text);
    theirs.ok(format_args!("new {}", *key));

    let mut same = |command: &str, act: &mut dyn FnMut(&mut QSharedMemory) -> bool| {
        let theirs = match theirs.run(command) {
            Ok(_) => (true, 0, String::new()),
            Err(error) => (false, error.number, error.text),
        };
        let done = act(&mut memory);
        let error = match done {
            true => (0, String::new()),
            false => (memory.error().number(), memory.error_string()),
        };
        assert_eq!((done, error.0, error.1), theirs, "{command}");
    };
    same("lock", &mut |memory| memory.lock());
    same("attach", &mut |memory| memory.attach(Access::ReadWrite));
    same("lock", &mut |memory| memory.lock());
    same("unlock", &mut |memory| memory.unlock());
    same("create 0", &mut |memory| {
        memory.create(0, Access::ReadWrite)
    });
    same("create -1", &mut |memory| {
        memory.create(-1, Access::ReadWrite)
    });
    same("create 1125899906842624", &mut |memory| {
        memory.create(1 << 50, Access::ReadWrite)
    });
    same("create 1000", &mut |memory| {
        memory.create(1000, Access::ReadWrite)
    });
    // A second create would succeed in Qt, which closes its handle of the first one before it asks.
    same("lock", &mut |memory| memory.lock());
    same("lock", &mut |memory| memory.lock());
    same("unlock", &mut |memory| memory.unlock());
    same("detach", &mut |memory| memory.detach());
    same("attach ro", &mut |memory| memory.attach(Access::ReadOnly));
}

#[test]
fn a_semaphore_counts_for_both() {
    let name = unique_name();
    let ours = QSystemSemaphore::new(&name, 2, AccessMode::Create);
    let mut qt = QtPeer::start();
    let key = ours.native_ipc_key().to_string();
    // A semaphore that exists keeps its value.
    qt.ok(format_args!("sem-new {key} 9 create"));
    qt.ok("sem-acquire");
    assert!(ours.acquire());
    assert!(!ours.acquire_for(Duration::ZERO));
    qt.send("sem-acquire");
    assert_eq!(qt.child().line_within(SHORT), None);
    assert!(ours.release(1));
    qt.answer().unwrap();
    let waiter = thread::spawn(move || ours.acquire_for(LONG));
    qt.ok("sem-release 1");
    assert!(waiter.join().unwrap());
}
