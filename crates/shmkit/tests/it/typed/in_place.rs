//! Values that no stack has room for, made where they lie.
#![expect(unsafe_code, reason = "all that open these segments are tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use shmkit::ErrorKind;
use shmkit::sync::{Barrier, Mutex};
use shmkit::typed::{ArrayVec, Shared, ShmSafe};
use shmkit_testkit::{role, spawn};

use crate::places::Place;
use crate::support::TestKey;

pub(super) const MIB: usize = 1 << 20;

/// 64 MiB and a little.
#[derive(ShmSafe)]
#[repr(C)]
pub(super) struct Film {
    start: Barrier,
    pub(super) frames: Mutex<[[u8; MIB]; 64]>,
    last: u64,
    marks: ArrayVec<u64, 4>,
}

const _: () = assert!(size_of::<Film>() > 64 * MIB);

impl Film {
    fn begin(&mut self) {
        assert!(self.is_zeros());
        self.start = Barrier::new(3);
        self.frames.get_mut()[63][MIB - 1] = 7;
        self.last = 1;
        self.marks.push(5);
    }

    fn is_zeros(&mut self) -> bool {
        let frames = self.frames.get_mut();
        let is_black = frames
            .iter()
            .all(|frame| [frame[0], frame[MIB / 2], frame[MIB - 1]] == [0; 3]);
        is_black && self.start.parties() == 0 && self.last == 0 && self.marks.is_empty()
    }

    fn assert_begun(&self) {
        assert_eq!((self.start.parties(), self.last), (3, 1));
        assert_eq!(*self.marks, [5]);
        let frames = self.frames.lock().unwrap().assume_recovered();
        assert_eq!([frames[0][0], frames[63][MIB - 1]], [0, 7]);
    }
}

/// With the stack that a new thread usually has.
fn on_a_small_stack(act: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let small = thread::Builder::new().stack_size(2 * MIB);
        let thread = small.spawn_scoped(scope, act).unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn a_value_is_larger_than_the_stack_of_whoever_makes_it() {
    on_a_small_stack(|| {
        let key = TestKey::named();
        // SAFETY: nobody else knows the key.
        let made = unsafe { Shared::create_in_place(&key.key, Film::begin) }.unwrap();
        made.assert_begun();
        // SAFETY: as above.
        let again = unsafe { Shared::create_in_place(&key.key, Film::begin) };
        assert_eq!(again.err().unwrap().kind(), ErrorKind::AlreadyExists);
        let place = Place::Key(key.key.clone());
        place
            .open_or_init_in_place(|_: &mut Film| unreachable!("it is there"))
            .unwrap()
            .assert_begun();
        drop(made);
        let anew = place.open_or_init_in_place(Film::begin).unwrap();
        place.open::<Film>().unwrap().assert_begun();
        drop(anew);
    });
}

fn scribble(film: &mut Film) {
    film.frames.get_mut().as_flattened_mut().fill(255);
    film.last = u64::MAX;
    film.start = Barrier::new(9);
}

#[test]
fn one_that_fails_or_panics_leaves_zeros_to_the_next() {
    on_a_small_stack(|| {
        let key = TestKey::named();
        let place = Place::Key(key.key.clone());
        let mut keeper = None;
        let failed = place.open_or_try_init_in_place(|film| {
            keeper = Some(place.raw());
            scribble(film);
            Err("on purpose")
        });
        assert_eq!(failed.unwrap().err().unwrap(), "on purpose");
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            place.open_or_init_in_place(|film: &mut Film| {
                assert!(film.is_zeros());
                scribble(film);
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
        place
            .open_or_init_in_place(Film::begin)
            .unwrap()
            .assert_begun();
    });
}

#[test]
#[ignore = "child role"]
fn role_dies_half_way() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let _never = place.open_or_init_in_place(|film| {
        scribble(film);
        me.say("begun");
        me.park();
    });
}

#[test]
fn one_that_is_killed_leaves_zeros_to_the_next() {
    on_a_small_stack(|| {
        let key = TestKey::named();
        let place = Place::Key(key.key.clone());
        let mut first = spawn("typed::in_place::role_dies_half_way", &place);
        first.expect("begun");
        let keeper = place.raw();
        first.kill();
        place
            .open_or_init_in_place(Film::begin)
            .unwrap()
            .assert_begun();
        drop(keeper);
    });
}
