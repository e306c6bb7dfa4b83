//! Segments that grow while others read them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use shmkit::{Access, ErrorKind, Options, SharedMemory, key::NativeIpcKey};
use shmkit_testkit::{Child, role, spawn};

use crate::support::{LONG, SHORT, TestKey};

const PAGE: usize = 4096;

fn growable() -> Options {
    let mut options = SharedMemory::options();
    options.size(PAGE).growable(1 << 30);
    options
}

/// A counter at 0 says how many numbers follow; number `n` is `n`.
fn numbers_are_right(segment: &SharedMemory, count: u64) -> bool {
    let view = segment.view();
    (1..=count).all(|n| view.read::<u64>(8 * n as usize).unwrap() == n)
}

#[test]
#[ignore = "child role"]
fn role_read_what_grows() {
    let Some(me) = role() else { return };
    let (key, last) = me.arg().split_once(' ').unwrap();
    let last: u64 = last.parse().unwrap();
    let segment = SharedMemory::options()
        .growable(1 << 30)
        .access(Access::ReadOnly)
        .attach(&key.parse::<NativeIpcKey>().unwrap())
        .unwrap();
    me.say("reading");
    let first = segment.view();
    let mut size = segment.size();
    let mut times = 0;
    loop {
        // The low half: not every 32-bit processor can load 8 bytes at once from read-only memory.
        let count = first
            .atomic_load::<AtomicU32>(0)
            .unwrap()
            .load(Ordering::Acquire);
        let count = u64::from(count);
        // The counter is raised after the segment has grown.
        if 8 * (count as usize + 1) > size {
            size = segment.wait_for_growth(size, LONG).unwrap();
            times += 1;
            continue;
        }
        assert!(numbers_are_right(&segment, count));
        if count == last {
            break;
        }
        std::hint::spin_loop();
    }
    assert!(times > 0);
    me.say("read all");
}

#[test]
fn four_readers_follow_a_segment_that_grows() {
    let key = TestKey::named();
    let segment = growable().create(&key).unwrap();
    let last = 20_000_u64;
    let mut readers: Vec<Child> = (0..4)
        .map(|_| spawn("growth::role_read_what_grows", format!("{} {last}", *key)))
        .collect();
    readers
        .iter_mut()
        .for_each(|reader| reader.expect("reading"));
    for n in 1..=last {
        let end = 8 * (n as usize + 1);
        if end > segment.size() {
            segment.grow(end.next_multiple_of(2 * PAGE)).unwrap();
        }
        let view = segment.view_mut().unwrap();
        view.write(8 * n as usize, &n).unwrap();
        let count = view.atomic::<AtomicU64>(0).unwrap();
        count.store(n, Ordering::Release);
    }
    for mut reader in readers {
        reader.expect("read all");
        reader.finish();
    }
    assert!(numbers_are_right(&segment, last));
}

/// In whole pages, as they are everywhere.
#[test]
fn named_and_nameless_memory_grows_in_place() {
    let key = TestKey::named();
    for segment in [
        growable().create(&key).unwrap(),
        growable().memfd("grows").unwrap(),
    ] {
        assert_eq!((segment.size(), segment.capacity()), (PAGE, 1 << 30));
        let old = segment.view_mut().unwrap();
        old.write(0, &7_u64).unwrap();
        for size in [2 * PAGE, 3 * PAGE, 1 << 20, (1 << 20) + PAGE] {
            segment.grow(size).unwrap();
            let new = segment.view_mut().unwrap();
            assert_eq!((new.len(), new.as_ptr()), (size, old.as_ptr()));
            assert_eq!(new.read::<u8>(size - 1).unwrap(), 0);
            new.write(size - 1, &1_u8).unwrap();
            assert_eq!(old.len(), PAGE);
            assert_eq!(old.read::<u64>(0).unwrap(), 7);
        }
        // Growing to less is nothing.
        segment.grow(5).unwrap();
        assert_eq!(segment.size(), (1 << 20) + PAGE);
        let error = segment.grow((1 << 30) + 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
        assert!(error.help().unwrap().contains("growable"), "{error}");
    }
}

#[test]
fn a_wait_for_growth_ends_with_the_time_and_with_growth_by_others() {
    let key = TestKey::named();
    let segment = growable().create(&key).unwrap();
    let other = growable().attach(&key).unwrap();
    let error = other.wait_for_growth(PAGE, SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(other.wait_for_growth(PAGE - 1, SHORT).unwrap(), PAGE);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.wait_for_growth(PAGE, LONG).unwrap());
        segment.grow(2 * PAGE).unwrap();
        assert_eq!(waiter.join().unwrap(), 2 * PAGE);
    });
}

#[test]
fn two_who_grow_named_memory_at_once_lose_nothing() {
    let key = TestKey::named();
    let first = growable().create(&key).unwrap();
    let second = growable().attach(&key).unwrap();
    let grow = |segment: &SharedMemory, odd: usize| {
        for n in 0..100 {
            let size = PAGE + (2 * n + odd) * PAGE;
            segment.grow(size).unwrap();
            segment.write_at(size - 1, &[1 + odd as u8]).unwrap();
            assert!(segment.refresh().unwrap() >= size);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| grow(&first, 0));
        scope.spawn(|| grow(&first, 1));
        grow(&second, 1);
    });
    assert_eq!(second.refresh().unwrap(), 200 * PAGE);
    assert_eq!(second.view().read::<u8>(199 * PAGE - 1).unwrap(), 1);
}
