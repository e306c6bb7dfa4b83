//! Other programs: start them, wait no longer than allowed, say what failed.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, IsTerminal as _, PipeReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// The workspace.
pub(crate) fn root() -> PathBuf {
    // The variable at run time comes first: a checkout may be moved together with what it has built.
    let package = env::var_os("CARGO_MANIFEST_DIR");
    let package = package.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package
        .parent()
        .expect("xtask lies in the workspace")
        .to_owned()
}

/// The cargo that runs us, to be started in the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Runs a program whose output everybody sees.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

/// Runs a program whose output is only shown if it fails, and returns what it printed.
pub(crate) fn quietly(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(command))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}`: {}\n{printed}{complaint}",
            shown(command),
            output.status
        );
    }
    Ok(printed.into_owned())
}

/// True if a program of this name can be started.
pub(crate) fn exists(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

/// Runs a program, passes on what it prints and hands every piece to `look`; at the deadline it is
/// killed with all its children.
pub(crate) fn watch(
    command: &mut Command,
    deadline: Instant,
    mut look: impl FnMut(&[u8]) + Send,
) -> Result<()> {
    let (output, input) = io::pipe()?;
    command.stdin(Stdio::null());
    if !io::stderr().is_terminal() {
        // One pipe for both keeps their lines in order; a terminal would lose cargo's progress bar.
        command.stderr(input.try_clone()?);
    }
    command.stdout(input);
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    // Our own ends of the pipe, which would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (piece, pieces) = mpsc::channel();
    // Not joined: a process left behind can keep the pipe open for ever.
    thread::spawn(move || pass_on(output, &piece));
    let mut end = None;
    loop {
        match pieces.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => look(&bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= deadline {
            kill_tree(&mut child);
            bail!("`{}`: killed, the deadline is over", shown(command));
        }
        if end.is_none() && child.try_wait()?.is_some() {
            end = Some(Instant::now());
        }
        if end.is_some_and(|end| end.elapsed() > Duration::from_secs(5)) {
            bail!(
                "`{}` left a process behind that holds its output",
                shown(command)
            );
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

fn pass_on(mut pipe: PipeReader, piece: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        let bytes = &buffer[..length];
        let mut out = io::stdout().lock();
        _ = out.write_all(bytes).and_then(|()| out.flush());
        _ = piece.send(bytes.to_vec());
    }
}

/// Kills a process and all that descend from it, as far as the system tells them.
fn kill_tree(child: &mut Child) {
    let mut tree = vec![Pid::from_child(child).as_raw_pid()];
    let mut known = 0;
    while let Some(&parent) = tree.get(known) {
        tree.extend(children(parent));
        known += 1;
    }
    for pid in tree.into_iter().filter_map(Pid::from_raw) {
        _ = kill_process(pid, Signal::KILL);
    }
    _ = child.wait();
}

/// The children of all the threads of a process.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let list: Vec<String> = lists.collect();
    list.iter()
        .flat_map(|list| list.split_whitespace())
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().display())
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = [program]
        .into_iter()
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_failure_shows_command_and_output() {
        let error = quietly(&mut shell("echo out; echo err >&2; exit 3"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`sh -c") && error.contains("exit status: 3"),
            "{error}"
        );
        assert!(
            error.contains("out\n") && error.contains("err\n"),
            "{error}"
        );
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = run(&mut Command::new("no-such-program"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "cannot start `no-such-program`");
        assert!(!exists("no-such-program"));
        assert!(exists("sh"));
    }

    #[test]
    fn output_is_seen() {
        let mut seen = Vec::new();
        watch(&mut shell("echo one; echo two"), soon(), |bytes| {
            seen.extend_from_slice(bytes)
        })
        .unwrap();
        assert_eq!(seen, b"one\ntwo\n");
    }

    #[test]
    fn the_deadline_kills_grandchildren_too() {
        let deadline = Instant::now() + Duration::from_millis(300);
        let mut seen = Vec::new();
        let error = watch(
            &mut shell("sleep 1000 & echo $!; wait"),
            deadline,
            |bytes| {
                seen.extend_from_slice(bytes);
            },
        );
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("the deadline is over")
        );
        let pid = String::from_utf8(seen).unwrap();
        let runs = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while runs() {
            assert!(
                Instant::now() < deadline + Duration::from_secs(20),
                "it still runs"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}
