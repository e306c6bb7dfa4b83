//! One of each primitive in a segment, and a child that does with them what it is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use shmkit::sync::{
    Barrier, Condvar, Event, Mutex, MutexGuard, Once, OnceCell, RecursiveMutex,
    RecursiveMutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
};
use shmkit::typed::{Shared, ShmSafe};
use shmkit::{Error, Result};
use shmkit_testkit::{Child, Role, role, spawn};

use crate::places::{Made, Maker, Place};

/// One of each.
#[derive(ShmSafe)]
#[repr(C)]
pub(super) struct Board {
    pub(super) mutex: Mutex<u64>,
    pub(super) recursive: RecursiveMutex<u64>,
    pub(super) table: RwLock<[u64; 2], 1>,
    pub(super) changed: Condvar,
    pub(super) permits: Semaphore,
    pub(super) manual: Event,
    pub(super) auto: Event,
    pub(super) barrier: Barrier,
    pub(super) once: Once,
    pub(super) cell: OnceCell<u64>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            mutex: Mutex::new(0),
            recursive: RecursiveMutex::new(0),
            table: RwLock::new([0; 2]),
            changed: Condvar::new(),
            permits: Semaphore::new(0),
            manual: Event::new_manual(),
            auto: Event::new_auto(),
            barrier: Barrier::new(2),
            once: Once::new(),
            cell: OnceCell::new(),
        }
    }
}

pub(super) fn board(maker: Maker) -> Made<Board> {
    maker.make(Board::new())
}

/// What a peer holds.
#[expect(dead_code, reason = "they are there to be held")]
enum Holding<'a> {
    Mutex(MutexGuard<'a, u64>),
    Recursive(RecursiveMutexGuard<'a, u64>),
    Reader(RwLockReadGuard<'a, [u64; 2], 1>),
    Writer(RwLockWriteGuard<'a, [u64; 2], 1>),
}

/// A process that has the board.
pub(super) fn peer(place: &Place) -> Child {
    let mut peer = spawn("sync::board::role_peer", place);
    peer.expect("here");
    peer
}

/// One that holds the mutex.
pub(super) fn holder(place: &Place) -> Child {
    let mut holder = peer(place);
    obey(&mut holder, "lock");
    holder
}

/// Tells a peer to do something that succeeds.
#[track_caller]
pub(super) fn obey(peer: &mut Child, order: &str) {
    peer.tell(order);
    peer.expect("clean");
}

/// Obeys one order a line, and says how it came out:
///
/// `lock`, `lock recursive`, `read`, `write`: takes it and keeps it, waiting long. `release`: gives
/// all that back. `forget`: lets it all go without giving it back. `wait mutex|permit|auto|manual|
/// changed|barrier`: says `waits` and then waits long. `signal permit|auto|manual|changed`.
/// `label NAME`. `once`: begins it and hangs. `panic`: panics while it holds the mutex.
#[test]
#[ignore = "child role"]
fn role_peer() {
    let Some(me) = role() else { return };
    let shared: Shared<Board> = me.arg().parse::<Place>().unwrap().open().unwrap();
    me.say("here");
    let mut held = VecDeque::new();
    for order in me.orders() {
        match obeyed(&me, &shared, &order, &mut held) {
            Ok(word) => me.say(word),
            Err(error) => me.say(format_args!("{:?}", error.kind())),
        }
    }
}

const LONG: Duration = crate::support::LONG;

fn obeyed<'a>(
    me: &Role,
    board: &'a Shared<Board>,
    order: &str,
    held: &mut VecDeque<Holding<'a>>,
) -> Result<String, Error> {
    let begun = Instant::now();
    let mut keep = |holding, died| {
        held.push_back(holding);
        Ok(if died { "owner died" } else { "clean" }.to_owned())
    };
    match order {
        "lock" => {
            let got = board.mutex.lock_timeout(LONG)?;
            let died = got.owner_died();
            keep(Holding::Mutex(got.assume_recovered()), died)
        }
        "lock recursive" => {
            let got = board.recursive.lock_timeout(LONG)?;
            let died = got.owner_died();
            keep(Holding::Recursive(got.assume_recovered()), died)
        }
        "read" => {
            let got = board.table.read_timeout(LONG)?;
            let died = got.owner_died();
            keep(Holding::Reader(got.assume_recovered()), died)
        }
        "write" => {
            let got = board.table.write_timeout(LONG)?;
            let died = got.owner_died();
            keep(Holding::Writer(got.assume_recovered()), died)
        }
        "release" => {
            held.clear();
            Ok("clean".into())
        }
        "forget" => {
            held.drain(..).for_each(std::mem::forget);
            Ok("clean".into())
        }
        "panic" => {
            let panicked = std::panic::catch_unwind(|| {
                let _held = board.mutex.lock_timeout(LONG);
                panic!("on purpose");
            });
            assert!(panicked.is_err());
            Ok("clean".into())
        }
        "once" => {
            board.once.call_once(|| {
                me.say("begun");
                me.park();
            })?;
            Ok("clean".into())
        }
        "abort" => std::process::abort(),
        #[cfg(unix)]
        "exec" => {
            use std::os::unix::process::CommandExt;
            let error = std::process::Command::new("cat").exec();
            panic!("cannot exec: {error}");
        }
        _ => match order.split_once(' ') {
            Some(("label", label)) => {
                assert!(board.set_label(label));
                Ok("clean".into())
            }
            Some(("signal", what)) => {
                match what {
                    "permit" => board.permits.release(1)?,
                    "auto" => board.auto.set()?,
                    "manual" => board.manual.set()?,
                    "changed" => board.changed.notify_one()?,
                    _ => panic!("what is {what:?}?"),
                }
                Ok("clean".into())
            }
            Some(("wait", what)) => {
                wait(me, board, what)?;
                Ok(format!("through after {} ms", begun.elapsed().as_millis()))
            }
            _ => panic!("what is {order:?}?"),
        },
    }
}

fn wait(me: &Role, board: &Shared<Board>, what: &str) -> Result<()> {
    let say = || me.say("waits");
    match what {
        "mutex" => {
            say();
            drop(board.mutex.lock_timeout(LONG)?);
        }
        "read" => {
            say();
            drop(board.table.read_timeout(LONG)?);
        }
        "write" => {
            say();
            drop(board.table.write_timeout(LONG)?);
        }
        "permit" => {
            say();
            board.permits.acquire_timeout(LONG)?;
        }
        "auto" => {
            say();
            board.auto.wait_timeout(LONG)?;
        }
        "manual" => {
            say();
            board.manual.wait_timeout(LONG)?;
        }
        "barrier" => {
            say();
            board.barrier.wait_timeout(LONG)?;
        }
        "changed" => {
            let guard = board.mutex.lock_timeout(LONG)?.assume_recovered();
            say();
            let (guard, _) = board.changed.wait_timeout_while(guard, LONG, |n| *n == 0)?;
            *guard.assume_recovered() -= 1;
        }
        _ => panic!("what is {what:?}?"),
    }
    Ok(())
}

/// Windows tells nobody who sleeps. Most likely one does that has said nothing for a moment; otherwise a
/// test shows less than it could, and does not fail.
#[cfg(windows)]
pub(super) fn until_asleep(child: &mut Child) {
    assert_eq!(child.line_within(3 * crate::support::SHORT), None);
}

/// Waits until a thread of the child sleeps on a word that processes share.
#[cfg(unix)]
#[track_caller]
pub(super) fn until_asleep(child: &mut Child) {
    let begun = Instant::now();
    while !is_asleep(child.pid()) {
        assert!(begun.elapsed() < LONG, "it does not fall asleep");
        std::thread::yield_now();
    }
}

#[cfg(unix)]
fn is_asleep(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let calls = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("syscall")).ok());
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    calls.into_iter().any(|call| sleeps(&call, &maps))
}

/// Whether a thread is in this call because of a word that processes share.
#[cfg(unix)]
fn sleeps(call: &str, maps: &str) -> bool {
    // Number, then the arguments: the word, `FUTEX_WAIT` without `FUTEX_PRIVATE_FLAG`.
    let [number, word, operation, ..] = call.split(' ').collect::<Vec<_>>()[..] else {
        return false;
    };
    if cfg!(shmkit_force_portable) {
        // Without futexes it naps.
        return number == libc::SYS_clock_nanosleep.to_string();
    }
    // The kernel tells the number that the emulator's own processor has for it.
    let is_futex = shmkit_testkit::is_emulated() || number == libc::SYS_futex.to_string();
    is_futex && operation == "0x0" && is_shared(word, maps)
}

/// Whether an address lies in a mapping that is shared.
#[cfg(unix)]
fn is_shared(address: &str, maps: &str) -> bool {
    let number = |hex: &str| u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok();
    let Some(address) = number(address) else {
        return false;
    };
    maps.lines().any(|mapping| {
        let (range, rest) = mapping.split_once(' ').unwrap_or_default();
        let (start, end) = range.split_once('-').unwrap_or_default();
        let holds = number(start).is_some_and(|start| start <= address)
            && number(end).is_some_and(|end| address < end);
        holds && rest.as_bytes().get(3) == Some(&b's')
    })
}
