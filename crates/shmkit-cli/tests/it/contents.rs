//! `put` and `get`: bytes in and out.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use shmkit_testkit::Scratch;

use crate::support::{Holding, Key, left_behind, noise, on_terminal, run, run_with, shmkit};

#[test]
fn what_a_pipe_puts_another_gets() {
    for key in Key::each() {
        // Over many pieces, and not at their edges.
        let bytes = noise(9_000_001);
        let put = run_with(&["put", &key.text], &bytes).ok();
        assert_eq!(put.text(), format!("{}\n", key.text));
        let info = key.info();
        assert_eq!(info["size"], 9_000_001);
        assert_eq!(info["state"], "kept");
        assert_eq!(info["lifetime"], "kept");
        assert!(run(&["get", &key.text]).ok().stdout == bytes);
        assert!(
            run(&["get", &key.text]).ok().stdout == bytes,
            "it is left there"
        );
    }
}

#[test]
fn files_go_in_and_come_out() {
    for key in Key::each() {
        let scratch = Scratch::new();
        let [from, to] = ["from", "to"].map(|name| scratch.join(name).display().to_string());
        let bytes = noise(70_000);
        fs::write(&from, &bytes).unwrap();
        fs::write(&to, "older and longer".repeat(10_000)).unwrap();
        run(&["put", &key.text, &from]).ok();
        assert!(run(&["get", &key.text, &to]).ok().stdout.is_empty());
        assert!(fs::read(&to).unwrap() == bytes);
        run(&["get", "--take", &key.text, "-"]).ok();
        run(&["get", &key.text]).failed(1, &["no such segment"]);
    }
}

#[test]
fn a_file_whose_size_is_not_told_is_read_all_the_same() {
    let key = Key::posix();
    run(&["put", &key.text, "/proc/version"]).ok();
    assert_eq!(
        run(&["get", &key.text]).ok().stdout,
        fs::read("/proc/version").unwrap()
    );
}

#[test]
fn nothing_is_no_segment() {
    for key in Key::each() {
        run_with(&["put", &key.text], b"").failed(2, &["cannot create", "not one byte", "hint: "]);
        run(&["put", &key.text, "/dev/null"]).failed(2, &["not one byte"]);
        run(&["info", &key.text]).failed(1, &["no such segment"]);
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let key = Key::posix();
    let scratch = Scratch::new();
    let missing = scratch.join("missing").display().to_string();
    run(&["put", &key.text, &missing]).failed(2, &["cannot read", &missing]);
    let directory = scratch.path().display().to_string();
    run(&["put", &key.text, &directory]).failed(2, &["cannot read", "directory"]);
    assert_eq!(left_behind(&key.name), [""; 0]);
}

#[test]
fn what_exists_is_not_overwritten_and_nothing_is_read() {
    for key in Key::each() {
        run_with(&["put", &key.text], b"first").ok();
        let mut command = shmkit(&["put", &key.text]);
        // Would wait for ever if it were read.
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        drop(stdin);
        assert_eq!(run(&["get", &key.text]).ok().stdout, b"first");
    }
}

#[test]
fn an_interrupted_put_leaves_nothing() {
    let key = Key::posix();
    let mut command = shmkit(&["put", &key.text]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // More than the pipe holds, so that it has read some.
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(&noise(1 << 20))
        .unwrap();
    assert!(!key.path().exists(), "not before it is complete");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(left_behind(&key.name), [""; 0]);
    let temporary = format!(".shmkit-{}-", child.id());
    assert_eq!(left_behind(&temporary), [""; 0]);
}

#[test]
fn a_held_segment_has_its_contents_and_goes_with_its_holder() {
    for key in Key::each() {
        let scratch = Scratch::new();
        let file = scratch.join("file").display().to_string();
        fs::write(&file, "hello").unwrap();
        let (holder, line) = Holding::start(shmkit(&["put", &key.text, &file, "--hold"]));
        assert_eq!(line, key.text);
        assert_eq!(key.info()["lifetime"], "ephemeral");
        assert_eq!(run(&["get", &key.text]).ok().stdout, b"hello");
        run(&["get", &key.text, "--take", "/dev/null"]).failed(1, &["attached"]);
        holder.signal("TERM");
        assert_eq!(holder.end(), Some(0));
        run(&["info", &key.text]).failed(1, &["no such segment"]);
    }
}

#[test]
fn who_reads_no_further_is_no_error() {
    let key = Key::posix();
    run(&["create", &key.text, "8M"]).ok();
    let line = format!(
        "{} get {} | head -c 10",
        env!("CARGO_BIN_EXE_shmkit"),
        key.text
    );
    let line = format!("set -o pipefail; {line}");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!((output.stdout.len(), output.stderr.len()), (10, 0));
}

#[test]
fn a_full_disk_is_an_error() {
    let key = Key::posix();
    run(&["create", &key.text, "4096"]).ok();
    run(&["get", &key.text, "/dev/full"]).failed(2, &["cannot write to /dev/full", "space"]);
    run(&["get", &key.text, "/missing/file"]).failed(2, &["cannot write to /missing/file"]);
}

#[test]
fn a_terminal_is_shown_text_only() {
    let [text, binary] = [Key::posix(), Key::posix()];
    run_with(&["put", &text.text], b"hello\n").ok();
    run_with(&["put", &binary.text], b"\x1b[31mhello").ok();
    assert_eq!(on_terminal(80, &["get", &text.text], &[]), "hello\n");
    let shown = on_terminal(80, &["get", &binary.text], &[]);
    assert!(
        shown.contains("not text") && !shown.contains('\x1b'),
        "{shown:?}"
    );
}
