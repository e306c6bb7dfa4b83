//! Locks where they cannot work: an error that says so.

use std::thread;
use std::time::Duration;

use shmkit::sync::{Barrier, Event, Mutex, Once, OnceCell, RecursiveMutex, RwLock, Semaphore};
use shmkit::typed::Shared;
use shmkit::{ErrorKind, Result, SharedMemory};
use shmkit_testkit::Scratch;

use super::board::{Board, board};
use crate::places::{Maker, Place, for_every_place};
#[cfg(unix)]
use crate::support::TestKey;
use crate::support::{LONG, SHORT};

for_every_place!(
    a_copy_on_write_attachment_cannot_lock,
    a_counter_at_its_end_gives_out_no_more_leases,
);

#[track_caller]
fn unsupported<T>(attempt: Result<T>, words: &str) {
    match attempt {
        Ok(_) => panic!("it worked"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.help().is_some(), "{error}");
        }
    }
}

#[test]
fn a_lock_outside_a_segment_is_unsupported() {
    let words = "does not lie in an attached segment";
    unsupported(Mutex::new(1).lock(), words);
    unsupported(Mutex::new(1).try_lock(), words);
    unsupported(RecursiveMutex::new(1).lock(), words);
    unsupported(RwLock::<_, 1>::new(1).read(), words);
    unsupported(RwLock::<_, 1>::new(1).write(), words);
    unsupported(Once::new().call_once(|| unreachable!()), words);
    unsupported(OnceCell::new().get_or_init(|| 1), words);
    // With the data as they are.
    assert_eq!(Mutex::new(1).into_inner(), 1);
    assert_eq!(*Mutex::new(1).get_mut(), 1);
    assert_eq!(*RwLock::<_, 1>::new(1).get_mut(), 1);
    assert_eq!(Mutex::new(1).holder(), None);
}

/// They have no owner, so nobody needs to know who is alive.
#[test]
fn what_signals_works_between_the_threads_of_a_process_anyway() {
    let (permits, event, barrier) = (Semaphore::new(0), Event::new_auto(), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            permits.release(1).unwrap();
            event.set().unwrap();
            barrier.wait_timeout(LONG).unwrap();
        });
        permits.acquire_timeout(LONG).unwrap();
        event.wait_timeout(LONG).unwrap();
        barrier.wait_timeout(LONG).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_system_v_key_is_unsupported() {
    for key in [TestKey::system_v(), TestKey::system_v_legacy()] {
        let place = Place::Key(key.key.clone());
        let words = "which of its users are alive";
        unsupported(place.create(0_u32), words);
        unsupported(place.open::<u32>(), words);
        unsupported(place.open_read_only::<u32>(), words);
        unsupported(place.open_or_init(|| 0_u32), words);
        assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
    }
}

fn a_copy_on_write_attachment_cannot_lock(maker: Maker) {
    let board = board(maker);
    *board.mutex.lock().unwrap().assume_recovered() = 1;
    let mut options = SharedMemory::options();
    options.copy_on_write(true);
    let copy: Shared<Board> = board.place.open_with(&options).unwrap();
    unsupported(copy.mutex.lock(), "copy-on-write");
    unsupported(copy.recursive.try_lock(), "copy-on-write");
    unsupported(copy.table.read(), "copy-on-write");
    unsupported(copy.once.call_once(|| unreachable!()), "copy-on-write");
    assert!(!copy.set_label("a copy"));
    // What it writes stays there.
    copy.manual.set().unwrap();
    assert!(copy.manual.is_set() && !board.manual.is_set());
    assert!(!board.mutex.lock().unwrap().owner_died());
}

/// Where the counter is, by `docs/FORMAT.md`.
const COUNTER: usize = 136;

fn a_counter_at_its_end_gives_out_no_more_leases(maker: Maker) {
    let board = board(maker);
    let raw = board.place.raw();
    let last = (1_u32 << 30) - 1;
    for scribble in [last, u32::MAX, u32::MAX - 1, 1 << 31] {
        raw.write_at(COUNTER, &scribble.to_le_bytes()).unwrap();
        let other: Shared<Board> = board.place.open().unwrap();
        for _ in 0..3 {
            let error = other.mutex.lock().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfResources, "{error}");
            assert!(error.to_string().contains("all its leases"), "{error}");
        }
        assert_eq!(raw.view().read::<u32>(COUNTER).unwrap(), scribble);
    }
    // Who has one keeps it, and the last one is given out.
    drop(board.mutex.lock().unwrap());
    raw.write_at(COUNTER, &(last - 1).to_le_bytes()).unwrap();
    let other: Shared<Board> = board.place.open().unwrap();
    let held = other.mutex.lock().unwrap();
    assert!(board.mutex.lock_timeout(SHORT).is_err());
    drop(held);
    // A counter that was set back gives out nothing that somebody has.
    raw.write_at(COUNTER, &0_u32.to_le_bytes()).unwrap();
    let another: Shared<Board> = board.place.open().unwrap();
    let _held = another.mutex.lock().unwrap();
    for taken in [&*board, &other] {
        let error = taken.mutex.lock_timeout(SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

/// A segment in the middle of a file, at any byte: references would not be aligned.
#[test]
fn a_typed_segment_at_an_odd_place_of_a_file_is_refused() {
    let folder = Scratch::new();
    let whole = folder.join("whole");
    drop(
        Place::File(whole.clone())
            .create(Mutex::new(5_u64))
            .unwrap(),
    );
    let bytes = std::fs::read(&whole).unwrap();
    for (gap, is_fine) in [(100, false), (8, false), (64, true), (4096, true)] {
        let path = folder.join("with a gap");
        let mut file = vec![0xEE; gap];
        file.extend(&bytes);
        std::fs::write(&path, file).unwrap();
        let mut options = SharedMemory::options();
        options.range(gap as u64..);
        let opened = Place::File(path).open_with::<Mutex<u64>>(&options);
        match is_fine {
            true => assert_eq!(*opened.unwrap().lock().unwrap().assume_recovered(), 5),
            false => {
                let error = opened.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::OutOfBounds, "{error}");
                assert!(error.to_string().contains("multiple of 64"), "{error}");
            }
        }
    }
}

/// `Duration::MAX` and the like are no overflow anywhere.
#[test]
fn no_limit_is_too_long() {
    let board = board(Maker::Memory);
    board.permits.release(1).unwrap();
    board.permits.acquire_timeout(Duration::MAX).unwrap();
    board.manual.set().unwrap();
    board.manual.wait_timeout(Duration::MAX).unwrap();
    drop(board.table.read_timeout(Duration::MAX).unwrap());
    board.once.call_once_timeout(Duration::MAX, || ()).unwrap();
    let guard = board.mutex.lock_timeout(Duration::MAX).unwrap();
    let guard = guard.assume_recovered();
    let waited = board
        .changed
        .wait_timeout_while(guard, Duration::MAX, |_| false);
    assert!(!waited.unwrap().1.timed_out());
}
