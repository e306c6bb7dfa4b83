//! What can be done with a `Once` and a `OnceCell`.

use shmkit::ErrorKind;
use shmkit_testkit as testkit;

use crate::cast::{LONG, Scenario, USUAL, died, while_others_wait};
use crate::locks::{SHORT, panic, panicking};
use crate::place::Place;
use crate::stage::{Record, Stage};

fn call(stage: &Stage) -> bool {
    let done = stage.once.call_once_timeout(LONG, || stage.made.make());
    done.unwrap();
    assert_eq!(stage.made.changes(), 1, "it was not done to its end");
    false
}

fn make(stage: &Stage) -> bool {
    let made = stage
        .cell
        .get_or_init_timeout(LONG, Record::new_made)
        .unwrap();
    assert_eq!(made.changes(), 1);
    false
}

const OF_A_ONCE: Scenario = Scenario {
    for_many: true,
    act: |stage, me| {
        me.is_ready();
        call(stage);
    },
    survive: call,
    after: |stage, _| {
        assert!(stage.once.is_done());
        assert!(stage.once.initializer().is_none());
    },
    ..USUAL
};

const OF_A_CELL: Scenario = Scenario {
    act: |stage, me| {
        me.is_ready();
        make(stage);
    },
    survive: make,
    after: |stage, _| {
        assert_eq!(stage.cell.get().unwrap().changes(), 1);
        assert!(stage.cell.initializer().is_none());
    },
    ..OF_A_ONCE
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "once: do it",
        ..OF_A_ONCE
    },
    Scenario {
        name: "once: do it while others wait",
        act: |stage, me| {
            let done = stage.once.call_once(|| {
                me.is_ready();
                stage.made.make();
            });
            done.unwrap();
        },
        beside: while_others_wait,
        ..OF_A_ONCE
    },
    Scenario {
        name: "once: wait for another that does it",
        beside: |set, cast| {
            let done = set.stage.once.call_once(|| {
                cast.victim_begins();
                cast.victim_settles();
                set.stage.made.make();
            });
            done.unwrap();
            cast.victim_ends();
        },
        ..OF_A_ONCE
    },
    Scenario {
        name: "once: wait in vain for another",
        act: |stage, me| {
            me.is_ready();
            let refused = stage.once.call_once_timeout(SHORT, || unreachable!());
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
        },
        beside: |set, cast| {
            let done = set.stage.once.call_once(|| {
                cast.victim_acts();
                set.stage.made.make();
            });
            done.unwrap();
        },
        ..OF_A_ONCE
    },
    Scenario {
        name: "once: panic over it",
        act: |stage, me| {
            me.is_ready();
            panicking(|| _ = stage.once.call_once(|| panic()));
        },
        ..OF_A_ONCE
    },
    Scenario {
        name: "once: take over from a dead one",
        before: |set| {
            let mut other = testkit::spawn("onces::role_dies_over_it", set.place());
            assert!(died(&mut other));
        },
        ..OF_A_ONCE
    },
    Scenario {
        name: "cell: make the value",
        ..OF_A_CELL
    },
    Scenario {
        name: "cell: fail to make the value",
        act: |stage, me| {
            me.is_ready();
            let made = stage.cell.get_or_try_init(LONG, || Err::<Record, _>("no"));
            assert_eq!(made.unwrap().err(), Some("no"));
        },
        ..OF_A_CELL
    },
    Scenario {
        name: "cell: make the value while others wait",
        act: |stage, me| {
            let made = stage.cell.get_or_init(|| {
                me.is_ready();
                Record::new_made()
            });
            made.unwrap();
        },
        beside: while_others_wait,
        ..OF_A_CELL
    },
];

#[test]
#[ignore = "child role"]
fn role_dies_over_it() {
    let Some(me) = testkit::role() else { return };
    let stage = Place::parse(me.arg()).open::<Stage>().unwrap();
    let done = stage.once.call_once(|| {
        stage.made.begin();
        testkit::die();
    });
    done.unwrap();
}
