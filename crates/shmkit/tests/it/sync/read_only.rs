//! Who has a segment attached read-only can look and wait, and gets an error where it would write.

use shmkit::{ErrorKind, Result};
use shmkit_testkit::deadline;

use super::board::{Board, board, obey, peer, until_asleep};
use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    whatever_writes_is_an_error,
    looking_is_allowed,
    a_manual_event_can_be_waited_for,
);

#[track_caller]
fn is_refused<T>(attempt: Result<T>) {
    match attempt {
        Ok(_) => panic!("it was not refused"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
            assert!(error.help().unwrap().contains("read-write"), "{error}");
        }
    }
}

fn whatever_writes_is_an_error(maker: Maker) {
    let writable = board(maker);
    let board = writable.place.open_read_only::<Board>().unwrap();
    let mutex = &board.mutex;
    is_refused(mutex.lock());
    is_refused(mutex.try_lock());
    is_refused(mutex.lock_timeout(SHORT));
    is_refused(mutex.lock_poisoned(SHORT));
    is_refused(mutex.clear_poison());
    is_refused(board.recursive.lock());
    is_refused(board.recursive.try_lock());
    is_refused(board.recursive.clear_poison());
    is_refused(board.table.read());
    is_refused(board.table.try_read());
    is_refused(board.table.write());
    is_refused(board.table.try_write());
    is_refused(board.table.clear_poison());
    is_refused(board.changed.notify_one());
    is_refused(board.changed.notify_all());
    is_refused(board.permits.acquire());
    is_refused(board.permits.try_acquire());
    is_refused(board.permits.release(1));
    is_refused(board.permits.release(0));
    for event in [&board.manual, &board.auto] {
        is_refused(event.set());
        is_refused(event.reset());
    }
    is_refused(board.auto.wait());
    is_refused(board.auto.try_wait());
    is_refused(board.barrier.wait());
    is_refused(board.barrier.try_wait());
    is_refused(board.once.call_once(|| unreachable!()));
    is_refused(board.once.try_call_once(|| unreachable!()));
    is_refused(board.cell.get_or_init(|| unreachable!()));
    // The same with the permits and settings there.
    writable.permits.release(1).unwrap();
    writable.auto.set().unwrap();
    is_refused(board.permits.try_acquire());
    is_refused(board.auto.try_wait());
    assert_eq!(writable.permits.available(), 1);
    assert!(writable.auto.is_set());
}

fn looking_is_allowed(maker: Maker) {
    let writable = board(maker);
    let board = writable.place.open_read_only::<Board>().unwrap();
    assert!(!board.mutex.is_poisoned() && !board.table.is_poisoned());
    assert_eq!(board.mutex.holder(), None);
    assert_eq!(board.table.writer(), None);
    assert!(writable.set_label("the writer"));
    let _held = (
        writable.mutex.lock().unwrap(),
        writable.table.write().unwrap(),
    );
    let holder = board.mutex.holder().unwrap();
    assert_eq!(holder.pid, Some(std::process::id()));
    assert_eq!(holder.label.as_deref(), Some("the writer"));
    assert_eq!(board.table.writer().unwrap().pid, holder.pid);
    assert_eq!(board.cell.get(), None);
    writable.cell.get_or_init(|| 3).unwrap();
    writable.once.call_once(|| ()).unwrap();
    assert_eq!(board.cell.get(), Some(&3));
    assert_eq!(*board.cell.get_or_init(|| unreachable!()).unwrap(), 3);
    board.once.call_once(|| unreachable!()).unwrap();
    writable.permits.release(4).unwrap();
    assert_eq!(board.permits.available(), 4);
    assert_eq!((board.barrier.waiting(), board.barrier.parties()), (0, 2));
    for shown in [
        format!("{board:?}", board = board.mutex),
        format!("{:?}", board.table),
        format!("{:?}", board.recursive),
        format!("{:?}", board.cell),
        format!("{:?} {:?} {:?}", board.manual, board.permits, board.barrier),
    ] {
        assert!(!shown.is_empty());
    }
}

#[test]
#[ignore = "child role"]
fn role_watch() {
    let Some(me) = shmkit_testkit::role() else {
        return;
    };
    let place: Place = me.arg().parse().unwrap();
    let board = place.open_read_only::<Board>().unwrap();
    let error = board.manual.wait_timeout(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(
        board.manual.try_wait().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    me.say("waits");
    board.manual.wait_timeout(LONG).unwrap();
    me.say("through");
}

fn a_manual_event_can_be_waited_for(maker: Maker) {
    let _watch = deadline(2 * LONG);
    let board = board(maker);
    let mut watcher = shmkit_testkit::spawn("sync::read_only::role_watch", &board.place);
    watcher.expect("waits");
    until_asleep(&mut watcher);
    let mut other = peer(&board.place);
    obey(&mut other, "signal manual");
    watcher.expect("through");
    watcher.finish();
}
