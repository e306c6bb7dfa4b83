//! Locks by offset in a segment that has no type.
#![expect(unsafe_code, reason = "`placed`: only these tests open the segments")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use shmkit::sync::{Event, Mutex, RwLock, Semaphore};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{Scratch, role, spawn};

use crate::support::{LONG, SHORT, TestKey, for_every_key, size_of_segment};

/// Not where a page begins.
const AT: usize = 4096 + 24;

fn at<T: shmkit::ShmSafe>(segment: &SharedMemory, offset: usize) -> shmkit::Result<&T> {
    // SAFETY: only these tests open the segments, zeros are values of these types, and each place
    // is used as one type.
    unsafe { segment.placed(offset) }
}

#[test]
#[ignore = "child role"]
fn role_use_a_placed_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let mutex: &Mutex<u64> = at(&segment, AT).unwrap();
    for order in me.orders() {
        let mut guard = mutex.lock_timeout(LONG).unwrap().assume_recovered();
        *guard += 1;
        match &*order {
            "add" => drop(guard),
            _ => std::mem::forget(guard),
        }
        me.say("added");
    }
}

fn a_lock_in_the_middle_of_a_segment(key: TestKey) {
    let segment = SharedMemory::create(&key, 3 * 4096).unwrap();
    let mutex: &Mutex<u64> = at(&segment, AT).unwrap();
    if let Err(error) = mutex.lock() {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(key.to_string().starts_with("systemv:"), "{error}");
        return;
    }
    let mut other = spawn("sync::placed::role_use_a_placed_lock", key.to_string());
    other.tell("add");
    other.expect("added");
    assert_eq!(*mutex.lock().unwrap().assume_recovered(), 1);
    other.tell("keep");
    other.expect("added");
    let error = mutex.lock_timeout(SHORT).unwrap_err();
    // Their leases have random numbers, and still lead to the process.
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {} ", other.pid())),
        "{text}"
    );
    other.kill();
    let recovery = mutex.lock_timeout(LONG).unwrap();
    assert!(recovery.owner_died());
    assert_eq!(*recovery.assume_recovered(), 2);
    assert_eq!(segment.view().read::<u64>(AT + 16).unwrap(), 2);
}

fn what_signals_needs_no_lease(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let other = SharedMemory::attach(&key).unwrap();
    let (one, two): (&Semaphore, &Semaphore) = (at(&segment, 64).unwrap(), at(&other, 64).unwrap());
    let (ready, go): (&Event, &Event) = (at(&segment, 72).unwrap(), at(&other, 72).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            one.release(1).unwrap();
            ready.set().unwrap();
        });
        two.acquire_timeout(LONG).unwrap();
        go.wait_timeout(LONG).unwrap();
    });
}

fn what_does_not_fit_is_an_error(key: TestKey) {
    let size = size_of_segment(5000);
    let segment = SharedMemory::create(&key, 5000).unwrap();
    for offset in [
        size - 15,
        size,
        size + 1,
        4096 * 2,
        usize::MAX - 7,
        usize::MAX,
        1,
        4,
        4092,
    ] {
        let error = at::<Mutex<u64>>(&segment, offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds, "{offset}: {error}");
        assert!(error.to_string().contains(&key.to_string()), "{error}");
    }
    assert!(at::<Mutex<u64>>(&segment, size - 24).is_ok());
    assert!(at::<[u64; 0]>(&segment, size - 16).is_ok());
    assert!(at::<u8>(&segment, size - 1).is_ok());
}

fn nothing_in_read_only_memory_can_be_written_to(key: TestKey) {
    let _segment = SharedMemory::create(&key, 4096).unwrap();
    let reader = SharedMemory::attach_read_only(&key).unwrap();
    let error = at::<AtomicU32>(&reader, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    let semaphore = at::<Semaphore>(&reader, 0);
    if key.to_string().starts_with("systemv:") {
        assert_eq!(semaphore.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let semaphore = semaphore.unwrap();
    assert_eq!(
        semaphore.release(1).unwrap_err().kind(),
        ErrorKind::ReadOnly
    );
    let table: &RwLock<u64, 1> = at(&reader, 64).unwrap();
    assert_eq!(table.read().unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(
        table.clear_poison().unwrap_err().kind(),
        ErrorKind::ReadOnly
    );
}

for_every_key!(
    a_lock_in_the_middle_of_a_segment,
    what_signals_needs_no_lease,
    what_does_not_fit_is_an_error,
    nothing_in_read_only_memory_can_be_written_to,
);

/// The same bytes of a file, by two windows of it that begin elsewhere.
#[test]
fn a_lock_excludes_windows_of_a_file() {
    let folder = Scratch::new();
    let path = folder.join("windows");
    let whole = SharedMemory::options()
        .size(3 * 4096)
        .create_file(&path)
        .unwrap();
    let window = |begin: u64| {
        let mut options = SharedMemory::options();
        options
            .range(begin..begin + 4096)
            .attach_file(&path)
            .unwrap()
    };
    let windows = [window(104), window(4096)];
    let locks: [&Mutex<u64>; 3] = [
        at(&whole, 4120).unwrap(),
        at(&windows[0], 4120 - 104).unwrap(),
        at(&windows[1], 24).unwrap(),
    ];
    for (turn, lock) in locks.iter().enumerate() {
        let mut guard = lock.lock().unwrap().assume_recovered();
        assert_eq!(*guard, turn as u64);
        *guard += 1;
        for other in locks.iter().filter(|other| !std::ptr::eq(**other, *lock)) {
            let error = other.lock_timeout(SHORT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(error.to_string().contains("this process"), "{error}");
        }
    }
    // One that is past the window's end is not reached.
    assert!(at::<Mutex<u64>>(&windows[0], 4096 - 16).is_err());
}

/// A copy that only this handle sees cannot exclude anybody.
#[test]
fn a_copy_on_write_window_cannot_lock() {
    let folder = Scratch::new();
    let path = folder.join("copied");
    let _whole = SharedMemory::options()
        .size(4096)
        .create_file(&path)
        .unwrap();
    let copy = SharedMemory::options()
        .copy_on_write(true)
        .attach_file(&path)
        .unwrap();
    let mutex: &Mutex<u64> = at(&copy, 0).unwrap();
    let error = mutex.lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("copy-on-write"), "{error}");
}

/// In room that the segment has grown into.
#[test]
fn a_lock_in_what_was_added_to_a_segment() {
    if cfg!(shmkit_force_portable) {
        return println!("skipped: POSIX segments that are objects do not grow");
    }
    let key = TestKey::named();
    let mut options = SharedMemory::options();
    options.size(4096).growable(1 << 20);
    let segment = options.create(&key).unwrap();
    assert!(at::<Mutex<u32>>(&segment, 8192).is_err());
    segment.grow(3 * 4096).unwrap();
    let other = options.attach(&key).unwrap();
    let counter: &AtomicU32 = at(&segment, 8192 + 64).unwrap();
    let [one, two]: [&Mutex<u32>; 2] = [at(&segment, 8192).unwrap(), at(&other, 8192).unwrap()];
    let held = one.lock().unwrap();
    assert_eq!(two.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    counter.fetch_add(1, Ordering::Relaxed);
    drop(held);
    assert!(!two.lock().unwrap().owner_died());
}
