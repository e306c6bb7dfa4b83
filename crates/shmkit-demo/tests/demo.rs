//! The demo itself, made short: what it says of itself is true, and it says what is wrong.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "../src/spawn.rs"]
mod spawn;

const PYTHON: &str = "SHMKIT_TEST_PYTHON";

/// The rounds, as `--key-type` calls them, and the types of their keys.
const ROUNDS: [(&str, &str); 2] = match cfg!(windows) {
    true => [("windows", "windows"), ("windows-legacy", "windows")],
    false => [("posix", "posix"), ("systemv", "systemv")],
};

fn demo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shmkit-demo"))
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn::spawn(command).expect("the demo starts");
    child.wait_with_output().expect("the demo ends")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let said = errors(output);
    let text = str::from_utf8(&output.stdout).expect("UTF-8");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
}

/// A picture of the user's.
fn picture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let pixel = |x: u32, y: u32| image::Rgb([x as u8 * 3, y as u8 * 5, (x ^ y) as u8]);
    image::RgbImage::from_fn(64, 48, pixel)
        .save(&path)
        .expect("a picture");
    path
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

#[test]
fn both_rounds_go_well_with_a_picture_of_the_users() {
    let output = run(demo()
        .args(["--json", "--frames", "24", "--readers", "2"])
        .arg(picture("rounds.png")));
    let report = json(&output);
    let said = errors(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(report["problems"], Value::Array(Vec::new()), "{said}");
    assert_eq!(report["picture"]["frame_bytes"], 64 * 48 * 4);
    let checksum = &report["picture"]["checksum"];
    let joined = report["qt"].get("joined").is_some();
    if cfg!(windows) {
        let why = &report["qt"]["left_out"];
        assert_eq!(why, "its reader is not made for Windows");
        let line = format!("no Qt process reads along: {}", why.as_str().unwrap());
        assert_eq!(said.matches(&line).count(), 1, "{said}");
    } else if env::var_os(PYTHON).is_some() {
        assert!(joined, "{}", report["qt"]);
    }

    let rounds = array(&report["rounds"]);
    let keys = rounds.iter().map(|round| round["key"].as_str().unwrap());
    let types: Vec<_> = keys.map(|key| key.split(':').next().unwrap()).collect();
    assert_eq!(types, ROUNDS.map(|(_, key_type)| key_type));
    assert_ne!(rounds[0]["key"], rounds[1]["key"]);
    assert_eq!(said.matches("attach says NotFound").count(), 2, "{said}");
    for (round, frames) in rounds.iter().zip([24, 6]) {
        assert_eq!(round["frames"], frames);
        assert_eq!(round["left_behind"], Value::Array(Vec::new()));
        let processes = array(&round["processes"]);
        assert_eq!(processes.len(), 3 + usize::from(joined));
        assert_eq!(processes[0]["figures"]["frames"], frames, "the writer's");
        for process in processes {
            let figures = &process["figures"];
            assert_eq!(figures["checksum_errors"], 0, "{process}");
            if process["end"] != "killed" {
                assert_eq!(figures["last_frame"], frames, "{process}");
                assert_eq!(&figures["last_checksum"], checksum, "{process}");
            }
        }
        let with_end = |end| {
            processes
                .iter()
                .filter(|process| process["end"] == end)
                .count()
        };
        assert_eq!((with_end("killed"), with_end("removed")), (1, 1), "{said}");
        let told = |process: &&Value| process["owner_died_after_seconds"].is_number();
        assert_eq!(processes.iter().filter(told).count(), 1, "{said}");
    }
}

#[test]
#[cfg(unix)]
fn without_python_it_says_why_qt_is_left_out() {
    let output = run(demo()
        .args([
            "--json",
            "--frames",
            "2",
            "--readers",
            "2",
            "--key-type",
            "posix",
        ])
        .arg(picture("no-python.bmp"))
        .env(PYTHON, "/nowhere/python"));
    let report = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    let why = report["qt"]["left_out"].as_str().expect("a reason");
    assert!(why.starts_with("there is no /nowhere/python; "), "{why}");
    assert!(why.contains("pip install PyQt6"), "{why}");
}

#[test]
fn the_table_has_a_line_for_each_process() {
    let output = run(demo()
        .args(["--frames", "2", "--key-type", ROUNDS[1].0])
        .arg(picture("table.png"))
        .env(PYTHON, "/nowhere/python"));
    assert!(output.status.success(), "{}", errors(&output));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for role in ["writer", "reader 1", "reader 2", "reader 3"] {
        assert!(text.contains(role), "{text}");
    }
    assert!(text.contains("nothing left behind"), "{text}");
}

#[test]
fn a_key_of_another_system_is_refused() {
    let other = if cfg!(windows) { "posix" } else { "windows" };
    let output = run(demo()
        .args(["--frames", "2", "--key-type", other])
        .arg(picture("refused.png")));
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(said.contains(&format!("{other}:")), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_missing_picture_is_named() {
    let output = run(demo().arg("/nowhere/cat.png"));
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(
        said.contains("cannot open the picture /nowhere/cat.png"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn what_is_no_picture_is_named() {
    let output = run(demo().arg(file!()).current_dir("../.."));
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(said.contains("cannot decode"), "{said}");
    assert!(said.contains("as a PNG, JPEG"), "{said}");
}
