//! `serve KEY FILE` and `get KEY`.

use std::fs;

use shmkit_testkit::{PATIENCE, Scratch, deadline};

use crate::support::{Holding, Key, noise, run, run_with, shmkit};

#[test]
fn a_file_is_given_to_everybody_who_asks_until_its_server_ends() {
    let _watch = deadline(PATIENCE * 3);
    let (scratch, key) = (Scratch::new(), Key::posix());
    let (path, copy) = (scratch.join("table"), scratch.join("copy"));
    let contents = noise(3_000_000);
    fs::write(&path, &contents).unwrap();
    let (path, copy_name) = (path.to_str().unwrap(), copy.to_str().unwrap());
    run(&["get", &key.text]).failed(1, &[&key.text]);

    let (server, line) = Holding::start(shmkit(&["serve", &key.text, path]));
    assert_eq!(line, key.text);
    // What changes now changes nothing for those who ask.
    fs::write(path, "changed").unwrap();
    assert_eq!(run(&["get", &key.text]).ok().stdout, contents);
    run(&["get", &key.text, copy_name]).ok();
    assert_eq!(fs::read(&copy).unwrap(), contents);
    assert!(!key.path().exists());
    run(&["serve", &key.text, path]).failed(1, &[&key.text]);

    // A segment of the key comes first.
    run_with(&["put", &key.text], b"a segment").ok();
    assert_eq!(run(&["get", "--take", &key.text]).ok().stdout, b"a segment");
    assert_eq!(run(&["get", &key.text]).ok().stdout, contents);

    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    run(&["get", &key.text]).failed(1, &[&key.text]);
}

#[test]
fn a_server_that_was_killed_is_in_nobodys_way() {
    let _watch = deadline(PATIENCE * 3);
    let (scratch, key) = (Scratch::new(), Key::posix());
    let path = scratch.join("file");
    fs::write(&path, "contents").unwrap();
    let path = path.to_str().unwrap();
    let (mut server, _) = Holding::start(shmkit(&["serve", &key.text, path]));
    server.kill();
    run(&["get", &key.text]).failed(1, &[&key.text]);
    let (_server, _) = Holding::start(shmkit(&["serve", &key.text, path]));
    assert_eq!(run(&["get", &key.text]).ok().stdout, b"contents");
}

#[test]
fn metrics_and_a_file_are_served_together() {
    let _watch = deadline(PATIENCE * 3);
    let (scratch, key) = (Scratch::new(), Key::posix());
    let path = scratch.join("file");
    fs::write(&path, "contents").unwrap();
    let path = path.to_str().unwrap();
    let both = shmkit(&["serve", &key.text, path, "--metrics", "127.0.0.1:0"]);
    let (mut server, line) = Holding::start(both);
    assert_eq!(line, key.text);
    assert!(server.line().starts_with("http://127.0.0.1:"));
    assert_eq!(run(&["get", &key.text]).ok().stdout, b"contents");
}

#[test]
fn what_cannot_be_given_says_why() {
    let key = Key::posix();
    run(&["serve", &key.text, "/nowhere/at/all"]).failed(2, &["cannot read", "/nowhere/at/all"]);
    run(&["serve", &key.text, "/dev/null"]).failed(2, &["not one byte"]);
    let said = run(&["serve", &key.text]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("FILE"), "{said:?}");
    let said = run(&["serve"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--metrics"), "{said:?}");
}
