//! Whoever dies with a lock, or while it waits for one, in whatever way.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use shmkit::sync::Mutex;
use shmkit::typed::Shared;
use shmkit::{Acquired, Detached, ErrorKind, Held, Result};
use shmkit_testkit::{Child, deadline, role, spawn};

use super::board::{Board, board, holder, obey, peer, until_asleep};
use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    the_next_one_learns_of_each_kind_of_death,
    a_death_is_recovered_or_poisons,
    a_waiter_takes_over_from_one_that_dies_meanwhile,
    ten_thousand_locks_of_a_dead_process_are_taken_over,
    #[cfg(unix)]
    a_stopped_holder_is_slow_and_not_dead,
    a_dead_waiter_takes_nothing_along,
    a_guard_that_is_forgotten_dies_with_its_attachment,
    who_detaches_takes_nobody_elses_locks_along,
);

/// The guard of a lock whose owner died.
#[track_caller]
fn died<G: Held>(attempt: Result<Acquired<G>>) -> shmkit::Recovery<G> {
    match attempt.unwrap() {
        Acquired::OwnerDied(recovery) => recovery,
        Acquired::Clean(_) => panic!("the death was not noticed"),
    }
}

fn is_clean<G: Held>(attempt: Result<Acquired<G>>) -> bool {
    matches!(attempt, Ok(Acquired::Clean(_)))
}

#[track_caller]
fn is_poisoned<G: Held>(attempt: Result<Acquired<G>>) {
    match attempt {
        Ok(_) => panic!("it is not poisoned"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Poisoned),
    }
}

fn the_next_one_learns_of_each_kind_of_death(maker: Maker) {
    let board = board(maker);
    type Way = fn(&mut Child);
    let ways = [
        // As the kernel does when memory is short, too.
        Child::kill as Way,
        |child| {
            child.tell("abort");
            assert!(!child.wait().success());
        },
        // The process lives on, as something else.
        #[cfg(unix)]
        |child| {
            child.tell("exec");
            let comm = format!("/proc/{}/comm", child.pid());
            let begun = Instant::now();
            while std::fs::read_to_string(&comm).unwrap() != "cat\n" {
                assert!(begun.elapsed() < LONG);
                thread::yield_now();
            }
        },
        |child| {
            obey(child, "forget");
            assert!(child.wait().success());
        },
    ];
    for die in ways {
        let mut owner = holder(&board.place);
        obey(&mut owner, "lock recursive");
        obey(&mut owner, "write");
        assert_eq!(
            board.mutex.try_lock().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        die(&mut owner);
        // The kernel closes an exec's descriptors a moment after the program has its new name. From
        // then on whoever comes learns of it without a wait.
        drop(died(board.mutex.lock_timeout(LONG)).mark_recovered());
        drop(died(board.recursive.try_lock()).mark_recovered());
        drop(died(board.table.try_write()).mark_recovered());
        assert!(is_clean(board.mutex.try_lock()));
        assert!(is_clean(board.recursive.try_lock()));
        assert!(is_clean(board.table.try_read()));
    }
}

fn a_death_is_recovered_or_poisons(maker: Maker) {
    let board = board(maker);
    let kill_one = || {
        let mut owner = holder(&board.place);
        obey(&mut owner, "lock recursive");
        owner.kill();
    };
    kill_one();
    let mut recovery = died(board.mutex.lock());
    *recovery = 5;
    let guard = recovery.mark_recovered();
    assert_eq!(*guard, 5);
    drop(guard);
    assert!(is_clean(board.mutex.lock()));
    drop(died(board.recursive.lock()).mark_recovered());

    kill_one();
    drop(died(board.mutex.lock()));
    drop(died(board.recursive.lock()));
    assert!(board.mutex.is_poisoned() && board.recursive.is_poisoned());
    for _ in 0..2 {
        is_poisoned(board.mutex.lock());
        is_poisoned(board.mutex.try_lock());
        is_poisoned(board.recursive.lock());
    }
    // For another process, too.
    let mut other = peer(&board.place);
    other.tell("lock");
    other.expect("Poisoned");
    drop(died(board.mutex.lock_poisoned(SHORT)).mark_recovered());
    board.recursive.clear_poison().unwrap();
    obey(&mut other, "lock");
    obey(&mut other, "lock recursive");
    other.kill();

    // Who repairs and dies over it leaves it to the next.
    let mut last = peer(&board.place);
    last.tell("lock recursive");
    last.expect("owner died");
    last.kill();
    let mut other = peer(&board.place);
    other.tell("lock recursive");
    other.expect("owner died");
}

/// How soon somebody who waits gets the lock of one that is killed.
fn a_waiter_takes_over_from_one_that_dies_meanwhile(maker: Maker) {
    let kills = if matches!(maker, Maker::Key) { 50 } else { 5 };
    let _watch = deadline(3 * LONG);
    let board = board(maker);
    let mut times: Vec<Duration> = (0..kills)
        .map(|_| {
            let mut owner = holder(&board.place);
            let (waits, waiting) = mpsc::channel();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let waits = waits;
                    waits.send(()).unwrap();
                    drop(died(board.mutex.lock_timeout(LONG)).mark_recovered());
                    Instant::now()
                });
                waiting.recv().unwrap();
                let killed = Instant::now();
                owner.kill();
                waiter.join().unwrap() - killed
            })
        })
        .collect();
    times.sort();
    println!(
        "{maker:?}: {kills} takeovers after a kill: median {:?}, worst {:?}",
        times[times.len() / 2],
        times.last().unwrap()
    );
    assert!(*times.last().unwrap() < LONG / 4);
}

const MANY: usize = 10_000;

#[test]
#[ignore = "child role"]
fn role_hold_many() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let all: Shared<[Mutex<u32>; MANY]> = place.open().unwrap();
    all.iter()
        .for_each(|mutex| std::mem::forget(mutex.lock().unwrap()));
    me.say("has them all");
    me.park();
}

fn ten_thousand_locks_of_a_dead_process_are_taken_over(maker: Maker) {
    let _watch = deadline(3 * LONG);
    // The value is on the stack until it is in the segment.
    let maker = thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || maker.make([const { Mutex::new(0_u32) }; MANY]));
    let all = maker.unwrap().join().unwrap();
    let mut owner = spawn("sync::death::role_hold_many", &all.place);
    owner.expect("has them all");
    assert!(all.iter().all(|mutex| mutex.try_lock().is_err()));
    owner.kill();
    let taken: Vec<_> = all.iter().map(|mutex| died(mutex.lock())).collect();
    assert_eq!(taken.len(), MANY);
    taken
        .into_iter()
        .for_each(|recovery| drop(recovery.mark_recovered()));
    assert!(all.iter().all(|mutex| is_clean(mutex.try_lock())));
}

#[cfg(unix)]
fn a_stopped_holder_is_slow_and_not_dead(maker: Maker) {
    let board = board(maker);
    let mut owner = holder(&board.place);
    obey(&mut owner, "read");
    owner.stop();
    let error = board.mutex.lock_timeout(5 * SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", owner.pid())), "{text}");
    assert!(!text.contains("died"), "{text}");
    assert!(board.mutex.holder().unwrap().is_alive);
    assert!(board.table.write_timeout(SHORT).is_err());
    owner.cont();
    obey(&mut owner, "release");
    assert!(is_clean(board.mutex.lock_timeout(LONG)));
    assert!(is_clean(board.table.write_timeout(LONG)));
}

fn a_dead_waiter_takes_nothing_along(maker: Maker) {
    let _watch = deadline(3 * LONG);
    let board = board(maker);
    let waiter = |what: &str| {
        let mut waiter = peer(&board.place);
        waiter.tell(format_args!("wait {what}"));
        waiter.expect("waits");
        until_asleep(&mut waiter);
        waiter
    };
    // Somebody else has it, and gives it back after the waiter's death.
    let held = board.mutex.lock().unwrap();
    let mut survivor = waiter("mutex");
    waiter("mutex").kill();
    drop(held);
    assert!(survivor.line().starts_with("through"));
    assert!(is_clean(board.mutex.lock_timeout(LONG)));

    let held = board.table.write().unwrap();
    let mut survivor = waiter("read");
    waiter("read").kill();
    waiter("write").kill();
    drop(held);
    assert!(survivor.line().starts_with("through"));
    let held = board.table.read().unwrap();
    let mut survivor = waiter("write");
    waiter("write").kill();
    drop(held);
    assert!(survivor.line().starts_with("through"));
    assert!(is_clean(board.table.write_timeout(LONG)));

    for (what, signal) in [
        ("permit", "permit"),
        ("auto", "auto"),
        ("changed", "changed"),
    ] {
        let mut survivor = waiter(what);
        waiter(what).kill();
        let mut other = peer(&board.place);
        if what == "changed" {
            *board.mutex.lock().unwrap().assume_recovered() = 1;
        }
        obey(&mut other, &format!("signal {signal}"));
        assert!(survivor.line().starts_with("through"), "{what}");
    }
    assert!(is_clean(board.mutex.lock_timeout(LONG)));

    // In a barrier it has come; the next round is whole again.
    waiter("barrier").kill();
    assert!(board.barrier.wait().unwrap().is_leader());
    let mut other = waiter("barrier");
    assert!(board.barrier.wait().unwrap().is_leader());
    assert!(other.line().starts_with("through"));
}

fn a_guard_that_is_forgotten_dies_with_its_attachment(maker: Maker) {
    let board = board(maker);
    let mine: Shared<Board> = board.place.open().unwrap();
    std::mem::forget(mine.mutex.lock().unwrap());
    std::mem::forget(mine.table.read().unwrap());
    // The lease counts, not the process.
    assert_eq!(
        board.mutex.try_lock().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(board.mutex.holder().unwrap().pid, Some(std::process::id()));
    assert_eq!(mine.detach().unwrap(), Detached::Remains);
    assert_eq!(
        board.mutex.holder().map(|holder| holder.is_alive),
        Some(false)
    );
    assert!(board.mutex.lock_timeout(LONG).unwrap().owner_died());
    assert!(is_clean(board.table.write_timeout(LONG)));
    // What comes to lie at the same address is another attachment.
    let again: Shared<Board> = board.place.open().unwrap();
    drop(again.recursive.lock().unwrap());
    std::mem::forget(again.recursive.lock().unwrap());
    drop(again);
    let again: Shared<Board> = board.place.open().unwrap();
    assert!(again.recursive.try_lock().unwrap().owner_died());
}

fn who_detaches_takes_nobody_elses_locks_along(maker: Maker) {
    let board = board(maker);
    let mut owner = holder(&board.place);
    for _ in 0..3 {
        let other: Shared<Board> = board.place.open().unwrap();
        assert!(other.mutex.try_lock().is_err());
        drop(other.recursive.lock().unwrap());
        assert_eq!(other.detach().unwrap(), Detached::Remains);
        assert_eq!(
            board.mutex.try_lock().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    }
    obey(&mut owner, "release");
    assert!(is_clean(board.mutex.try_lock()));
}
