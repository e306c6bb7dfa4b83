//! What the command says of typed segments without having their type.
#![expect(unsafe_code, reason = "making our own typed segment")]

use shmkit::SharedMemory;
use shmkit::key::NativeIpcKey;
use shmkit::sync::{Event, Mutex, RwLock};
use shmkit::typed::{ArrayString, Shared, ShmSafe};

use crate::support::{Key, run};

#[derive(ShmSafe)]
#[repr(C)]
pub(crate) struct Station {
    pub(crate) frames: Mutex<u64>,
    pub(crate) table: RwLock<[u16; 4]>,
    ready: Event,
    name: ArrayString<12>,
}

pub(crate) fn station(key: &Key) -> Shared<Station> {
    let station = Station {
        frames: Mutex::new(7),
        table: RwLock::new([1, 2, 3, 4]),
        ready: Event::new_auto(),
        name: "lake\u{7}".try_into().unwrap(),
    };
    let key: NativeIpcKey = key.text.parse().unwrap();
    // SAFETY: only this test knows the key, and the command reads.
    unsafe { Shared::create(&key, station) }.unwrap()
}

#[test]
fn info_names_the_type_and_who_holds_which_lock() {
    let key = Key::posix();
    let station = station(&key);
    let free = run(&["info", &key.text]).ok().text().to_owned();
    assert!(free.contains("Station"), "{free}");
    assert!(free.contains("2, none held"), "{free}");

    station.set_label("the \u{1b}[31mtest");
    let held = station.frames.lock().unwrap();
    let text = run(&["info", &key.text]).ok().text().to_owned();
    let me = format!("frames: held by process {}", std::process::id());
    assert!(text.contains(&me), "{text}");
    assert!(
        text.contains("\"the ") && !text.contains('\u{1b}'),
        "{text}"
    );
    let json = run(&["info", "--json", &key.text]).ok().json();
    let lock = &json["typed"]["locks"][0];
    assert_eq!(lock["path"], "frames");
    assert_eq!(lock["holder"]["pid"], std::process::id());
    assert_eq!(lock["holder"]["alive"], true);
    assert_eq!(json["typed"]["initialized"], true);
    assert_eq!(json["kind"], "typed");
    drop(held);
}

#[test]
fn a_list_names_the_type() {
    let key = Key::posix();
    let _station = station(&key);
    let rows = run(&["ls", "--json"]).ok().json();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == *key.text);
    assert_eq!(row.unwrap()["type_name"], "Station");
}

#[test]
fn the_fields_are_shown_by_the_segments_own_description() {
    let key = Key::posix();
    let _station = station(&key);
    let json = run(&["dump", "--decode", "--json", &key.text]).ok().json();
    let field = |path: &str| {
        let fields = json.as_array().unwrap();
        let field = fields.iter().find(|field| field["path"] == path);
        field.unwrap_or_else(|| panic!("no {path} in {json}"))["value"].clone()
    };
    assert_eq!(field("frames.data"), 7);
    assert_eq!(field("table.data[3]"), 4);
    assert_eq!(field("name"), "lake\u{7}");
    let text = run(&["dump", "--decode", &key.text]).ok().text().to_owned();
    assert!(
        text.contains("frames.data") && !text.contains('\u{7}'),
        "{text}"
    );
}

#[test]
fn what_has_no_fields_says_so() {
    let key = Key::posix();
    let _raw = SharedMemory::create(&key.text.parse().unwrap(), 4096).unwrap();
    run(&["dump", "--decode", &key.text]).failed(2, &["no typed segment", &key.text]);
    let json = run(&["info", "--json", &key.text]).ok().json();
    assert!(json["typed"].is_null());
}

#[test]
fn a_damaged_header_is_an_error() {
    let key = Key::posix();
    let station = station(&key);
    // What version of the format it is.
    station
        .segment()
        .view_mut()
        .unwrap()
        .write(8, &9_u32)
        .unwrap();
    run(&["dump", "--decode", &key.text]).failed(2, &["version 9", &key.text]);
    run(&["info", &key.text]).failed(2, &["version 9"]);
}
