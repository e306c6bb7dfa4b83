//! Segments shared with real Qt processes, both ways, on every kind of key: the bytes, the lock,
//! the removal, and what is left of all that when somebody is killed.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use shmkit::key::{KeyRules, KeyType, NativeIpcKey};
use shmkit::qt::{AccessMode, QSharedMemory, QSystemSemaphore};
use shmkit::{Access, Detached, ErrorKind, Lifetime, Origin, SharedMemory};
use shmkit_testkit::{self as testkit, Child, Cleanup, QtPeer, Scratch, unique_name};

use crate::qt_face::face;
use crate::support::{LONG, SHORT, TestKey, still_in_kernel};

/// Everything here must be over after this, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// A renewed semaphore is noticed at the next tick of the clock, which takes 10 ms at most.
const TICK: Duration = Duration::from_millis(25);

/// Runs each test function once for every kind of key. Those of System V lie in the memory file
/// system, as in `$XDG_RUNTIME_DIR`: it never gives an inode to a second file, so that Qt, which
/// removes key files under their users, does not make tests meet that have nothing in common.
macro_rules! for_every_key {
    ($($test:ident),+ $(,)?) => {
        mod posix { $(#[test] fn $test() { super::$test(crate::support::TestKey::posix()); })+ }
        mod posix_legacy { $(#[test] fn $test() { super::$test(crate::support::TestKey::posix_legacy()); })+ }
        mod system_v { $(#[test] fn $test() { super::$test(super::system_v()); })+ }
        mod system_v_legacy { $(#[test] fn $test() { super::$test(crate::support::TestKey::system_v_legacy()); })+ }
    };
}

fn system_v() -> TestKey {
    let path = format!("/dev/shm/{}", unique_name());
    let cleanup = Cleanup::default().and_system_v(&path, b'Q');
    TestKey::of(NativeIpcKey::new(path, KeyType::SYSTEM_V), cleanup)
}

for_every_key!(
    made_here_and_joined_there,
    made_there_and_joined_here,
    no_update_is_lost,
    no_update_is_lost_by_the_face_of_qt,
    who_is_still_attached_is_not_robbed,
    the_face_of_qt_removes_what_qt_made,
    the_last_one_of_ours_removes_after_a_killed_qt,
    a_failing_create_here_disturbs_nobody,
    a_failing_create_there_does_not_shut_us_out,
    a_failing_create_there_under_a_held_lock_is_survived,
    the_lock_survives_its_maker,
    a_lock_made_here_outlives_those_who_come_and_go,
    qt_goes_on_after_a_killed_user_of_shmkit,
    a_killed_qt_gives_the_lock_back,
);

fn is_posix(key: &NativeIpcKey) -> bool {
    key.key_type() == KeyType::PosixRealtime
}

/// A Qt process with an object of this key.
fn qt(key: &NativeIpcKey) -> QtPeer {
    let mut qt = QtPeer::start();
    qt.ok(format_args!("new {key}"));
    qt
}

fn is_free(segment: &SharedMemory) -> bool {
    match segment.try_lock() {
        Ok(taken) => {
            taken.assume_recovered().unlock();
            true
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

/// After the time in which a renewed semaphore is noticed.
fn is_free_after_a_tick(segment: &SharedMemory) -> bool {
    thread::sleep(TICK);
    is_free(segment)
}

/// Locks, as one who can repair the data.
#[track_caller]
fn lock(segment: &SharedMemory) -> shmkit::Guard<'_> {
    match segment.lock_timeout(LONG) {
        Ok(taken) => taken.assume_recovered(),
        Err(error) => panic!("{error}"),
    }
}

fn number(segment: &SharedMemory) -> u64 {
    segment.view().read(0).unwrap()
}

fn count(segment: &SharedMemory, rounds: u64) {
    let view = segment.view_mut().unwrap();
    for _ in 0..rounds {
        let _held = lock(segment);
        view.write(0, &(view.read::<u64>(0).unwrap() + 1)).unwrap();
    }
}

/// Attaches, says so, and then does as it is told: `lock`, `unlock`.
#[test]
#[ignore = "child role"]
fn role_user() {
    let Some(me) = testkit::role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    me.say("attached");
    let mut held = None;
    for order in me.orders() {
        match order.as_str() {
            "lock" => held = Some(lock(&segment)),
            "unlock" => drop(held.take()),
            "free" => {
                me.say(is_free(&segment));
                continue;
            }
            order => panic!("{order}?"),
        }
        me.say(order);
    }
}

fn user(key: &NativeIpcKey) -> Child {
    let mut user = testkit::spawn("qt_interop::role_user", key);
    user.expect("attached");
    user
}

#[track_caller]
fn ask(child: &mut Child, order: &str) -> String {
    child.tell(order);
    child.line()
}

// ---------------------------------------------------------------------------------------------
// Bytes.

fn made_here_and_joined_there(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 4097).unwrap();
    let in_kernel = key.kernel_objects();
    segment.write_at(0, b"from here").unwrap();
    let mut qt = qt(&key);
    assert_eq!(qt.ok("attach"), "4097");
    assert_eq!(qt.ok("read 0 9"), "66726f6d2068657265");
    assert_eq!(qt.ok("read 4096 1"), "00");
    qt.ok("write 4090 7468657265");
    let mut there = [0; 5];
    segment.read_at(4090, &mut there).unwrap();
    assert_eq!(&there, b"there");
    qt.ok("detach");
    assert_eq!(qt.ok("attach ro"), "4097");
    assert_eq!(qt.ok("read 4090 5"), "7468657265");
    // One lock.
    qt.ok("lock");
    assert!(!is_free(&segment));
    qt.ok("unlock");
    let held = lock(&segment);
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    drop(held);
    qt.answer().unwrap();
    qt.ok("unlock");
    qt.ok("delete");
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(still_in_kernel(&in_kernel), []);
}

fn made_there_and_joined_here(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut qt = qt(&key);
    qt.ok("create 100");
    qt.ok("write 0 cafe");
    let segment = SharedMemory::attach(&key).unwrap();
    assert_eq!((segment.size(), segment.origin()), (100, Origin::Attached));
    assert_eq!(segment.view().read::<[u8; 2]>(0).unwrap(), [0xca, 0xfe]);
    segment.write_at(98, &[1, 2]).unwrap();
    assert_eq!(qt.ok("read 97 3"), "000102");
    let held = lock(&segment);
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    held.unlock();
    qt.answer().unwrap();
    assert!(!is_free(&segment));
    qt.ok("unlock");
    assert!(is_free(&segment));
    let reader = SharedMemory::attach_read_only(&key).unwrap();
    assert_eq!(reader.view().read::<u8>(99).unwrap(), 2);
    assert!(is_free(&reader));
    drop(reader);
    let in_kernel = key.kernel_objects();
    qt.ok("delete");
    match is_posix(&key) {
        // It cannot be told from one that is meant to stay, and Qt would leave it, too.
        true => {
            assert_eq!(segment.lifetime(), Lifetime::Kept);
            assert_eq!(segment.detach().unwrap(), Detached::Remains);
            SharedMemory::remove(&key, shmkit::InUse::Refuse).unwrap();
        }
        false => assert_eq!(segment.detach().unwrap(), Detached::Removed),
    }
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(still_in_kernel(&in_kernel), []);
}

/// The name alone is enough for the keys that Qt makes of names.
#[test]
fn a_name_leads_to_the_same_segment() {
    let _watch = testkit::deadline(DEADLINE);
    let name = unique_name();
    let key = NativeIpcKey::legacy(&name);
    let lock_key = KeyRules::of_this_process().semaphore_key(&key);
    let _cleanup = Cleanup::default()
        .and_system_v(key.native_key(), b'Q')
        .and_system_v(lock_key.native_key(), b'Q');
    let mut qt = QtPeer::start();
    qt.ok(format_args!("legacy {name}"));
    qt.ok("create 64");
    qt.ok("write 0 2a");
    let segment = SharedMemory::attach(&key).unwrap();
    let mut memory = QSharedMemory::with_key(&name);
    assert!(memory.attach(Access::ReadOnly));
    assert_eq!(segment.view().read::<u8>(0).unwrap(), 42);
    assert_eq!(memory.const_data().unwrap().read::<u8>(0).unwrap(), 42);
    qt.ok("lock");
    assert!(!is_free(&segment) && !memory.lock_for(Duration::ZERO));
    qt.ok("unlock");
    assert!(memory.lock());
    assert!(!is_free(&segment));
}

// ---------------------------------------------------------------------------------------------
// The lock.

const ROUNDS: u64 = 100_000;

fn no_update_is_lost(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 8).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.send(format_args!("incr {ROUNDS}"));
    count(&segment, ROUNDS);
    // Longer than for another word.
    while qt.child().line_within(LONG).is_none() {}
    assert_eq!(number(&segment), 2 * ROUNDS);
}

fn no_update_is_lost_by_the_face_of_qt(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let rounds = 10_000;
    let mut qt = qt(&key);
    qt.ok("create 8");
    let mut ours = face();
    ours.ok(format_args!("new {}", *key));
    ours.ok("attach");
    let segment = SharedMemory::attach(&key).unwrap();
    qt.send(format_args!("incr {rounds}"));
    ours.send(format_args!("incr {rounds}"));
    count(&segment, rounds);
    qt.answer().unwrap();
    ours.answer().unwrap();
    assert_eq!(number(&segment), 3 * rounds);
}

fn a_failing_create_here_disturbs_nobody(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let [mut qt, mut other] = [qt(&key), qt(&key)];
    qt.ok("create 8");
    other.ok("attach");
    qt.ok("lock");
    let error = SharedMemory::create(&key, 8).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let mut memory = QSharedMemory::with_native_key(&(*key).clone().into());
    assert!(!memory.create(8, Access::ReadWrite));
    assert!(memory.attach(Access::ReadWrite));
    assert!(!memory.lock_for(SHORT));
    other.send("lock");
    assert_eq!(other.child().line_within(SHORT), None);
    qt.ok("unlock");
    other.answer().unwrap();
    assert!(!memory.lock_for(SHORT));
    other.ok("unlock");
    assert!(memory.lock());
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    assert!(memory.unlock());
    qt.answer().unwrap();
}

fn a_failing_create_there_does_not_shut_us_out(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 8).unwrap();
    let mut old = user(&key);
    assert_eq!(ask(&mut old, "free"), "true");
    assert!(is_free(&segment));
    // It renews the lock for itself and whoever comes after it.
    let mut qt = qt(&key);
    assert_eq!(qt.no("create 8").number, 4);
    qt.ok("attach");
    qt.ok("lock");
    assert!(!is_free_after_a_tick(&segment));
    assert_eq!(ask(&mut old, "free"), "false");
    qt.ok("unlock");
    assert_eq!(ask(&mut old, "lock"), "lock");
    assert!(!is_free(&segment));
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    assert_eq!(ask(&mut old, "unlock"), "unlock");
    qt.answer().unwrap();
}

fn a_failing_create_there_under_a_held_lock_is_survived(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 8).unwrap();
    let other = SharedMemory::attach(&key).unwrap();
    assert!(is_free(&other));
    let held = lock(&segment);
    let mut qt = qt(&key);
    // It breaks our lock, and nothing can be done about that.
    qt.no("create 8");
    qt.ok("attach");
    if is_posix(&key) {
        // But what we hold no longer is not given back to those who have it now.
        qt.ok("lock");
        drop(held);
    } else {
        // But we do not give what we no longer have: two could hold it then.
        drop(held);
        qt.ok("lock");
    }
    assert!(!is_free_after_a_tick(&segment));
    assert!(!is_free(&other));
    qt.ok("unlock");
    let held = lock(&segment);
    assert!(!is_free(&other));
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    drop(held);
    qt.answer().unwrap();
    assert!(!is_free(&segment) && !is_free(&other));
}

fn the_lock_survives_its_maker(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut maker = qt(&key);
    maker.ok("create 8");
    let segment = SharedMemory::attach(&key).unwrap();
    let mut old = user(&key);
    let mut stays = qt(&key);
    if is_posix(&key) {
        // Qt's POSIX users who stay are lost for those who come: see docs/QT.md.
        drop(stays);
        stays = qt(&key);
    } else {
        stays.ok("attach");
    }
    assert!(is_free(&segment));
    assert_eq!(ask(&mut old, "free"), "true");
    // Takes the semaphore away with it, and a System V key file.
    maker.ok("delete");

    // Those who were there keep each other out.
    let held = lock(&segment);
    thread::sleep(TICK);
    assert_eq!(ask(&mut old, "free"), "false");
    drop(held);
    assert_eq!(ask(&mut old, "lock"), "lock");
    assert!(!is_free_after_a_tick(&segment));
    assert_eq!(ask(&mut old, "unlock"), "unlock");

    // And those who come.
    if *key == NativeIpcKey::new(key.native_key(), KeyType::SYSTEM_V) {
        // Except that the key file led to the segment as well. Those who have it go on.
        stays.ok("lock");
        assert!(!is_free(&segment));
        stays.ok("unlock");
        assert_eq!(
            SharedMemory::attach(&key).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        return;
    }
    if is_posix(&key) {
        stays.ok("attach");
    }
    stays.ok("lock");
    assert!(!is_free_after_a_tick(&segment));
    assert_eq!(ask(&mut old, "free"), "false");
    let late = SharedMemory::attach(&key).unwrap();
    assert!(!is_free(&late));
    stays.ok("unlock");
    let held = lock(&late);
    assert!(!is_free_after_a_tick(&segment));
    stays.send("lock");
    assert_eq!(stays.child().line_within(SHORT), None);
    drop(held);
    stays.answer().unwrap();
}

fn a_lock_made_here_outlives_those_who_come_and_go(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    // A segment's lock is made when it is first needed, and Qt takes away what it had to make.
    let segment = SharedMemory::create(&key, 8).unwrap();
    assert!(is_free(&segment));
    let [mut goes, mut stays, mut comes] = [(); 3].map(|()| qt(&key));
    goes.ok("attach");
    stays.ok("attach");
    goes.ok("lock");
    goes.ok("delete");
    comes.ok("attach");
    stays.ok("lock");
    comes.send("lock");
    assert_eq!(comes.child().line_within(SHORT), None);
    assert!(!is_free_after_a_tick(&segment));
    stays.ok("unlock");
    comes.answer().unwrap();
    comes.ok("delete");
    stays.ok("lock");
    assert!(!is_free_after_a_tick(&segment));
}

/// The face makes it at once, as Qt does.
#[test]
fn a_lock_made_by_the_face_outlives_those_who_come_and_go() {
    let _watch = testkit::deadline(DEADLINE);
    let key = TestKey::posix();
    let mut memory = QSharedMemory::with_native_key(&(*key).clone().into());
    assert!(memory.create(8, Access::ReadWrite));
    let [mut goes, mut stays, mut comes] = [(); 3].map(|()| qt(&key));
    goes.ok("attach");
    stays.ok("attach");
    goes.ok("delete");
    comes.ok("attach");
    stays.ok("lock");
    comes.send("lock");
    assert_eq!(comes.child().line_within(SHORT), None);
    assert!(!memory.lock_for(SHORT));
    stays.ok("unlock");
    comes.answer().unwrap();
}

// ---------------------------------------------------------------------------------------------
// Removal.

fn who_is_still_attached_is_not_robbed(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach ro");
    segment.write_at(0, b"mine").unwrap();
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    assert_eq!(qt.ok("read 0 4"), "6d696e65");
    let back = SharedMemory::attach(&key).unwrap();
    assert_eq!(back.origin(), Origin::Attached);
    assert_eq!(
        SharedMemory::create(&key, 8).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(back.detach().unwrap(), Detached::Remains);
    let in_kernel = key.kernel_objects();
    qt.ok("delete");
    let origin = match is_posix(&key) {
        // Qt never removes it, so it is an orphan now.
        true => {
            let adopted = SharedMemory::attach(&key).unwrap();
            assert_eq!(adopted.origin(), Origin::Adopted);
            assert_eq!(adopted.detach().unwrap(), Detached::Removed);
            drop(SharedMemory::create(&key, 8).unwrap());
            Origin::Created
        }
        false => {
            assert_eq!(key.traces(), [""; 0]);
            assert_eq!(still_in_kernel(&in_kernel), []);
            Origin::Created
        }
    };
    let again = SharedMemory::create(&key, 8).unwrap();
    assert_eq!((again.origin(), again.size()), (origin, 8));
}

#[test]
fn an_orphan_that_qt_left_last_is_reclaimed() {
    let _watch = testkit::deadline(DEADLINE);
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    // With the lock, which nobody gives back.
    qt.child().kill();
    let again = SharedMemory::create(&key, 8).unwrap();
    assert_eq!((again.origin(), again.size()), (Origin::Reclaimed, 8));
    assert!(is_free(&again));
    let mut qt = self::qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    assert!(!is_free(&again));
}

fn the_face_of_qt_removes_what_qt_made(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut qt = qt(&key);
    qt.ok("create 64");
    let mut memory = QSharedMemory::with_native_key(&(*key).clone().into());
    assert!(memory.attach(Access::ReadWrite));
    assert!(memory.lock() && memory.unlock());
    let in_kernel = key.kernel_objects();
    // Not the last one.
    assert!(memory.detach());
    qt.ok("read 0 64");
    assert!(memory.attach(Access::ReadWrite));
    qt.ok("delete");
    assert!(memory.lock() && memory.unlock());
    drop(memory);
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(still_in_kernel(&in_kernel), []);
}

fn the_last_one_of_ours_removes_after_a_killed_qt(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    let in_kernel = key.kernel_objects();
    qt.child().kill();
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(still_in_kernel(&in_kernel), []);
}

#[test]
fn a_users_own_key_file_stays() {
    let _watch = testkit::deadline(DEADLINE);
    let folder = Scratch::new();
    let path = folder.join("diary.txt");
    fs::write(&path, "dear diary").unwrap();
    let key = NativeIpcKey::new(path.to_str().unwrap(), KeyType::SYSTEM_V);
    let cleanup = Cleanup::default().and_system_v(&path, b'Q');
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    // Not by `delete`, nor by being the last one: Qt itself would remove the file.
    qt.child().kill();
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
    drop(cleanup);
}

// ---------------------------------------------------------------------------------------------
// Death.

fn qt_goes_on_after_a_killed_user_of_shmkit(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 8).unwrap();
    let mut qt = qt(&key);
    qt.ok("attach");
    let mut holder = user(&key);
    assert_eq!(ask(&mut holder, "lock"), "lock");
    qt.send("lock");
    assert_eq!(qt.child().line_within(SHORT), None);
    holder.kill();
    if is_posix(&key) {
        // Qt cannot know. One of ours who comes by does, and then it is Qt's turn.
        let taken = segment.lock_timeout(LONG).unwrap();
        assert!(taken.owner_died());
        assert_eq!(qt.child().line_within(SHORT), None);
        taken.assume_recovered().unlock();
    }
    qt.answer().unwrap();
    assert!(!is_free(&segment));
    qt.ok("unlock");
    assert!(is_free(&segment));
}

fn a_killed_qt_gives_the_lock_back(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let segment = SharedMemory::create(&key, 8).unwrap();
    // We have used the lock before Qt comes, and so know it.
    assert!(is_free(&segment));
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    assert!(!is_free(&segment));
    qt.child().kill();
    let taken = segment.lock_timeout(LONG).unwrap();
    // The kernel says nothing of whom it took a System V lock from.
    assert_eq!(taken.owner_died(), is_posix(&key));
}

#[test]
fn a_killed_qt_beside_a_live_one_times_out_by_name() {
    let _watch = testkit::deadline(DEADLINE);
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 8).unwrap();
    assert!(is_free(&segment));
    let [mut dies, mut lives] = [qt(&key), qt(&key)];
    dies.ok("attach");
    lives.ok("attach");
    dies.ok("lock");
    dies.child().kill();
    // The other one may hold it, for all we can know.
    let begun = Instant::now();
    let limit = Duration::from_millis(400);
    let error = segment.lock_timeout(limit).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed() >= limit);
    let pid = lives.ok("pid");
    let text = error.to_string();
    assert!(text.contains(&format!("process {pid} (python")), "{text}");
    assert!(text.contains("one of those that have it open"), "{text}");
    // Once it is gone, nobody can.
    lives.child().kill();
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
}

#[test]
fn a_killed_qt_among_users_of_shmkit_is_recovered_where_all_can_be_seen() {
    let _watch = testkit::deadline(DEADLINE);
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 8).unwrap();
    assert!(is_free(&segment));
    let mut others = [user(&key), user(&key)];
    for other in &mut others {
        assert_eq!(ask(other, "free"), "true");
    }
    let mut qt = qt(&key);
    qt.ok("attach");
    qt.ok("lock");
    qt.child().kill();
    // proc(5): the first PID namespace, from which no process hides, has this number everywhere.
    let sees_all = fs::read_link("/proc/self/ns/pid")
        .is_ok_and(|namespace| namespace.as_os_str() == "pid:[4026531836]")
        && rustix::process::geteuid().is_root();
    if sees_all {
        assert!(segment.lock_timeout(LONG).unwrap().owner_died());
        return;
    }
    println!("nobody can be sure here that the lock is free, so that it must not be taken over");
    let error = segment
        .lock_timeout(Duration::from_millis(600))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("one of those"), "{error}");
    for other in &mut others {
        other.kill();
    }
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
}

// ---------------------------------------------------------------------------------------------
// Semaphores that count.

fn counting_keys() -> [TestKey; 2] {
    [TestKey::posix(), system_v()]
}

fn semaphore(key: &TestKey, initial: i32, mode: AccessMode) -> QSystemSemaphore {
    let semaphore = QSystemSemaphore::with_native_key(&(**key).clone().into(), initial, mode);
    assert_eq!(semaphore.error_string(), "");
    semaphore
}

#[test]
fn a_semaphore_counts_for_both() {
    let _watch = testkit::deadline(DEADLINE);
    for key in counting_keys() {
        let mut qt = QtPeer::start();
        let ours = semaphore(&key, 2, AccessMode::Open);
        qt.ok(format_args!("sem-new {} 9", *key));
        qt.ok("sem-acquire");
        assert!(ours.acquire());
        assert!(!ours.acquire_for(SHORT));
        qt.send("sem-acquire");
        assert_eq!(qt.child().line_within(SHORT), None);
        assert!(ours.release(1));
        qt.answer().unwrap();
        // And the other way.
        thread::scope(|scope| {
            let waiter = scope.spawn(|| ours.acquire());
            qt.ok("sem-release 2");
            assert!(waiter.join().unwrap());
        });
        assert!(ours.acquire() && !ours.acquire_for(Duration::ZERO));
        qt.ok("sem-delete");
        assert!(ours.release(1) && ours.acquire());
    }
}

#[test]
fn a_semaphore_of_qts_is_left_to_qt() {
    let _watch = testkit::deadline(DEADLINE);
    for key in counting_keys() {
        let mut qt = QtPeer::start();
        qt.ok(format_args!("sem-new {} 3", *key));
        let in_kernel = key.kernel_objects();
        let ours = semaphore(&key, 0, AccessMode::Open);
        assert!(ours.acquire());
        drop(ours);
        // Ours undid nothing that it did: it lives on.
        qt.ok("sem-acquire");
        qt.ok("sem-acquire");
        qt.send("sem-acquire");
        assert_eq!(qt.child().line_within(SHORT), None);
        let ours = semaphore(&key, 0, AccessMode::Open);
        assert!(ours.release(1));
        qt.answer().unwrap();
        drop(ours);
        qt.ok("sem-delete");
        assert_eq!(key.traces(), [""; 0]);
        assert_eq!(still_in_kernel(&in_kernel), []);
    }
}

#[test]
fn a_semaphore_that_qt_removed_or_renewed_is_followed() {
    let _watch = testkit::deadline(DEADLINE);
    for key in counting_keys() {
        let mut qt = QtPeer::start();
        qt.ok(format_args!("sem-new {} 1 create", *key));
        let ours = semaphore(&key, 1, AccessMode::Open);
        assert!(ours.acquire() && ours.release(1));
        let mut other = QtPeer::start();
        other.ok(format_args!("sem-new {} 2 create", *key));
        thread::sleep(TICK);
        assert!(ours.acquire_for(LONG) && ours.acquire_for(LONG) && !ours.acquire_for(SHORT));
        other.ok("sem-release 1");
        assert!(ours.acquire_for(LONG));
        for maker in [&mut qt, &mut other] {
            maker.ok("sem-delete");
            assert!(ours.release(1) && ours.acquire_for(LONG));
        }
        other.ok(format_args!("sem-new {} 3", *key));
        thread::sleep(TICK);
        assert!(ours.release(1));
        other.ok("sem-acquire");
        assert!(ours.acquire_for(LONG));
    }
}
