//! Typed segments and the locks in them, on every type of key that has them, between processes of this
//! build, and of another one where `cargo xtask cross` has made it.
#![expect(unsafe_code, reason = "typed segments trust those who know the key")]

use shmkit::sync::{Event, Mutex};
use shmkit::typed::Shared;
use shmkit_testkit::{Child, deadline, launch, other_build_command, role, role_command};

use crate::support::{LONG, SHORT, TestKey};

/// Each test, once with children of this build and once with those of another.
macro_rules! for_both_builds {
    ($($test:ident),+ $(,)?) => {
        mod this_build { $(#[test] fn $test() {
            super::$test(crate::support::TestKey::named(), |role, key| Some(super::this_build(role, key)));
        })+ }
        mod other_build { $(#[test] fn $test() {
            super::$test(crate::support::TestKey::named(), super::other_build);
        })+ }
    };
}

for_both_builds!(
    no_update_is_lost,
    the_death_of_an_owner_is_told,
    a_holder_is_named,
    an_event_wakes_another_process,
);

type Start = fn(&str, &TestKey) -> Option<Child>;

fn this_build(role: &str, key: &TestKey) -> Child {
    launch(role_command(
        &format!("typed_builds::{role}"),
        key.to_string(),
    ))
}

fn other_build(role: &str, key: &TestKey) -> Option<Child> {
    let command = other_build_command(&format!("typed_builds::{role}"), key.to_string());
    if command.is_none() {
        println!("skipped: there is no other build; `cargo xtask cross` makes one");
    }
    command.map(launch)
}

fn create(key: &TestKey) -> Shared<Mutex<u32>> {
    // SAFETY: nobody but these tests knows the key.
    unsafe { Shared::create(&key.key, Mutex::new(0)) }.unwrap()
}

fn open(me: &shmkit_testkit::Role) -> Shared<Mutex<u32>> {
    let key: shmkit::key::NativeIpcKey = me.arg().parse().unwrap();
    // SAFETY: as above.
    unsafe { Shared::open(&key) }.unwrap()
}

const ROUNDS: u32 = 1000;

fn count(counter: &Mutex<u32>) {
    for _ in 0..ROUNDS {
        *counter.lock_timeout(LONG).unwrap().assume_recovered() += 1;
    }
}

#[test]
#[ignore = "child role"]
fn role_count() {
    let Some(me) = role() else { return };
    let counter = open(&me);
    me.say("here");
    let _ = me.ask();
    count(&counter);
    me.say("counted");
    me.park();
}

fn no_update_is_lost(key: TestKey, start: Start) {
    let _deadline = deadline(LONG * 5);
    let counter = create(&key);
    let Some(mut other) = start("role_count", &key) else {
        return;
    };
    other.expect("here");
    other.tell("go");
    count(&counter);
    other.expect("counted");
    let sum = *counter.lock().unwrap().assume_recovered();
    assert_eq!(sum, 2 * ROUNDS);
}

#[test]
#[ignore = "child role"]
fn role_hold() {
    let Some(me) = role() else { return };
    let counter = open(&me);
    let mut held = counter.lock_timeout(LONG).unwrap().assume_recovered();
    *held = 7;
    me.say("held");
    me.park();
}

fn the_death_of_an_owner_is_told(key: TestKey, start: Start) {
    let counter = create(&key);
    let Some(mut other) = start("role_hold", &key) else {
        return;
    };
    other.expect("held");
    assert!(counter.lock_timeout(SHORT).is_err());
    other.kill();
    let taken = counter.lock_timeout(LONG).unwrap();
    assert!(taken.owner_died());
    assert_eq!(*taken.assume_recovered(), 7);
    assert!(!counter.lock().unwrap().owner_died());
}

fn a_holder_is_named(key: TestKey, start: Start) {
    let counter = create(&key);
    let Some(mut other) = start("role_hold", &key) else {
        return;
    };
    other.expect("held");
    let holder = counter.holder().unwrap();
    assert_eq!(holder.pid, Some(other.pid()), "{holder}");
    assert!(holder.is_alive);
    other.finish();
    assert!(counter.holder().is_none());
}

#[test]
#[ignore = "child role"]
fn role_wait_for_the_event() {
    let Some(me) = role() else { return };
    let key: shmkit::key::NativeIpcKey = me.arg().parse().unwrap();
    // SAFETY: nobody but these tests knows the key.
    let event: Shared<Event> = unsafe { Shared::open(&key) }.unwrap();
    me.say("waiting");
    event.wait_timeout(LONG).unwrap();
    me.say("woken");
    me.park();
}

fn an_event_wakes_another_process(key: TestKey, start: Start) {
    // SAFETY: nobody but these tests knows the key.
    let event = unsafe { Shared::create(&key.key, Event::new_manual()) }.unwrap();
    let Some(mut other) = start("role_wait_for_the_event", &key) else {
        return;
    };
    other.expect("waiting");
    assert_eq!(other.line_within(SHORT), None);
    event.set().unwrap();
    other.expect("woken");
}
