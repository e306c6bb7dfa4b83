//! `lock`: one command at a time.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::thread;

use shmkit_testkit::{Scratch, unique_name};

use crate::support::{Holding, Key, run, shmkit};

fn with_segment(key: Key) -> Key {
    run(&["create", &key.text, "16"]).ok();
    key
}

/// A command that has the lock, says so, and goes on until its pipe is closed.
fn locked(key: &Key) -> Holding {
    let mut command = shmkit(&[
        "lock",
        &key.text,
        "--",
        "sh",
        "-c",
        "echo locked; read line",
    ]);
    command.stdin(Stdio::piped());
    let (holder, line) = Holding::start(command);
    assert_eq!(line, "locked");
    holder
}

#[test]
fn the_commands_exit_code_is_ours() {
    for key in Key::each().map(with_segment) {
        let lock = |script: &str| run(&["lock", &key.text, "--", "sh", "-c", script]);
        assert_eq!(lock("echo out; exit 0").ok().text(), "out\n");
        assert_eq!(lock("exit 7").code, 7);
        assert_eq!(lock("kill -TERM $$").code, 128 + 15);
        assert_eq!(
            lock("test \"$SHMKIT_KEY\" && test -z \"$SHMKIT_OWNER_DIED\"").code,
            0
        );
        run(&["lock", &key.text, "--", "/missing/command"])
            .failed(127, &["cannot run /missing/command"]);
        run(&["lock", &key.text, "--", "/etc/passwd"]).failed(126, &["cannot run /etc/passwd"]);
        run(&["rm", &key.text]).ok();
        run(&["lock", &key.text, "--", "true"]).failed(1, &["no such segment"]);
    }
}

#[test]
fn two_commands_exclude_each_other() {
    const WORKERS: usize = 4;
    const ROUNDS: usize = 25;
    for key in Key::each().map(with_segment) {
        let scratch = Scratch::new();
        let file = scratch.join("counter").display().to_string();
        fs::write(&file, "0").unwrap();
        // Reads, waits for others to come between, and writes.
        let script = "n=$(cat \"$0\"); sleep 0.001; echo $((n + 1)) > \"$0\"";
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        run(&["lock", &key.text, "--", "sh", "-c", script, &file]).ok();
                    }
                });
            }
        });
        assert_eq!(
            fs::read_to_string(&file).unwrap().trim(),
            (WORKERS * ROUNDS).to_string()
        );
    }
}

#[test]
fn a_lock_that_is_held_is_the_answer_no() {
    for key in Key::each().map(with_segment) {
        let mut holder = locked(&key);
        run(&["lock", &key.text, "--try", "--", "true"]).failed(1, &["cannot lock", "held"]);
        run(&["lock", &key.text, "-n", "-E", "75", "--", "true"]).failed(75, &["held"]);
        let who = format!("process {} (shmkit)", holder.pid());
        run(&["lock", &key.text, "--timeout", "0.05", "--", "true"])
            .failed(1, &["timed out after 50ms", &who]);
        holder.hang_up();
        // `read` was told the end of its input.
        assert_eq!(holder.end(), Some(1));
        run(&["lock", &key.text, "--try", "--", "true"]).ok();
    }
}

#[test]
fn an_owners_death_is_told_until_it_is_repaired() {
    for key in Key::each().map(with_segment) {
        // Somebody stays attached, as otherwise nobody could know.
        let (_other, _) = Holding::start(shmkit(&["lock", &key.text, "--", "echo", "ok"]));
        let mut command = shmkit(&["lock", &key.text, "--", "sh", "-c", "kill -9 $PPID"]);
        assert_eq!(command.status().unwrap().signal(), Some(9));
        let script = "test \"$SHMKIT_OWNER_DIED\" = 1 && exit 3";
        let told = run(&["lock", &key.text, "--", "sh", "-c", script]);
        assert_eq!(told.code, 3, "{told:?}");
        assert!(told.stderr.contains("died with the lock"), "{told:?}");
        let told = run(&[
            "lock",
            &key.text,
            "--",
            "sh",
            "-c",
            "test \"$SHMKIT_OWNER_DIED\" = 1",
        ]);
        assert_eq!(told.code, 0, "it was not repaired: {told:?}");
        run(&[
            "lock",
            &key.text,
            "--",
            "sh",
            "-c",
            "test -z \"$SHMKIT_OWNER_DIED\"",
        ])
        .ok();
    }
}

#[test]
fn a_signal_goes_on_to_the_command_and_the_lock_is_given_back() {
    let key = with_segment(Key::posix());
    let script = "trap 'echo bye; exit 9' TERM; echo locked; while :; do sleep 0.01; done";
    let (mut holder, line) = Holding::start(shmkit(&["lock", &key.text, "--", "sh", "-c", script]));
    assert_eq!(line, "locked");
    // A terminal would have sent it to both.
    holder.signal("INT");
    holder.signal("TERM");
    assert_eq!(holder.line(), "bye");
    assert_eq!(holder.end(), Some(9));
    run(&["lock", &key.text, "--try", "--", "true"]).ok();
}

#[test]
fn a_wait_without_end_ends_with_the_lock() {
    let key = with_segment(Key::posix());
    let mut holder = locked(&key);
    let waiter = shmkit(&["lock", &key.text, "-t", "inf", "--", "true"])
        .spawn()
        .unwrap();
    holder.hang_up();
    assert_eq!(holder.end(), Some(1));
    assert_eq!(waiter.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn half_a_legacy_key_is_noticed() {
    let key = with_segment(Key::named(format!("qipc_sharedmemory_{}", unique_name())));
    let said = run(&["lock", &key.text, "--", "true"]);
    assert_eq!(said.code, 0);
    assert!(said.stderr.contains("?legacyKey=NAME"), "{said:?}");
}

#[test]
fn wrong_times_are_refused() {
    for wrong in ["-1", "soon", "NaN"] {
        let said = run(&["lock", "x", &format!("--timeout={wrong}"), "--", "true"]);
        assert_eq!(said.code, 2, "{said:?}");
    }
    assert_eq!(run(&["lock", "x"]).code, 2, "no command");
}
