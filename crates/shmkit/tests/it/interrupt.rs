//! Waits that are ended early by the thread's own program: nothing is lost by it.
#![expect(
    unsafe_code,
    reason = "a typed segment that only this test opens, and a signal"
)]

use std::cell::Cell;
use std::error::Error as _;
use std::fmt::Debug;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::os::handover::{self, Parcel, Rendezvous};
use shmkit::qt::{AccessMode, QNativeIpcKey, QSystemSemaphore};
use shmkit::sync::{Barrier, Condvar, Event, Mutex, Once, RwLock, Semaphore};
use shmkit::typed::{Shared, ShmSafe};
use shmkit::watch::{self, Until, Watch};
use shmkit::{Access, Error, ErrorKind, InUse, Lifetime, Options, Result, SharedMemory, interrupt};
use shmkit_testkit::{Scratch, deadline, unique_name};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

for_every_key!(
    a_wait_for_a_segments_lock_can_be_ended,
    a_lock_that_was_not_waited_for_can_be_taken
);

/// How often a wait must ask.
const AT_LEAST_EVERY: Duration = Duration::from_millis(50);

/// Ends what `wait` waits for after a while, in which it must have asked often enough.
#[track_caller]
fn ended<T: Debug>(wait: impl FnOnce() -> Result<T>) -> Error {
    const WHILE: Duration = Duration::from_millis(400);
    let _watch = deadline(LONG);
    let begun = Instant::now();
    let asked = Rc::new(Cell::new(0));
    let times = Rc::clone(&asked);
    let check = move || {
        times.set(times.get() + 1);
        begun.elapsed() >= WHILE
    };
    let error = interrupt::with(check, wait).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    // Half as often, for a machine that has other things to do.
    let often_enough = WHILE.as_millis() / AT_LEAST_EVERY.as_millis() / 2;
    assert!(asked.get() >= often_enough, "asked {} times", asked.get());
    error
}

fn a_wait_for_a_segments_lock_can_be_ended(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let held = segment.lock().unwrap();
    let other = SharedMemory::attach(&key).unwrap();
    let error = ended(|| other.lock_timeout(Duration::MAX));
    assert_eq!(error.key(), Some(key.to_string().as_str()));
    assert!(error.to_string().ends_with(": interrupted"), "{error}");
    drop(held);
    assert!(!other.lock_timeout(LONG).unwrap().owner_died());
}

fn a_lock_that_was_not_waited_for_can_be_taken(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    interrupt::with(|| true, || segment.lock().map(drop)).unwrap();
    drop(segment);
    // Leaving is not interrupted.
    assert!(key.traces().is_empty());
}

#[test]
fn an_attach_that_is_ended_does_not_go_on_without_the_lock() {
    let key = TestKey::system_v();
    let mut options = Options::new();
    let kept = options.size(64).lifetime(Lifetime::Kept).create(&key);
    drop(kept.unwrap().lock().unwrap());
    let lock = QNativeIpcKey::from_string(&key.to_string());
    let lock = QSystemSemaphore::with_native_key(&lock, 1, AccessMode::Open);
    assert!(lock.acquire(), "{}", lock.error_string());
    // Nobody is attached, so whoever has the lock may be about to remove it.
    let _watch = deadline(LONG);
    let ended = interrupt::with(|| true, || SharedMemory::attach(&key));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Interrupted);
    let ended = interrupt::with(|| true, || SharedMemory::remove(&key, InUse::RemoveAnyway));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(lock.release(1));
    SharedMemory::attach(&key).unwrap();
}

#[test]
fn a_key_file_that_is_a_link_to_nowhere_is_an_error() {
    let folder = Scratch::new();
    let path = folder.join("link");
    symlink("/no/such/file", &path).unwrap();
    let key = NativeIpcKey::new(path.to_str().unwrap(), KeyType::SYSTEM_V);
    let _watch = deadline(LONG);
    let error = SharedMemory::create(&key, 64).unwrap_err();
    let cause = error.source().expect("a cause").to_string();
    assert!(
        cause.contains("symbolic link to nowhere"),
        "{error}: {cause}"
    );
}

/// One of each.
#[derive(ShmSafe)]
#[repr(C)]
struct Board {
    mutex: Mutex<u64>,
    table: RwLock<u64, 1>,
    changed: Condvar,
    permits: Semaphore,
    manual: Event,
    auto: Event,
    barrier: Barrier,
    once: Once,
}

impl Board {
    fn new() -> Self {
        Self {
            mutex: Mutex::new(0),
            table: RwLock::new(0),
            changed: Condvar::new(),
            permits: Semaphore::new(0),
            manual: Event::new_manual(),
            auto: Event::new_auto(),
            barrier: Barrier::new(2),
            once: Once::new(),
        }
    }
}

fn board(key: &TestKey) -> Shared<Board> {
    // SAFETY: only this test opens it.
    unsafe { Shared::create(&**key, Board::new()) }.unwrap()
}

#[test]
fn each_wait_inside_a_segment_can_be_ended() {
    let key = TestKey::posix();
    let board = board(&key);
    let mutex = board.mutex.lock().unwrap().assume_recovered();
    ended(|| board.mutex.lock_timeout(Duration::MAX));
    drop(mutex);
    let written = board.table.write().unwrap().assume_recovered();
    ended(|| board.table.read_timeout(Duration::MAX));
    ended(|| board.table.write_timeout(Duration::MAX));
    drop(written);
    let read = board.table.read().unwrap().assume_recovered();
    ended(|| board.table.write_timeout(Duration::MAX));
    drop(read);
    ended(|| board.permits.acquire());
    ended(|| board.manual.wait());
    ended(|| board.auto.wait());
    ended(|| board.barrier.wait());
    ended(|| {
        let guard = board.mutex.lock()?.assume_recovered();
        board.changed.wait_while(guard, |_| true)
    });
    let began = thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let board = &board;
        scope.spawn(move || {
            board.once.call_once(|| {
                tell.send(()).unwrap();
                let _ = wait.recv();
            })
        });
        told.recv().unwrap();
        let error = ended(|| board.once.call_once(|| ()));
        drop(end);
        error
    });
    assert!(began.to_string().contains(&key.to_string()), "{began}");
    // And all is as if nobody had waited.
    board.permits.release(1).unwrap();
    board.permits.try_acquire().unwrap();
    board.auto.set().unwrap();
    board.auto.try_wait().unwrap();
    assert_eq!(board.barrier.waiting(), 0);
    drop(board.table.try_write().unwrap());
    drop(board.mutex.try_lock().unwrap());
}

#[test]
fn a_wake_up_goes_to_one_that_still_waits() {
    let key = TestKey::posix();
    let board = board(&key);
    thread::scope(|scope| {
        let patient: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| board.permits.acquire_timeout(LONG)))
            .collect();
        let hasty = scope.spawn(|| {
            let begun = Instant::now();
            interrupt::with(move || begun.elapsed() > SHORT, || board.permits.acquire())
        });
        let taken = u32::from(hasty.join().unwrap().is_ok());
        assert_eq!(taken, 0);
        board.permits.release(2).unwrap();
        patient
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap().unwrap());
    });
}

#[test]
fn waits_for_growth_and_for_a_state_can_be_ended() {
    let key = TestKey::posix();
    let place = Scratch::in_memory();
    let mut options = Options::new();
    let segment = options.size(64).growable(4096).create(&key).unwrap();
    ended(|| segment.wait_for_growth(64, Duration::MAX));
    ended(|| watch::wait(&key, Until::Removed, None));
    let held = segment.lock().unwrap();
    ended(|| watch::wait(&key, Until::Unlocked, None));
    drop(held);
    let mut events = Watch::new().key(&key).start().unwrap();
    ended(|| events.next_within(Duration::MAX));
    drop(segment);
    assert!(events.next_within(LONG).unwrap().is_some());
    drop(place);
}

#[test]
fn waits_for_what_is_handed_over_can_be_ended() {
    let (here, _there) = UnixStream::pair().unwrap();
    ended(|| handover::receive(&here, Duration::MAX));
    let name = unique_name();
    ended(|| Rendezvous::new(&name).fetch(LONG));
    let segment = Options::new().size(64).memfd("parcel").unwrap();
    let parcel = Parcel::new(&segment, Access::ReadOnly).unwrap();
    let server = Rendezvous::new(&name).serve(vec![parcel]).unwrap();
    ended(|| server.hand_out(LONG));
}

#[test]
fn a_signal_has_it_asked_at_once() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: zeros are a valid value of this struct of integers.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: the handler does nothing. Without SA_RESTART calls end with EINTR.
    let set = unsafe { libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    let key = TestKey::system_v();
    let segment = SharedMemory::create(&key, 64).unwrap();
    let _held = segment.lock().unwrap();
    let other = SharedMemory::attach(&key).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            // SAFETY: it asks for a number, which is a pointer in some C libraries.
            tell.send(unsafe { libc::pthread_self() } as usize).unwrap();
            let asked = Rc::new(Cell::new(0));
            let times = Rc::clone(&asked);
            let check = move || {
                times.set(times.get() + 1);
                times.get() > 1_000
            };
            let begun = Instant::now();
            let ended = interrupt::with(check, || other.lock_timeout(LONG).map(drop));
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            (ended.unwrap_err().kind(), begun.elapsed())
        });
        let thread = told.recv().unwrap();
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            // SAFETY: the thread is joined only below.
            unsafe { libc::pthread_kill(thread as libc::pthread_t, libc::SIGUSR2) };
            thread::sleep(Duration::from_micros(200));
        }
        let (kind, time) = waiter.join().unwrap();
        assert_eq!(kind, ErrorKind::Interrupted);
        // A thousand slices would have been ten seconds.
        assert!(time < LONG / 4, "{time:?}");
    });
}
