//! Waiting for segments, and the stream of what happens to them.
#![cfg_attr(
    shmkit_force_portable,
    allow(unused_imports, reason = "for tests that are not built")
)]

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use shmkit::inspect::{self, State};
use shmkit::key::KeyType;
use shmkit::watch::{self, Event, Events, Happening, Until, Watch};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{Child, Cleanup, deadline, role, spawn, spawn_python, unique_name};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

for_every_key!(
    a_wait_ends_when_another_process_creates,
    a_wait_ends_when_another_process_attaches,
    a_wait_ends_when_all_users_are_killed,
    a_wait_ends_when_the_last_user_leaves,
    a_wait_ends_when_the_lock_is_given_back_or_its_holder_dies,
    what_is_the_case_is_not_waited_for,
    a_wait_in_vain_says_what_is_the_case,
    events_tell_a_segments_life,
    events_begin_with_what_is_there_if_asked_to,
);

#[test]
#[ignore = "child role"]
fn role_use() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::create_or_attach(&me.arg().parse().unwrap(), 4096).unwrap();
    me.say("attached");
    assert_eq!(me.ask(), "leave");
    drop(segment);
    me.say("left");
    me.park();
}

fn user(key: &TestKey) -> Child {
    let mut user = spawn("watching::role_use", key.to_string());
    user.expect("attached");
    user
}

/// Waits, and asserts that it took until `act` was done, at least to where that begins.
#[track_caller]
fn ends_by<T>(key: &TestKey, until: Until, act: impl FnOnce() -> T) -> T {
    let _watch = deadline(LONG * 2);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            watch::wait(key, until, Some(LONG)).unwrap();
            Instant::now()
        });
        // Not yet: it would have ended by now.
        thread::sleep(SHORT);
        let begun = Instant::now();
        let done = act();
        assert!(waiter.join().unwrap() >= begun, "{until} too early");
        done
    })
}

fn a_wait_ends_when_another_process_creates(key: TestKey) {
    let _user = ends_by(&key, Until::Created, || user(&key));
}

fn a_wait_ends_when_another_process_attaches(key: TestKey) {
    let mut first = user(&key);
    first.kill();
    watch::wait(&key, Until::Released, Some(LONG)).unwrap();
    let _user = ends_by(&key, Until::Attached, || user(&key));
}

fn a_wait_ends_when_all_users_are_killed(key: TestKey) {
    let [mut one, mut two] = [user(&key), user(&key)];
    one.kill();
    let error = watch::wait(&key, Until::Released, Some(SHORT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    ends_by(&key, Until::Released, || two.kill());
    // Nobody was there to remove it.
    let state = inspect::info(&key).unwrap().state;
    assert!(
        matches!(state, State::Orphan | State::Unknown),
        "{state}: the kernel does not say everywhere"
    );
}

fn a_wait_ends_when_the_last_user_leaves(key: TestKey) {
    let mut user = user(&key);
    ends_by(&key, Until::Removed, || user.tell("leave"));
    user.expect("left");
    watch::wait(&key, Until::Released, Some(LONG)).unwrap();
}

#[test]
#[ignore = "child role"]
fn role_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let mut orders = me.orders();
    while let Some(order) = orders.next() {
        assert_eq!(order, "lock");
        let held = segment.lock().unwrap().assume_recovered();
        me.say("locked");
        assert_eq!(orders.next().as_deref(), Some("unlock"));
        drop(held);
    }
}

fn a_wait_ends_when_the_lock_is_given_back_or_its_holder_dies(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    watch::wait(&key, Until::Unlocked, Some(Duration::ZERO)).unwrap();
    let mut locker = spawn("watching::role_lock", key.to_string());
    let lock = |locker: &mut Child| {
        locker.tell("lock");
        locker.expect("locked");
    };
    lock(&mut locker);
    let error = watch::wait(&key, Until::Unlocked, Some(SHORT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let who = format!("process {}", locker.pid());
    assert!(error.to_string().contains(&who), "{error}");
    ends_by(&key, Until::Unlocked, || locker.tell("unlock"));
    lock(&mut locker);
    ends_by(&key, Until::Unlocked, || locker.kill());
    // Waiting took nothing: the next one is told of the death.
    assert!(segment.lock().unwrap().owner_died());
}

fn what_is_the_case_is_not_waited_for(key: TestKey) {
    let now = Some(Duration::ZERO);
    for until in [Until::Removed, Until::Released] {
        watch::wait(&key, until, now).unwrap();
    }
    let _segment = SharedMemory::create(&key, 4096).unwrap();
    for until in [Until::Created, Until::Attached] {
        watch::wait(&key, until, now).unwrap();
    }
}

fn a_wait_in_vain_says_what_is_the_case(key: TestKey) {
    let begun = Instant::now();
    let in_vain = |until| {
        let error = watch::wait(&key, until, Some(SHORT)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        error.to_string()
    };
    assert!(in_vain(Until::Created).contains("no such segment"));
    assert!(in_vain(Until::Attached).contains(&key.to_string()));
    assert!(begun.elapsed() >= SHORT * 2, "too early");
    let _segment = SharedMemory::create(&key, 4096).unwrap();
    assert!(in_vain(Until::Removed).contains("it is live"));
}

#[test]
fn a_segment_that_is_only_begun_is_not_created() {
    let key = TestKey::posix();
    let path = format!("/dev/shm{}", key.native_key());
    let file = File::create(&path).unwrap();
    let error = watch::wait(&key, Until::Created, Some(SHORT)).unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
    // Setting the size is nothing that the kernel tells; the wait ends all the same.
    ends_by(&key, Until::Created, || file.set_len(4096).unwrap());
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn what_no_wait_helps_against_is_an_error() {
    let key = TestKey::posix();
    fs::create_dir(format!("/dev/shm{}", key.native_key())).unwrap();
    let error = watch::wait(&key, Until::Created, Some(LONG)).unwrap_err();
    fs::remove_dir(format!("/dev/shm{}", key.native_key())).unwrap();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn a_segment_of_python_can_be_waited_for() {
    let name = unique_name();
    let _cleanup = Cleanup::new(&name);
    let key = TestKey::of(
        format!("posix:/{name}").parse().unwrap(),
        Cleanup::new(&name),
    );
    let script = "import sys; from multiprocessing.shared_memory import SharedMemory
segment = SharedMemory(sys.argv[1], create=True, size=4096); print('>>made')
sys.stdin.readline(); segment.close(); print('>>closed'); sys.stdin.readline()";
    let mut events = Watch::new().key(&key).start().unwrap();
    let mut python = ends_by(&key, Until::Created, || spawn_python(script, &[&name]));
    python.expect("made");
    expect(&mut events, Happening::Created);
    assert_eq!(
        expect(&mut events, Happening::Attached).holder.unwrap().pid,
        python.pid()
    );
    ends_by(&key, Until::Released, || python.tell(""));
    python.expect("closed");
    expect(&mut events, Happening::Detached);
    fs::remove_file(Path::new("/dev/shm").join(&name)).unwrap();
    expect(&mut events, Happening::Removed);
}

#[track_caller]
fn expect(events: &mut Events, happening: Happening) -> Event {
    let event = events.next_within(LONG).unwrap();
    let event = event.unwrap_or_else(|| panic!("nothing, where {happening} should be"));
    assert_eq!(event.happening, happening, "{event:?}");
    event
}

/// What happens next to a process, where it is told which have a segment.
#[track_caller]
fn expect_of(events: &mut Events, happening: Happening, key: &TestKey, user: &Child) {
    let is_told = key.key_type() == KeyType::PosixRealtime || cfg!(not(shmkit_force_portable));
    if is_told {
        let event = expect(events, happening);
        // The last one's is told with the removal, when nobody knows the size any more.
        assert!(matches!(event.size, Some(4096) | None));
        assert_eq!(event.holder.unwrap().pid, user.pid());
    }
}

fn events_tell_a_segments_life(key: TestKey) {
    let mut events = Watch::new().key(&key).start().unwrap();
    assert!(events.next_within(SHORT).unwrap().is_none());

    let mut one = user(&key);
    let created = expect(&mut events, Happening::Created);
    assert_eq!(
        created
            .key
            .map(|key| key.native_key().to_owned())
            .as_deref(),
        Some(key.native_key())
    );
    expect_of(&mut events, Happening::Attached, &key, &one);
    let mut two = user(&key);
    expect_of(&mut events, Happening::Attached, &key, &two);
    one.kill();
    expect_of(&mut events, Happening::Detached, &key, &one);
    two.tell("leave");
    two.expect("left");
    expect_of(&mut events, Happening::Detached, &key, &two);
    let removed = expect(&mut events, Happening::Removed);
    assert!(removed.time >= created.time);
    assert!(events.next_within(SHORT).unwrap().is_none());
}

fn events_begin_with_what_is_there_if_asked_to(key: TestKey) {
    let user = user(&key);
    let mut silent = Watch::new().key(&key).start().unwrap();
    assert!(silent.next_within(SHORT).unwrap().is_none());
    let mut events = Watch::new().key(&key).existing(true).start().unwrap();
    expect(&mut events, Happening::Existing);
    expect_of(&mut events, Happening::Attached, &key, &user);
}

#[test]
fn no_segment_is_too_short_lived_to_be_told() {
    if cfg!(any(shmkit_force_fallbacks, shmkit_force_portable)) {
        println!("skipped: without the kernel's word some are");
        return;
    }
    const ROUNDS: usize = 200;
    let key = TestKey::posix();
    let mut events = Watch::new().key(&key).start().unwrap();
    for _ in 0..ROUNDS {
        drop(SharedMemory::create(&key, 4096).unwrap());
    }
    for _ in 0..ROUNDS {
        expect(&mut events, Happening::Created);
        // Whether somebody was attached meanwhile is a matter of luck.
        let mut next = events.next_within(LONG).unwrap().unwrap();
        while matches!(next.happening, Happening::Attached | Happening::Detached) {
            next = events.next_within(LONG).unwrap().unwrap();
        }
        assert_eq!(next.happening, Happening::Removed);
    }
}

#[test]
fn without_keys_all_segments_are_told_and_nothing_else() {
    let _watch = deadline(LONG * 2);
    let [one, two] = [TestKey::posix(), TestKey::posix()];
    let events = Watch::new().start().unwrap();
    let semaphore = Path::new("/dev/shm").join(format!("sem.{}", &one.native_key()[1..]));
    fs::write(&semaphore, [0; 32]).unwrap();
    let _segments = [&one, &two].map(|key| SharedMemory::create(key, 64).unwrap());
    let mut left = vec![one.native_key(), two.native_key()];
    for event in events.map(Result::unwrap) {
        let name = event.place.to_string();
        assert!(
            !name.contains("/sem.") && !name.contains("/.shmkit-"),
            "{event:?}"
        );
        if event.happening == Happening::Created {
            left.retain(|key| {
                event
                    .key
                    .as_ref()
                    .is_none_or(|found| found.native_key() != *key)
            });
        }
        if left.is_empty() {
            break;
        }
    }
}
