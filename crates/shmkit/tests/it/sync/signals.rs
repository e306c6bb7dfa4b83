//! A process with an interval timer, which interrupts its sleep all the time.
#![expect(unsafe_code, reason = "sigaction and setitimer")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shmkit::ErrorKind;
use shmkit::typed::Shared;
use shmkit_testkit::{role, spawn};

use super::board::{Board, board, holder};
use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(signals_hide_neither_the_end_of_a_wait_nor_a_death);

static RINGS: AtomicU32 = AtomicU32::new(0);

extern "C" fn ring(_: libc::c_int) {
    RINGS.fetch_add(1, Ordering::Relaxed);
}

fn ring_every_millisecond() {
    // SAFETY: zeros are a valid value of this struct of integers.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ring as *const () as usize;
    // SAFETY: the handler only adds to an atomic. Without SA_RESTART calls end with EINTR.
    let set = unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: 1000,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: reads the struct.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

#[test]
#[ignore = "child role"]
fn role_disturbed() {
    let Some(me) = role() else { return };
    let board: Shared<Board> = me.arg().parse::<Place>().unwrap().open().unwrap();
    ring_every_millisecond();
    let in_vain = |attempt: &dyn Fn() -> shmkit::Result<()>| {
        let begun = Instant::now();
        assert_eq!(attempt().unwrap_err().kind(), ErrorKind::TimedOut);
        let time = begun.elapsed();
        // The upper bound is for a sleep that begins anew with each signal.
        assert!(time >= SHORT && time < LONG / 2, "{time:?}");
    };
    in_vain(&|| board.mutex.lock_timeout(SHORT).map(drop));
    in_vain(&|| board.table.write_timeout(SHORT).map(drop));
    in_vain(&|| board.permits.acquire_timeout(SHORT));
    in_vain(&|| board.manual.wait_timeout(SHORT));
    in_vain(&|| board.auto.wait_timeout(SHORT));
    in_vain(&|| board.barrier.wait_timeout(SHORT).map(drop));
    assert!(RINGS.load(Ordering::Relaxed) > 0);
    me.say("waits");
    let begun = Instant::now();
    assert!(board.mutex.lock_timeout(LONG).unwrap().owner_died());
    assert!(board.table.read_timeout(LONG).unwrap().owner_died());
    let time = begun.elapsed();
    assert!(time < LONG / 2, "{time:?}");
    me.say("owner died");
}

fn signals_hide_neither_the_end_of_a_wait_nor_a_death(maker: Maker) {
    let board = board(maker);
    let mut owner = holder(&board.place);
    super::board::obey(&mut owner, "write");
    let mut disturbed = spawn("sync::signals::role_disturbed", &board.place);
    disturbed.expect("waits");
    // Silent for longer than one look at the holder takes.
    assert_eq!(disturbed.line_within(Duration::from_millis(20)), None);
    owner.kill();
    disturbed.expect("owner died");
    disturbed.finish();
}
