//! What can be done with a `RwLock`, here with seats for eight readers.

use shmkit::sync::RwLockReadGuard;
use shmkit::typed::Shared;
use shmkit::{Acquired, ErrorKind};

use crate::cast::{Found, LONG, Outcome, Scenario, Set, USUAL, Victim, while_others_wait};
use crate::locks::{SHORT, found, panic, panicking, work};
use crate::stage::{Record, Stage};

/// As many as can read at once.
const SEATS: usize = 8;

/// Changes the record, then looks at it; whether the owner died.
fn use_it(stage: &Stage) -> bool {
    let told = change(stage);
    look(stage);
    told
}

fn change(stage: &Stage) -> bool {
    work(stage.rwlock.write_poisoned(LONG).unwrap())
}

/// Writes, and ends that when it may die.
fn end_writing(stage: &Shared<Stage>, me: &Victim) {
    let acquired = stage.rwlock.write().unwrap();
    me.is_ready();
    work(acquired);
}

fn look(stage: &Stage) {
    read(stage.rwlock.read_timeout(LONG).unwrap());
}

fn read(acquired: Acquired<RwLockReadGuard<'_, Record, 1>>) {
    match acquired {
        Acquired::Clean(guard) => guard.look(),
        Acquired::OwnerDied(_) => panic!("whoever wrote before has mended it"),
    }
}

fn find(stage: &Stage) -> Found {
    found(stage.rwlock.write_poisoned(LONG).unwrap())
}

/// The victim was no writer, and a reader's death is nobody's business.
fn not_changed(stage: &Stage, outcome: &Outcome) {
    outcome.check(find(stage), 0..=0, 0);
    assert_eq!(outcome.told, 0);
}

fn panic_while_writing(stage: &Stage) {
    panicking(|| {
        let guard = stage.rwlock.write().unwrap().assume_recovered();
        guard.begin();
        panic();
    });
}

fn leave_to_the_dead(set: &Set) {
    set.as_one_who_dies(|stage| {
        let guard = stage.rwlock.write().unwrap().assume_recovered();
        guard.begin();
        std::mem::forget(guard);
    });
}

/// As many readers as there can be at once die.
fn leave_seats_to_the_dead(set: &Set) {
    for _ in 0..SEATS {
        set.as_one_who_dies(|stage| std::mem::forget(stage.rwlock.read().unwrap()));
    }
}

const OF_A_WRITER: Scenario = Scenario {
    for_many: true,
    act: |stage, me| {
        me.is_ready();
        change(stage);
    },
    survive: use_it,
    after: |stage, outcome| outcome.check(find(stage), 0..=1, 0),
    ..USUAL
};

const OF_A_READER: Scenario = Scenario {
    act: |stage, me| {
        me.is_ready();
        look(stage);
    },
    after: not_changed,
    ..OF_A_WRITER
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "rwlock: write",
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: wait for a reader to write",
        beside: |set, cast| cast.victim_waits_for(set.stage.rwlock.read().unwrap()),
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: wait for a writer to write",
        beside: |set, cast| cast.victim_waits_for(set.stage.rwlock.write().unwrap()),
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: end writing while others wait",
        act: end_writing,
        beside: while_others_wait,
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: end writing while readers wait",
        act: end_writing,
        beside: while_others_wait,
        survive: |stage| match stage.rwlock.read_timeout(LONG).unwrap() {
            Acquired::Clean(guard) => {
                guard.look();
                false
            }
            Acquired::OwnerDied(recovery) => {
                recovery.repair();
                drop(recovery.mark_recovered());
                true
            }
        },
        after: |stage, outcome| {
            let changes = find(stage).changes;
            assert!(changes == 1 || changes == 0 && outcome.victim_died);
        },
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: wait in vain to write",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.rwlock.write_timeout(SHORT).map(drop);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        beside: |set, cast| {
            let _reader = set.stage.rwlock.read().unwrap();
            cast.victim_acts();
        },
        after: not_changed,
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: write after a dead writer",
        before: leave_to_the_dead,
        act: |stage, me| {
            me.is_ready();
            assert!(change(stage));
        },
        after: |stage, outcome| outcome.check(find(stage), 1..=2, 0),
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: panic while writing",
        act: |stage, me| {
            me.is_ready();
            panic_while_writing(stage);
        },
        after: |stage, outcome| outcome.check(find(stage), 0..=1, 1),
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: repair what is poisoned",
        before: |set| panic_while_writing(&set.stage),
        act: |stage, me| {
            me.is_ready();
            assert!(change(stage));
        },
        after: |stage, outcome| outcome.check(find(stage), 1..=2, 0),
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: read",
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: read among readers",
        beside: |set, cast| {
            let _readers = (set.stage.rwlock.read(), set.stage.rwlock.read());
            cast.victim_acts();
        },
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: wait for a writer to read",
        beside: |set, cast| cast.victim_waits_for(set.stage.rwlock.write().unwrap()),
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: end reading while writers wait",
        act: |stage, me| {
            let acquired = stage.rwlock.read().unwrap();
            me.is_ready();
            read(acquired);
        },
        beside: while_others_wait,
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: find no seat to read",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.rwlock.read_timeout(SHORT).map(drop);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        beside: |set, cast| {
            let readers: Vec<_> = (0..SEATS).map(|_| set.another()).collect();
            let _seats: Vec<_> = readers.iter().map(|stage| stage.rwlock.read()).collect();
            cast.victim_acts();
        },
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: take the seat of a dead reader",
        before: leave_seats_to_the_dead,
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: strike off dead readers to write",
        before: leave_seats_to_the_dead,
        ..OF_A_WRITER
    },
    Scenario {
        name: "rwlock: read after a dead writer and leave it in doubt",
        before: leave_to_the_dead,
        act: |stage, me| {
            me.is_ready();
            assert!(stage.rwlock.read_timeout(LONG).unwrap().owner_died());
        },
        after: |stage, outcome| {
            outcome.check(find(stage), 1..=1, 1);
            assert_eq!(outcome.told, 1);
        },
        ..OF_A_READER
    },
    Scenario {
        name: "rwlock: read after a dead writer and find it right",
        before: |set| {
            set.as_one_who_dies(|stage| std::mem::forget(stage.rwlock.write().unwrap()));
        },
        act: |stage, me| {
            me.is_ready();
            let acquired = stage.rwlock.read_timeout(LONG).unwrap();
            assert!(acquired.owner_died());
            acquired.assume_recovered().look();
        },
        after: |stage, outcome| outcome.check(find(stage), 0..=0, 0),
        ..OF_A_READER
    },
];
