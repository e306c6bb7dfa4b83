//! Who plays a scenario: a victim for each point, survivors, and this process, which directs.

use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use shmkit::fault;
use shmkit::typed::Shared;
use shmkit_testkit::{self as testkit, Child, Role};

use crate::place::{Backend, Place};
use crate::stage::Stage;

/// The end of a wait that should not end so: the tests must also get by on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_secs(15);

/// How long a survivor may take over its operation: nothing here waits for longer than 50 ms without
/// looking again, and the machine may be loaded. `cargo xtask storm` has the sharp limit.
const IN_TIME: Duration = Duration::from_secs(5);

/// More points than any operation has.
const MANY: u64 = 500;

/// One operation during which a process dies.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Played with 2 and with 8 survivors, too.
    pub(crate) for_many: bool,
    /// What is done to a new stage before, by this process.
    pub(crate) before: fn(&Set),
    /// The victim's part; what comes after [`Victim::is_ready`] counts.
    pub(crate) act: fn(&Shared<Stage>, &Victim),
    /// What this process does meanwhile, until the victim has ended.
    pub(crate) beside: fn(&Set, &mut Cast),
    /// Each survivor's part; says whether it was told that the owner died.
    pub(crate) survive: fn(&Stage) -> bool,
    /// What must be true at the end.
    pub(crate) after: fn(&Stage, &Outcome),
}

/// What most scenarios have in common.
pub(crate) const USUAL: Scenario = Scenario {
    name: "",
    for_many: false,
    before: |_| {},
    act: |_, _| {},
    beside: |_, cast| cast.victim_acts(),
    survive: |_| false,
    after: |_, _| {},
};

/// The survivors wait for what the victim is about to do.
pub(crate) fn while_others_wait(_: &Set, cast: &mut Cast) {
    cast.survivors_begin();
    cast.victim_acts();
}

/// A segment and where it is.
pub(crate) struct Set {
    pub(crate) stage: Shared<Stage>,
    place: Place,
}

impl Set {
    /// Does something as somebody who dies afterwards, with all that it holds.
    pub(crate) fn as_one_who_dies(&self, act: impl FnOnce(&Stage)) {
        let stage = self.place.open::<Stage>().unwrap();
        act(&stage);
        _ = stage.detach().unwrap();
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Another attachment of this process, which counts as another user.
    pub(crate) fn another(&self) -> Shared<Stage> {
        self.place.open().unwrap()
    }
}

/// How a round went.
pub(crate) struct Outcome {
    pub(crate) victim_died: bool,
    pub(crate) survivors: u64,
    /// How many of them were told that the owner died.
    pub(crate) told: u64,
}

impl Outcome {
    /// Of a record that every survivor changes once: how often the victim may have changed it, or
    /// somebody before it, the most if it was not killed. A death is told once, to a survivor or
    /// here; `told` times if the victim was not killed.
    pub(crate) fn check(&self, found: Found, victims: RangeInclusive<u64>, told: u64) {
        let extra = found.changes.checked_sub(self.survivors);
        let extra = extra.expect("a survivor's change was lost");
        assert!(victims.contains(&extra), "{extra} changes are the victim's");
        let all_told = self.told + u64::from(found.owner_died);
        assert!(all_told <= 1, "one death was told {all_told} times");
        if !self.victim_died {
            assert_eq!((extra, all_told), (*victims.end(), told));
        }
    }
}

/// What is found in the end by one who comes after the survivors.
pub(crate) struct Found {
    pub(crate) changes: u64,
    pub(crate) owner_died: bool,
}

/// The other processes of a round.
pub(crate) struct Cast<'a> {
    scenario: &'static str,
    victim: Child,
    acts: bool,
    survivors: &'a mut [Child],
    at_work: bool,
}

impl Cast<'_> {
    /// The victim does its part; then it has died or ended.
    pub(crate) fn victim_acts(&mut self) {
        self.victim_begins();
        self.victim_ends();
    }

    pub(crate) fn victim_begins(&mut self) {
        self.victim.tell("go");
        self.acts = true;
    }

    /// Waits until it has come as far as it can on its own: it has ended, or it sleeps.
    pub(crate) fn victim_settles(&mut self) {
        wait_until(|| self.victim.has_ended() || self.victim.is_asleep());
    }

    pub(crate) fn victim_ends(&mut self) {
        wait_until(|| self.victim.has_ended());
    }

    /// The victim does its part, and has to wait for this process to drop `held`.
    pub(crate) fn victim_waits_for(&mut self, held: impl Sized) {
        self.victim_begins();
        self.victim_settles();
        drop(held);
        self.victim_ends();
    }

    /// The survivors begin before the victim has ended; the first ones already sleep when this
    /// returns.
    pub(crate) fn survivors_begin(&mut self) {
        for survivor in &mut *self.survivors {
            survivor.tell(self.scenario);
            survivor.expect("begin");
        }
        self.at_work = true;
        self.survivors_settle();
    }

    /// Whether some of those that have settled still wait for something.
    pub(crate) fn survivors_wait(&self, set: &Set) -> bool {
        (set.stage.done.load(SeqCst) as usize) < self.survivors.len()
    }

    /// Waits until they have come as far as they can on their own.
    pub(crate) fn survivors_settle(&mut self) {
        wait_until(|| self.survivors.iter_mut().all(Child::is_asleep));
    }
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "what was waited for did not come");
        std::thread::yield_now();
    }
}

/// Plays every round of every scenario.
pub(crate) fn play(
    backend: Backend,
    survivors: usize,
    scenarios: impl Iterator<Item = &'static Scenario>,
) {
    let (stage, place, _cleanup) = Place::create(backend, Stage::new());
    let mut survivors: Vec<Child> = (0..survivors)
        .map(|_| testkit::spawn("cast::role_survivor", &place))
        .collect();
    let set = Set { stage, place };
    for scenario in scenarios {
        let points = every_point(|number| play_round(&set, &mut survivors, scenario, number));
        println!("{backend:?}: {}: {points} points", scenario.name);
    }
    survivors.into_iter().for_each(Child::finish);
    _ = set.stage.detach().unwrap();
    assert!(set.place.is_left_as_it_should(), "{}", set.place);
}

/// Plays a round for each point until the victim lives to the end; how many points there were.
pub(crate) fn every_point(mut round: impl FnMut(u64) -> bool) -> u64 {
    let points = (1..MANY).take_while(|&number| round(number)).count();
    assert!(points > 0, "the operation has no effect");
    assert!(points < MANY as usize - 1, "it does not come to an end");
    points as u64
}

/// Whether the victim died.
fn play_round(
    set: &Set,
    survivors: &mut [Child],
    scenario: &'static Scenario,
    number: u64,
) -> bool {
    let context = Context(scenario.name, number);
    Stage::renew(&set.stage);
    (scenario.before)(set);
    let argument = format!("{number} {} {}", set.place, scenario.name);
    let mut victim = testkit::spawn("cast::role_victim", argument);
    victim.expect("ready");
    let mut cast = Cast {
        scenario: scenario.name,
        victim,
        acts: false,
        survivors,
        at_work: false,
    };
    (scenario.beside)(set, &mut cast);
    assert!(cast.acts);
    let victim_died = died(&mut cast.victim);
    if !cast.at_work {
        for survivor in &mut *cast.survivors {
            survivor.tell(cast.scenario);
            survivor.expect("begin");
        }
    }
    let told = cast.survivors.iter_mut().map(|survivor| {
        let said = survivor.line();
        let (time, told) = said.split_once(' ').unwrap();
        let time = Duration::from_micros(time.parse().unwrap());
        assert!(time < IN_TIME, "a survivor took {time:?}");
        told.parse::<bool>().unwrap()
    });
    let told = told.filter(|&told| told).count() as u64;
    let survivors = cast.survivors.len() as u64;
    let outcome = Outcome {
        victim_died,
        survivors,
        told,
    };
    (scenario.after)(&set.stage, &outcome);
    set.stage.assert_at_rest();
    drop(context);
    victim_died
}

/// Says where it was when a test fails.
pub(crate) struct Context(pub(crate) &'static str, pub(crate) u64);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it was at {:?}, point {}", self.0, self.1);
        }
    }
}

/// Whether a victim, which has ended, was killed; everything else but success is a failure.
pub(crate) fn died(victim: &mut Child) -> bool {
    let status = victim.wait();
    let died = status.signal() == Some(9);
    assert!(
        died || status.success(),
        "the victim failed: {status}\n{}",
        victim.stderr()
    );
    died
}

/// A process that is to die.
pub(crate) struct Victim<'a> {
    role: &'a Role,
    number: u64,
}

impl<'a> Victim<'a> {
    pub(crate) fn new(role: &'a Role, number: u64) -> Self {
        Self { role, number }
    }

    /// What comes now counts.
    pub(crate) fn is_ready(&self) {
        self.role.say("ready");
        assert_eq!(self.role.ask(), "go");
        fault::arm(self.number, testkit::die);
    }
}

/// What a victim is told: at which point it dies, where, and doing what.
pub(crate) fn order(argument: &str) -> (u64, &str, &str) {
    let mut words = argument.splitn(3, ' ');
    let mut next = || words.next().unwrap();
    (next().parse().unwrap(), next(), next())
}

fn find(name: &str) -> &'static Scenario {
    let mut scenarios = crate::scenarios();
    scenarios.find(|scenario| scenario.name == name).unwrap()
}

#[test]
#[ignore = "child role"]
fn role_victim() {
    let Some(me) = testkit::role() else { return };
    let (number, place, name) = order(me.arg());
    let stage = Place::parse(place).open::<Stage>().unwrap();
    (find(name).act)(&stage, &Victim::new(&me, number));
    fault::disarm();
}

#[test]
#[ignore = "child role"]
fn role_survivor() {
    let Some(me) = testkit::role() else { return };
    let stage = Place::parse(me.arg()).open::<Stage>().unwrap();
    for name in me.orders() {
        let scenario = find(&name);
        me.say("begin");
        let begun = Instant::now();
        let told = (scenario.survive)(&stage);
        stage.done.fetch_add(1, SeqCst);
        me.say(format_args!("{} {told}", begun.elapsed().as_micros()));
    }
}
