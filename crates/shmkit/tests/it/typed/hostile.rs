//! A header is input: whatever stands there, opening is a value or an error that says what differs.

use std::ops::Range;

use proptest::prelude::*;
use shmkit::sync::Mutex;
use shmkit::typed::ShmSafe;
use shmkit::{Error, ErrorKind, Options, SharedMemory};
use shmkit_testkit::{Scratch, deadline};

use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    every_byte_of_the_header_may_be_wrong,
    impossible_lengths_are_errors,
);

#[derive(ShmSafe, Debug)]
#[repr(C)]
struct State {
    counter: Mutex<u64>,
    name: [u8; 40],
}

fn state() -> State {
    State {
        counter: Mutex::new(1),
        name: [7; 40],
    }
}

/// Opens it and uses it, if it can be opened.
fn attempt(place: &Place) -> Result<(), Error> {
    let mut options = Options::new();
    options.lock_timeout(SHORT);
    let read_only = place.open_read_only::<State>().map(|state| state.name);
    let state = place.open_with::<State>(&options)?;
    assert_eq!(read_only.unwrap(), state.name);
    assert!(!format!("{:?}", state.counter).is_empty());
    drop(state.counter.lock_timeout(SHORT));
    Ok(())
}

/// What of the header is compared, by `docs/FORMAT.md`; the rest is for people, or changes.
const CHECKED: Range<usize> = 0..48;
const LAYOUT: usize = 4096;

fn every_byte_of_the_header_may_be_wrong(maker: Maker) {
    let _watch = deadline(6 * LONG);
    let made = maker.make(state());
    let raw = made.place.raw();
    let text = raw.view().read::<u32>(44).unwrap() as usize;
    let ready = 128..132;
    for offset in 0..LAYOUT + 104 {
        let byte: u8 = raw.view().read(offset).unwrap();
        // In the roster every seventh byte, which is each place in some entry.
        if (256..LAYOUT).contains(&offset) && !offset.is_multiple_of(7) {
            continue;
        }
        let wrongs = [byte ^ (1 << (offset % 8)), byte ^ 0xFF];
        let is_looked_at = CHECKED.contains(&offset) || ready.contains(&offset);
        for wrong in &wrongs[..1 + usize::from(is_looked_at)] {
            raw.write_at(offset, &[*wrong]).unwrap();
            let outcome = attempt(&made.place);
            let must_fail = CHECKED.contains(&offset) || (LAYOUT..LAYOUT + text).contains(&offset);
            match outcome {
                Ok(()) => assert!(!must_fail, "{offset} is not looked at"),
                Err(error) => {
                    assert!(must_fail || ready.contains(&offset), "{offset}: {error}");
                    assert_eq!(error.kind(), ErrorKind::BadHeader, "{offset}: {error}");
                    assert!(error.key().is_some());
                }
            }
            // The counter has gone on meanwhile, everything else is as it was.
            if !(136..140).contains(&offset) {
                raw.write_at(offset, &[byte]).unwrap();
            }
        }
    }
    raw.write_at(136, &9_u32.to_le_bytes()).unwrap();
    attempt(&made.place).unwrap();
}

fn impossible_lengths_are_errors(maker: Maker) {
    let made = maker.make(state());
    let raw = made.place.raw();
    let good: [u8; 48] = raw.view().read(0).unwrap();
    let len32 = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().unwrap());
    let len64 = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().unwrap());
    let mut wrong: Vec<(usize, Vec<u8>)> = Vec::new();
    for at in [12, 40, 44] {
        let right = len32(at);
        for value in [
            0,
            1,
            63,
            64,
            right - 1,
            right + 1,
            right + 64,
            1 << 20,
            1 << 31,
            u32::MAX,
        ] {
            wrong.push((at, value.to_le_bytes().into()));
        }
    }
    for at in [16, 32] {
        let right = len64(at);
        for value in [
            0,
            1,
            right - 1,
            right + 1,
            1 << 32,
            i64::MAX as u64,
            u64::MAX - 63,
            u64::MAX,
        ] {
            wrong.push((at, value.to_le_bytes().into()));
        }
    }
    for (at, bytes) in &wrong {
        if good[*at..][..bytes.len()] == **bytes {
            continue;
        }
        raw.write_at(*at, bytes).unwrap();
        let error = attempt(&made.place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadHeader, "{at}: {error}");
        // Two that agree with one another and with nothing else.
        raw.write_at(16, &u64::MAX.to_le_bytes()).unwrap();
        assert!(attempt(&made.place).is_err());
        raw.write_at(0, &good).unwrap();
    }
    attempt(&made.place).unwrap();
}

#[test]
fn a_truncated_file_is_an_error() {
    let folder = Scratch::new();
    let place = Place::File(folder.join("whole"));
    drop(place.create(state()).unwrap());
    let bytes = std::fs::read(folder.join("whole")).unwrap();
    let path = folder.join("cut");
    let place = Place::File(path.clone());
    for len in (0..bytes.len())
        .step_by(61)
        .chain([127, 128, 4095, 4096, bytes.len() - 1])
    {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let error = attempt(&place).unwrap_err();
        let expected = [ErrorKind::BadHeader, ErrorKind::NotASegment];
        assert!(expected.contains(&error.kind()), "{len}: {error:?}");
        let error = place.open_or_init(state).unwrap_err();
        assert!(expected.contains(&error.kind()), "{len}: {error:?}");
    }
    // More than its header speaks of is no fault: a segment may have grown.
    let mut more = bytes.clone();
    more.extend([1; 100]);
    std::fs::write(&path, more).unwrap();
    attempt(&place).unwrap();
}

#[test]
fn what_is_no_typed_segment_is_left_as_it_is() {
    let folder = Scratch::new();
    for (bytes, words) in [
        (vec![0; 8192], "its first bytes are zeros"),
        (b"hello".repeat(2000), "it begins with other bytes"),
        (vec![0xFF; 8192], "it begins with other bytes"),
        (b"hello".to_vec(), "it has 5 bytes"),
    ] {
        let path = folder.join("other");
        std::fs::write(&path, &bytes).unwrap();
        let place = Place::File(path.clone());
        for error in [
            place.open::<State>().map(drop).unwrap_err(),
            place.open_read_only::<State>().map(drop).unwrap_err(),
            place.open_or_init(state).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::BadHeader);
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[derive(ShmSafe, Debug)]
#[repr(C)]
struct Longer {
    counter: Mutex<u64>,
    name: [u8; 48],
}

mod renamed {
    use super::*;

    #[derive(ShmSafe, Debug)]
    #[repr(C)]
    #[shmkit(version = 2)]
    pub(super) struct State {
        counter: Mutex<u64>,
        name: [u8; 40],
    }

    #[derive(ShmSafe, Debug)]
    #[repr(C)]
    #[shmkit(name = "State")]
    pub(super) struct Other {
        counter: Mutex<i64>,
        title: [u8; 40],
    }
}

#[test]
fn another_type_or_version_is_an_error_that_says_what_differs() {
    for maker in [Maker::Key, Maker::File, Maker::Memory] {
        let made = maker.make(state());
        let place = &made.place;
        for (error, words) in [
            (place.open::<u64>().map(drop), vec!["State", "u64"]),
            (place.open::<Longer>().map(drop), vec!["State", "Longer"]),
            (place.open::<renamed::State>().map(drop), vec!["version"]),
            (
                place.open::<renamed::Other>().map(drop),
                vec!["counter", "i64", "u64", "name", "title"],
            ),
            (
                place.open_read_only::<u64>().map(drop),
                vec!["State", "u64"],
            ),
            (place.open_or_init(|| 1_u64).map(drop), vec!["State", "u64"]),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadHeader, "{error}");
            // What a descriptor leads to has the name that the system tells.
            assert_eq!(error.key(), Some(&*made.place.raw().name()));
            let text = error.to_string();
            for word in words {
                assert!(text.contains(word), "{word:?} is not in {text:?}");
            }
        }
        made.place.raw().write_at(8, &2_u32.to_le_bytes()).unwrap();
        let error = place.open::<State>().unwrap_err().to_string();
        assert!(
            error.contains("version 2") && error.contains("version 1"),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_scribbles_in_a_header_are_no_crash(
        scribbles in proptest::collection::vec((0_usize..4400, any::<u64>(), 1_usize..9), 1..6),
        keep_magic in any::<bool>(),
    ) {
        let segment = Maker::Memory.make(state());
        let raw: SharedMemory = segment.place.raw();
        for (offset, bytes, len) in scribbles {
            // Behind the header is the value, which whoever opens it vouches for.
            let len = len.min(raw.view().read::<u32>(12).unwrap_or(0).min(4400) as usize);
            if offset + len <= 4160 {
                raw.write_at(offset, &bytes.to_le_bytes()[..len.min(8)]).unwrap();
            }
        }
        if keep_magic {
            raw.write_at(0, b"\x89SHMKIT\n\x01\0\0\0").unwrap();
        }
        if let Err(error) = attempt(&segment.place) {
            prop_assert!(matches!(error.kind(), ErrorKind::BadHeader | ErrorKind::TimedOut), "{error}");
        }
    }
}
