//! The command on Windows, where segments are there as long as somebody uses them, and nobody is told
//! who that is.
#![cfg(windows)]

#[path = "it/support.rs"]
#[allow(dead_code, reason = "some of it is for other systems")]
mod support;

use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};
use shmkit::sync::Mutex;
use shmkit::typed::{Shared, ShmSafe};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::unique_name;
use support::{Holding, noise, run, shmkit};

fn unique() -> NativeIpcKey {
    NativeIpcKey::platform_safe(&unique_name())
}

/// A command that holds a new segment until it is killed, or its standard input ends.
fn hold(key: &NativeIpcKey, size: &str) -> Holding {
    let text = key.to_string();
    let mut create = shmkit(&["create", "--hold", &text, size]);
    create.stdin(std::process::Stdio::piped());
    let (holding, line) = Holding::start(create);
    assert_eq!(line, text);
    holding
}

#[test]
fn all_keys_of_a_name_are_qts() {
    let said = run(&["key", "cam0"]).ok();
    let mangled = "camdd33c901d45621a073200d148e9f23320c0083b1";
    for line in [
        "platform-safe  windows  segment    windows:shm_cam0",
        "platform-safe  windows  semaphore  windows:sem_cam0",
        &format!(
            "legacy         windows  segment    windows:qipc_sharedmemory_{mangled}?legacyKey=cam0"
        ),
    ] {
        assert!(said.text().contains(line), "{}", said.text());
    }
}

#[test]
fn a_segment_is_there_as_long_as_it_is_held() {
    let key = unique();
    let text = key.to_string();
    run(&["info", &text]).failed(1, &["no such segment"]);
    let mut holding = hold(&key, "5000");
    let info = run(&["info", "--json", &text]).ok().json();
    assert_eq!(
        (&info["size"], &info["mode"]),
        (&8192.into(), &"0600".into())
    );
    assert_eq!(run(&["get", &text]).ok().stdout, vec![0; 8192]);
    let refused = run(&["rm", &text]).failed(1, &["somebody is attached"]);
    assert!(!refused.stderr.contains("--force"), "{refused:?}");
    run(&["rm", "--force", &text]).failed(2, &["while it is in use"]);
    run(&["create", "--hold", &text, "1"]).failed(1, &["already exists"]);
    // However it ends.
    holding.kill();
    run(&["get", &text]).failed(1, &["no such segment"]);
    let mut holding = hold(&key, "1");
    holding.hang_up();
    assert_eq!(holding.end(), Some(0));
    run(&["rm", &text]).failed(1, &["no such segment"]);
}

#[test]
fn what_would_be_kept_is_refused_with_what_to_do() {
    let text = unique().to_string();
    let words = ["with its last user", "keep a process attached"];
    run(&["create", &text, "4096"]).failed(2, &words);
    run(&["put", &text, "Cargo.toml"]).failed(2, &words);
}

#[test]
fn contents_come_out_as_they_are() {
    let key = unique();
    let contents = noise(3 * 4096);
    let _segment = SharedMemory::options()
        .create_from(&key, &contents[..])
        .unwrap();
    let text = key.to_string();
    assert!(run(&["get", &text]).ok().stdout == contents);
}

#[derive(ShmSafe)]
#[repr(C)]
struct Station {
    frames: Mutex<u64>,
    rain: [u16; 4],
}

fn station(key: &NativeIpcKey) -> Shared<Station> {
    let station = Station {
        frames: Mutex::new(7),
        rain: [1, 2, 3, 4],
    };
    // SAFETY: nobody else has the key.
    #[expect(unsafe_code, reason = "only this test knows the key")]
    unsafe { Shared::create(key, station) }.unwrap()
}

#[test]
fn the_type_and_the_locks_of_a_typed_segment_are_shown() {
    let key = unique();
    let station = station(&key);
    let _held = station.frames.lock().unwrap();
    let text = run(&["info", &key.to_string()]).ok().text().to_owned();
    let me = format!("frames: held by process {}", std::process::id());
    assert!(text.contains("Station") && text.contains(&me), "{text}");
    let dumped = run(&["dump", &key.to_string()]).ok().text().to_owned();
    assert!(dumped.contains("SHMKIT"), "{dumped}");
}

#[test]
fn a_command_has_the_lock_and_its_death_is_told() {
    let key = unique();
    let segment = SharedMemory::create(&key, 100).unwrap();
    let (text, inner) = (key.to_string(), unique().to_string());
    let program = env!("CARGO_BIN_EXE_shmkit");
    let mut lock = shmkit(&[
        "lock", &text, "--", program, "create", "--hold", &inner, "1",
    ]);
    lock.stdin(std::process::Stdio::piped());
    let (mut holding, line) = Holding::start(lock);
    assert_eq!(line, inner);
    let refused = segment.try_lock().map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    let error = run(&[
        "lock",
        "--timeout",
        "0.05",
        &text,
        "--",
        program,
        "key",
        "x",
    ]);
    let pid = holding.pid().to_string();
    error.failed(1, &["timed out", &pid]);
    let holders = run(&["holders", &text]);
    assert!(holders.text().contains(&pid), "{holders:?}");
    holding.kill();
    let said = run(&["lock", &text, "--", program, "key", "x"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("died"), "{said:?}");
    // It succeeded, so the data count as repaired; and its exit status comes through.
    let said = run(&["lock", &text, "--", program, "info", "windows:none"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(!said.stderr.contains("died"), "{said:?}");
}

#[test]
fn a_wait_ends_with_what_it_waits_for_or_the_time() {
    let key = unique();
    let text = key.to_string();
    let said = run(&["wait", "--timeout", "0.05", &text]);
    assert_eq!(said.code, 1, "{said:?}");
    let mut holding = hold(&key, "1");
    run(&["wait", &text]).ok();
    run(&["wait", "--until", "attached", &text]).ok();
    holding.kill();
    run(&["wait", "--until", "removed", &text]).ok();
}

#[test]
fn segments_are_listed_with_their_kinds() {
    let (raw, typed) = (unique(), unique());
    // A name of letters can be told from what Qt's legacy rule makes of it.
    let letter = |byte: u8| char::from(b'A' + byte % 26);
    let letters: String = unique_name().bytes().map(letter).collect();
    let qt = KeyRules::of_this_process().legacy_key(Role::Segment, &letters, KeyType::Windows);
    let _holding = [hold(&raw, "5000"), hold(&qt, "1")];
    let _typed = station(&typed);
    let all = run(&["ls", "--json"]).ok().json();
    let all = all.as_array().unwrap();
    let find = |key: &NativeIpcKey| {
        let key = key.to_string();
        let info = all.iter().find(|info| info["key"] == *key);
        info.unwrap_or_else(|| panic!("{key} in {all:?}"))
    };
    for (key, kind, size) in [
        (&raw, "unknown", 8192),
        (&qt, "qt", 4096),
        (&typed, "typed", 8192),
    ] {
        let info = find(key);
        assert_eq!((&info["kind"], &info["size"]), (&kind.into(), &size.into()));
    }
    let ours = all
        .iter()
        .find(|info| info["key"].to_string().contains("-owner"));
    assert_eq!(ours, None, "a page that belongs to a lock is no segment");
    let table = run(&[
        "ls",
        "--sort",
        "size",
        "--reverse",
        &format!("*{}*", raw.native_key()),
    ])
    .ok();
    assert!(table.text().contains(&raw.to_string()), "{table:?}");
    let once = run(&["top", "--once"]).ok();
    assert!(once.text().contains(&typed.to_string()), "{once:?}");
}

#[test]
fn what_comes_and_goes_is_told() {
    let key = unique();
    let text = key.to_string();
    let mut held = hold(&key, "1");
    let events = [
        "events",
        "--existing",
        "--json",
        "--interval",
        "0.05",
        "--timeout",
        "60",
        &text,
    ];
    let (mut events, first) = Holding::start(shmkit(&events));
    assert!(first.contains("existing"), "{first}");
    held.kill();
    let gone = events.line();
    assert!(gone.contains("removed"), "{gone}");
    let _held = hold(&key, "1");
    let came = events.line();
    assert!(came.contains("created") && came.contains(&text), "{came}");
    events.kill();
}

#[test]
fn nothing_is_ever_left_behind() {
    let said = run(&["reap"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("nothing is left behind"), "{said:?}");
    let key = unique();
    let _held = hold(&key, "1");
    let said = run(&["reap", "--yes", "--key", &key.to_string()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.text().contains("in use"), "{said:?}");
}

#[test]
fn keys_that_cannot_be_used_are_explained() {
    for (key, word) in [
        ("posix:/cam0", "no segments of type posix"),
        (r"windows:a\b", "backslash"),
        ("windows:", "empty"),
        ("posx:/cam0", "unknown key type"),
    ] {
        for command in [&["info", key][..], &["get", key], &["rm", key]] {
            run(command).failed(2, &[word]);
        }
    }
}
