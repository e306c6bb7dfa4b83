//! Processes of different builds, 32-bit and 64-bit, musl and glibc, emulated and not, share segments
//! and locks. Runs under `cargo xtask cross`, which has both builds.

use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{Child, deadline, launch, other_build_command, role};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

for_every_key!(
    another_build_reads_what_this_one_writes_and_answers,
    locks_exclude_processes_of_another_build,
    the_death_of_an_owner_of_another_build_is_told,
    no_update_is_lost_between_builds,
    the_last_one_out_removes_whichever_build_it_is,
);

/// A process of the other build in this role, if there is another build.
fn other(role: &str, key: &TestKey) -> Option<Child> {
    if !can_lock(key) {
        println!("skipped: the lock of a POSIX key has the layout of the program's word size");
        return None;
    }
    let command = other_build_command(role, key.to_string());
    if command.is_none() {
        println!("skipped: there is no other build; `cargo xtask cross` makes one");
    }
    command.map(launch)
}

/// Whether programs of this build and of the 64-bit one can share the lock of a key.
fn can_lock(key: &TestKey) -> bool {
    cfg!(target_pointer_width = "64") || key.key_type() != shmkit::key::KeyType::PosixRealtime
}

fn another_build_reads_what_this_one_writes_and_answers(key: TestKey) {
    let segment = SharedMemory::create(&key, 4097).unwrap();
    segment.write_at(0, b"hello").unwrap();
    let role = "conformance::role_answer_with_the_greeting_reversed";
    let Some(command) = other_build_command(role, key.to_string()) else {
        println!("skipped: there is no other build; `cargo xtask cross` makes one");
        return;
    };
    let mut other = launch(command);
    other.expect("answered");
    let mut answer = [0; 5];
    segment.read_at(100, &mut answer).unwrap();
    assert_eq!(&answer, b"olleh");
    other.finish();
}

fn locks_exclude_processes_of_another_build(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let Some(mut other) = other("conformance::role_try_the_lock", &key) else {
        return;
    };
    other.expect("free");
    let held = segment.lock().unwrap();
    other.tell("again");
    other.expect("WouldBlock");
    drop(held);
    other.tell("again");
    other.expect("free");
    drop(segment.lock_timeout(LONG).unwrap());
}

fn the_death_of_an_owner_of_another_build_is_told(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let Some(mut other) = other("crash::role_create_and_hold", &key) else {
        return;
    };
    other.expect("locked");
    let error = segment.lock_timeout(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error.to_string().contains(&other.pid().to_string()),
        "{error}"
    );
    other.kill();
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
}

const ROUNDS: u64 = 2000;

fn count(segment: &SharedMemory) {
    let view = segment.view_mut().unwrap();
    for _ in 0..ROUNDS {
        let _held = segment.lock_timeout(LONG).unwrap();
        view.write(0, &(view.read::<u64>(0).unwrap() + 1)).unwrap();
    }
}

#[test]
#[ignore = "child role"]
fn role_count() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    me.say("here");
    let _ = me.ask();
    count(&segment);
    me.say("counted");
    me.park();
}

fn no_update_is_lost_between_builds(key: TestKey) {
    let _deadline = deadline(LONG * 3);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let Some(mut other) = other("other_build::role_count", &key) else {
        return;
    };
    other.expect("here");
    other.tell("go");
    count(&segment);
    other.expect("counted");
    assert_eq!(segment.view().read::<u64>(0).unwrap(), 2 * ROUNDS);
}

fn the_last_one_out_removes_whichever_build_it_is(key: TestKey) {
    let role = "crash::role_attach_and_leave_when_told";
    for ours_is_last in [false, true] {
        let segment = SharedMemory::create(&key, 64).unwrap();
        let Some(command) = other_build_command(role, key.to_string()) else {
            println!("skipped: there is no other build; `cargo xtask cross` makes one");
            return;
        };
        let mut other = launch(command);
        other.expect("attached");
        if ours_is_last {
            other.tell("leave");
            other.expect("Remains");
            drop(segment);
        } else {
            drop(segment);
            other.tell("leave");
            other.expect("Removed");
        }
        assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    }
}
