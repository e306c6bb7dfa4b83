//! `create` and `rm`: how long segments are there.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::{Holding, Key, left_behind, run, shmkit};

#[test]
fn a_created_segment_is_kept_until_it_is_removed() {
    for key in Key::each() {
        let made = run(&["create", &key.text, "64K"]).ok();
        assert_eq!(made.text(), format!("{}\n", key.text));
        let info = key.info();
        assert_eq!(info["size"], 65536);
        assert_eq!(info["state"], "kept");
        assert_eq!(info["attached"], 0);
        run(&["create", &key.text, "1"]).failed(1, &["cannot create", &key.text, "already exists"]);
        assert!(run(&["rm", &key.text]).ok().stdout.is_empty());
        run(&["rm", &key.text]).failed(1, &["cannot remove", "no such segment"]);
        run(&["rm", "--force", &key.text]).ok();
    }
}

#[test]
fn a_bare_name_is_a_platform_safe_key() {
    let key = Key::posix();
    run(&["create", &key.name, "1"]).ok();
    assert!(key.path().exists());
    run(&["rm", &key.name]).ok();
    assert_eq!(left_behind(&key.name), [""; 0]);
}

#[test]
fn the_mode_is_set_and_checked() {
    let key = Key::posix();
    run(&["create", &key.text, "1", "--mode", "640"]).ok();
    let mode = key.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(key.info()["mode"], "0640");
    for wrong in ["777", "8", "-1", "rw"] {
        assert_eq!(
            run(&["create", "x", "1", "--mode", wrong]).code,
            2,
            "{wrong}"
        );
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let key = Key::posix();
    run(&["create", &key.text, "0"]).failed(2, &["the size is 0", "hint: "]);
    // Where that is more than can be addressed, it is no size at all.
    if cfg!(target_pointer_width = "64") {
        let words = ["no room", "4 EiB", "/dev/shm", "--shm-size"];
        run(&["create", &key.text, "4E"]).failed(2, &words);
    }
    for wrong in ["-1", "64X", "many", "99999999999999999999"] {
        let said = run(&["create", &key.text, wrong]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains("invalid value"), "{said:?}");
    }
    assert_eq!(left_behind(&key.name), [""; 0]);
}

#[test]
fn a_sparse_segment_takes_no_memory() {
    let key = Key::posix();
    run(&["create", &key.text, "1G", "--sparse"]).ok();
    let blocks = std::os::unix::fs::MetadataExt::blocks(&key.path().metadata().unwrap());
    assert_eq!(blocks, 0);
    assert_eq!(key.info()["size"], 1 << 30);
}

#[test]
fn a_held_segment_goes_with_its_holder() {
    for key in Key::each() {
        for signal in ["TERM", "INT", "HUP"] {
            let (holder, line) = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"]));
            assert_eq!(line, key.text);
            let info = key.info();
            assert_eq!(info["state"], "live");
            assert_eq!(info["lifetime"], "ephemeral");
            assert_eq!(info["attached"], 1);
            assert_eq!(info["holders"][0]["pid"], holder.pid());
            assert_eq!(info["holders"][0]["program"], "shmkit");
            assert_eq!(info["holders"][0]["access"], "read-write");
            holder.signal(signal);
            assert_eq!(holder.end(), Some(0), "{signal}");
            run(&["info", &key.text]).failed(1, &["no such segment"]);
        }
    }
}

#[test]
fn a_held_segment_goes_when_the_pipe_to_its_holder_closes() {
    let key = Key::posix();
    let mut command = shmkit(&["create", &key.text, "4096", "--hold"]);
    command.stdin(Stdio::piped());
    let (mut holder, _) = Holding::start(command);
    assert_eq!(key.info()["state"], "live");
    holder.hang_up();
    assert_eq!(holder.end(), Some(0));
    assert_eq!(left_behind(&key.name), [""; 0]);
}

#[test]
fn an_orphan_is_listed_and_reclaimed() {
    for key in Key::each() {
        let (mut holder, _) = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"]));
        holder.kill();
        let info = key.info();
        assert_eq!(info["state"], "orphan", "{info}");
        assert!(info["reason"].as_str().unwrap().contains("the kernel says"));
        // Nobody's look or reading makes it anything else.
        run(&["get", &key.text, "/dev/null"]).ok();
        let list = run(&["ls"]);
        assert_eq!(list.code, 0);
        if key.text.starts_with("posix") {
            let line = list.text().lines().find(|line| line.contains(&key.text));
            assert!(line.unwrap().ends_with("orphan"), "{list:?}");
            assert!(
                list.stderr.contains("hint: ") && list.stderr.contains("shmkit reap"),
                "{list:?}"
            );
        }
        run(&["create", &key.text, "100"]).ok();
        assert_eq!(key.info()["size"], 100);
        assert_eq!(key.info()["state"], "kept");
    }
}

#[test]
fn a_segment_in_use_is_removed_by_force_only() {
    for key in Key::each() {
        let (holder, _) = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"]));
        run(&["rm", &key.text]).failed(1, &["cannot remove", "attached", "--force"]);
        assert_eq!(key.info()["state"], "live");
        run(&["rm", "--force", &key.text]).ok();
        run(&["info", &key.text]).failed(1, &["no such segment"]);
        holder.signal("TERM");
        assert_eq!(holder.end(), Some(0));
    }
}

#[test]
fn one_that_cannot_be_removed_keeps_none_of_the_others() {
    let [one, two] = [Key::posix(), Key::posix()];
    run(&["create", &one.text, "1"]).ok();
    run(&["create", &two.text, "1"]).ok();
    let missing = Key::posix();
    let said = run(&["rm", &one.text, &missing.text, "posx:/x", &two.text]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr.contains("no such segment") && said.stderr.contains("posx"),
        "{said:?}"
    );
    assert!(!one.path().exists() && !two.path().exists());
}

#[test]
fn what_is_no_segment_is_an_error() {
    let key = Key::posix();
    std::os::unix::fs::symlink("/etc/passwd", key.path()).unwrap();
    for command in ["get", "info", "rm"] {
        run(&[command, &key.text]).failed(2, &["symbolic link"]);
    }
    run(&["create", &key.text, "1"]).failed(2, &["symbolic link"]);
}

#[test]
fn new_segments_are_told_in_json_too() {
    let key = Key::posix();
    let made = run(&["create", &key.text, "4096", "--json"]).ok().json();
    assert_eq!(made["key"], key.text);
    assert_eq!(made["size"], 4096);
    assert_eq!(made["type"], "posix");
}
