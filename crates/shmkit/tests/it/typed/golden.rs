//! The bytes of version 1, as other languages find them.

use std::time::SystemTime;

use shmkit::sync::{
    Barrier, Condvar, Event, Mutex, Once, OnceCell, RecursiveMutex, RwLock, Semaphore,
};
use shmkit::typed::ShmSafe;

use crate::places::{Made, Maker};

/// The bytes of a value in a segment that nobody but its creator, whose lease is 1, has.
fn bytes<T: ShmSafe>(made: &Made<T>) -> Vec<u8> {
    let raw = made.place.raw();
    let begin = raw.view().read::<u32>(12).unwrap() as usize;
    raw.view()
        .get(begin..begin + size_of::<T>())
        .unwrap()
        .to_vec()
}

fn made<T: ShmSafe>(value: T) -> Made<T> {
    Maker::Memory.make(value)
}

#[test]
fn the_header() {
    let made = made(0x0102_0304_u32);
    let raw = made.place.raw();
    let head = raw.view().get(..48).unwrap().to_vec();
    #[rustfmt::skip]
    let golden = [
        0x89, b'S', b'H', b'M', b'K', b'I', b'T', b'\n',
        1, 0, 0, 0, // version
        0x40, 0x10, 0, 0, // where the value begins: 4160
        0x44, 0x10, 0, 0, 0, 0, 0, 0, // all of it: 4164
    ];
    assert_eq!(head[..24], golden);
    assert_eq!(head[24..32], <u32 as ShmSafe>::LAYOUT_HASH.to_le_bytes());
    let text = u32::LAYOUT.text();
    #[rustfmt::skip]
    let golden = [
        4, 0, 0, 0, 0, 0, 0, 0, // the value's size
        4, 0, 0, 0, // its alignment
        text.len() as u8, 0, 0, 0,
    ];
    assert_eq!(head[32..], golden);
    assert_eq!(
        raw.view().read::<u32>(48).unwrap(),
        std::process::id().to_le()
    );
    // A `u32` has no name.
    assert_eq!(raw.view().read::<[u8; 40]>(88).unwrap(), [0; 40]);
    // Done, by nobody any more; one lease given out.
    assert_eq!(
        raw.view().read::<[u8; 8]>(128).unwrap(),
        [0, 0, 0, 0x40, 0, 0, 0, 0]
    );
    assert_eq!(raw.view().read::<[u8; 4]>(136).unwrap(), [1, 0, 0, 0]);
    assert_eq!(raw.view().get(140..256).unwrap().to_vec(), [0; 116]);
    // The creator is the first in the roster: 96 bytes each, at the place of its lease.
    assert_eq!(raw.view().read::<[u8; 4]>(256 + 96).unwrap(), [1, 0, 0, 0]);
    assert_eq!(
        raw.view().read::<u32>(256 + 96 + 4).unwrap(),
        std::process::id().to_le()
    );
    let layout = raw.view().get(4096..4096 + text.len()).unwrap().to_vec();
    assert_eq!(layout, text.as_bytes());
    assert_eq!(raw.view().read::<[u8; 4]>(4160).unwrap(), [4, 3, 2, 1]);
}

#[test]
fn a_mutex() {
    let made = made(Mutex::new(0x0807_0605_0403_0201_u64));
    let name: [u8; 8] = made.place.raw().view().read(88).unwrap();
    assert_eq!(name, *b"Mutex\0\0\0");
    let data = [1, 2, 3, 4, 5, 6, 7, 8];
    let with = |word: [u8; 4]| [&word[..], &[0; 12], &data].concat();
    assert_eq!(bytes(&made), with([0, 0, 0, 0]));
    let held = made.lock().unwrap();
    assert_eq!(bytes(&made), with([1, 0, 0, 0]));
    drop(held);
    assert_eq!(bytes(&made), with([0, 0, 0, 0]));
    let panicked = std::panic::catch_unwind(|| {
        let _held = made.lock();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    assert_eq!(bytes(&made), with([0, 0, 0, 0x40]));
    // Somebody has waited for lease 1, for less than a minute.
    made.clear_poison().unwrap();
    let held = made.lock().unwrap();
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let units = |nanoseconds: u64| nanoseconds >> 20 & ((1 << 34) - 1);
    assert!(made.lock_timeout(crate::support::SHORT).is_err());
    let awaited = bytes(&made);
    assert_eq!(awaited[..8], [1, 0, 0, 0x80, 0, 0, 0, 0]);
    let blamed = u64::from_le_bytes(awaited[8..16].try_into().unwrap());
    assert_eq!(blamed >> 34, 1);
    assert!(units(now().wrapping_sub(blamed << 20)) < 60 << 10);
    assert_eq!(awaited[16..], data);
    // Nobody is, after the first turn in which somebody was.
    drop(held);
    let after = [[0; 4], [1, 0, 0, 0], [1, 0, 0, 0], [0; 4]].concat();
    assert_eq!(bytes(&made)[..16], after);
}

#[test]
fn a_recursive_mutex() {
    let made = made(RecursiveMutex::new(0x0201_u16));
    let free = [&[0; 32][..], &[1, 2, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(bytes(&made)[..34], free[..34]);
    let _held = (made.lock().unwrap(), made.lock().unwrap());
    let held = bytes(&made);
    assert_eq!(held[..16], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The thread's number, not 0, and the lease in the upper half.
    assert_ne!(held[16..20], [0; 4]);
    assert_eq!(held[20..24], [1, 0, 0, 0]);
    assert_eq!(held[24..34], [2, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
}

#[test]
fn a_rwlock() {
    let made = made(RwLock::<u64, 1>::new(5));
    let free = [&[0; 96][..], &[5, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(bytes(&made), free);
    let held = made.write().unwrap();
    let mut golden = free.clone();
    // The word, and the writer that is inside.
    golden[0] = 1;
    golden[16] = 1;
    assert_eq!(bytes(&made), golden);
    drop(held);
    assert_eq!(bytes(&made), free);
    let _held = (made.read().unwrap(), made.read().unwrap());
    let reading = bytes(&made);
    assert_eq!(reading[..32], free[..32]);
    // One slot, wherever the thread began to look: two readers, of lease 1.
    let slots: Vec<_> = reading[32..96]
        .chunks(8)
        .filter(|slot| **slot != [0; 8])
        .collect();
    assert_eq!(slots, [[2, 0, 0, 0, 1, 0, 0, 0]]);
}

#[test]
fn what_signals() {
    let condvar = made(Condvar::new());
    condvar.notify_one().unwrap();
    condvar.notify_all().unwrap();
    assert_eq!(bytes(&condvar), [2, 0, 0, 0, 0, 0, 0, 0]);

    let permits = made(Semaphore::new(3));
    assert_eq!(bytes(&permits), [3, 0, 0, 0, 0, 0, 0, 0]);
    permits.acquire().unwrap();
    assert_eq!(bytes(&permits), [2, 0, 0, 0, 0, 0, 0, 0]);

    let event = made(Event::new_manual());
    event.set().unwrap();
    event.reset().unwrap();
    assert_eq!(bytes(&event), [2, 0, 0, 0, 0, 0, 0, 0]);
    event.set().unwrap();
    assert_eq!(bytes(&event), [5, 0, 0, 0, 0, 0, 0, 0]);
    let event = made(Event::new_auto());
    event.set().unwrap();
    assert_eq!(bytes(&event), [3, 0, 0, 0, 1, 0, 0, 0]);
    event.wait().unwrap();
    assert_eq!(bytes(&event), [2, 0, 0, 0, 1, 0, 0, 0]);

    let barrier = made(Barrier::new(2));
    assert_eq!(bytes(&barrier), [0, 0, 0, 0, 2, 0, 0, 0]);
    std::thread::scope(|scope| {
        scope.spawn(|| barrier.wait().unwrap());
        while barrier.waiting() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(bytes(&barrier), [1, 0, 0, 0, 2, 0, 0, 0]);
        assert!(barrier.wait().unwrap().is_leader());
    });
    // The second round, nobody there yet.
    assert_eq!(bytes(&barrier), [0, 0, 1, 0, 2, 0, 0, 0]);
}

#[test]
fn what_is_done_once() {
    let once = made(Once::new());
    assert_eq!(bytes(&once), [0; 8]);
    once.call_once(|| assert_eq!(bytes(&once), [1, 0, 0, 0, 0, 0, 0, 0]))
        .unwrap();
    assert_eq!(bytes(&once), [0, 0, 0, 0x40, 0, 0, 0, 0]);
    let cell = made(OnceCell::<u32>::new());
    cell.get_or_init(|| 0x0403_0201).unwrap();
    assert_eq!(bytes(&cell)[..12], [0, 0, 0, 0x40, 0, 0, 0, 0, 1, 2, 3, 4]);
}
