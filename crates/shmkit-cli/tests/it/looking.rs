//! `holders`, `dump`, `diff` and `reap`; the filters of `ls`; what an ordinary user sees.

use std::fs;
use std::process::Command;

use shmkit_testkit::unique_name;

use crate::support::{Holding, Key, on_terminal, run, run_with, shmkit};

#[test]
fn holders_names_the_users() {
    for key in Key::each() {
        let (holder, _) = Holding::start(shmkit(&["create", &key.text, "64", "--hold"]));
        let json = run(&["holders", "--json", &key.text]).ok().json();
        let process = &json["processes"][0];
        assert_eq!(process["pid"], holder.pid());
        assert_eq!(process["program"], "shmkit");
        assert_eq!(process["access"], "read-write");
        assert!(process["since"].is_number(), "{json}");
        let said = run(&["holders", &key.text]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.text().contains(&holder.pid().to_string()));
    }
    let key = Key::posix();
    run(&["create", &key.text, "64"]).ok();
    assert_eq!(run(&["holders", &key.text]).code, 1, "nobody");
}

#[test]
fn dump_shows_bytes() {
    for key in Key::each() {
        let mut data = b"hello\0\x1b\xff".to_vec();
        data.resize(80, b'x');
        run_with(&["put", &key.text], &data).ok();
        let dump = run(&["dump", &key.text]).ok();
        assert_eq!(
            dump.text(),
            "00000000  68 65 6c 6c 6f 00 1b ff  78 78 78 78 78 78 78 78  |hello...xxxxxxxx|\n\
             00000010  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|\n\
             *\n\
             00000040  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|\n\
             00000050\n"
        );
        let all = run(&["dump", "--all", &key.text]).ok();
        assert_eq!(all.text().lines().count(), 6);
        let part = run(&["dump", &key.text, "1..5"]).ok();
        assert!(
            part.text().starts_with("00000001  65 6c 6c 6f "),
            "{part:?}"
        );
        run(&["dump", &key.text, "70+11"]).failed(2, &["byte 81", "has 80"]);
    }
}

#[test]
fn diff_tells_where() {
    let key = Key::posix();
    let file = std::env::temp_dir().join(unique_name());
    let path = file.to_str().unwrap();
    run_with(&["put", &key.text], &[7; 5000]).ok();
    fs::write(&file, [7; 5000]).unwrap();
    assert_eq!(run(&["diff", &key.text, path]).ok().text(), "");
    let mut other = vec![7; 5000];
    other[20] = 8;
    other[4999] = 8;
    fs::write(&file, &other).unwrap();
    let said = run(&["diff", &key.text, path]);
    assert_eq!(said.code, 1, "{said:?}");
    let lines: Vec<&str> = said.text().lines().collect();
    assert!(
        lines[0].starts_with("-00000010  07 07 07 07 07"),
        "{said:?}"
    );
    assert!(
        lines[1].starts_with("+00000010  07 07 07 07 08"),
        "{said:?}"
    );
    assert_eq!(lines[4], "2 bytes differ, in 2 places");
    other.push(1);
    fs::write(&file, &other).unwrap();
    let json = run(&["diff", "--json", &key.text, path]).json();
    assert_eq!(json["differing"], 2);
    assert_eq!(json["ranges"][0], serde_json::json!([20, 21]));
    assert_eq!(
        (&json["segment_size"], &json["file_size"]),
        (&5000.into(), &5001.into())
    );
    let quiet = run(&["diff", "-q", &key.text, path]);
    assert_eq!((quiet.code, quiet.text()), (1, ""));
    fs::remove_file(&file).unwrap();
    run(&["diff", &key.text, path]).failed(2, &["cannot read"]);
}

#[test]
fn reap_previews_and_removes() {
    for key in Key::each() {
        let (mut holder, _) = Holding::start(shmkit(&["create", &key.text, "64K", "--hold"]));
        let name = key.name.rsplit('/').next().unwrap().to_owned();
        let pattern = match key.text.starts_with("posix") {
            true => name,
            // The path of the key file.
            false => key.name.clone(),
        };
        let used = run(&["reap", &pattern, "--yes"]);
        assert_eq!((used.code, used.text()), (0, ""), "{used:?}");
        holder.kill();
        if !key.text.starts_with("posix") {
            // Key files are searched for where programs put them, and a test has its own place.
            let named = run(&["reap", "--key", &key.text, "--yes", "--json"])
                .ok()
                .json();
            assert_eq!(named["leftovers"][0]["outcome"], "removed", "{named}");
            continue;
        }
        let preview = run(&["reap", &pattern]);
        assert!(preview.text().contains("found"), "{preview:?}");
        // With the same pattern, or it would be more.
        assert!(
            preview.stderr.contains("the same with --yes removes it"),
            "{preview:?}"
        );
        assert!(key.path().exists());
        run(&["reap", &pattern, "--yes", "--older", "1h"]);
        assert!(key.path().exists(), "it is young");
        let json = run(&["reap", &pattern, "--yes", "--json"]).ok().json();
        assert_eq!(json["bytes"], 65536);
        assert_eq!(json["leftovers"][0]["outcome"], "removed");
        assert!(!key.path().exists());
    }
    let key = Key::posix();
    assert_eq!(run(&["reap", "--key", &key.text]).code, 1, "there is none");
    fs::write(key.path(), "foreign").unwrap();
    let open = fs::File::open(key.path()).unwrap();
    assert_eq!(
        run(&["reap", "--key", &key.text, "--yes"]).code,
        1,
        "in use"
    );
    drop(open);
    assert_eq!(run(&["reap", "--key", &key.text, "--yes"]).code, 0);
    assert!(!key.path().exists());
}

#[test]
fn ls_lists_some_in_some_order() {
    let [one, two] = [Key::posix(), Key::posix()];
    run(&["create", &one.text, "100"]).ok();
    run(&["create", &two.text, "9000"]).ok();
    let keys = |args: &[&str]| -> Vec<String> {
        let mut all = vec!["ls", "--json", &*one.name, &*two.name];
        all.extend(args);
        let json = run(&all).ok().json();
        let list = json.as_array().unwrap().iter();
        list.map(|info| info["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&["--sort", "size"]), [&*two.text, &one.text]);
    assert_eq!(keys(&["--sort", "size", "-r"]), [&*one.text, &two.text]);
    assert_eq!(keys(&["--larger", "1K"]), [&*two.text]);
    assert_eq!(keys(&["--state", "live"]), [""; 0]);
    assert_eq!(keys(&["--state", "kept", "--owner", "root"]).len(), 2);
    assert_eq!(keys(&["--type", "memfd"]), [""; 0]);
    let long = run(&["ls", "--long", &one.name]);
    assert!(
        long.text().contains("REASON") && long.text().contains("0600"),
        "{long:?}"
    );
    run(&["ls", "--owner", "nobody-of-this-name"]).failed(2, &["there is no user"]);
    let narrow = on_terminal(60, &["ls", &one.name], &[("NO_COLOR", "1")]);
    assert!(
        !narrow.contains("RESIDENT") && narrow.contains("STATE"),
        "{narrow}"
    );
}

#[test]
fn an_ordinary_user_is_told_what_it_cannot_see() {
    let key = Key::posix();
    let (_holder, _) = Holding::start(shmkit(&["create", &key.text, "64", "--hold"]));
    let program = std::env::temp_dir().join(unique_name());
    fs::copy(env!("CARGO_BIN_EXE_shmkit"), &program).unwrap();
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        let output = command.arg(&program).args(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, json) = as_nobody(&["ls", "--json", &key.name]);
    let reap = as_nobody(&["reap", &key.name, "--yes", "--json"]);
    fs::remove_file(&program).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, json[0]["complete"].as_bool()),
        (Some(0), Some(false)),
        "{json}"
    );
    assert_eq!(json[0]["state"], "unknown", "{json}");
    assert_eq!(json[0]["attached"], serde_json::Value::Null);
    let reap: serde_json::Value = serde_json::from_str(&reap.1).unwrap();
    assert_eq!(
        (&reap["count"], &reap["untold"]),
        (&0.into(), &1.into()),
        "{reap}"
    );
    assert!(key.path().exists());
}
