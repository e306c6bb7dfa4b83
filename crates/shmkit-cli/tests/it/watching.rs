//! `wait` and `events`.

use std::process::Command;

use serde_json::Value;
use shmkit_testkit::{PATIENCE, deadline};

use crate::support::{Holding, Key, run, shmkit};

fn hold(key: &Key) -> Holding {
    Holding::start(shmkit(&["create", &key.text, "4096", "--hold"])).0
}

#[test]
fn a_wait_ends_with_what_it_waits_for() {
    let _watch = deadline(PATIENCE * 3);
    for key in Key::each() {
        let wait = |until: &str| {
            shmkit(&["wait", &key.text, "--until", until])
                .spawn()
                .unwrap()
        };
        let [created, attached] = ["created", "attached"].map(wait);
        let mut holder = hold(&key);
        for waiter in [created, attached] {
            assert_eq!(waiter.wait_with_output().unwrap().status.code(), Some(0));
        }
        let released = wait("released");
        holder.kill();
        assert_eq!(released.wait_with_output().unwrap().status.code(), Some(0));
        let removed = wait("removed");
        run(&["rm", &key.text]).ok();
        assert_eq!(removed.wait_with_output().unwrap().status.code(), Some(0));
    }
}

#[test]
fn a_wait_in_vain_is_the_answer_no() {
    for key in Key::each() {
        run(&["wait", &key.text, "-t", "0.02"]).failed(
            1,
            &[
                "cannot wait for",
                &key.text,
                "not created within 20ms",
                "no such segment",
            ],
        );
        run(&["create", &key.text, "1"]).ok();
        run(&["wait", &key.text, "-t", "0"]).ok();
        run(&["wait", &key.text, "--until", "attached", "-t", "0.02"])
            .failed(1, &["not attached", "it is kept"]);
    }
    run(&["wait", "posx:/x"]).failed(2, &["posx"]);
    assert_eq!(run(&["wait", "x", "--until", "tomorrow"]).code, 2);
}

#[test]
fn a_wait_for_the_lock_names_its_holder() {
    let _watch = deadline(PATIENCE * 3);
    for key in Key::each() {
        run(&["create", &key.text, "1"]).ok();
        let wait = |limit| ["wait", &key.text, "-u", "unlocked", "-t", limit];
        run(&wait("0")).ok();
        let mut lock = shmkit(&[
            "lock",
            &key.text,
            "--",
            "sh",
            "-c",
            "echo locked; read line",
        ]);
        lock.stdin(std::process::Stdio::piped());
        let (mut locker, _) = Holding::start(lock);
        let who = format!("process {} (shmkit)", locker.pid());
        run(&wait("0.02")).failed(1, &["not unlocked", "held", &who]);
        let waiter = shmkit(&wait("inf")).spawn().unwrap();
        locker.hang_up();
        assert_eq!(waiter.wait_with_output().unwrap().status.code(), Some(0));
    }
}

#[test]
fn events_are_told_as_they_happen() {
    let _watch = deadline(PATIENCE * 3);
    for key in Key::each() {
        let mut command = shmkit(&["events", "--json", "--interval", "0.05", &key.text]);
        command.args(["--existing", "--timeout", "inf"]);
        run(&["create", &key.text, "4096"]).ok();
        let (mut events, first) = Holding::start(command);
        let first: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(first["event"], "existing");
        assert_eq!(first["size"], 4096);
        assert!(first["time"].as_f64().unwrap() > 1.6e9);
        let mut next = || -> Value { serde_json::from_str(&events.line()).unwrap() };

        let attach = [
            "lock",
            &key.text,
            "--",
            "sh",
            "-c",
            "echo locked; read line",
        ];
        let mut attach = shmkit(&attach);
        attach.stdin(std::process::Stdio::piped());
        let (mut user, _) = Holding::start(attach);
        let attached = next();
        assert_eq!(attached["event"], "attached");
        assert_eq!(attached["pid"], user.pid());
        assert_eq!(attached["program"], "shmkit");
        assert_eq!(attached["access"], "read-only");
        user.kill();
        let detached = next();
        assert_eq!(
            (&detached["event"], &detached["pid"]),
            (&"detached".into(), &user.pid().into())
        );
        run(&["rm", &key.text]).ok();
        let removed = next();
        assert_eq!(removed["event"], "removed");
        assert_eq!(
            removed["key"].as_str().unwrap().split('?').next(),
            Some(&*key.text)
        );
        assert_eq!(removed["pid"], Value::Null);
    }
}

#[test]
fn events_end_when_they_are_told_to() {
    let key = Key::posix();
    let none = run(&["events", &key.text, "--timeout", "0.02"]).ok();
    assert!(none.stdout.is_empty());
    assert_eq!(
        run(&["events", &key.text, "-t", "0.02", "--count", "1"]).code,
        1
    );
    run(&["create", &key.text, "1536"]).ok();
    let one = run(&["events", &key.text, "--existing", "--count", "1"]).ok();
    let words: Vec<&str> = one.text().split_whitespace().collect();
    assert_eq!(words[1..], ["existing", &key.text, "1.5", "KiB"]);
    assert!(words[0].ends_with('Z') && words[0].contains('T'), "{one:?}");
    assert_eq!(run(&["events", "--interval", "0"]).code, 2);
}

#[test]
fn events_end_when_nobody_reads() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    run(&["create", &key.text, "1"]).ok();
    // Nothing happens after the first line, so no write will fail.
    let line = format!(
        "{} events --existing {} | head -n 1",
        env!("CARGO_BIN_EXE_shmkit"),
        key.text
    );
    let output = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_list_is_printed_again_and_again() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    let name = format!("*{}", key.name);
    let (mut list, first) = Holding::start(shmkit(&["ls", "--watch=50ms", "--json", &name]));
    assert_eq!(first, "[]");
    run(&["create", &key.text, "1536"]).ok();
    let seen = loop {
        let line: Value = serde_json::from_str(&list.line()).unwrap();
        if line != serde_json::json!([]) {
            break line;
        }
    };
    assert_eq!(seen[0]["key"], key.text);
    assert_eq!(seen[0]["size"], 1536);
    run(&["rm", &key.text]).ok();
    while list.line() != "[]" {}
}
