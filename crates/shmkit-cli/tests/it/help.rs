//! `--help`, `--version`, `completions` and `man`.

use std::fs;
use std::process::Command;

use shmkit_testkit::Scratch;

use crate::support::{on_terminal, run};

const COMMANDS: [&str; 19] = [
    "create",
    "put",
    "get",
    "info",
    "ls",
    "holders",
    "dump",
    "diff",
    "rm",
    "reap",
    "key",
    "lock",
    "wait",
    "events",
    "doctor",
    "top",
    "serve",
    "completions",
    "man",
];

#[test]
fn help_has_examples_keys_and_exit_codes() {
    let help = run(&["--help"]).ok();
    for part in [
        "Usage:",
        "Examples:",
        "Keys:",
        "posix:/NAME",
        "Exit status:",
        "Environment:",
        "NO_COLOR",
    ] {
        assert!(help.text().contains(part), "{part:?} in {}", help.text());
    }
    for command in COMMANDS {
        assert!(help.text().contains(command), "{command}");
        for help in [
            run(&[command, "--help"]),
            run(&[command, "-h"]),
            run(&["help", command]),
        ] {
            let example = format!("Examples:\n  shmkit {command}");
            let piped = format!("| shmkit {command}");
            let text = help.ok();
            let text = text.text();
            assert!(text.contains(&example) || text.contains(&piped), "{text}");
        }
    }
}

#[test]
fn help_fits_a_terminal() {
    for command in COMMANDS {
        let shown = on_terminal(80, &[command, "--help"], &[("NO_COLOR", "1")]);
        let too_long = shown.lines().find(|line| line.chars().count() > 80);
        assert_eq!(too_long, None, "{shown}");
    }
    let shown = on_terminal(80, &["--help"], &[("NO_COLOR", "1")]);
    assert_eq!(shown.lines().find(|line| line.chars().count() > 80), None);
    assert!(!shown.contains('\x1b'));
}

#[test]
fn a_wrong_command_line_is_an_error() {
    for wrong in [
        &["fly"][..],
        &["info"],
        &["create", "x"],
        &["ls", "--fast"],
        &[],
    ] {
        let said = run(wrong);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.stdout.is_empty() && said.stderr.contains("Usage:"),
            "{said:?}"
        );
    }
    assert!(run(&["--version"]).ok().text().starts_with("shmkit 0."));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).ok();
        for command in COMMANDS {
            assert!(script.text().contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    let dir = scratch.join("man1").display().to_string();
    run(&["man", "--dir", &dir]).ok();
    let pages = COMMANDS.map(|command| (format!("shmkit-{command}"), vec!["man", command]));
    for (name, args) in pages
        .into_iter()
        .chain([("shmkit".to_owned(), vec!["man"])])
    {
        let page = fs::read_to_string(scratch.join(format!("man1/{name}.1"))).unwrap();
        assert_eq!(run(&args).ok().text(), page);
        for part in [
            &*format!(".TH {} 1", name.to_uppercase()),
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH OPTIONS",
            ".SH EXAMPLES",
            "\\-\\-color",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
    }
    let count = fs::read_dir(&dir).unwrap().count();
    assert_eq!(count, COMMANDS.len() + 1);
    run(&["man", "fly"]).failed(2, &["no command fly"]);
}

#[test]
fn manual_pages_are_without_fault() {
    let scratch = Scratch::new();
    for command in COMMANDS {
        let path = scratch.join(command);
        fs::write(&path, run(&["man", command]).ok().stdout).unwrap();
        let mut groff = Command::new("groff");
        groff.args(["-man", "-ww", "-Tascii", "-z"]).arg(&path);
        let output = groff.output().expect("groff(1), of the package groff-base");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}
