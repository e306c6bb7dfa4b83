//! `key`, and keys on the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::{run, shmkit};

#[test]
fn all_keys_of_a_name_are_qts() {
    let mut command = shmkit(&["key", "key"]);
    // Neither exists, and legacy keys do not ask.
    command
        .env("TMPDIR", "/nowhere")
        .env("XDG_RUNTIME_DIR", "/nowhere/run");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let mangled = "keya62f2225bf70bfaccbc7f1ef2a397836717377de";
    let expected = [
        "RULE TYPE FOR KEY".to_owned(),
        "platform-safe posix segment posix:/key".to_owned(),
        "platform-safe posix semaphore posix:/key".to_owned(),
        "platform-safe systemv segment systemv:/key".to_owned(),
        "platform-safe systemv semaphore systemv:/key".to_owned(),
        format!("legacy posix segment posix:/qipc_sharedmemory_{mangled}?legacyKey=key"),
        format!("legacy posix semaphore posix:/qipc_systemsem_{mangled}?legacyKey=key"),
        format!(
            "legacy systemv segment systemv:/nowhere/qipc_sharedmemory_{mangled}?legacyKey=key"
        ),
        format!("legacy systemv semaphore systemv:/nowhere/qipc_systemsem_{mangled}?legacyKey=key"),
    ];
    let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    assert_eq!(rows, expected);
}

#[test]
fn keys_of_other_platforms_can_be_asked_for() {
    let keys = |platform: &str| {
        run(&["key", "cam0", "--json", "--platform", platform])
            .ok()
            .json()
    };
    let windows = keys("windows");
    assert_eq!(windows.as_array().unwrap().len(), 4);
    assert_eq!(windows[0]["key"], "windows:shm_cam0");
    assert_eq!(windows[0]["rule"], "platform-safe");
    assert_eq!(windows[1]["native_key"], "sem_cam0");
    let macos = keys("macos");
    assert_eq!(macos[4]["native_key"], "/dd33c901d45621a073200d148e9f2");
    assert_eq!(keys("linux")[0]["key"], "posix:/cam0");
}

#[test]
fn keys_that_cannot_be_used_are_explained() {
    let bad = |key: &str, words: &[&str]| {
        for command in [
            &["info", key][..],
            &["get", key],
            &["rm", key],
            &["create", key, "1"],
        ] {
            run(command).failed(2, words);
        }
    };
    bad("", &["cannot use key", "empty"]);
    bad(
        "posx:/cam0",
        &["unknown key type \"posx\" at byte 0", "hint: "],
    );
    bad("posix:/cam?0", &["unknown item", "byte 11", "%3F"]);
    bad("/cam0", &["no key type", "write posix:/cam0"]);
    bad("/tmp/key", &["no key type", "write systemv:/tmp/key"]);
    bad("posix:/a/b", &["slash inside"]);
    bad("posix:/a%00b", &["NUL"]);
    bad(&format!("posix:/{}", "x".repeat(4096)), &["4096 bytes"]);
    bad("windows:cam0", &["no segments of type windows"]);
    run(&["key", ""]).failed(2, &["empty"]);
    let output = shmkit(&["info"])
        .arg(OsStr::from_bytes(b"cam\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("not UTF-8 at byte 3"), "{stderr}");
}
