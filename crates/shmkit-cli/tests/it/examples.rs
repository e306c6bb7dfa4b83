//! The examples of `docs/CLI.md`, run as they stand there, but against a segment of their own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use shmkit_testkit::{PATIENCE, Scratch, deadline, workspace_root};

use crate::support::{Holding, Key, run};

/// Lines of shell, each with the first line of what it says there.
fn examples(text: &str) -> Vec<(String, Option<String>)> {
    let blocks = text.split("```console\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let mut found = Vec::new();
    for block in blocks {
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(line) = line.strip_prefix("$ shmkit ") else {
                continue;
            };
            let line = line.split("  #").next().unwrap().trim_end().to_owned();
            let said = lines.next_if(|next| !next.starts_with("$ "));
            found.push((line, said.map(str::to_owned)));
        }
    }
    found
}

/// Neither another's segment nor a port of this machine is touched.
fn on_its_own(line: &str, key: &Key) -> String {
    let line = line.replace("cam0", &key.name).replace(":9782", ":0");
    let line = line.replace("./viewer", "true");
    let line = line.replace("1412", &std::process::id().to_string());
    match line.split(' ').next().unwrap() {
        "ls" | "reap" => format!("{line} '*{}*'", key.name),
        _ => line,
    }
}

fn without_numbers(text: &str) -> String {
    text.replace(|char: char| char.is_ascii_digit(), "")
}

#[test]
fn the_examples_of_the_guide_run() {
    let _watch = deadline(PATIENCE * 3);
    let home = Scratch::new();
    for directory in ["bash-completion/completions", "man/man1"] {
        fs::create_dir_all(home.join(".local/share").join(directory)).unwrap();
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_shmkit")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
    let guide = fs::read_to_string(workspace_root().join("docs/CLI.md")).unwrap();
    let examples = examples(&guide);
    assert!(examples.len() > 10, "{examples:?}");
    for (line, said) in examples {
        let key = Key::posix();
        run(&["create", &key.text, "4096"]).ok();
        let mut shell = Command::new("sh");
        let script = on_its_own(&line, &key);
        // What goes on and on is the shell's process itself, which is killed.
        let goes_on = ["--watch", "events", "serve"];
        let goes_on = goes_on.iter().any(|word| line.contains(word));
        let exec = if goes_on { "exec " } else { "" };
        shell.arg("-c").arg(format!("{exec}shmkit {script}"));
        shell.env("PATH", &path).env("HOME", home.path());
        shell.stdin(Stdio::null());
        if goes_on {
            let (_shell, first) = Holding::start(shell);
            assert!(!first.is_empty(), "{line}");
            if line.starts_with("serve") {
                let said = said.unwrap();
                assert_eq!(without_numbers(&first), without_numbers(&said), "{line}");
            }
            continue;
        }
        let output = shell.output().unwrap();
        // Whether something is wrong depends on the machine.
        let may_be_no = line.starts_with("doctor");
        let code = output.status.code();
        let is_fine = code == Some(0) || may_be_no && code == Some(1);
        assert!(is_fine, "{line}: {output:?}");
    }
    for file in ["bash-completion/completions/shmkit", "man/man1/shmkit.1"] {
        let file = home.join(".local/share").join(file);
        assert!(fs::metadata(&file).unwrap().len() > 0, "{file:?}");
    }
}
