//! What can be done with a `Mutex` and a `RecursiveMutex`.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use shmkit::sync::RecursiveMutexGuard;
use shmkit::{Acquired, ErrorKind, Held};

use crate::cast::{Found, LONG, Scenario, Set, USUAL, while_others_wait};
use crate::stage::{Record, Stage};

/// Short enough to wait for in vain.
pub(crate) const SHORT: Duration = Duration::from_millis(3);

/// Does something that panics, without a word.
pub(crate) fn panicking(act: impl FnOnce()) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        act();
    }));
    assert!(panicked.is_err());
}

pub(crate) fn panic() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// Locks, changes the record and unlocks, also if the owner died; whether it did.
fn change(stage: &Stage) -> bool {
    work(stage.mutex.lock_timeout(LONG).unwrap())
}

/// Changes the record with a lock, and gives it back; whether the owner before has died.
pub(crate) fn work<G: Held + Deref<Target = Record>>(acquired: Acquired<G>) -> bool {
    match acquired {
        Acquired::Clean(guard) => {
            guard.change(false);
            false
        }
        Acquired::OwnerDied(recovery) => {
            recovery.change(true);
            drop(recovery.mark_recovered());
            true
        }
    }
}

/// The same for one that may be poisoned.
fn repair(stage: &Stage) -> bool {
    work(stage.mutex.lock_poisoned(LONG).unwrap())
}

fn poison(set: &Set) {
    panicking(|| {
        let guard = set.stage.mutex.lock().unwrap().assume_recovered();
        guard.begin();
        panic();
    });
    assert!(set.stage.mutex.is_poisoned());
}

fn leave_to_the_dead(set: &Set) {
    set.as_one_who_dies(|stage| {
        let guard = stage.mutex.lock().unwrap().assume_recovered();
        guard.begin();
        std::mem::forget(guard);
    });
}

fn find(stage: &Stage) -> Found {
    found(stage.mutex.lock_poisoned(LONG).unwrap())
}

/// What one finds who comes after everybody else, and mends it.
pub(crate) fn found<G: Held + Deref<Target = Record>>(acquired: Acquired<G>) -> Found {
    let owner_died = acquired.owner_died();
    let guard = acquired.assume_recovered();
    if owner_died {
        guard.repair();
    }
    Found {
        changes: guard.changes(),
        owner_died,
    }
}

const OF_A_MUTEX: Scenario = Scenario {
    for_many: true,
    act: |stage, me| {
        me.is_ready();
        change(stage);
    },
    survive: change,
    after: |stage, outcome| outcome.check(find(stage), 0..=1, 0),
    ..USUAL
};

pub(crate) const MUTEX: &[Scenario] = &[
    Scenario {
        // The first use of the segment: a lease is taken, too.
        name: "mutex: lock and unlock",
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: try to lock, with a lease, and unlock",
        act: |stage, me| {
            change(stage);
            me.is_ready();
            work(stage.mutex.try_lock().unwrap());
        },
        after: |stage, outcome| outcome.check(find(stage), 1..=2, 0),
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: wait for another to unlock",
        beside: |set, cast| {
            cast.victim_waits_for(set.stage.mutex.lock().unwrap().assume_recovered())
        },
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: unlock while others wait",
        act: |stage, me| {
            let acquired = stage.mutex.lock().unwrap();
            me.is_ready();
            work(acquired);
        },
        beside: while_others_wait,
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: wait among others",
        beside: |set, cast| {
            let guard = set.stage.mutex.lock().unwrap().assume_recovered();
            cast.survivors_begin();
            cast.victim_begins();
            cast.victim_settles();
            drop(guard);
            cast.victim_ends();
        },
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: wait in vain",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.mutex.lock_timeout(SHORT);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        beside: |set, cast| {
            let _guard = set.stage.mutex.lock().unwrap();
            cast.victim_acts();
        },
        after: |stage, outcome| {
            outcome.check(find(stage), 0..=0, 0);
            assert_eq!(outcome.told, 0, "nobody died with the lock");
        },
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: take over from a dead owner",
        before: leave_to_the_dead,
        act: |stage, me| {
            me.is_ready();
            assert!(change(stage));
        },
        after: |stage, outcome| outcome.check(find(stage), 1..=2, 0),
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: panic with the lock",
        act: |stage, me| {
            me.is_ready();
            panicking(|| {
                let guard = stage.mutex.lock().unwrap().assume_recovered();
                guard.begin();
                panic();
            });
        },
        survive: repair,
        after: |stage, outcome| outcome.check(find(stage), 0..=1, 1),
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: leave in doubt what a dead owner left",
        before: leave_to_the_dead,
        act: |stage, me| {
            me.is_ready();
            let acquired = stage.mutex.lock_timeout(LONG).unwrap();
            assert!(acquired.owner_died());
        },
        survive: repair,
        after: |stage, outcome| {
            outcome.check(find(stage), 1..=1, 1);
            assert_eq!(outcome.told, 1);
        },
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: repair what is poisoned",
        before: poison,
        act: |stage, me| {
            me.is_ready();
            assert!(repair(stage));
        },
        survive: repair,
        after: |stage, outcome| outcome.check(find(stage), 1..=2, 0),
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: clear the poison",
        before: |set| {
            panicking(|| {
                let _guard = set.stage.mutex.lock();
                panic();
            });
        },
        act: |stage, me| {
            me.is_ready();
            stage.mutex.clear_poison().unwrap();
        },
        survive: repair,
        after: |stage, outcome| outcome.check(find(stage), 0..=0, 0),
        ..OF_A_MUTEX
    },
    Scenario {
        name: "mutex: write a label",
        act: |stage, me| {
            change(stage);
            me.is_ready();
            stage.set_label("about to die");
        },
        after: |stage, outcome| outcome.check(find(stage), 1..=1, 0),
        for_many: false,
        ..OF_A_MUTEX
    },
];

/// Locks twice, changes the record and unlocks; whether the owner died.
fn change_recursively(stage: &Stage) -> bool {
    work_recursively(stage, stage.recursive.lock_poisoned(LONG).unwrap())
}

fn work_recursively(stage: &Stage, acquired: Acquired<RecursiveMutexGuard<'_, Record>>) -> bool {
    let inner = || stage.recursive.lock().unwrap();
    match acquired {
        Acquired::Clean(_outer) => {
            let inner = inner();
            assert!(!inner.owner_died());
            inner.assume_recovered().change(false);
            false
        }
        Acquired::OwnerDied(outer) => {
            let inner = inner();
            inner.assume_recovered().change(true);
            drop(outer.mark_recovered());
            true
        }
    }
}

fn find_recursively(stage: &Stage) -> Found {
    found(stage.recursive.lock_poisoned(LONG).unwrap())
}

const OF_A_RECURSIVE_MUTEX: Scenario = Scenario {
    for_many: true,
    act: |stage, me| {
        me.is_ready();
        change_recursively(stage);
    },
    survive: change_recursively,
    after: |stage, outcome| outcome.check(find_recursively(stage), 0..=1, 0),
    ..USUAL
};

pub(crate) const RECURSIVE: &[Scenario] = &[
    Scenario {
        name: "recursive mutex: lock twice and unlock",
        ..OF_A_RECURSIVE_MUTEX
    },
    Scenario {
        name: "recursive mutex: wait for another to unlock",
        beside: |set, cast| {
            cast.victim_waits_for(set.stage.recursive.lock().unwrap().assume_recovered())
        },
        ..OF_A_RECURSIVE_MUTEX
    },
    Scenario {
        name: "recursive mutex: unlock while others wait",
        act: |stage, me| {
            let acquired = stage.recursive.lock().unwrap();
            me.is_ready();
            work_recursively(stage, acquired);
        },
        beside: while_others_wait,
        ..OF_A_RECURSIVE_MUTEX
    },
    Scenario {
        name: "recursive mutex: take over from a dead owner",
        before: |set| {
            set.as_one_who_dies(|stage| {
                let guard = stage.recursive.lock().unwrap().assume_recovered();
                guard.begin();
                std::mem::forget(guard);
            });
        },
        act: |stage, me| {
            me.is_ready();
            assert!(change_recursively(stage));
        },
        after: |stage, outcome| outcome.check(find_recursively(stage), 1..=2, 0),
        ..OF_A_RECURSIVE_MUTEX
    },
    Scenario {
        name: "recursive mutex: panic with the inner lock",
        act: |stage, me| {
            me.is_ready();
            let outer = stage.recursive.lock().unwrap();
            panicking(|| {
                let inner = stage.recursive.lock().unwrap().assume_recovered();
                inner.begin();
                panic();
            });
            drop(outer);
        },
        after: |stage, outcome| outcome.check(find_recursively(stage), 0..=1, 1),
        ..OF_A_RECURSIVE_MUTEX
    },
];
