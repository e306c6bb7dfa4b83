//! What holds for segments of every type: creating, attaching, detaching, bytes, the lock.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use shmkit::{
    Access, Acquired, Detached, ErrorKind, InUse, Lifetime, Origin, Result, SharedMemory,
};
use shmkit_testkit::{deadline, role, spawn};

use crate::support::{LONG, SHORT, TestKey, for_every_key, size_of_segment, still_in_kernel};

for_every_key!(
    a_segment_is_born_with_zeros_and_its_exact_size,
    what_one_writes_another_reads,
    a_second_create_is_refused_while_somebody_is_attached,
    attach_without_a_segment_says_not_found_and_leaves_nothing,
    the_last_one_out_removes_everything_whoever_it_is,
    a_kept_segment_stays_until_it_is_removed_by_name,
    a_segment_in_use_is_not_removed_by_name_unless_asked,
    #[cfg(unix)]
    the_lock_goes_with_a_segment_that_was_removed_in_use,
    read_only_handles_cannot_write,
    the_lock_excludes_handles_threads_and_processes,
    a_lock_that_is_not_free_times_out_and_names_its_holder,
    no_update_is_lost_between_processes,
    one_of_many_creates_and_the_others_attach,
    one_of_many_creators_wins,
    handles_come_and_go_while_others_come_and_go,
    permissions_are_those_asked_for,
);

fn a_segment_is_born_with_zeros_and_its_exact_size(key: TestKey) {
    for size in [1, 4095, 4096, 4097, 1_000_003] {
        let segment = SharedMemory::create(&key, size).unwrap();
        let size = size_of_segment(size);
        assert_eq!(segment.size(), size);
        assert_eq!(segment.origin(), Origin::Created);
        assert_eq!(segment.view().to_vec(), vec![0; size]);
        assert_eq!(SharedMemory::attach(&key).unwrap().size(), size);
        segment.view_mut().unwrap().fill(0xff);
        drop(segment);
        assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    }
}

#[test]
#[ignore = "child role"]
fn role_answer_with_the_greeting_reversed() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let mut greeting = [0; 5];
    segment.read_at(0, &mut greeting).unwrap();
    greeting.reverse();
    segment.write_at(100, &greeting).unwrap();
    me.say("answered");
}

fn what_one_writes_another_reads(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    segment.write_at(0, b"hello").unwrap();
    let mut other = spawn(
        "conformance::role_answer_with_the_greeting_reversed",
        key.to_string(),
    );
    other.expect("answered");
    let mut answer = [0; 5];
    segment.read_at(100, &mut answer).unwrap();
    assert_eq!(&answer, b"olleh");
    other.finish();
}

fn a_second_create_is_refused_while_somebody_is_attached(key: TestKey) {
    let first = SharedMemory::create(&key, 100).unwrap();
    first.write_at(0, b"mine").unwrap();
    let error = SharedMemory::create(&key, 200).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains(&key.to_string()), "{error}");
    assert!(error.to_string().contains("is in use"), "{error}");
    assert_eq!(error.help(), Some("attach to it, or choose another name"));
    let again = SharedMemory::attach(&key).unwrap();
    assert_eq!(again.origin(), Origin::Attached);
    assert_eq!(again.size(), size_of_segment(100));
    assert_eq!(again.view().read::<[u8; 4]>(0).unwrap(), *b"mine");
}

fn attach_without_a_segment_says_not_found_and_leaves_nothing(key: TestKey) {
    let error = SharedMemory::attach(&key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    let error = SharedMemory::remove(&key, InUse::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn the_last_one_out_removes_everything_whoever_it_is(key: TestKey) {
    // All orders in which three handles can go.
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let maker = SharedMemory::create(&key, 64).unwrap();
        drop(maker.lock().unwrap());
        let second = SharedMemory::attach(&key).unwrap();
        let third = SharedMemory::attach_read_only(&key).unwrap();
        let in_kernel = key.kernel_objects();
        let mut handles = [Some(maker), Some(second), Some(third)];
        let mut left = order.map(|index| handles[index].take().unwrap().detach().unwrap());
        assert_eq!(
            left.last_mut(),
            Some(&mut Detached::Removed),
            "order {order:?}"
        );
        assert_eq!(&left[..2], [Detached::Remains; 2], "order {order:?}");
        assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
        assert_eq!(still_in_kernel(&in_kernel), []);
    }
}

fn a_kept_segment_stays_until_it_is_removed_by_name(key: TestKey) {
    let kept = SharedMemory::options()
        .size(64)
        .lifetime(Lifetime::Kept)
        .create(&key);
    if cfg!(windows) {
        // Its kernel removes it with its last handle, whatever one wishes.
        assert_eq!(kept.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let segment = kept.unwrap();
    segment.write_at(0, b"kept").unwrap();
    assert_eq!(segment.detach().unwrap(), Detached::Remains);

    let error = SharedMemory::create(&key, 64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let help = error.help().unwrap();
    assert_eq!(help, "attach to it, or remove it by name (`shmkit rm`)");
    let again = SharedMemory::create_or_attach(&key, 64).unwrap();
    assert_eq!(
        (again.lifetime(), again.origin()),
        (Lifetime::Kept, Origin::Attached)
    );
    assert_eq!(again.view().read::<[u8; 4]>(0).unwrap(), *b"kept");
    assert_eq!(again.detach().unwrap(), Detached::Remains);

    let in_kernel = key.kernel_objects();
    SharedMemory::remove(&key, InUse::Refuse).unwrap();
    assert_eq!(
        SharedMemory::attach(&key).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    assert_eq!(still_in_kernel(&in_kernel), []);
}

fn a_segment_in_use_is_not_removed_by_name_unless_asked(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let error = SharedMemory::remove(&key, InUse::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    assert_eq!(
        SharedMemory::attach(&key).unwrap().size(),
        size_of_segment(64)
    );

    let removed = SharedMemory::remove(&key, InUse::RemoveAnyway);
    if cfg!(windows) {
        assert_eq!(removed.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    removed.unwrap();
    segment.write_at(0, b"still mine").unwrap();
    assert_eq!(
        SharedMemory::attach(&key).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // The old one's end must not take the new one's name.
    let new = SharedMemory::create(&key, 32).unwrap();
    drop(new.lock().unwrap());
    drop(segment);
    assert_eq!(SharedMemory::attach(&key).unwrap().size(), 32);
    assert_eq!(new.detach().unwrap(), Detached::Removed);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

/// Windows takes no name away while it is in use.
#[cfg(unix)]
fn the_lock_goes_with_a_segment_that_was_removed_in_use(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    drop(segment.lock().unwrap());
    let in_kernel = key.kernel_objects();
    SharedMemory::remove(&key, InUse::RemoveAnyway).unwrap();
    drop(segment);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    assert_eq!(still_in_kernel(&in_kernel), []);
}

fn read_only_handles_cannot_write(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let reader = SharedMemory::attach_read_only(&key).unwrap();
    assert_eq!(reader.access(), Access::ReadOnly);
    assert_eq!(
        reader.write_at(0, b"x").unwrap_err().kind(),
        ErrorKind::ReadOnly
    );
    assert_eq!(reader.view_mut().unwrap_err().kind(), ErrorKind::ReadOnly);
    segment.write_at(0, b"seen").unwrap();
    assert_eq!(reader.view().read::<[u8; 4]>(0).unwrap(), *b"seen");
    // Readers may lock, too.
    drop(reader.lock().unwrap());
}

#[test]
#[ignore = "child role"]
fn role_try_the_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    loop {
        match segment.try_lock() {
            Ok(_) => me.say("free"),
            Err(error) => me.say(format_args!("{:?}", error.kind())),
        }
        let _ = me.ask();
    }
}

fn the_lock_excludes_handles_threads_and_processes(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let second = SharedMemory::attach(&key).unwrap();
    let mut other = spawn("conformance::role_try_the_lock", key.to_string());
    other.expect("free");

    let held = segment.lock().unwrap();
    assert!(matches!(held, Acquired::Clean(_)));
    assert_eq!(
        segment.try_lock().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(second.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(
                second.lock_timeout(SHORT).unwrap_err().kind(),
                ErrorKind::TimedOut
            );
        });
    });
    other.tell("again");
    other.expect("WouldBlock");

    // A guard may end in another thread.
    thread::scope(|scope| scope.spawn(move || drop(held)).join().unwrap());
    drop(second.try_lock().unwrap());
    other.tell("again");
    other.expect("free");
}

#[test]
#[ignore = "child role"]
fn role_hold_the_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let _held = segment.lock().unwrap();
    me.say("locked");
    me.park();
}

fn a_lock_that_is_not_free_times_out_and_names_its_holder(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut holder = spawn("conformance::role_hold_the_lock", key.to_string());
    holder.expect("locked");
    let begun = std::time::Instant::now();
    let error = segment.lock_timeout(SHORT).unwrap_err();
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {}", holder.pid())),
        "{text}"
    );
    holder.finish();
    assert!(!segment.lock_timeout(LONG).unwrap().owner_died());
}

#[test]
#[ignore = "child role"]
fn role_count() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    me.say("ready");
    let _ = me.ask();
    count(&segment, ROUNDS);
    me.say("done");
    me.park();
}

const ROUNDS: u64 = 20_000;

fn count(segment: &SharedMemory, rounds: u64) {
    let view = segment.view_mut().unwrap();
    for _ in 0..rounds {
        let _held = segment.lock_timeout(LONG).unwrap();
        let counter: u64 = view.read(0).unwrap();
        view.write(0, &(counter + 1)).unwrap();
    }
}

fn no_update_is_lost_between_processes(key: TestKey) {
    let _deadline = deadline(LONG * 5);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let second = SharedMemory::attach(&key).unwrap();
    let mut others = [0; 2].map(|_| spawn("conformance::role_count", key.to_string()));
    others.iter_mut().for_each(|other| other.expect("ready"));
    others.iter_mut().for_each(|other| other.tell("go"));
    thread::scope(|scope| {
        // Two threads with one handle, and one with its own.
        scope.spawn(|| count(&segment, ROUNDS));
        scope.spawn(|| count(&segment, ROUNDS));
        scope.spawn(|| count(&second, ROUNDS));
    });
    others.iter_mut().for_each(|other| other.expect("done"));
    assert_eq!(segment.view().read::<u64>(0).unwrap(), 5 * ROUNDS);
}

fn one_of_many_creates_and_the_others_attach(key: TestKey) {
    const MANY: usize = 8;
    let _deadline = deadline(LONG * 3);
    for _ in 0..20 {
        let start = Barrier::new(MANY);
        let end = Barrier::new(MANY);
        let results = thread::scope(|scope| {
            let race = || {
                start.wait();
                let segment = SharedMemory::create_or_attach(&key, 64);
                if let Ok(segment) = &segment {
                    let view = segment.view_mut().unwrap();
                    let counter = view.atomic::<AtomicU64>(0).unwrap();
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                // Everybody stays until everybody is here.
                end.wait();
                segment.map(|segment| (segment.origin(), segment.view().read::<u64>(0).unwrap()))
            };
            let racers = [0; MANY].map(|_| scope.spawn(race));
            racers.map(|racer| racer.join().unwrap())
        });
        let is = |origin| {
            let is =
                |result: &&Result<_>| matches!(result, Ok(seen) if *seen == (origin, MANY as u64));
            results.iter().filter(is).count()
        };
        assert_eq!(is(Origin::Created), 1, "{results:?}");
        assert_eq!(is(Origin::Attached), MANY - 1, "{results:?}");
        assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    }
}

fn one_of_many_creators_wins(key: TestKey) {
    const MANY: usize = 8;
    let _deadline = deadline(LONG * 3);
    for _ in 0..20 {
        let start = Barrier::new(MANY);
        let end = Barrier::new(MANY);
        let results = thread::scope(|scope| {
            let race = || {
                start.wait();
                let made = SharedMemory::create(&key, 64);
                end.wait();
                made.map(drop)
            };
            let racers = [0; MANY].map(|_| scope.spawn(race));
            racers.map(|racer| racer.join().unwrap())
        });
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "{results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        }
    }
}

fn handles_come_and_go_while_others_come_and_go(key: TestKey) {
    let _deadline = deadline(LONG * 3);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let segment = SharedMemory::create_or_attach(&key, 64).unwrap();
                    // Whoever is here sees what it wrote: nobody removes it under us, and all
                    // have the same one.
                    let _held = segment.lock_timeout(LONG).unwrap();
                    let view = segment.view_mut().unwrap();
                    let mark = std::ptr::from_ref(&segment).addr() as u64;
                    view.write(8, &mark).unwrap();
                    let again = SharedMemory::attach(&key).unwrap();
                    assert_eq!(again.view().read::<u64>(8).unwrap(), mark);
                }
            });
        }
    });
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

fn permissions_are_those_asked_for(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    assert_eq!(segment.mode(), 0o600);
    drop(segment);
    let segment = SharedMemory::options()
        .size(64)
        .mode(0o664)
        .create(&key)
        .unwrap();
    assert_eq!(segment.mode(), 0o664);
    assert_eq!(SharedMemory::attach(&key).unwrap().mode(), 0o664);
}
