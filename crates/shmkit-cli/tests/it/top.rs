//! `top` on a pseudo-terminal, with real segments.

use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use shmkit_testkit::{PATIENCE, deadline};

use crate::support::{Holding, Key, on_terminal, run, run_with, shmkit};

const ROWS: u16 = 24;
const COLUMNS: u16 = 140;

/// A program on a terminal of its own (script(1)), and what the terminal shows.
struct Screen {
    script: Child,
    keys: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
}

impl Screen {
    fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let line = format!(
            "stty cols {COLUMNS} rows {ROWS}; exec {} {}",
            env!("CARGO_BIN_EXE_shmkit"),
            words.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-c", &line, "/dev/null"]);
        command.env_remove("NO_COLOR").env("TERM", "xterm");
        let mut script = command
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1), of the package bsdutils");
        let mut stdout = script.stdout.take().unwrap();
        let (tell, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                if tell.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys: script.stdin.take(),
            script,
            output,
            parser: vt100::Parser::new(
                NonZero::new(ROWS).unwrap(),
                NonZero::new(COLUMNS).unwrap(),
                0,
            ),
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    /// Waits until the screen shows something.
    #[track_caller]
    fn until(&mut self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let contents = self.parser.screen().contents();
            if is_there(&contents) {
                return contents;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(_) => panic!("{what} does not come; the screen:\n{contents}"),
            }
        }
    }

    #[track_caller]
    fn shows(&mut self, text: &str) -> String {
        self.until(&format!("{text:?}"), |contents| contents.contains(text))
    }

    /// Its exit code. It has left the screen as it was.
    fn end(mut self) -> Option<i32> {
        let status = self.script.wait().unwrap();
        while let Ok(bytes) = self.output.recv() {
            self.parser.process(&bytes);
        }
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen(), "the terminal is not as it was");
        assert!(!screen.hide_cursor());
        status.code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// The line of a segment.
fn line<'s>(screen: &'s str, key: &Key) -> Option<&'s str> {
    screen
        .lines()
        .find(|line| line.contains(&key.text) && !line.contains('?'))
}

#[test]
fn segments_come_change_and_go() {
    let _watch = deadline(PATIENCE * 6);
    let key = Key::posix();
    let mut screen = Screen::start(&["top", &format!("*{}", key.name), "-i", "50ms"], &[]);
    screen.shows("there are no such segments");
    let mut holder = Holding::start(shmkit(&["create", &key.text, "64K", "--hold"])).0;
    let shown = screen.until("the segment", |it| line(it, &key).is_some());
    let row = line(&shown, &key).unwrap();
    assert!(
        row.contains("posix") && row.contains("64 KiB") && row.contains("live"),
        "{row}"
    );

    // Somebody takes the lock.
    let mut lock = shmkit(&[
        "lock",
        &key.text,
        "--",
        "sh",
        "-c",
        "echo locked; read line",
    ]);
    lock.stdin(Stdio::piped());
    let (locker, _) = Holding::start(lock);
    let holds = format!("{} shmkit", locker.pid());
    screen.until("the lock's holder", |it| {
        line(it, &key).is_some_and(|row| row.contains(&holds))
    });
    screen.press("\r");
    screen.shows("mapped by 2 processes");
    drop(locker);

    holder.kill();
    screen.until("the orphan", |it| {
        line(it, &key).is_some_and(|row| row.contains("orphan"))
    });
    screen.press("x");
    screen.shows("if nobody uses it? y/n");
    screen.press("y");
    screen.shows(&format!("removed {}", key.text));
    screen.shows("there are no such segments");
    run(&["info", &key.text]).failed(1, &["no such segment"]);
    screen.press("q");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn a_watched_list_is_drawn_over_the_one_before() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    run(&["create", &key.text, "64K"]).ok();
    let args = ["ls", "--watch=50ms", &format!("*{}", key.name)];
    let mut screen = Screen::start(&args, &[]);
    let shown = screen.until("the segment", |it| line(it, &key).is_some());
    assert!(shown.starts_with("TYPE"), "{shown}");
    run(&["rm", &key.text]).ok();
    let shown = screen.until("its end", |it| line(it, &key).is_none());
    assert!(shown.starts_with("TYPE"), "{shown}");
    assert_eq!(shown.trim_end().lines().count(), 1, "{shown}");
    screen.press("\x03");

    let mut dumb = Screen::start(&args, &[("TERM", "dumb")]);
    dumb.until("more than one", |it| it.matches("TYPE").count() > 2);
}

#[test]
fn what_is_in_use_is_not_removed() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    let _holder = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"])).0;
    let mut screen = Screen::start(&["top", &format!("*{}", key.name)], &[]);
    screen.until("the segment", |it| line(it, &key).is_some());
    screen.press("xy");
    screen.shows("in use, so it stays");
    assert_eq!(key.info()["state"], "live");
    // Ctrl-C.
    screen.press("\x03");
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn changes_are_told_where_they_can_be() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    run_with(&["put", &key.text], &[0; 4 * 4096]).ok();
    let args = ["top", &format!("*{}", key.name), "--changes", "-i", "50ms"];
    let mut screen = Screen::start(&args, &[]);
    let share = |it: &str, share: &str| line(it, &key).is_some_and(|row| row.ends_with(share));
    screen.until("no change", |it| share(it, " 0 %"));
    let file = std::fs::File::options()
        .write(true)
        .open(key.path())
        .unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for count in 0_u64.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                std::os::unix::fs::FileExt::write_at(&file, &count.to_ne_bytes(), 4096).unwrap();
            }
        });
        screen.until("the changes", |it| share(it, " 25 %"));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    screen.press("c");
    screen.until("no changes", |it| !it.contains("CHANGED"));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let _watch = deadline(PATIENCE * 3);
    let mut screen = Screen::start(&["top", "no such name"], &[]);
    screen.shows("there are no such segments");
    let script = screen.script.id().to_string();
    let killed = Command::new("pkill")
        .args(["-TERM", "-P", &script])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn no_colour_is_no_colour() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    let _holder = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"])).0;
    let has_colour = |variables: &[(&str, &str)]| {
        let mut screen = Screen::start(&["top", &format!("*{}", key.name)], variables);
        screen.until("the segment", |it| line(it, &key).is_some());
        let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
        let mut cells = cells.filter_map(|(row, column)| screen.parser.screen().cell(row, column));
        cells.any(|cell| cell.fgcolor() != vt100::Color::Default)
    };
    assert!(has_colour(&[]));
    assert!(!has_colour(&[("NO_COLOR", "1")]));
}

#[test]
fn names_do_nothing_to_the_screen() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::named(format!(
        "{}\u{9b}2J\u{202e}x",
        shmkit_testkit::unique_name()
    ));
    run_with(&["put", &key.text], b"x").ok();
    let mut screen = Screen::start(&["top", &format!("*{}*", &key.name[..20])], &[]);
    screen.shows(r"\u{9b}2J\u{202e}x");
}

#[test]
fn without_a_terminal_it_is_printed_once() {
    let key = Key::posix();
    let _holder = Holding::start(shmkit(&["create", &key.text, "1536", "--hold"])).0;
    let name = format!("*{}", key.name);
    let once = run(&["top", "--once", &name]).ok();
    let row = once.text().lines().nth(1).unwrap();
    assert!(
        row.contains(&key.text) && row.contains("1.5 KiB") && row.contains("live"),
        "{once:?}"
    );
    let piped = run(&["top", &name]);
    assert_eq!(piped.code, 0);
    assert!(piped.stderr.contains("no terminal"), "{piped:?}");
    assert_eq!(piped.text().lines().count(), 2);
    let dumb = on_terminal(120, &["top", &name], &[("TERM", "dumb")]);
    assert!(dumb.contains(&key.text) && !dumb.contains('\x1b'), "{dumb}");
}

/// The processes whose command line ends so.
fn processes(last_words: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains("shmkit top") && line.trim_end().ends_with(last_words)
    })
    .collect()
}

#[test]
fn it_ends_when_its_terminal_is_gone() {
    let key = Key::posix();
    run(&["create", &key.text, "4K"]).ok();
    let mut screen = Screen::start(&["top", &key.text], &[]);
    screen.until("the segment", |it| line(it, &key).is_some());
    assert!(!processes(&key.text).is_empty());
    // Without a chance to tell it anything.
    drop(screen);
    let begun = Instant::now();
    while !processes(&key.text).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "it runs without a terminal");
        thread::yield_now();
    }
}
