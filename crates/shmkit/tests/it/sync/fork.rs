//! A forked child has its own lease, and none of its parent's locks.
//!
//! Each test runs its scene in a process of its own: a fork here would copy the handles of all
//! the other tests.
#![expect(unsafe_code, reason = "prctl: a child that must outlive its parent")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmkit::ErrorKind;
use shmkit::typed::Shared;
use shmkit_testkit::{Role, role, spawn};

use super::board::{Board, board, holder};
use crate::fork::{fork, wait_for_end};
use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    what_a_child_inherits_of_locks_is_worth_nothing,
    a_child_locks_for_itself_and_is_named,
    a_dead_parents_locks_do_not_live_on_in_its_child,
    a_grandchild_is_somebody_else_too,
    forks_do_not_stumble_over_threads_that_lock,
);

fn opened(me: &Role) -> Shared<Board> {
    me.arg().parse::<Place>().unwrap().open().unwrap()
}

/// Runs a scene with the segment, until it says that all went well.
fn scene(role: &str, maker: Maker) {
    let board = board(maker);
    let mut actor = spawn(&format!("sync::fork::{role}"), &board.place);
    actor.expect("done");
    actor.finish();
    for poisoned in [
        board.mutex.is_poisoned(),
        board.recursive.is_poisoned(),
        board.table.is_poisoned(),
    ] {
        assert!(!poisoned);
    }
}

#[test]
#[ignore = "child role"]
fn role_child_drops_everything() {
    let Some(me) = role() else { return };
    let board = opened(&me);
    let other: Shared<Board> = me.arg().parse::<Place>().unwrap().open().unwrap();
    let mut held = Some((
        board.mutex.lock().unwrap(),
        board.recursive.lock().unwrap(),
        board.table.write().unwrap(),
    ));
    fork(|| drop(held.take())).join();
    let still_held = || {
        assert_eq!(
            other.mutex.try_lock().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(
            other.recursive.try_lock().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(
            other.table.try_read().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    };
    still_held();
    // A child that panics with them has poisoned nothing.
    let child = fork(|| {
        let _held = held.take();
        let panicked = std::panic::catch_unwind(|| {
            let _held = board.mutex.lock_timeout(SHORT);
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        std::mem::forget(held.take());
    });
    child.join();
    still_held();
    drop(held);
    let mut reading = Some(board.table.read().unwrap());
    fork(|| drop(reading.take())).join();
    assert_eq!(
        other.table.try_write().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    drop(reading);
    // Nothing was given back twice.
    assert!(!other.table.try_write().unwrap().owner_died());
    assert!(!other.mutex.try_lock().unwrap().owner_died());
    assert!(!other.recursive.try_lock().unwrap().owner_died());
    // A turn to do something once stays with the parent as well.
    board
        .once
        .call_once(|| {
            fork(|| {
                let taken = board.once.try_call_once(|| unreachable!());
                assert_eq!(taken.unwrap_err().kind(), ErrorKind::WouldBlock);
            })
            .join();
        })
        .unwrap();
    assert!(other.once.is_done());
    me.say("done");
}

fn what_a_child_inherits_of_locks_is_worth_nothing(maker: Maker) {
    scene("role_child_drops_everything", maker);
}

#[test]
#[ignore = "child role"]
fn role_child_locks() {
    let Some(me) = role() else { return };
    let board = opened(&me);
    // So that there is something to inherit.
    drop(board.mutex.lock().unwrap());
    let (held, holds) = std::io::pipe().unwrap();
    let (end, ended) = std::io::pipe().unwrap();
    let (mut end, mut ended, mut holds) = (Some(end), Some(ended), Some(holds));
    let child = fork(|| {
        drop(ended.take());
        let _held = (
            board.mutex.lock().unwrap(),
            board.recursive.lock().unwrap(),
            board.table.read().unwrap(),
        );
        assert_eq!(board.mutex.holder().unwrap().pid, Some(std::process::id()));
        drop(holds.take());
        wait_for_end(end.take().unwrap());
    });
    drop((holds.take(), end.take()));
    wait_for_end(held);
    let errors = [
        board.mutex.lock_timeout(SHORT).unwrap_err(),
        board.recursive.lock_timeout(SHORT).unwrap_err(),
        board.table.write_timeout(SHORT).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let text = error.to_string();
        assert!(text.contains("held by process "), "{text}");
        assert!(!text.contains("this process"), "{text}");
    }
    drop(ended.take());
    child.join();
    // It has given them back before it ended.
    assert!(!board.mutex.lock_timeout(LONG).unwrap().owner_died());
    me.say("done");
}

fn a_child_locks_for_itself_and_is_named(maker: Maker) {
    scene("role_child_locks", maker);
}

#[test]
#[ignore = "child role"]
fn role_parent_dies_with_locks() {
    let Some(me) = role() else { return };
    let board = opened(&me);
    let _held = (
        board.mutex.lock().unwrap(),
        board.recursive.lock().unwrap(),
        board.table.write().unwrap(),
    );
    fork(|| {
        // SAFETY: the child must outlive the parent that the test kills.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        me.say("forked");
        // The line is from the test, after the parent's death.
        let _ = me.ask();
        me.say(format_args!(
            "{}",
            board.mutex.lock_timeout(LONG).unwrap().owner_died()
        ));
        me.park();
    });
    loop {
        thread::park();
    }
}

fn a_dead_parents_locks_do_not_live_on_in_its_child(maker: Maker) {
    let board = board(maker);
    let mut parent = spawn("sync::fork::role_parent_dies_with_locks", &board.place);
    parent.expect("forked");
    parent.kill();
    // Its child, with everything it inherited, lives.
    assert!(board.recursive.lock_timeout(LONG).unwrap().owner_died());
    assert!(board.table.read_timeout(LONG).unwrap().owner_died());
    parent.tell("go");
    parent.expect("true");
}

#[test]
#[ignore = "child role"]
fn role_grandchild() {
    let Some(me) = role() else { return };
    let board = opened(&me);
    let _held = board.mutex.lock().unwrap();
    fork(|| {
        let mine = board.recursive.lock().unwrap();
        fork(|| {
            let [one, two] = [
                board.mutex.try_lock().map(drop),
                board.recursive.try_lock().map(drop),
            ];
            assert_eq!(one.unwrap_err().kind(), ErrorKind::WouldBlock);
            assert_eq!(two.unwrap_err().kind(), ErrorKind::WouldBlock);
            // Not forgotten: it has been given back by its end.
            std::mem::forget(board.table.write().unwrap());
        })
        .join();
        assert!(board.table.read_timeout(LONG).unwrap().owner_died());
        drop(mine);
    })
    .join();
    assert!(!board.recursive.try_lock().unwrap().owner_died());
    drop(board.table.write_poisoned(LONG).unwrap().assume_recovered());
    me.say("done");
}

fn a_grandchild_is_somebody_else_too(maker: Maker) {
    scene("role_grandchild", maker);
}

/// How often to fork: the moment that matters is short.
const FORKS: usize = 150;

#[test]
#[ignore = "child role"]
fn role_forks_among_threads() {
    let Some(me) = role() else { return };
    let board = opened(&me);
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    // Each asks whether the holder is alive.
                    assert!(board.mutex.try_lock().is_err());
                    drop(board.recursive.lock_timeout(LONG).unwrap());
                }
            });
        }
        for _ in 0..FORKS {
            fork(|| {
                assert!(board.mutex.try_lock().is_err());
                drop(board.table.read_timeout(LONG).unwrap());
            })
            .join();
        }
        end.store(true, Ordering::Relaxed);
    });
    me.say("done");
}

fn forks_do_not_stumble_over_threads_that_lock(maker: Maker) {
    let board = board(maker);
    let _holder = holder(&board.place);
    let mut actor = spawn("sync::fork::role_forks_among_threads", &board.place);
    actor.expect("done");
    actor.finish();
}

#[test]
#[ignore = "child role"]
fn role_keeps_segments_in_a_thread() {
    let Some(me) = role() else { return };
    thread_local! {
        static KEPT: RefCell<Option<Shared<Board>>> = const { RefCell::new(None) };
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            // Before anything of shmkit is.
            KEPT.with(|kept| {
                let mut kept = kept.borrow_mut();
                let board = kept.insert(opened(&me));
                drop(board.mutex.lock().unwrap());
                std::mem::forget(board.recursive.lock().unwrap());
            });
        });
    });
    me.say("done");
    me.park();
}

/// A thread's own variables are dropped in an order that nobody chooses.
#[test]
fn a_thread_that_ends_may_have_kept_a_segment() {
    let board = board(Maker::Key);
    let mut actor = spawn("sync::fork::role_keeps_segments_in_a_thread", &board.place);
    actor.expect("done");
    // With the thread the attachment is gone, and with that what it held.
    assert!(board.recursive.lock_timeout(LONG).unwrap().owner_died());
    assert!(actor.wait().success());
    let errors = actor.stderr();
    assert!(!errors.contains("panicked"), "{errors}");
}
