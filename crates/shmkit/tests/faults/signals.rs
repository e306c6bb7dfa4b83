//! What can be done with a `Condvar`, a `Semaphore`, an `Event` and a `Barrier`.
//!
//! They have no owner: what a dead one had taken is gone with it, and what it has not done yet
//! somebody else must do, here this process. Nothing more may be lost.

use std::time::Duration;

use shmkit::ErrorKind;

use crate::cast::{Cast, LONG, Outcome, Scenario, Set, USUAL};
use crate::locks::SHORT;
use crate::stage::Stage;

/// Takes a letter, waiting for one.
fn take_a_letter(stage: &Stage) -> bool {
    let letters = stage.letters.lock_timeout(LONG).unwrap();
    let mut told = letters.owner_died();
    let mut letters = letters.assume_recovered();
    loop {
        let none = |letters: &mut u64| *letters == 0;
        let waited = stage
            .arrived
            .wait_timeout_while(letters, LONG, none)
            .unwrap();
        assert!(!waited.1.timed_out(), "the letter was not noticed");
        told |= waited.0.owner_died();
        letters = waited.0.assume_recovered();
        if *letters > 0 {
            *letters -= 1;
            return told;
        }
    }
}

fn put_a_letter(stage: &Stage, notify: fn(&Stage)) {
    *stage.letters.lock_timeout(LONG).unwrap().assume_recovered() += 1;
    notify(stage);
}

fn put_and_take(stage: &Stage) -> bool {
    put_a_letter(stage, notify_one);
    take_a_letter(stage)
}

fn notify_one(stage: &Stage) {
    stage.arrived.notify_one().unwrap();
}

fn notify_all(stage: &Stage) {
    stage.arrived.notify_all().unwrap();
}

/// The one who was to put the letter may have died before.
fn put_what_is_missing(set: &Set, cast: &mut Cast) {
    cast.survivors_begin();
    cast.victim_acts();
    cast.survivors_settle();
    let letters = *set
        .stage
        .letters
        .lock_timeout(LONG)
        .unwrap()
        .assume_recovered();
    if letters == 0 && cast.survivors_wait(set) {
        put_a_letter(&set.stage, notify_one);
    }
}

fn no_letters_left(stage: &Stage) {
    assert_eq!(*stage.letters.lock().unwrap().assume_recovered(), 0);
}

/// What the victim was to do for the survivors is done by this process, if `is_missing`.
fn help(set: &Set, cast: &mut Cast, is_missing: fn(&Stage) -> bool, act: fn(&Stage)) {
    cast.survivors_begin();
    cast.victim_acts();
    cast.survivors_settle();
    if cast.survivors_wait(set) && is_missing(&set.stage) {
        act(&set.stage);
    }
}

/// The victim waits for something, which this process does once it sleeps or is dead.
fn help_the_victim(set: &Set, cast: &mut Cast, act: fn(&Stage)) {
    cast.victim_begins();
    cast.victim_settles();
    act(&set.stage);
    cast.victim_ends();
}

fn acquire(stage: &Stage) -> bool {
    stage.semaphore.acquire_timeout(LONG).unwrap();
    false
}

/// A permit that one who died has not taken.
fn at_most_the_dead_ones_is_left(stage: &Stage, outcome: &Outcome) {
    let left = stage.semaphore.available();
    assert!(left <= u32::from(outcome.victim_died), "{left} are left");
}

fn release(stage: &Stage) {
    stage.semaphore.release(1).unwrap();
}

fn wait(stage: &Stage) -> bool {
    stage.manual.wait_timeout(LONG).unwrap();
    false
}

fn wait_for_auto(stage: &Stage) -> bool {
    stage.auto.wait_timeout(LONG).unwrap();
    false
}

fn come(stage: &Stage) -> bool {
    stage.barrier.wait_timeout(LONG).unwrap();
    false
}

const OF_A_NOTIFIER: Scenario = Scenario {
    beside: put_what_is_missing,
    survive: take_a_letter,
    after: |stage, _| no_letters_left(stage),
    ..USUAL
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "condvar: wait",
        act: |stage, me| {
            me.is_ready();
            take_a_letter(stage);
        },
        beside: |set, cast| help_the_victim(set, cast, |stage| put_a_letter(stage, notify_one)),
        survive: put_and_take,
        after: |stage, outcome| {
            let letters = *stage.letters.lock().unwrap().assume_recovered();
            let most = u64::from(outcome.victim_died);
            assert!(letters <= most, "{letters} letters are left");
        },
        ..USUAL
    },
    Scenario {
        name: "condvar: wait in vain",
        act: |stage, me| {
            let letters = stage.letters.lock().unwrap().assume_recovered();
            me.is_ready();
            let (_letters, end) = stage.arrived.wait_timeout(letters, SHORT).unwrap();
            assert!(end.timed_out());
        },
        survive: put_and_take,
        after: |stage, _| no_letters_left(stage),
        ..USUAL
    },
    Scenario {
        name: "condvar: change and notify one",
        act: |stage, me| {
            me.is_ready();
            put_a_letter(stage, notify_one);
        },
        ..OF_A_NOTIFIER
    },
    Scenario {
        name: "condvar: change and notify all",
        act: |stage, me| {
            me.is_ready();
            put_a_letter(stage, notify_all);
        },
        ..OF_A_NOTIFIER
    },
    Scenario {
        name: "condvar: notify with the lock",
        act: |stage, me| {
            me.is_ready();
            let mut letters = stage.letters.lock().unwrap().assume_recovered();
            *letters += 1;
            notify_one(stage);
        },
        ..OF_A_NOTIFIER
    },
    Scenario {
        name: "semaphore: acquire",
        before: |set| set.stage.semaphore.release(2).unwrap(),
        act: |stage, me| {
            me.is_ready();
            acquire(stage);
        },
        survive: acquire,
        after: at_most_the_dead_ones_is_left,
        ..USUAL
    },
    Scenario {
        name: "semaphore: wait and acquire",
        act: |stage, me| {
            me.is_ready();
            acquire(stage);
        },
        beside: |set, cast| {
            help_the_victim(set, cast, release);
            release(&set.stage);
        },
        survive: acquire,
        after: at_most_the_dead_ones_is_left,
        ..USUAL
    },
    Scenario {
        name: "semaphore: wait in vain",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.semaphore.acquire_timeout(SHORT);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        survive: |stage| {
            release(stage);
            acquire(stage)
        },
        after: |stage, _| assert_eq!(stage.semaphore.available(), 0),
        ..USUAL
    },
    Scenario {
        name: "semaphore: release while another waits",
        act: |stage, me| {
            me.is_ready();
            release(stage);
        },
        beside: |set, cast| help(set, cast, |stage| stage.semaphore.available() == 0, release),
        survive: acquire,
        after: |stage, _| assert_eq!(stage.semaphore.available(), 0),
        ..USUAL
    },
    Scenario {
        name: "event: set while another waits",
        act: |stage, me| {
            me.is_ready();
            stage.manual.set().unwrap();
        },
        beside: |set, cast| {
            help(
                set,
                cast,
                |stage| !stage.manual.is_set(),
                |stage| stage.manual.set().unwrap(),
            );
        },
        survive: wait,
        after: |stage, _| assert!(stage.manual.is_set()),
        ..USUAL
    },
    Scenario {
        name: "event: wait",
        act: |stage, me| {
            me.is_ready();
            stage.manual.wait_timeout(LONG).unwrap();
        },
        beside: |set, cast| help_the_victim(set, cast, |stage| stage.manual.set().unwrap()),
        survive: wait,
        ..USUAL
    },
    Scenario {
        name: "event: reset",
        before: |set| set.stage.manual.set().unwrap(),
        act: |stage, me| {
            me.is_ready();
            stage.manual.reset().unwrap();
        },
        survive: |stage| {
            stage.manual.set().unwrap();
            stage.manual.wait_timeout(LONG).unwrap();
            false
        },
        ..USUAL
    },
    Scenario {
        name: "automatic event: set while another waits",
        act: |stage, me| {
            me.is_ready();
            stage.auto.set().unwrap();
        },
        beside: |set, cast| {
            help(
                set,
                cast,
                |stage| !stage.auto.is_set(),
                |stage| stage.auto.set().unwrap(),
            );
        },
        survive: wait_for_auto,
        after: |stage, _| assert!(!stage.auto.is_set(), "it has let one through"),
        ..USUAL
    },
    Scenario {
        name: "automatic event: wait",
        act: |stage, me| {
            me.is_ready();
            stage.auto.wait_timeout(LONG).unwrap();
        },
        beside: |set, cast| {
            help_the_victim(set, cast, |stage| stage.auto.set().unwrap());
            set.stage.auto.set().unwrap();
        },
        survive: wait_for_auto,
        after: |stage, _| assert!(!stage.auto.is_set()),
        ..USUAL
    },
    Scenario {
        // One that has come counts, dead or not.
        name: "barrier: come first",
        act: |stage, me| {
            me.is_ready();
            come(stage);
        },
        beside: |set, cast| {
            cast.victim_begins();
            cast.victim_settles();
            cast.survivors_begin();
            if cast.survivors_wait(set) && set.stage.barrier.waiting() > 0 {
                come(&set.stage);
            }
            cast.victim_ends();
        },
        survive: come,
        after: |stage, _| assert_eq!(stage.barrier.waiting(), 0),
        ..USUAL
    },
    Scenario {
        name: "barrier: come last",
        act: |stage, me| {
            me.is_ready();
            come(stage);
        },
        beside: |set, cast| {
            help(
                set,
                cast,
                |stage| stage.barrier.waiting() > 0,
                |stage| _ = come(stage),
            );
        },
        survive: come,
        after: |stage, _| assert_eq!(stage.barrier.waiting(), 0),
        ..USUAL
    },
    Scenario {
        name: "barrier: wait in vain",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.barrier.wait_timeout(Duration::from_millis(1));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        beside: |set, cast| {
            cast.victim_acts();
            // It was there when it died, or it was not.
            if set.stage.barrier.waiting() == 0 {
                cast.survivors_begin();
                come(&set.stage);
            }
        },
        survive: come,
        after: |stage, _| assert_eq!(stage.barrier.waiting(), 0),
        ..USUAL
    },
];
