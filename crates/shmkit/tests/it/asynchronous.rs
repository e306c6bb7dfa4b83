//! Tasks wait without keeping a thread, and are told of deaths as threads are.
#![expect(unsafe_code, reason = "opening our own segments")]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use shmkit::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore};
use shmkit::typed::{Shared, ShmSafe};
use shmkit::{Acquired, ErrorKind};
use shmkit_testkit::{role, spawn};

use crate::support::{LONG, SHORT, TestKey};

#[derive(ShmSafe)]
#[repr(C)]
struct Room {
    count: Mutex<u64>,
    changed: Condvar,
    manual: Event,
    auto: Event,
    permits: Semaphore,
    both: Barrier,
}

impl Room {
    fn new() -> Self {
        Self {
            count: Mutex::new(0),
            changed: Condvar::new(),
            manual: Event::new_manual(),
            auto: Event::new_auto(),
            permits: Semaphore::new(0),
            both: Barrier::new(2),
        }
    }
}

fn room(key: &shmkit::key::NativeIpcKey) -> Shared<Room> {
    // SAFETY: only this test and its children know the key.
    unsafe { Shared::open_or_init(key, Room::new) }.unwrap()
}

/// Runs the future until it is done, or fails the test.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(LONG, future).await })
        .expect("it hangs")
}

#[test]
fn a_task_gets_the_lock_when_a_thread_gives_it_back() {
    let key = TestKey::named();
    let room = room(&key);
    let held = room.count.lock().unwrap().assume_recovered();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            block_on(async {
                *room.count.lock_async().await.unwrap().assume_recovered() += 1;
            });
        });
        while room
            .count
            .holder()
            .is_none_or(|holder| holder.held_for.is_none())
        {
            std::thread::yield_now();
        }
        drop(held);
        waiter.join().unwrap();
    });
    assert_eq!(*room.count.lock().unwrap().assume_recovered(), 1);
}

#[test]
fn a_lock_for_tasks_excludes_tasks_and_threads() {
    const TURNS: u64 = 2000;
    let key = TestKey::named();
    let room = Arc::new(room(&key));
    let add = |count: &mut u64| {
        let before = *count;
        std::hint::black_box(());
        *count = before + 1;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let room = Arc::clone(&room);
            runtime.spawn(async move {
                for _ in 0..TURNS {
                    let mut count = room.count.lock_async().await.unwrap().assume_recovered();
                    add(&mut count);
                }
            })
        })
        .collect();
    for _ in 0..TURNS {
        add(&mut room.count.lock().unwrap().assume_recovered());
    }
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*room.count.lock().unwrap().assume_recovered(), 5 * TURNS);
}

#[test]
#[ignore = "child role"]
fn role_hold_the_lock() {
    let Some(me) = role() else { return };
    let room = room(&me.arg().parse().unwrap());
    let _held = room.count.lock().unwrap();
    me.say("locked");
    me.park();
}

#[test]
fn a_task_is_told_that_the_owner_died() {
    let key = TestKey::named();
    let room = room(&key);
    let mut owner = spawn("asynchronous::role_hold_the_lock", key.to_string());
    owner.expect("locked");
    block_on(async {
        let error = room.count.lock_timeout_async(SHORT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error.to_string().contains(&owner.pid().to_string()),
            "{error}"
        );
        let mut waiting = pin!(room.count.lock_timeout_async(LONG));
        // Asleep before the owner dies.
        assert!(poll_once(waiting.as_mut()).is_pending());
        owner.kill();
        assert!(matches!(waiting.await.unwrap(), Acquired::OwnerDied(_)));
    });
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_task_that_is_cancelled_takes_no_wake_up_away() {
    let key = TestKey::named();
    let room = room(&key);
    for _ in 0..100 {
        let held = room.count.lock().unwrap();
        let mut cancelled = Box::pin(room.count.lock_async());
        let mut staying = Box::pin(room.count.lock_async());
        assert!(poll_once(cancelled.as_mut()).is_pending());
        assert!(poll_once(staying.as_mut()).is_pending());
        drop(held);
        drop(cancelled);
        drop(block_on(staying).unwrap());
    }
}

#[test]
fn a_future_that_is_forgotten_does_no_harm() {
    let key = TestKey::named();
    let room = room(&key);
    let mut forgotten = Box::pin(room.manual.wait_async());
    assert!(poll_once(forgotten.as_mut()).is_pending());
    std::mem::forget(forgotten);
    drop(room);
    // The one who watches goes on for the others.
    let key = TestKey::named();
    let room = self::room(&key);
    block_on(async {
        let mut waiting = pin!(room.manual.wait_async());
        assert!(poll_once(waiting.as_mut()).is_pending());
        room.manual.set().unwrap();
        waiting.await.unwrap();
    });
}

#[test]
fn three_hundred_tasks_wait_with_three_threads() {
    const TASKS: usize = 300;
    let key = TestKey::named();
    let room = Arc::new(room(&key));
    let through = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (room, through) = (Arc::clone(&room), Arc::clone(&through));
                tokio::spawn(async move {
                    room.manual.wait_async().await.unwrap();
                    through.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        #[cfg(target_os = "linux")]
        assert!((1..TASKS / 10).contains(&reactors()));
        assert_eq!(through.load(Ordering::Relaxed), 0);
        room.manual.set().unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(through.load(Ordering::Relaxed), TASKS);
}

/// How many threads this process has that watch for tasks.
#[cfg(target_os = "linux")]
fn reactors() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let is_reactor = |thread: &std::io::Result<std::fs::DirEntry>| {
        let name = thread.as_ref().unwrap().path().join("comm");
        std::fs::read_to_string(name).is_ok_and(|name| name.trim() == "shmkit-reactor")
    };
    threads.filter(is_reactor).count()
}

/// Counts how often it wakes.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    let key = TestKey::named();
    let room = room(&key);
    let [first, second] = [0; 2].map(|_| Arc::new(Count(AtomicUsize::new(0))));
    let mut waiting = pin!(room.permits.acquire_async());
    for count in [&first, &second] {
        let waker = Waker::from(Arc::clone(count));
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    room.permits.release(1).unwrap();
    let begun = Instant::now();
    while second.0.load(Ordering::Relaxed) == 0 {
        assert!(begun.elapsed() < LONG, "nobody was woken");
        std::thread::yield_now();
    }
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
    assert!(poll_once(waiting).is_ready());
}

#[test]
fn an_automatic_event_lets_one_task_through() {
    let key = TestKey::named();
    let room = room(&key);
    block_on(async {
        let mut waiting = [0; 2].map(|_| Box::pin(room.auto.wait_async()));
        for one in &mut waiting {
            assert!(poll_once(one.as_mut()).is_pending());
        }
        room.auto.set().unwrap();
        let [one, other] = &mut waiting;
        tokio::select! {
            result = one => result.unwrap(),
            result = other => result.unwrap(),
        }
        assert!(!room.auto.is_set());
        let error = room.auto.wait_timeout_async(SHORT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn a_pulse_of_a_manual_event_is_seen() {
    let key = TestKey::named();
    let room = room(&key);
    block_on(async {
        let mut waiting = pin!(room.manual.wait_async());
        assert!(poll_once(waiting.as_mut()).is_pending());
        room.manual.set().unwrap();
        assert!(room.manual.reset().unwrap());
        waiting.await.unwrap();
    });
}

#[test]
fn tasks_meet_at_a_barrier_and_one_leads() {
    let key = TestKey::named();
    let room = room(&key);
    block_on(async {
        let error = room.both.wait_timeout_async(SHORT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(room.both.waiting(), 0, "it is as if it had never come");
        let (one, other) = tokio::join!(room.both.wait_async(), room.both.wait_async());
        assert_ne!(one.unwrap().is_leader(), other.unwrap().is_leader());
        let mut dropped = Box::pin(room.both.wait_async());
        assert!(poll_once(dropped.as_mut()).is_pending());
        assert_eq!(room.both.waiting(), 1);
        drop(dropped);
        assert_eq!(room.both.waiting(), 0);
    });
}

#[test]
fn a_task_waits_for_a_condition() {
    let key = TestKey::named();
    let room = room(&key);
    block_on(async {
        let notify = async {
            tokio::task::yield_now().await;
            *room.count.lock_async().await.unwrap().assume_recovered() = 7;
            room.changed.notify_all().unwrap();
        };
        let wait = async {
            let mut count = room.count.lock_async().await.unwrap().assume_recovered();
            while *count == 0 {
                count = room
                    .changed
                    .wait_async(count)
                    .await
                    .unwrap()
                    .assume_recovered();
            }
            *count
        };
        let (seen, ()) = tokio::join!(wait, notify);
        assert_eq!(seen, 7);
        let count = room.count.lock().unwrap().assume_recovered();
        let (_count, end) = room.changed.wait_timeout_async(count, SHORT).await.unwrap();
        assert!(end.timed_out());
    });
}

#[test]
fn a_wait_without_a_limit_is_long_and_one_with_a_limit_is_not_short() {
    let key = TestKey::named();
    let room = room(&key);
    let begun = Instant::now();
    let error = block_on(
        room.permits
            .acquire_timeout_async(Duration::from_millis(120)),
    );
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[test]
fn tasks_read_together_and_write_alone() {
    let key = TestKey::named();
    // SAFETY: only this test knows the key.
    let table = unsafe { Shared::<RwLock<[u64; 2]>>::open_or_init(&*key, RwLock::default) };
    let table = Arc::new(table.unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let writers = (0..2).map(|_| {
            let table = Arc::clone(&table);
            tokio::spawn(async move {
                for _ in 0..300 {
                    let mut pair = table.write_async().await.unwrap().assume_recovered();
                    pair[0] += 1;
                    pair[1] += 1;
                }
            })
        });
        let readers = (0..4).map(|_| {
            let table = Arc::clone(&table);
            tokio::spawn(async move {
                for _ in 0..300 {
                    let pair = table.read_async().await.unwrap().assume_recovered();
                    assert_eq!(pair[0], pair[1]);
                }
            })
        });
        for task in writers.chain(readers).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    assert_eq!(*table.read().unwrap().assume_recovered(), [600; 2]);
}

#[test]
fn a_task_that_waits_to_write_keeps_readers_out_until_it_is_dropped() {
    let key = TestKey::named();
    // SAFETY: only this test knows the key.
    let table = unsafe { Shared::<RwLock<u64>>::open_or_init(&*key, RwLock::default) }.unwrap();
    let reading = table.read().unwrap();
    let mut writing = Box::pin(table.write_async());
    assert!(poll_once(writing.as_mut()).is_pending());
    assert_eq!(
        table.try_read().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "a writer waits"
    );
    drop(writing);
    drop(table.try_read().unwrap());
    let error = block_on(table.write_timeout_async(SHORT)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("this process"), "{error}");
    drop(reading);
    block_on(async {
        let writing = table.write_async().await.unwrap().assume_recovered();
        let error = table.read_timeout_async(SHORT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(writing);
        drop(table.read_async().await.unwrap());
    });
}
