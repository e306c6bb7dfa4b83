//! How typed segments come to be and go.

use std::path::Path;

use shmkit::fault;
use shmkit::sync::Mutex;
use shmkit::typed::{Shared, ShmSafe};
use shmkit_testkit::{self as testkit, Child};

use crate::cast::{Context, LONG, Victim, died, every_point, order};
use crate::place::{Backend, Place};
use crate::stage::Record;

/// What is born: made once, then used by everybody.
#[derive(ShmSafe)]
#[repr(C)]
struct Value {
    made: Record,
    used: Mutex<u64>,
}

impl Value {
    fn new() -> Self {
        Self {
            made: Record::new_made(),
            used: Mutex::new(0),
        }
    }

    fn use_it(&self) {
        assert_eq!(self.made.changes(), 1, "it is not what was made");
        *self.used.lock_timeout(LONG).unwrap().assume_recovered() += 1;
    }
}

/// Something during which a process dies.
struct Birth {
    name: &'static str,
    /// Before, in this process.
    before: fn(&Place),
    /// In the victim; see `Scenario::act`.
    act: fn(&Place, &Victim),
    /// Others come while the victim is at it.
    with_others: bool,
    needs_an_orphan: bool,
}

const USUAL: Birth = Birth {
    name: "",
    before: |_| {},
    act: |_, _| {},
    with_others: false,
    needs_an_orphan: false,
};

const NAMED: &[Birth] = &[
    Birth {
        name: "create",
        act: |place, me| {
            me.is_ready();
            let value = place.create_here(Value::new()).unwrap();
            fault::disarm();
            value.use_it();
        },
        ..USUAL
    },
    Birth {
        name: "open or initialise",
        act: |place, me| {
            me.is_ready();
            let value = place.open_or_init(Value::new).unwrap();
            fault::disarm();
            value.use_it();
        },
        ..USUAL
    },
    Birth {
        name: "initialise while others wait",
        act: |place, me| {
            let init = || {
                me.is_ready();
                Value::new()
            };
            let value = place.open_or_init(init).unwrap();
            fault::disarm();
            value.use_it();
        },
        with_others: true,
        ..USUAL
    },
    Birth {
        name: "initialise in place while others wait",
        act: |place, me| {
            let fill = |value: &mut Value| {
                me.is_ready();
                value.made.change(false);
            };
            let value = place.open_or_init_in_place(fill).unwrap();
            fault::disarm();
            value.use_it();
        },
        with_others: true,
        ..USUAL
    },
    Birth {
        name: "create in the place of an orphan",
        before: |place| {
            let mut other = testkit::spawn("births::role_leaves_an_orphan", place);
            assert!(died(&mut other));
            assert!(place.path().exists());
        },
        needs_an_orphan: true,
        act: |place, me| {
            me.is_ready();
            let value = place.create_here(Value::new()).unwrap();
            fault::disarm();
            value.use_it();
        },
        ..USUAL
    },
    Birth {
        name: "leave as the last one",
        act: |place, me| {
            let value = place.create_here(Value::new()).unwrap();
            value.use_it();
            me.is_ready();
            _ = value.detach().unwrap();
        },
        ..USUAL
    },
];

/// With a segment that this process keeps.
const KEPT: &[Birth] = &[Birth {
    name: "open, use and leave",
    act: |place, me| {
        me.is_ready();
        let value = place.open::<Value>().unwrap();
        value.use_it();
        _ = value.detach().unwrap();
    },
    ..USUAL
}];

fn play_named(backend: Backend, survivors: usize) {
    let mut survivors = Survivors::new(survivors, "births::role_opens_or_initialises");
    // Nobody removes a file that is kept.
    let is_possible = |birth: &&Birth| !birth.needs_an_orphan || backend != Backend::KeptFile;
    for birth in NAMED.iter().filter(is_possible) {
        let points = every_point(|number| {
            let (place, _cleanup) = Place::named(backend);
            let (victim, has_died) = play(birth, &place, number, &mut survivors);
            let _context = Context(birth.name, number);
            if birth.with_others && cfg!(shmkit_force_portable) {
                // Those who nap may be faster than a victim that has woken them, and then that one
                // was the last user: whoever comes next takes along what it left.
                drop(place.open_or_init(Value::new).unwrap());
            }
            assert!(place.is_left_as_it_should(), "{place}");
            assert_no_temporary_name(&place.path(), victim);
            has_died
        });
        println!("{backend:?}: {}: {points} points", birth.name);
    }
}

fn play_kept(backend: Backend, survivors: usize) {
    let (value, place, _cleanup) = Place::create(backend, Value::new());
    let mut survivors = Survivors::new(survivors, "births::role_opens");
    for birth in KEPT {
        let points = every_point(|number| play(birth, &place, number, &mut survivors).1);
        println!("{backend:?}: {}: {points} points", birth.name);
    }
    value.use_it();
    _ = value.detach().unwrap();
    assert!(place.is_left_as_it_should(), "{place}");
}

/// Who the victim was, and whether it died.
fn play(
    birth: &'static Birth,
    place: &Place,
    number: u64,
    survivors: &mut Survivors,
) -> (u32, bool) {
    let _context = Context(birth.name, number);
    (birth.before)(place);
    let argument = format!("{number} {place} {}", birth.name);
    let mut victim = testkit::spawn("births::role_victim", argument);
    victim.expect("ready");
    if birth.with_others {
        survivors.begin(place);
        while !survivors.0.iter_mut().all(Child::is_asleep) {
            std::thread::yield_now();
        }
    }
    victim.tell("go");
    let has_died = died(&mut victim);
    if !birth.with_others {
        survivors.begin(place);
    }
    survivors.end();
    (victim.pid(), has_died)
}

/// A file that is being born has a hidden name where it cannot do without one; and a file that
/// comes after a dead one must not count on it. Where every file has one, that of the dead stays until
/// somebody sweeps the directory, as this does.
fn assert_no_temporary_name(path: &Path, victim: u32) {
    let start = format!(".shmkit-{victim}-");
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
    let is_the_victims =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&start);
    for left in names.filter(is_the_victims) {
        assert!(cfg!(shmkit_force_portable), "{left:?}");
        std::fs::remove_file(left.path()).unwrap();
    }
}

struct Survivors(Vec<Child>);

impl Survivors {
    fn new(number: usize, role: &str) -> Self {
        Self((0..number).map(|_| testkit::spawn(role, "")).collect())
    }

    fn begin(&mut self, place: &Place) {
        for survivor in &mut self.0 {
            survivor.tell(place);
            survivor.expect("begin");
        }
    }

    fn end(&mut self) {
        self.0
            .iter_mut()
            .for_each(|survivor| survivor.expect("done"));
    }
}

#[test]
#[ignore = "child role"]
fn role_victim() {
    let Some(me) = testkit::role() else { return };
    let (number, place, name) = order(me.arg());
    let mut births = NAMED.iter().chain(KEPT);
    let birth = births.find(|birth| birth.name == name).unwrap();
    (birth.act)(&Place::parse(place), &Victim::new(&me, number));
    fault::disarm();
}

#[test]
#[ignore = "child role"]
fn role_leaves_an_orphan() {
    let Some(me) = testkit::role() else { return };
    let _value = Place::parse(me.arg()).create_here(Value::new()).unwrap();
    testkit::die();
}

#[test]
#[ignore = "child role"]
fn role_opens_or_initialises() {
    for_each_place(|place| place.open_or_init(Value::new).unwrap());
}

#[test]
#[ignore = "child role"]
fn role_opens() {
    for_each_place(|place| place.open().unwrap());
}

fn for_each_place(open: impl Fn(&Place) -> Shared<Value>) {
    let Some(me) = testkit::role() else { return };
    for place in me.orders() {
        me.say("begin");
        let value = open(&Place::parse(&place));
        value.use_it();
        _ = value.detach().unwrap();
        me.say("done");
    }
}

macro_rules! with_survivors {
    ($($number:literal $name:ident),*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn posix() {
                play_named(Backend::Posix, $number);
                play_kept(Backend::Posix, $number);
            }

            #[test]
            fn file() {
                play_named(Backend::File, $number);
                play_kept(Backend::File, $number);
            }

            #[test]
            fn kept_file() {
                play_named(Backend::KeptFile, $number);
            }

            #[test]
            fn memfd() {
                play_kept(Backend::Memfd, $number);
            }
        }
    )*};
}

with_survivors!(1 one_survivor_gets_on, 2 two_survivors_get_on, 8 eight_survivors_get_on);
