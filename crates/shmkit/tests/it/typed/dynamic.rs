//! A layout that is made at run time is the type's: both share a segment, its locks and its deaths.
#![expect(unsafe_code, reason = "all that open these segments are tests")]

use std::convert::Infallible;
use std::sync::Barrier as Start;
use std::thread;
use std::time::Duration;

use shmkit::key::NativeIpcKey;
use shmkit::layout::{Scalar, Schema, Shape};
use shmkit::mapping::{Rw, View};
use shmkit::sync::{
    Barrier, Condvar, Event, Mutex, Once, OnceCell, RecursiveMutex, RwLock, Semaphore,
};
use shmkit::typed::{ArrayString, Dynamic, Shared, ShmSafe};
use shmkit::{Access, Acquired, ErrorKind, Options, SharedMemory};
use shmkit_testkit::{Scratch, role, spawn};

use crate::support::TestKey;

const SOON: Duration = Duration::from_secs(20);

#[derive(ShmSafe)]
#[repr(C)]
struct State {
    frames: Mutex<u64>,
    ready: Event,
    name: ArrayString<28>,
    samples: [f64; 4],
}

impl State {
    fn new() -> Self {
        Self {
            frames: Mutex::new(7),
            ready: Event::new_manual(),
            name: ArrayString::truncated("cam"),
            samples: [0.0, 0.5, 0.0, 0.0],
        }
    }
}

/// As a program without Rust's types makes it.
fn state() -> Schema {
    let number = Schema::scalar;
    let fields = [
        ("frames", Schema::mutex(number(Scalar::U64)).unwrap()),
        ("ready", Schema::of::<Event>()),
        ("name", Schema::array_string(28).unwrap()),
        ("samples", Schema::array(number(Scalar::F64), 4).unwrap()),
    ];
    Schema::structure("State", 1, fields).unwrap()
}

fn offset(schema: &Schema, path: &[&str]) -> u64 {
    let mut schema = schema;
    let fields = path.iter().map(|name| {
        let field = schema.field(name).unwrap();
        schema = field.schema();
        field.offset()
    });
    fields.sum()
}

fn fill(value: View<'_, Rw>) -> Result<(), Infallible> {
    let at = |path| offset(&state(), path) as usize;
    value.write(at(&["frames", "data"]), &7_u64).unwrap();
    value.write(at(&["name", "len"]), &3_u32).unwrap();
    value.copy_from(at(&["name", "bytes"]), b"cam").unwrap();
    value.write(at(&["samples"]) + 8, &0.5_f64).unwrap();
    Ok(())
}

fn create(key: &TestKey) -> Dynamic {
    // SAFETY: nobody else knows the key.
    unsafe { Dynamic::create(&key.key, &state(), fill) }
        .unwrap()
        .unwrap()
}

fn open<T: ShmSafe>(key: &NativeIpcKey) -> Shared<T> {
    // SAFETY: only these tests know the key.
    unsafe { Shared::open(key) }.unwrap()
}

fn open_dynamic(key: &NativeIpcKey, access: Access) -> Dynamic {
    // SAFETY: as above.
    unsafe { Dynamic::open_with(&Options::new(), key, access, None) }.unwrap()
}

#[test]
fn a_type_finds_what_was_made_without_it() {
    let key = TestKey::named();
    let made = create(&key);
    assert_eq!(*made.schema(), Schema::of::<State>());
    let state: Shared<State> = open(&key.key);
    assert_eq!(state.name.as_str(), "cam");
    assert_eq!(state.samples, [0.0, 0.5, 0.0, 0.0]);
    let held = state.frames.lock().unwrap().assume_recovered();
    assert_eq!(*held, 7);
    let error = made.mutex(0).unwrap().try_lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(!state.ready.is_set());
    let ready = offset(made.schema(), &["ready"]);
    made.event(ready).unwrap().set().unwrap();
    assert!(state.ready.is_set());
}

#[test]
fn what_a_type_made_describes_itself() {
    let key = TestKey::named();
    // SAFETY: nobody else knows the key.
    let made = unsafe { Shared::create(&key.key, State::new()) }.unwrap();
    let found = open_dynamic(&key.key, Access::ReadWrite);
    assert_eq!(*found.schema(), state());
    let data = offset(found.schema(), &["frames", "data"]) as usize;
    let held = found.mutex(0).unwrap().lock().unwrap().assume_recovered();
    found.bytes_mut().unwrap().write(data, &8_u64).unwrap();
    drop(held);
    assert_eq!(*made.frames.lock().unwrap().assume_recovered(), 8);
    assert!(found.set_label("without a type"));
    let held = found.mutex(0).unwrap().lock().unwrap();
    let holder = made.frames.holder().unwrap();
    assert_eq!(holder.label.as_deref(), Some("without a type"));
    drop(held);
}

#[test]
#[ignore = "child role"]
fn role_hold() {
    let Some(me) = role() else { return };
    let (kind, key) = me.arg().split_once(' ').unwrap();
    let key = NativeIpcKey::parse(key).unwrap();
    let (shared, dynamic);
    let _held = match kind {
        "typed" => {
            shared = open::<State>(&key);
            Ok(shared.frames.lock().unwrap())
        }
        _ => {
            dynamic = open_dynamic(&key, Access::ReadWrite);
            Err(dynamic.mutex(0).unwrap().lock().unwrap())
        }
    };
    me.say("held");
    me.park();
}

#[test]
fn the_death_of_one_with_the_type_is_told_to_one_without() {
    let key = TestKey::named();
    let made = create(&key);
    let mut owner = spawn("typed::dynamic::role_hold", format!("typed {}", key.key));
    owner.expect("held");
    owner.kill();
    match made.mutex(0).unwrap().lock_timeout(SOON).unwrap() {
        Acquired::OwnerDied(recovery) => drop(recovery.mark_recovered()),
        Acquired::Clean(_) => panic!("nobody says that the owner has died"),
    }
}

#[test]
fn the_death_of_one_without_the_type_is_told_to_one_with_it() {
    let key = TestKey::named();
    // SAFETY: nobody else knows the key.
    let made = unsafe { Shared::create(&key.key, State::new()) }.unwrap();
    let mut owner = spawn("typed::dynamic::role_hold", format!("dynamic {}", key.key));
    owner.expect("held");
    owner.kill();
    assert!(made.frames.lock_timeout(SOON).unwrap().owner_died());
    assert!(made.frames.is_poisoned(), "nobody has repaired it");
    let error = open_dynamic(&key.key, Access::ReadWrite);
    let error = error.mutex(0).unwrap().lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned);
}

#[test]
fn another_layout_is_refused_with_what_differs() {
    let key = TestKey::named();
    let made = create(&key);
    let fields = [
        (
            "frames",
            Schema::mutex(Schema::scalar(Scalar::I64)).unwrap(),
        ),
        ("ready", Schema::of::<Event>()),
    ];
    let other = Schema::structure("State", 1, fields).unwrap();
    // SAFETY: nobody else knows the key.
    let error = unsafe { Dynamic::open(&key.key, &other) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadHeader);
    let said = error.to_string();
    assert!(
        said.contains("`State.frames.data` is `i64` here and `u64` in the segment"),
        "{said}"
    );
    assert!(
        said.contains("`State` has a field `name` more in the segment"),
        "{said}"
    );
    // SAFETY: as above.
    let error = unsafe { Dynamic::open_or_init(&key.key, &other, fill) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadHeader);
    // SAFETY: as above.
    let error = unsafe { Shared::<Mutex<u64>>::open(&key.key) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadHeader);
    drop(made);
    let plain = SharedMemory::create(&key.key, 100_000).unwrap();
    // SAFETY: as above.
    let open = unsafe { Dynamic::open_with(&Options::new(), &key.key, Access::ReadOnly, None) };
    let error = open.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadHeader);
    assert!(error.to_string().contains("no typed segment"), "{error}");
    drop(plain);
}

#[test]
fn one_of_all_initialises_whether_it_has_the_type_or_not() {
    let key = TestKey::named();
    let start = Start::new(8);
    let done = std::sync::atomic::AtomicU32::new(0);
    enum Opened {
        WithType(Shared<State>),
        Without(Dynamic),
    }
    let open = |i| {
        let (start, done, key) = (&start, &done, &key.key);
        let count = || done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        start.wait();
        if i % 2 == 0 {
            let init = || {
                count();
                State::new()
            };
            // SAFETY: nobody else knows the key.
            Opened::WithType(unsafe { Shared::open_or_init(key, init) }.unwrap())
        } else {
            let fill = |value: View<'_, Rw>| {
                count();
                fill(value)
            };
            // SAFETY: as above.
            let made = unsafe { Dynamic::open_or_init(key, &state(), fill) };
            Opened::Without(made.unwrap().unwrap())
        }
    };
    thread::scope(|scope| {
        let open = &open;
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || open(i))).collect();
        // Nobody leaves before all are there: the last one to leave would take the segment along.
        let all: Vec<_> = threads.into_iter().map(|one| one.join().unwrap()).collect();
        for one in all {
            let sample = match one {
                Opened::WithType(made) => made.samples[1],
                Opened::Without(made) => {
                    let at = offset(made.schema(), &["samples"]) as usize + 8;
                    made.bytes().read::<f64>(at).unwrap()
                }
            };
            assert_eq!(sample, 0.5);
        }
    });
    assert_eq!(done.into_inner(), 1);
}

#[test]
fn after_one_that_failed_the_next_begins_with_zeros() {
    // It is kept.
    let place = Scratch::new();
    let path = place.join("failed");
    let schema = Schema::of::<[u64; 4]>();
    let fail = |value: View<'_, Rw>| {
        value.fill(0xFF);
        Err("no")
    };
    let options = Options::new();
    // SAFETY: nobody else knows the path.
    let failed = unsafe { Dynamic::open_or_init_with(&options, &path, &schema, fail) };
    assert_eq!(failed.unwrap().unwrap_err(), "no");
    // SAFETY: as above.
    let unfinished = unsafe { Dynamic::open(&path, &schema) };
    assert_eq!(unfinished.unwrap_err().kind(), ErrorKind::BadHeader);
    let fill = |value: View<'_, Rw>| value.write(8, &5_u64);
    // SAFETY: as above.
    let made = unsafe { Dynamic::open_or_init_with(&options, &path, &schema, fill) };
    let made = made.unwrap().unwrap();
    // SAFETY: as above.
    let typed = unsafe { Shared::<[u64; 4]>::open(&path) };
    assert_eq!(*typed.unwrap(), [0, 5, 0, 0]);
    drop(made);
}

#[test]
fn a_reader_looks_and_is_refused_everything_else() {
    let key = TestKey::named();
    let made = create(&key);
    let reader = open_dynamic(&key.key, Access::ReadOnly);
    let ready = offset(reader.schema(), &["ready"]);
    assert_eq!(reader.bytes_mut().unwrap_err().kind(), ErrorKind::ReadOnly);
    let locked = reader.mutex(0).unwrap().lock().map(drop);
    assert_eq!(locked.unwrap_err().kind(), ErrorKind::ReadOnly);
    let event = reader.event(ready).unwrap();
    assert_eq!(event.set().unwrap_err().kind(), ErrorKind::ReadOnly);
    made.event(ready).unwrap().set().unwrap();
    event.wait_timeout(SOON).unwrap();
    assert!(!reader.set_label("none"));
}

#[derive(ShmSafe)]
#[repr(C)]
struct Everything {
    mutexes: [Mutex<u32>; 3],
    recursive: RecursiveMutex<()>,
    table: RwLock<[u8; 8]>,
    small: RwLock<u64, 1>,
    permits: Semaphore,
    changed: Condvar,
    start: Barrier,
    once: Once,
    cell: OnceCell<Semaphore>,
}

#[test]
fn nothing_is_found_past_the_end_of_an_array() {
    let key = TestKey::named();
    let schema = Schema::array(Schema::of::<Mutex<u64>>(), 2).unwrap();
    let fill = |_: View<'_, Rw>| Ok::<(), ()>(());
    // SAFETY: nobody else knows the key.
    let made = unsafe { Dynamic::open_or_init(&key.key, &schema, fill) };
    let made = made.unwrap().unwrap();
    for there in [0, 24] {
        drop(made.mutex(there).unwrap().lock().unwrap());
    }
    for beyond in [48, 24_000, u64::MAX / 24 * 24] {
        assert!(made.mutex(beyond).is_err(), "{beyond}");
    }
}

#[test]
fn each_primitive_is_found_where_it_is_and_nowhere_else() {
    let key = TestKey::named();
    let made = Everything {
        mutexes: [const { Mutex::new(0) }; 3],
        recursive: RecursiveMutex::new(()),
        table: RwLock::new([0; 8]),
        small: RwLock::new(0),
        permits: Semaphore::new(4),
        changed: Condvar::new(),
        start: Barrier::new(5),
        once: Once::new(),
        cell: OnceCell::new(),
    };
    // SAFETY: nobody else knows the key.
    let made = unsafe { Shared::create(&key.key, made) }.unwrap();
    let found = open_dynamic(&key.key, Access::ReadWrite);
    let at = |name| offset(found.schema(), &[name]);
    let held = found.mutex(48).unwrap().lock().unwrap();
    assert_eq!(
        made.mutexes[2].try_lock().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    drop(held);
    let twice = || {
        found
            .recursive_mutex(at("recursive"))
            .unwrap()
            .lock()
            .unwrap()
    };
    let _both = (twice(), twice());
    drop(found.rw_lock(at("table")).unwrap().read().unwrap());
    assert_eq!(found.semaphore(at("permits")).unwrap().available(), 4);
    assert_eq!(found.barrier(at("start")).unwrap().parties(), 5);
    found.condvar(at("changed")).unwrap().notify_all().unwrap();
    found.once(at("once")).unwrap().call_once(|| ()).unwrap();
    assert!(made.once.is_done());
    assert!(!found.once(at("cell")).unwrap().is_done());
    assert!(found.semaphore(at("cell") + 8).is_ok());

    let error = found.rw_lock(at("small")).map(drop).unwrap_err();
    assert!(
        error.to_string().contains("another than this version"),
        "{error}"
    );
    for wrong in [
        1,
        4,
        16,
        40,
        at("recursive"),
        at("permits"),
        100_000,
        u64::MAX,
    ] {
        let error = found.mutex(wrong).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadHeader, "at {wrong}");
    }
    let listed = found.schema().primitives();
    assert_eq!(listed.len(), 13, "{listed:?}");
}

#[test]
fn layouts_that_the_compiler_refuses_are_refused_at_run_time() {
    let number = Schema::scalar;
    let refused = |made: Result<Schema, shmkit::layout::SchemaError>| made.unwrap_err().to_string();
    let gap = [("a", number(Scalar::U8)), ("b", number(Scalar::U32))];
    assert_eq!(
        refused(Schema::structure("S", 1, gap)),
        "field `b` of `S`: 3 bytes of padding before it; add a field `_pad: [u8; 3]` there, or \
         reorder the fields"
    );
    let end = [("a", number(Scalar::U16)), ("b", number(Scalar::U8))];
    assert!(refused(Schema::structure("S", 1, end)).contains("1 byte of padding at the end"));
    for name in ["", "a b", "x{", "a;b", &"n".repeat(256)] {
        let made = Schema::structure(name, 1, [("a", number(Scalar::U8))]);
        assert!(made.is_err(), "{name}");
        assert!(
            Schema::structure("S", 1, [(name, number(Scalar::U8))]).is_err(),
            "{name}"
        );
    }
    let modes = |repr, values: [i64; 2]| {
        Schema::enumeration("Mode", 1, repr, [("A", values[0]), ("B", values[1])])
    };
    assert!(refused(modes(Scalar::U32, [0, 256])).contains("half of the value"));
    assert!(refused(modes(Scalar::U8, [1, 2])).contains("no variant that is stored as 0"));
    assert!(refused(modes(Scalar::F32, [0, 1])).contains("stored as an integer"));
    assert!(refused(modes(Scalar::I8, [0, 200])).contains("no such value"));
    let good = modes(Scalar::I8, [0, -1]).unwrap();
    assert!(matches!(good.shape(), Shape::Enum { variants, .. } if variants[1].value() == -1));
    let mut deep = number(Scalar::U8);
    let error = loop {
        match Schema::array(deep, 1) {
            Ok(deeper) => deep = deeper,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("more than 32 types"), "{error}");
}
