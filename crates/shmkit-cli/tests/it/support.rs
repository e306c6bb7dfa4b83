//! Running the command.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use shmkit_testkit::{Cleanup, PATIENCE, Scratch, start_here, unique_name};

/// The command, not yet started, without the user's settings.
pub(crate) fn shmkit(args: &[&str]) -> Command {
    let mut command = shmkit_testkit::program(env!("CARGO_BIN_EXE_shmkit"));
    command.args(args).env_remove("NO_COLOR");
    command.stdin(Stdio::null());
    command
}

/// What a command that ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Said {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// It went well, and said nothing on standard error.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }

    /// It failed with this code, said all of `words` on standard error, and nothing else anywhere.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
        assert!(self.stderr.starts_with("shmkit: "), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in {self:?}");
        }
        self
    }
}

/// Runs the command to its end.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Said {
    let mut command = shmkit(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Said::new(
        start_here(&mut command)
            .unwrap()
            .wait_with_output()
            .unwrap(),
    )
}

/// Runs the command to its end with this on standard input.
pub(crate) fn run_with(args: &[&str], input: &[u8]) -> Said {
    let mut command = shmkit(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = start_here(command.stderr(Stdio::piped())).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // It may end without having read all.
        scope.spawn(move || drop(stdin.write_all(input)));
        Said::new(child.wait_with_output().unwrap())
    })
}

/// A key that no other test has; what was made under it goes with this.
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) name: String,
    _cleanup: Cleanup,
    _scratch: Option<Scratch>,
}

impl Key {
    pub(crate) fn posix() -> Self {
        Self::named(unique_name())
    }

    /// The POSIX key of a name that is unique in one of its parts.
    pub(crate) fn named(name: String) -> Self {
        Self {
            text: format!("posix:/{name}"),
            _cleanup: Cleanup::new(&name),
            name,
            _scratch: None,
        }
    }

    pub(crate) fn system_v() -> Self {
        let scratch = Scratch::new();
        let path = scratch.join("key");
        Self {
            text: format!("systemv:{}", path.display()),
            name: path.display().to_string(),
            _cleanup: Cleanup::default().and_system_v(path, b'Q'),
            _scratch: Some(scratch),
        }
    }

    /// In the directory where key files are looked for.
    pub(crate) fn system_v_that_is_found() -> Self {
        let path = std::env::temp_dir().join(unique_name());
        Self {
            text: format!("systemv:{}", path.display()),
            name: path.display().to_string(),
            _cleanup: Cleanup::default().and_system_v(path, b'Q'),
            _scratch: None,
        }
    }

    /// One of each type.
    pub(crate) fn each() -> [Self; 2] {
        [Self::posix(), Self::system_v()]
    }

    /// The file of a POSIX segment.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.name)
    }

    #[track_caller]
    pub(crate) fn info(&self) -> serde_json::Value {
        run(&["info", "--json", &self.text]).ok().json()
    }
}

/// A command that holds something; killed when dropped.
pub(crate) struct Holding {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Holding {
    /// Starts a command and waits for its first line, which it prints when it holds.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> (Self, String) {
        command.stdout(Stdio::piped());
        let mut child = start_here(&mut command).unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut this = Self { child, stdout };
        let line = this.line();
        (this, line)
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Closes its standard input.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end and answers its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None => assert!(begun.elapsed() < PATIENCE, "it does not end"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that are nowhere the same.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Runs the command on a terminal of its own (script(1)), and answers what that showed.
pub(crate) fn on_terminal(columns: u32, args: &[&str], variables: &[(&str, &str)]) -> String {
    let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!(
        "stty cols {columns} rows 24; exec {} {}",
        env!("CARGO_BIN_EXE_shmkit"),
        words.join(" ")
    );
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm");
    let output = command
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("script(1), of the package bsdutils");
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

/// What is in `/dev/shm` under a name like this one.
pub(crate) fn left_behind(name: &str) -> Vec<String> {
    fs::read_dir("/dev/shm")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|found| found.contains(name))
        .collect()
}
