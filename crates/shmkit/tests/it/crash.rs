//! What holds when processes die without a word: `kill -9`, exec, PID namespaces.

#[cfg(unix)]
use std::time::{Duration, Instant};

use shmkit::{Acquired, Detached, ErrorKind, Origin, SharedMemory};
use shmkit_testkit::{Child, deadline, role, spawn};
#[cfg(unix)]
use shmkit_testkit::{role_command, under};

#[cfg(unix)]
use crate::support::SHORT;
use crate::support::{LONG, TestKey, for_every_key, still_in_kernel};

for_every_key!(
    the_next_locker_learns_that_the_owner_died,
    a_death_is_told_until_somebody_has_repaired_the_data,
    a_dead_waiter_does_no_harm,
    #[cfg(unix)]
    a_stopped_holder_is_not_dead,
    #[cfg(unix)]
    a_holder_that_becomes_another_program_is_dead,
    #[cfg(unix)]
    when_all_are_killed_the_next_create_reclaims,
    #[cfg(unix)]
    when_all_are_killed_the_next_create_or_attach_reclaims,
    #[cfg(unix)]
    when_all_are_killed_attach_adopts_and_says_so,
    #[cfg(windows)]
    when_all_are_killed_nothing_is_left,
    the_survivor_of_many_removes_the_segment,
    nothing_is_lost_or_left_in_a_storm_of_kills,
    #[cfg(unix)]
    a_holder_in_another_pid_namespace_is_neither_dead_nor_immortal,
);

#[test]
#[ignore = "child role"]
fn role_create_and_hold() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::create_or_attach(&me.arg().parse().unwrap(), 4096).unwrap();
    segment.write_at(0, b"half").unwrap();
    let _held = segment.lock().unwrap();
    me.say("locked");
    me.park();
}

fn holder(key: &TestKey) -> Child {
    let mut holder = spawn("crash::role_create_and_hold", key.to_string());
    holder.expect("locked");
    holder
}

fn the_next_locker_learns_that_the_owner_died(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let mut holder = holder(&key);
    assert_eq!(
        segment.try_lock().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    holder.kill();
    let Acquired::OwnerDied(recovery) = segment.lock_timeout(LONG).unwrap() else {
        panic!("the death was not noticed");
    };
    drop(recovery.mark_recovered());
    assert!(!segment.lock().unwrap().owner_died());
}

#[test]
#[ignore = "child role"]
fn role_wait_for_the_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    me.say("waiting");
    let acquired = segment.lock_timeout(LONG).unwrap();
    me.say(if acquired.owner_died() {
        "owner died"
    } else {
        "clean"
    });
    me.park();
}

fn a_death_is_told_until_somebody_has_repaired_the_data(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    holder(&key).kill();
    for _ in 0..3 {
        // Dropped without a repair.
        assert!(segment.lock_timeout(LONG).unwrap().owner_died());
    }
    let mut other = spawn("crash::role_wait_for_the_lock", key.to_string());
    other.expect("waiting");
    other.expect("owner died");
    // And one who died with the repair has not repaired.
    other.kill();
    drop(segment.lock_timeout(LONG).unwrap().assume_recovered());
    assert!(!segment.lock().unwrap().owner_died());
}

fn a_dead_waiter_does_no_harm(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let held = segment.lock().unwrap();
    let mut waiters = [0; 3].map(|_| spawn("crash::role_wait_for_the_lock", key.to_string()));
    waiters
        .iter_mut()
        .for_each(|waiter| waiter.expect("waiting"));
    waiters[0].kill();
    waiters[1].kill();
    drop(held);
    waiters[2].expect("clean");
    waiters[2].kill();
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
}

#[cfg(unix)]
fn a_stopped_holder_is_not_dead(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let mut holder = holder(&key);
    holder.stop();
    let error = segment.lock_timeout(SHORT * 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error.to_string().contains(&holder.pid().to_string()),
        "{error}"
    );
    holder.cont();
    holder.finish();
    assert!(!segment.lock_timeout(LONG).unwrap().owner_died());
}

#[cfg(unix)]
#[test]
#[ignore = "child role"]
fn role_hold_and_become_cat() {
    use std::os::unix::process::CommandExt;
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let _held = segment.lock().unwrap();
    me.say("locked");
    let _ = me.ask();
    panic!("{}", std::process::Command::new("cat").exec());
}

#[cfg(unix)]
fn a_holder_that_becomes_another_program_is_dead(key: TestKey) {
    let _deadline = deadline(LONG);
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let mut holder = spawn("crash::role_hold_and_become_cat", key.to_string());
    holder.expect("locked");
    if matches!(key.key_type(), shmkit::key::KeyType::SystemV(_)) {
        // The kernel undoes at the end of the process, not of the program (semop(2)).
        holder.tell("go");
        let program = format!("/proc/{}/comm", holder.pid());
        // In the middle of an exec by another thread than the first the process has no entry.
        while !std::fs::read_to_string(&program).is_ok_and(|name| name.trim() == "cat") {
            std::thread::yield_now();
        }
        assert_eq!(
            segment.lock_timeout(SHORT).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        holder.kill();
    } else {
        holder.tell("go");
    }
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
}

#[cfg(unix)]
fn when_all_are_killed_the_next_create_reclaims(key: TestKey) {
    let mut all = vec![holder(&key)];
    for _ in 0..2 {
        let mut waiter = spawn("crash::role_wait_for_the_lock", key.to_string());
        waiter.expect("waiting");
        all.push(waiter);
    }
    all.iter_mut().for_each(Child::kill);
    assert!(!key.traces().is_empty());

    let segment = SharedMemory::create(&key, 100).unwrap();
    assert_eq!((segment.origin(), segment.size()), (Origin::Reclaimed, 100));
    assert_eq!(segment.view().to_vec(), [0; 100]);
    assert!(
        !segment.lock_timeout(LONG).unwrap().owner_died(),
        "the new data are whole"
    );
    let in_kernel = key.kernel_objects();
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    assert_eq!(still_in_kernel(&in_kernel), []);
}

#[cfg(unix)]
fn when_all_are_killed_the_next_create_or_attach_reclaims(key: TestKey) {
    holder(&key).kill();
    let segment = SharedMemory::create_or_attach(&key, 100).unwrap();
    assert_eq!((segment.origin(), segment.size()), (Origin::Reclaimed, 100));
    assert_eq!(segment.view().to_vec(), [0; 100]);
}

#[cfg(unix)]
fn when_all_are_killed_attach_adopts_and_says_so(key: TestKey) {
    holder(&key).kill();
    let segment = SharedMemory::attach(&key).unwrap();
    assert_eq!((segment.origin(), segment.size()), (Origin::Adopted, 4096));
    assert_eq!(segment.view().read::<[u8; 4]>(0).unwrap(), *b"half");
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
    // It has a user again, and the next one is not told that it were an orphan.
    assert_eq!(
        SharedMemory::attach(&key).unwrap().origin(),
        Origin::Attached
    );
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
}

/// The kernel removes what they had.
#[cfg(windows)]
fn when_all_are_killed_nothing_is_left(key: TestKey) {
    holder(&key).kill();
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    let segment = SharedMemory::create(&key, 100).unwrap();
    assert_eq!(segment.origin(), Origin::Created);
    assert_eq!(segment.view().read::<[u8; 4]>(0).unwrap(), [0; 4]);
    assert!(!segment.lock_timeout(LONG).unwrap().owner_died());
}

#[test]
#[ignore = "child role"]
fn role_attach_and_leave_when_told() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    me.say("attached");
    let _ = me.ask();
    me.say(format_args!("{:?}", segment.detach().unwrap()));
    me.park();
}

fn the_survivor_of_many_removes_the_segment(key: TestKey) {
    let mut maker = holder(&key);
    let mut others =
        [0; 3].map(|_| spawn("crash::role_attach_and_leave_when_told", key.to_string()));
    others.iter_mut().for_each(|other| other.expect("attached"));
    maker.kill();
    others[0].kill();
    others[1].tell("leave");
    others[1].expect("Remains");
    others[2].tell("leave");
    others[2].expect("Removed");
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

/// One round's record: a number and its complement, written under the lock.
fn write_record(segment: &SharedMemory) {
    let view = segment.view_mut().unwrap();
    let acquired = segment.lock_timeout(LONG).unwrap();
    let number: u64 = view.read(0).unwrap();
    let check: u64 = view.read(8).unwrap();
    match acquired {
        Acquired::Clean(_) => assert_eq!(check, !number | 1 << 63, "torn, and nobody said so"),
        Acquired::OwnerDied(_) => view.write(8, &(!number | 1 << 63)).unwrap(),
    }
    let _held = acquired.assume_recovered();
    view.write(0, &(number + 1)).unwrap();
    view.write(8, &(!(number + 1) | 1 << 63)).unwrap();
}

#[test]
#[ignore = "child role"]
fn role_storm() {
    let Some(me) = role() else { return };
    let key = me.arg().parse().unwrap();
    me.say("begun");
    loop {
        let segment = SharedMemory::attach(&key).unwrap();
        (0..10).for_each(|_| write_record(&segment));
    }
}

fn nothing_is_lost_or_left_in_a_storm_of_kills(key: TestKey) {
    const KILLS: usize = 150;
    let _deadline = deadline(LONG * 5);
    let segment = SharedMemory::create(&key, 4096).unwrap();
    segment.view_mut().unwrap().write(8, &!0u64).unwrap();
    let mut storm: Vec<Child> = (0..3)
        .map(|_| spawn("crash::role_storm", key.to_string()))
        .collect();
    for kill in 0..KILLS {
        // The child is somewhere in its loop: the time until the next turn is chance enough.
        storm[kill % 3].expect("begun");
        let rounds = kill % 7;
        (0..rounds).for_each(|_| write_record(&segment));
        storm[kill % 3].kill();
        storm[kill % 3] = spawn("crash::role_storm", key.to_string());
    }
    storm.iter_mut().for_each(Child::kill);
    drop(storm);
    write_record(&segment);
    let in_kernel = key.kernel_objects();
    assert_eq!(segment.detach().unwrap(), Detached::Removed);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    assert_eq!(still_in_kernel(&in_kernel), []);
}

#[cfg(unix)]
fn a_holder_in_another_pid_namespace_is_neither_dead_nor_immortal(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let command = role_command("crash::role_create_and_hold", key.to_string());
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mut holder = shmkit_testkit::launch(under(unshare, command));
    holder.expect("locked");
    assert_eq!(
        segment.lock_timeout(SHORT * 3).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    let begun = Instant::now();
    holder.kill();
    assert!(segment.lock_timeout(LONG).unwrap().owner_died());
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "that is not noticing"
    );
}
