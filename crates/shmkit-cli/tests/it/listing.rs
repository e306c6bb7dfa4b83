//! `ls` and `info`.

use std::fs;
use std::path::Path;

use shmkit_testkit::{Cleanup, unique_name};

use crate::support::{Holding, Key, on_terminal, run, run_with, shmkit};

#[test]
fn segments_of_all_types_are_listed() {
    let posix = Key::posix();
    // In a directory where key files are looked for.
    let name = unique_name();
    let path = std::env::temp_dir().join(&name);
    let _cleanup = Cleanup::default().and_system_v(&path, b'Q');
    let system_v = format!("systemv:{}", path.display());
    run(&["create", &posix.text, "1536"]).ok();
    run(&["create", &system_v, "4096"]).ok();

    let list = run(&["ls"]);
    assert_eq!(list.code, 0, "{list:?}");
    let header = list.text().lines().next().unwrap();
    let columns: Vec<&str> = header.split_whitespace().collect();
    assert_eq!(
        columns,
        [
            "TYPE", "KEY", "KIND", "SIZE", "RESIDENT", "OWNER", "AGE", "ATTACHED", "STATE"
        ]
    );
    for (key, kind, size) in [
        (&posix.text, "posix", "1.5 KiB"),
        (&system_v, "systemv", "4 KiB"),
    ] {
        let line = list.text().lines().find(|line| line.contains(key)).unwrap();
        assert!(
            line.starts_with(kind) && line.contains(size) && line.ends_with("kept"),
            "{line}"
        );
    }

    let json = run(&["ls", "--json"]).ok().json();
    let found = json.as_array().unwrap();
    let of = |key: &str| found.iter().find(|segment| segment["key"] == key).unwrap();
    assert_eq!(of(&posix.text)["size"], 1536);
    assert_eq!(of(&posix.text)["path"], posix.path().to_str().unwrap());
    assert!(of(&posix.text)["age"].as_f64().unwrap() < 600.0);
    assert_eq!(of(&system_v)["type"], "systemv");
    assert!(of(&system_v)["ipc_id"].is_number());
    assert_eq!(of(&system_v)["mode"], "0600");
    run(&["rm", &system_v]).ok();
}

#[test]
fn semaphores_temporary_names_and_directories_are_not_listed() {
    let name = unique_name();
    let others = [
        format!("sem.{name}"),
        format!(".shmkit-{name}"),
        format!("{name}-directory"),
    ];
    let path = |name: &String| Path::new("/dev/shm").join(name);
    let _cleanup = Cleanup::path(path(&others[0])).and_path(path(&others[1]));
    fs::write(path(&others[0]), [0; 32]).unwrap();
    fs::write(path(&others[1]), "x").unwrap();
    fs::create_dir(path(&others[2])).unwrap();
    let list = run(&["ls", "--json"]);
    fs::remove_dir(path(&others[2])).unwrap();
    assert!(!list.text().contains(&name), "{list:?}");
}

#[test]
fn a_foreign_segment_is_never_an_orphan() {
    let key = Key::posix();
    fs::write(key.path(), "made by something else").unwrap();
    let info = key.info();
    assert_eq!(info["state"], "kept");
    assert!(
        info["reason"]
            .as_str()
            .unwrap()
            .contains("not made by shmkit"),
        "{info}"
    );
    // Half-made ones are told as well.
    fs::write(key.path(), "").unwrap();
    assert_eq!(key.info()["state"], "unknown");
}

#[test]
fn info_tells_everything() {
    let key = Key::posix();
    let (holder, _) = Holding::start(shmkit(&["create", &key.text, "64K", "--hold"]));
    let info = run(&["info", &key.text]).ok();
    let pid = holder.pid().to_string();
    for fact in [
        &*key.text,
        key.path().to_str().unwrap(),
        "64 KiB (65536 bytes)",
        "0600",
        "ephemeral",
        "live: mapped by one process",
        &pid,
        "shmkit",
        "read-write",
    ] {
        assert!(info.text().contains(fact), "{fact:?} in {info:?}");
    }
    let lock = key.info()["lock"].clone();
    assert_eq!(lock, key.text);
}

#[test]
fn legacy_keys_are_told_with_the_name_that_they_were_made_of() {
    // Unique, and of nothing but letters.
    let digit = |char: char| char.to_digit(16).map(|digit| (b'a' + digit as u8) as char);
    let name: String = unique_name().chars().filter_map(digit).collect();
    let keys = run(&["key", &name, "--json"]).ok().json();
    let keys = keys.as_array().unwrap();
    let key = keys
        .iter()
        .find(|key| key["rule"] == "legacy" && key["type"] == "posix" && key["for"] == "segment");
    let text = key.unwrap()["key"].as_str().unwrap();
    let _cleanup = Cleanup::new(key.unwrap()["native_key"].as_str().unwrap());
    run(&["create", text, "16"]).ok();
    let list = run(&["ls", "--json"]).ok().json();
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .any(|segment| segment["key"] == text),
        "{list}"
    );
}

#[test]
fn names_do_nothing_to_a_terminal() {
    // Control characters of the C1 set are not encoded in keys.
    let key = Key::named(format!("{}\u{9b}31m\u{202e}x", unique_name()));
    run_with(&["put", &key.text], b"x").ok();
    let shown = on_terminal(200, &["ls"], &[]);
    assert!(shown.contains(r"\u{9b}31m\u{202e}x"), "{shown}");
    assert!(!shown.contains('\u{9b}'), "{shown}");
    let json = run(&["info", "--json", &key.text]).ok().json();
    assert_eq!(json["key"], key.text, "raw in JSON");
    run(&["rm", &key.text]).ok();
}

#[test]
fn a_table_fits_the_terminal_and_is_whole_in_a_pipe() {
    let key = Key::named(format!("{}-{}", unique_name(), "long".repeat(30)));
    run(&["create", &key.text, "1"]).ok();
    let shown = on_terminal(80, &["ls"], &[("NO_COLOR", "1")]);
    assert!(shown.contains('…'), "{shown}");
    let lines = shown.lines().filter(|line| !line.starts_with("hint"));
    assert!(
        lines.clone().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert!(run(&["ls"]).text().contains(&key.text));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let key = Key::posix();
    let (_holder, _) = Holding::start(shmkit(&["create", &key.text, "1", "--hold"]));
    let has_colours = |shown: &str| shown.contains("\x1b[");
    assert!(has_colours(&on_terminal(200, &["ls"], &[])));
    assert!(!has_colours(&on_terminal(
        200,
        &["ls"],
        &[("NO_COLOR", "1")]
    )));
    assert!(!has_colours(&on_terminal(
        200,
        &["ls"],
        &[("TERM", "dumb")]
    )));
    assert!(!has_colours(run(&["ls"]).text()));
    // The command line has the last word.
    assert!(has_colours(run(&["ls", "--color", "always"]).text()));
    assert!(!has_colours(&on_terminal(
        200,
        &["ls", "--color=never"],
        &[]
    )));
    let always = ["--color", "always", "ls"];
    assert!(has_colours(&on_terminal(
        200,
        &always,
        &[("NO_COLOR", "1")]
    )));
    assert_eq!(run(&["ls", "--color", "red"]).code, 2);
}

#[test]
fn what_is_not_there_is_the_answer_no() {
    for key in Key::each() {
        run(&["info", &key.text]).failed(1, &["cannot inspect", &key.text, "no such segment"]);
        run(&["info", "--json", &key.text]).failed(1, &["no such segment"]);
    }
}
