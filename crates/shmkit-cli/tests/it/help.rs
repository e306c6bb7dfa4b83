//! `--help`, `--version` and `completions`.

use crate::support::{on_terminal, run};

const COMMANDS: [&str; 9] = [
    "create",
    "put",
    "get",
    "info",
    "ls",
    "rm",
    "key",
    "lock",
    "completions",
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
