//! Each primitive in each of its forms: between threads, between processes, in vain.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shmkit::sync::{
    Barrier, LockHolder, Mutex, MutexGuard, RecursiveMutexGuard, RwLock, RwLockWriteGuard,
    Semaphore,
};
use shmkit::{Acquired, Error, ErrorKind, Held, Result};
use shmkit_testkit::deadline;

use super::board::{board, holder, obey, peer, until_asleep};
use crate::places::{Maker, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    locks_exclude_threads_and_processes,
    no_update_is_lost_between_threads_and_processes,
    a_held_mutex_says_so_in_each_form,
    a_recursive_mutex_is_its_holders_and_nobody_elses,
    readers_share_and_writers_do_not,
    a_waiting_writer_keeps_new_readers_out,
    a_time_out_names_the_holder,
    permits_are_counted_between_processes,
    events_let_through_those_they_should,
    a_notification_reaches_another_process,
    nobody_passes_a_barrier_before_all_have_come,
    what_is_done_once_is_done_once,
    a_panic_poisons_until_somebody_repairs,
);

/// Fails unless the attempt ended for want of time, and not too early.
#[track_caller]
fn in_vain<T>(attempt: impl FnOnce() -> Result<T>, limit: Duration) -> Error {
    let begun = Instant::now();
    let Err(error) = attempt() else {
        panic!("it was not in vain");
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(begun.elapsed() >= limit, "after {:?}", begun.elapsed());
    error
}

#[track_caller]
fn would_block<T>(attempt: Result<T>) {
    match attempt {
        Ok(_) => panic!("it would not block"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
    }
}

#[track_caller]
fn clean<G: Held>(attempt: Result<Acquired<G>>) -> G {
    match attempt.unwrap() {
        Acquired::Clean(guard) => guard,
        Acquired::OwnerDied(_) => panic!("nobody has died"),
    }
}

fn soon() -> Instant {
    Instant::now() + SHORT
}

fn locks_exclude_threads_and_processes(maker: Maker) {
    let board = board(maker);
    let inside = [AtomicU32::new(0), AtomicU32::new(0)];
    let alone = |inside: &AtomicU32| {
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
        inside.fetch_sub(1, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _held = clean(board.mutex.lock());
                    alone(&inside[0]);
                }
            });
            scope.spawn(|| {
                for _ in 0..500 {
                    let _held = clean(board.recursive.lock());
                    let _again = clean(board.recursive.lock());
                    alone(&inside[1]);
                }
            });
        }
    });
    let mut other = holder(&board.place);
    would_block(board.mutex.try_lock());
    obey(&mut other, "release");
    drop(clean(board.mutex.lock_timeout(LONG)));
    obey(&mut other, "lock recursive");
    would_block(board.recursive.try_lock());
    obey(&mut other, "release");
    drop(clean(board.recursive.lock_timeout(LONG)));
    other.finish();
}

const ROUNDS: u64 = 2000;

#[test]
#[ignore = "child role"]
fn role_add() {
    let Some(me) = shmkit_testkit::role() else {
        return;
    };
    let place: crate::places::Place = me.arg().parse().unwrap();
    let board: shmkit::typed::Shared<super::board::Board> = place.open().unwrap();
    me.say("here");
    let _ = me.ask();
    add(&board);
}

fn add(board: &super::board::Board) {
    for _ in 0..ROUNDS {
        *clean(board.mutex.lock()) += 1;
        let mut table = clean(board.table.write());
        table[0] += 1;
        table[1] -= 1;
        drop(table);
        let table = clean(board.table.read());
        assert_eq!(table[0].wrapping_add(table[1]), 1 << 40);
    }
}

fn no_update_is_lost_between_threads_and_processes(maker: Maker) {
    let board = board(maker);
    clean(board.table.write())[1] = 1 << 40;
    let mut others: Vec<_> = (0..2)
        .map(|_| shmkit_testkit::spawn("sync::forms::role_add", &board.place))
        .collect();
    others.iter_mut().for_each(|other| other.expect("here"));
    others.iter_mut().for_each(|other| other.tell("go"));
    thread::scope(|scope| {
        scope.spawn(|| add(&board));
        add(&board);
    });
    others.into_iter().for_each(shmkit_testkit::Child::finish);
    assert_eq!(*clean(board.mutex.lock()), 4 * ROUNDS);
    assert_eq!(clean(board.table.read())[0], 4 * ROUNDS);
}

fn a_held_mutex_says_so_in_each_form(maker: Maker) {
    let board = board(maker);
    let mutex = &board.mutex;
    let mut other = holder(&board.place);
    would_block(mutex.try_lock());
    in_vain(|| mutex.lock_timeout(SHORT), SHORT);
    in_vain(|| mutex.lock_deadline(soon()), SHORT);
    in_vain(|| mutex.lock_poisoned(SHORT), SHORT);
    in_vain(|| mutex.lock_timeout(Duration::ZERO), Duration::ZERO);
    // A deadline that was over before is no panic.
    in_vain(|| mutex.lock_deadline(Instant::now()), Duration::ZERO);
    obey(&mut other, "release");
    drop(clean(mutex.try_lock()));
    drop(clean(mutex.lock_timeout(Duration::MAX)));
    drop(clean(mutex.lock_deadline(soon())));
    // The thread that has it is no exception.
    let _held = clean(mutex.lock());
    would_block(mutex.try_lock());
    let error = in_vain(|| mutex.lock_timeout(SHORT), SHORT);
    assert!(error.to_string().contains("this process"), "{error}");
}

fn a_recursive_mutex_is_its_holders_and_nobody_elses(maker: Maker) {
    let board = board(maker);
    let mutex = &board.recursive;
    let outer = clean(mutex.lock());
    let inner = clean(mutex.try_lock());
    drop(clean(mutex.lock_timeout(SHORT)));
    drop(clean(mutex.lock_deadline(soon())));
    let in_another_thread = || {
        thread::scope(|scope| {
            scope.spawn(|| would_block(mutex.try_lock()));
            scope.spawn(|| in_vain(|| mutex.lock_timeout(SHORT), SHORT));
            scope.spawn(|| in_vain(|| mutex.lock_deadline(soon()), SHORT));
        });
    };
    in_another_thread();
    drop(outer);
    in_another_thread();
    drop(inner);
    let mut other = peer(&board.place);
    obey(&mut other, "lock recursive");
    obey(&mut other, "lock recursive");
    would_block(mutex.try_lock());
    let error = in_vain(|| mutex.lock_timeout(SHORT), SHORT);
    assert!(
        error.to_string().contains(&other.pid().to_string()),
        "{error}"
    );
    obey(&mut other, "release");
    drop(clean(mutex.lock_timeout(LONG)));
}

fn readers_share_and_writers_do_not(maker: Maker) {
    let board = board(maker);
    let table = &board.table;
    let mut other = peer(&board.place);
    obey(&mut other, "read");
    let mine = clean(table.read());
    let again = [clean(table.try_read()), clean(table.read_timeout(SHORT))];
    drop(clean(table.read_deadline(soon())));
    would_block(table.try_write());
    in_vain(|| table.write_timeout(SHORT), SHORT);
    in_vain(|| table.write_deadline(soon()), SHORT);
    in_vain(|| table.write_poisoned(SHORT), SHORT);
    drop((mine, again));
    let error = in_vain(|| table.write_timeout(SHORT), SHORT);
    assert!(
        error.to_string().contains(&other.pid().to_string()),
        "{error}"
    );
    // Waiting in vain has left nothing behind.
    drop(clean(table.try_read()));
    obey(&mut other, "release");
    drop(clean(table.try_write()));
    obey(&mut other, "write");
    would_block(table.try_read());
    would_block(table.try_write());
    in_vain(|| table.read_timeout(SHORT), SHORT);
    in_vain(|| table.read_deadline(soon()), SHORT);
    let error = in_vain(|| table.write_timeout(SHORT), SHORT);
    assert!(
        error.to_string().contains(&other.pid().to_string()),
        "{error}"
    );
    assert_eq!(table.writer().unwrap().pid, Some(other.pid()));
    obey(&mut other, "release");
    drop(clean(table.write_deadline(soon())));
    assert_eq!(table.writer(), None);
}

fn a_waiting_writer_keeps_new_readers_out(maker: Maker) {
    let _watch = deadline(LONG);
    let board = board(maker);
    let reading = clean(board.table.read());
    let mut writer = peer(&board.place);
    writer.tell("wait write");
    writer.expect("waits");
    until_asleep(&mut writer);
    would_block(board.table.try_read());
    in_vain(|| board.table.read_timeout(SHORT), SHORT);
    drop(reading);
    assert!(writer.line().starts_with("through"));
    drop(clean(board.table.read()));
}

fn a_time_out_names_the_holder(maker: Maker) {
    let board = board(maker);
    let mut other = holder(&board.place);
    obey(&mut other, "label the \"ingest\" of camera 3");
    let error = in_vain(|| board.mutex.lock_timeout(SHORT), SHORT);
    let text = error.to_string();
    for part in [
        &*board.segment().name(),
        &format!("process {}", other.pid()),
        "\"the \\\"ingest\\\" of camera 3\"",
        "for at least 0.",
        "timed out after 0.",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    // So that a second one sees how long the first has waited.
    in_vain(|| board.mutex.lock_timeout(SHORT), SHORT);
    let LockHolder {
        pid,
        own_pid,
        program,
        held_for,
        attached_since,
        is_alive,
        ..
    } = board.mutex.holder().unwrap();
    assert_eq!((pid, own_pid), (Some(other.pid()), Some(other.pid())));
    assert!(text.contains(&program.unwrap()));
    assert!(held_for.unwrap() >= SHORT + SHORT / 2);
    assert!(attached_since.unwrap().elapsed().unwrap() < LONG);
    assert!(is_alive);
    obey(&mut other, "release");
    assert_eq!(board.mutex.holder(), None);
    // The next time it holds the lock counts from then.
    obey(&mut other, "lock");
    assert_eq!(board.mutex.holder().unwrap().held_for, None);
}

fn permits_are_counted_between_processes(maker: Maker) {
    let board = board(maker);
    let permits = &board.permits;
    would_block(permits.try_acquire());
    in_vain(|| permits.acquire_timeout(SHORT), SHORT);
    in_vain(|| permits.acquire_deadline(soon()), SHORT);
    permits.release(3).unwrap();
    permits.try_acquire().unwrap();
    permits.acquire().unwrap();
    permits.acquire_deadline(soon()).unwrap();
    assert_eq!(permits.available(), 0);
    let mut others = [peer(&board.place), peer(&board.place)];
    for other in &mut others {
        other.tell("wait permit");
        other.expect("waits");
        until_asleep(other);
    }
    permits.release(2).unwrap();
    for other in &mut others {
        assert!(other.line().starts_with("through"));
    }
    assert_eq!(permits.available(), 0);
    let [mut other, _] = others;
    obey(&mut other, "signal permit");
    permits.acquire_timeout(LONG).unwrap();
    permits.release(0).unwrap();
    assert_eq!(permits.available(), 0);
    permits.release(Semaphore::MAX).unwrap();
    let error = permits.release(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfResources);
    assert_eq!(permits.available(), Semaphore::MAX);
}

fn events_let_through_those_they_should(maker: Maker) {
    let _watch = deadline(2 * LONG);
    let board = board(maker);
    let (manual, auto) = (&board.manual, &board.auto);
    for event in [manual, auto] {
        would_block(event.try_wait());
        let error = in_vain(|| event.wait_timeout(SHORT), SHORT);
        assert!(
            error.to_string().contains("the event is not set"),
            "{error}"
        );
        in_vain(|| event.wait_deadline(soon()), SHORT);
        event.set().unwrap();
        assert!(event.is_set());
    }
    manual.wait().unwrap();
    manual.try_wait().unwrap();
    auto.wait().unwrap();
    would_block(auto.try_wait());
    assert!(manual.reset().unwrap());
    assert!(!manual.reset().unwrap());
    assert!(!auto.reset().unwrap());

    let mut others = [peer(&board.place), peer(&board.place)];
    let mut all_wait_for = |what: &str| {
        for other in &mut others {
            other.tell(format_args!("wait {what}"));
            other.expect("waits");
            until_asleep(other);
        }
    };
    all_wait_for("manual");
    // All go on, also as it is reset at once.
    manual.set().unwrap();
    manual.reset().unwrap();
    for other in &mut others {
        assert!(other.line().starts_with("through"));
    }
    let [one, two] = &mut others;
    for other in [&mut *one, &mut *two] {
        other.tell("wait auto");
        other.expect("waits");
        until_asleep(other);
    }
    auto.set().unwrap();
    let first = loop {
        if let Some(word) = one.line_within(SHORT / 10) {
            break (word, two);
        }
        if let Some(word) = two.line_within(SHORT / 10) {
            break (word, one);
        }
    };
    assert!(first.0.starts_with("through"));
    let other = first.1;
    // Longer than it would take to look again.
    assert_eq!(other.line_within(3 * SHORT), None);
    auto.set().unwrap();
    assert!(other.line().starts_with("through"));
    assert!(!auto.is_set());
}

fn a_notification_reaches_another_process(maker: Maker) {
    let board = board(maker);
    let (letters, changed) = (&board.mutex, &board.changed);
    let guard = clean(letters.lock());
    let begun = Instant::now();
    let (guard, end) = changed.wait_timeout(guard, SHORT).unwrap();
    assert!(end.timed_out() && begun.elapsed() >= SHORT);
    let (guard, end) = changed
        .wait_deadline(guard.assume_recovered(), soon())
        .unwrap();
    assert!(end.timed_out());
    let (guard, end) = changed
        .wait_timeout_while(guard.assume_recovered(), SHORT, |n| *n == 0)
        .unwrap();
    assert!(end.timed_out());
    drop(guard);

    let mut others = [peer(&board.place), peer(&board.place)];
    for other in &mut others {
        other.tell("wait changed");
        other.expect("waits");
        until_asleep(other);
    }
    *clean(letters.lock()) += 1;
    changed.notify_one().unwrap();
    *clean(letters.lock()) += 1;
    changed.notify_all().unwrap();
    for other in &mut others {
        assert!(other.line().starts_with("through"));
    }
    assert_eq!(*clean(letters.lock()), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            // It is free as soon as the other one waits.
            *clean(letters.lock()) = 7;
            changed.notify_one().unwrap();
        });
        let guard = clean(letters.lock());
        let guard = match *guard {
            7 => guard,
            _ => clean(changed.wait_while(guard, |n| *n != 7)),
        };
        assert_eq!(*guard, 7);
    });
}

fn nobody_passes_a_barrier_before_all_have_come(maker: Maker) {
    let board = board(maker);
    let barrier = &board.barrier;
    would_block(barrier.try_wait());
    let error = in_vain(|| barrier.wait_timeout(SHORT), SHORT);
    assert!(error.to_string().contains("0 of 2"), "{error}");
    in_vain(|| barrier.wait_deadline(soon()), SHORT);
    assert_eq!((barrier.waiting(), barrier.parties()), (0, 2));
    let mut other = peer(&board.place);
    for _ in 0..3 {
        other.tell("wait barrier");
        other.expect("waits");
        until_asleep(&mut other);
        assert_eq!(barrier.waiting(), 1);
        assert!(barrier.try_wait().unwrap().is_leader());
        assert!(other.line().starts_with("through"));
        assert_eq!(barrier.waiting(), 0);
    }
    for parties in [0, 1] {
        assert!(Barrier::new(parties).wait().unwrap().is_leader());
    }
}

fn what_is_done_once_is_done_once(maker: Maker) {
    let board = board(maker);
    let mut other = peer(&board.place);
    other.tell("once");
    other.expect("begun");
    assert!(!board.once.is_done());
    would_block(board.once.try_call_once(|| unreachable!()));
    let error = in_vain(
        || board.once.call_once_timeout(SHORT, || unreachable!()),
        SHORT,
    );
    assert!(
        error.to_string().contains(&other.pid().to_string()),
        "{error}"
    );
    let deadline = || Instant::now() + SHORT;
    in_vain(
        || board.once.call_once_deadline(deadline(), || unreachable!()),
        SHORT,
    );
    assert_eq!(board.once.initializer().unwrap().pid, Some(other.pid()));
    other.kill();
    // The next one does it from the beginning, and nobody after it.
    let mut times = 0;
    board.once.call_once(|| times += 1).unwrap();
    board.once.call_once(|| times += 1).unwrap();
    board.once.try_call_once(|| times += 1).unwrap();
    assert_eq!(times, 1);

    let cell = &board.cell;
    assert_eq!(cell.get(), None);
    let failed = cell.get_or_try_init(SHORT, || Err("no")).unwrap();
    assert_eq!(failed.unwrap_err(), "no");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = cell.get_or_init(|| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    thread::scope(|scope| {
        // While one is making it the others do not get in.
        let (begin, begun) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let making = scope.spawn(move || {
            let failed = cell.get_or_try_init(SHORT, || {
                begin.send(()).unwrap();
                ended.recv().unwrap();
                Err("no")
            });
            assert_eq!(failed.unwrap(), Err("no"));
        });
        begun.recv().unwrap();
        would_block(cell.try_get_or_init(|| unreachable!()));
        in_vain(
            || cell.get_or_init_deadline(deadline(), || unreachable!()),
            SHORT,
        );
        end.send(()).unwrap();
        making.join().unwrap();
    });
    thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || *cell.get_or_init(|| number).unwrap()))
            .collect();
        let made = *cell.get_or_init(|| 9).unwrap();
        for one in all {
            assert_eq!(one.join().unwrap(), made);
        }
        assert_eq!(cell.get(), Some(&made));
    });
    let other: shmkit::typed::Shared<super::board::Board> = board.place.open().unwrap();
    assert_eq!(other.cell.get(), cell.get());
    assert_eq!(
        *other
            .cell
            .get_or_init_timeout(SHORT, || unreachable!())
            .unwrap(),
        *cell.get().unwrap()
    );
}

fn a_panic_poisons_until_somebody_repairs(maker: Maker) {
    let board = board(maker);
    let mutex = &board.mutex;
    let mut other = peer(&board.place);
    obey(&mut other, "panic");
    assert!(mutex.is_poisoned());
    for attempt in [mutex.lock(), mutex.try_lock(), mutex.lock_timeout(LONG)] {
        let error = attempt.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Poisoned);
        assert!(error.help().unwrap().contains("lock_poisoned"), "{error}");
    }
    // Looking at it without repairing it leaves it poisoned.
    assert!(mutex.lock_poisoned(LONG).unwrap().owner_died());
    assert_eq!(mutex.lock().unwrap_err().kind(), ErrorKind::Poisoned);
    let Acquired::OwnerDied(recovery) = mutex.lock_poisoned(LONG).unwrap() else {
        panic!("it was poisoned");
    };
    drop(recovery.mark_recovered());
    drop(clean(mutex.lock()));
    obey(&mut other, "panic");
    mutex.clear_poison().unwrap();
    drop(clean(mutex.lock()));

    panic_inside(|| board.recursive.lock());
    assert_eq!(
        board.recursive.lock().unwrap_err().kind(),
        ErrorKind::Poisoned
    );
    let recovery = board.recursive.lock_poisoned(LONG).unwrap();
    assert!(recovery.owner_died());
    drop(recovery.assume_recovered());
    drop(clean(board.recursive.lock()));

    // Readers change nothing, so they leave nothing half-changed.
    panic_inside(|| board.table.read());
    drop(clean(board.table.write()));
    panic_inside(|| board.table.write());
    for kind in [
        board.table.read().map(drop).unwrap_err().kind(),
        board.table.write().map(drop).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Poisoned);
    }
    drop(board.table.write_poisoned(LONG).unwrap().assume_recovered());
    drop(clean(board.table.read()));
    panic_inside(|| board.table.write());
    board.table.clear_poison().unwrap();
    drop(clean(board.table.write()));
}

#[test]
fn who_gives_up_half_way_poisons_without_a_panic() {
    let board = board(Maker::Memory);
    MutexGuard::poison(clean(board.mutex.lock()));
    RwLockWriteGuard::poison(clean(board.table.write()));
    let outer = clean(board.recursive.lock());
    RecursiveMutexGuard::poison(clean(board.recursive.lock()));
    assert!(board.recursive.is_poisoned());
    drop(outer);
    for kind in [
        board.mutex.lock().map(drop).unwrap_err().kind(),
        board.table.read().map(drop).unwrap_err().kind(),
        board.recursive.lock().map(drop).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Poisoned);
    }
    assert!(board.mutex.lock_poisoned(LONG).unwrap().owner_died());
}

#[test]
fn what_failed_the_first_time_is_done_the_second() {
    let board = board(Maker::Memory);
    let once = &board.once;
    assert_eq!(once.call_once_or_fail(LONG, || Err(5)).unwrap(), Err(5));
    assert!(!once.is_done());
    once.call_once_or_fail(LONG, || Ok::<(), ()>(()))
        .unwrap()
        .unwrap();
    assert!(once.is_done());
    let never = || -> std::result::Result<(), ()> { unreachable!("it is done") };
    once.call_once_or_fail(LONG, never).unwrap().unwrap();
}

/// Panics while holding a lock.
fn panic_inside<G: Held>(take: impl FnOnce() -> Result<Acquired<G>>) {
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = take().unwrap().assume_recovered();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
}

/// As in std: one taken while the thread already panics does not poison.
#[test]
fn a_lock_taken_and_given_back_by_a_panicking_thread_is_not_poisoned() {
    struct Locks<'a>(&'a Mutex<u64>, &'a RwLock<[u64; 2], 1>);
    impl Drop for Locks<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap().assume_recovered() += 1;
            self.1.write().unwrap().assume_recovered()[0] += 1;
        }
    }
    let board = board(Maker::Memory);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _locks = Locks(&board.mutex, &board.table);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(*clean(board.mutex.lock()), 1);
    assert_eq!(clean(board.table.read())[0], 1);
}
