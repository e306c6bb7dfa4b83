//! Exactly one initialises, whoever races and whoever dies over it.

use std::panic::AssertUnwindSafe;
use std::thread;

use shmkit::sync::Mutex;
use shmkit::typed::{Shared, ShmSafe};
use shmkit::{ErrorKind, Options, Origin};
use shmkit_testkit::{Child, Scratch, deadline, role, spawn};

use crate::places::Place;
use crate::support::{LONG, SHORT, TestKey};

/// Says who made it, and how often that was begun.
#[derive(ShmSafe, Debug)]
#[repr(C)]
pub(super) struct Born {
    pub(super) maker: u64,
    also_maker: u64,
    pub(super) users: Mutex<u64>,
}

impl Born {
    pub(super) fn by(maker: u64) -> Self {
        Self {
            maker,
            also_maker: !maker,
            users: Mutex::new(0),
        }
    }

    fn is_whole(&self) -> bool {
        self.also_maker == !self.maker
    }
}

/// Places that are found by name, empty still.
enum Nowhere {
    Key(TestKey),
    File(Scratch),
}

impl Nowhere {
    fn both() -> [Self; 2] {
        [Self::Key(TestKey::named()), Self::File(Scratch::new())]
    }

    fn place(&self) -> Place {
        match self {
            Self::Key(key) => Place::Key(key.key.clone()),
            Self::File(folder) => Place::File(folder.join("born")),
        }
    }

    /// Removes the file, which stays when all have left.
    fn clear(&self) {
        match self {
            Self::Key(key) => assert!(key.traces().is_empty(), "{:?}", key.traces()),
            Self::File(folder) => std::fs::remove_file(folder.join("born")).unwrap(),
        }
    }
}

/// Races once for each order, and says who initialised.
#[test]
#[ignore = "child role"]
fn role_racer() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let mut kept: Option<Shared<Born>> = None;
    for order in me.orders() {
        match order.split_once(' ') {
            Some(("race", number)) => {
                let number: u64 = number.parse().unwrap();
                let mut inits = 0;
                let born = place.open_or_init(|| {
                    inits += 1;
                    Born::by(number)
                });
                let born = born.unwrap();
                assert!(born.is_whole());
                *born.users.lock().unwrap().assume_recovered() += 1;
                me.say(format_args!("{} {inits}", born.maker));
                kept = Some(born);
            }
            // Only to join: a segment that is not there yet is no fault, one half-made is.
            Some(("open", _)) => {
                let born = loop {
                    match place.open::<Born>() {
                        Ok(born) => break born,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                    }
                };
                assert!(born.is_whole());
                *born.users.lock().unwrap().assume_recovered() += 1;
                me.say(format_args!("{} 0", born.maker));
                kept = Some(born);
            }
            _ => {
                drop(kept.take());
                me.say("left");
            }
        }
    }
}

const RACERS: usize = 8;
const ROUNDS: usize = 8;

#[test]
fn of_many_processes_that_race_one_initialises() {
    let _watch = deadline(4 * LONG);
    for nowhere in Nowhere::both() {
        let place = nowhere.place();
        let mut racers: Vec<Child> = (0..RACERS)
            .map(|_| spawn("typed::birth::role_racer", &place))
            .collect();
        for round in 0..ROUNDS {
            for (number, racer) in racers.iter_mut().enumerate() {
                // The last two only join.
                let verb = if number < RACERS - 2 { "race" } else { "open" };
                racer.tell(format_args!("{verb} {}", round * RACERS + number));
            }
            let said: Vec<String> = racers.iter_mut().map(Child::line).collect();
            let said: Vec<_> = said
                .iter()
                .map(|line| line.split_once(' ').unwrap())
                .collect();
            let inits: usize = said.iter().map(|(_, n)| n.parse::<usize>().unwrap()).sum();
            assert_eq!(inits, 1, "{said:?}");
            assert!(
                said.iter().all(|(maker, _)| *maker == said[0].0),
                "{said:?}"
            );
            let all: Shared<Born> = place.open().unwrap();
            let users = *all.users.lock().unwrap().assume_recovered();
            assert_eq!(users, RACERS as u64);
            drop(all);
            racers.iter_mut().for_each(|racer| racer.tell("leave"));
            racers.iter_mut().for_each(|racer| racer.expect("left"));
            nowhere.clear();
        }
    }
}

#[test]
fn of_many_that_create_one_succeeds() {
    for nowhere in Nowhere::both() {
        let place = nowhere.place();
        for round in 0..20_u64 {
            let made: Vec<_> = thread::scope(|scope| {
                let all: Vec<_> = (0..4)
                    .map(|number| {
                        let place = &place;
                        scope.spawn(move || place.create(Born::by(round * 4 + number)))
                    })
                    .collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
            assert_eq!((made.len(), refused.len()), (1, 3));
            for error in refused {
                assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
            }
            drop(made);
            nowhere.clear();
        }
    }
}

/// Begins to initialise, and stays at it until it is told how to end.
#[test]
#[ignore = "child role"]
fn role_slow_initialiser() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let born = place.open_or_try_init(|| {
        me.say("begun");
        match &*me.ask() {
            "fail" => Err("on purpose"),
            "panic" => panic!("on purpose"),
            _ => Ok(Born::by(7)),
        }
    });
    match born {
        Ok(Ok(born)) => me.say(born.maker),
        Ok(Err(why)) => me.say(why),
        Err(error) => me.say(error),
    }
    me.park();
}

#[test]
#[ignore = "child role"]
fn role_initialiser_in_waiting() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    me.say("waits");
    let mut inits = 0;
    let born = place
        .open_or_init(|| {
            inits += 1;
            Born::by(8)
        })
        .unwrap();
    assert!(born.is_whole());
    me.say(format_args!("{} {inits}", born.maker));
    me.park();
}

#[test]
fn an_initialiser_that_dies_or_fails_is_replaced_by_one_of_those_who_wait() {
    let _watch = deadline(4 * LONG);
    type End = fn(&mut Child);
    let ends: [(&str, End); 3] = [
        ("kill", Child::kill),
        ("fail", |child| {
            child.tell("fail");
            child.expect("on purpose");
        }),
        ("panic", |child| {
            child.tell("panic");
            assert!(!child.wait().success());
        }),
    ];
    for nowhere in Nowhere::both() {
        let place = nowhere.place();
        for (how, end) in ends {
            let mut first = spawn("typed::birth::role_slow_initialiser", &place);
            first.expect("begun");
            let mut waiting: Vec<Child> = (0..3)
                .map(|_| spawn("typed::birth::role_initialiser_in_waiting", &place))
                .collect();
            for one in &mut waiting {
                one.expect("waits");
            }
            // They wait, and so does whoever opens; its time-out says for whom.
            let error = place
                .open_with::<Born>(Options::new().lock_timeout(SHORT))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{how}: {error}");
            let text = error.to_string();
            assert!(text.contains(&format!("process {}", first.pid())), "{text}");
            assert_eq!(waiting[0].line_within(SHORT), None);
            end(&mut first);
            let said: Vec<String> = waiting.iter_mut().map(Child::line).collect();
            let inits: usize = said
                .iter()
                .map(|line| line.strip_prefix("8 ").unwrap().parse::<usize>().unwrap())
                .sum();
            assert_eq!(inits, 1, "{how}: {said:?}");
            assert_eq!(place.open::<Born>().unwrap().maker, 8);
            drop(first);
            for one in waiting {
                one.finish();
            }
            nowhere.clear();
        }
    }
}

#[test]
fn nobody_gets_what_was_never_initialised() {
    for nowhere in Nowhere::both() {
        let place = nowhere.place();
        // Somebody keeps it from going with its creator.
        let mut creator = spawn("typed::birth::role_slow_initialiser", &place);
        creator.expect("begun");
        let keeper = place.raw();
        creator.kill();
        let error = place.open::<Born>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadHeader);
        assert!(error.to_string().contains("never initialised"), "{error}");
        assert!(error.help().unwrap().contains("open_or_init"), "{error}");
        let error = place.open_read_only::<Born>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadHeader);
        let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            place.open_or_init::<Born>(|| panic!("on purpose"))
        }));
        assert!(panicked.is_err());
        let failed = place.open_or_try_init::<Born, _>(|| Err("on purpose"));
        assert_eq!(failed.unwrap().unwrap_err(), "on purpose");
        assert!(place.open::<Born>().is_err());
        let born = place.open_or_init(|| Born::by(3)).unwrap();
        assert_eq!(place.open::<Born>().unwrap().maker, 3);
        drop((born, keeper));
        nowhere.clear();
    }
}

/// Opening while the creator finishes, and leaves: either there is a segment, whole, or none.
#[test]
fn who_opens_sees_no_birth_half_done() {
    let key = TestKey::named();
    let place = Place::Key(key.key.clone());
    let _watch = deadline(4 * LONG);
    for round in 0..100 {
        thread::scope(|scope| {
            let opener = scope.spawn(|| {
                let seen = |opened: shmkit::Result<bool>| match opened {
                    Ok(is_whole) => is_whole,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                        false
                    }
                };
                while !seen(place.open::<Born>().map(|born| born.is_whole()))
                    && !seen(place.open_read_only::<Born>().map(|born| born.is_whole()))
                {
                }
            });
            let mut inits = 0;
            while !opener.is_finished() {
                let born = place.open_or_init(|| Born::by(round)).unwrap();
                inits += u64::from(born.segment().origin() == Origin::Created);
            }
            assert!(inits > 0);
        });
    }
}
