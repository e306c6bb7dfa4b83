//! `shmkit::qt` beside the real Qt: the same calls in both, with the same answers, errors and
//! texts. Where the two differ on purpose, the difference is written down here, and in
//! `docs/QT.md`.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use serde_json::json;
use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};
use shmkit::qt::{
    AccessMode, QNativeIpcKey, QSharedMemory, QSystemSemaphore, SharedMemoryError,
    SystemSemaphoreError, TypeNumber,
};
use shmkit::{Access, SharedMemory};
use shmkit_testkit::{
    self as testkit, Cleanup, QtError, QtPeer, Scratch, role_command, unique_name,
};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

/// Everything here must be over after this.
const DEADLINE: Duration = Duration::from_secs(60);

// ---------------------------------------------------------------------------------------------
// Our side: the same commands as `qt_peer.py`, carried out by the classes of shmkit::qt.

#[test]
#[ignore = "child role"]
fn role_face() {
    let Some(me) = testkit::role() else { return };
    let mut face = Face::default();
    me.say("ready");
    for line in me.orders() {
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        me.say(match face.run(command, argument) {
            Ok(answer) if answer.is_empty() => "ok".into(),
            Ok(answer) => format!("ok {answer}"),
            Err((number, text)) => format!("no {number} {text}"),
        });
        if command == "quit" {
            return;
        }
    }
}

/// A process with our classes, driven as one with Qt's.
pub(crate) fn face() -> QtPeer {
    QtPeer::launch(face_command())
}

fn face_command() -> Command {
    role_command("qt_face::role_face", "")
}

#[derive(Default)]
struct Face {
    memory: QSharedMemory,
    semaphore: QSystemSemaphore,
}

type Answer = Result<String, (i32, String)>;

impl Face {
    fn run(&mut self, command: &str, argument: &str) -> Answer {
        let words: Vec<&str> = argument.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<i64>().unwrap();
        match command {
            "new" => self.memory = QSharedMemory::with_native_key(&key(argument)),
            "set-key" => self.memory.set_native_key(&key(argument)),
            "legacy" => self.memory = QSharedMemory::with_key(argument),
            "create" => {
                let done = self.memory.create(number(0), mode(&words));
                return self.memory_must(done, self.memory.size());
            }
            "attach" => {
                let done = self.memory.attach(mode(&words));
                return self.memory_must(done, self.memory.size());
            }
            "detach" => {
                let done = self.memory.detach();
                return self.memory_must(done, "");
            }
            "lock" => return self.memory_must(self.memory.lock(), ""),
            "lock-for" => {
                let limit = Duration::from_millis(number(0) as u64);
                return self.memory_must(self.memory.lock_for(limit), "");
            }
            "owner-died" => return Ok(self.memory.owner_died().to_string()),
            "mark-recovered" => return Ok(self.memory.mark_recovered().to_string()),
            "unlock" => return self.memory_must(self.memory.unlock(), ""),
            "size" => return Ok(self.memory.size().to_string()),
            "read" => {
                let mut bytes = vec![0; number(1) as usize];
                let view = self.memory.const_data().unwrap();
                view.copy_to(number(0) as usize, &mut bytes).unwrap();
                return Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
            }
            "write" => {
                let bytes: Vec<u8> = (0..words[1].len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&words[1][at..at + 2], 16).unwrap())
                    .collect();
                let view = self.memory.data().unwrap();
                view.copy_from(number(0) as usize, &bytes).unwrap();
            }
            "incr" => {
                let view = self.memory.data().unwrap();
                for _ in 0..number(0) {
                    assert!(self.memory.lock());
                    view.write(0, &(view.read::<u64>(0).unwrap() + 1)).unwrap();
                    assert!(self.memory.unlock());
                }
                return Ok(view.read::<u64>(0).unwrap().to_string());
            }
            "state" => return Ok(self.state()),
            "delete" | "quit" => *self = Self::default(),
            "sem-new" => {
                let initial = words.get(1).map_or(0, |word| word.parse().unwrap());
                let mode = match words.contains(&"create") {
                    true => AccessMode::Create,
                    false => AccessMode::Open,
                };
                self.semaphore = QSystemSemaphore::with_native_key(&key(words[0]), initial, mode);
                let done = self.semaphore.error() == SystemSemaphoreError::NoError;
                return self.semaphore_must(done);
            }
            "sem-acquire" => return self.semaphore_must(self.semaphore.acquire()),
            "sem-release" => {
                let by = words.first().map_or(1, |word| word.parse().unwrap());
                return self.semaphore_must(self.semaphore.release(by));
            }
            "sem-delete" => self.semaphore = QSystemSemaphore::default(),
            "become-nobody" => become_nobody(),
            "pid" => return Ok(std::process::id().to_string()),
            _ => panic!("no such command: {command}"),
        }
        Ok(String::new())
    }

    fn memory_must(&self, done: bool, result: impl ToString) -> Answer {
        match done {
            true => Ok(result.to_string()),
            false => Err((self.memory.error().number(), self.memory.error_string())),
        }
    }

    fn semaphore_must(&self, done: bool) -> Answer {
        match done {
            true => Ok(String::new()),
            false => Err((
                self.semaphore.error().number(),
                self.semaphore.error_string(),
            )),
        }
    }

    fn state(&self) -> String {
        let memory = &self.memory;
        json!({
            "attached": memory.is_attached(),
            "size": memory.size(),
            "error": memory.error().number(),
            "errorString": memory.error_string(),
            "key": memory.key(),
            "nativeKey": memory.native_key(),
            "ipcKey": memory.native_ipc_key().to_string(),
        })
        .to_string()
    }
}

/// A user who owns nothing.
const NOBODY: u32 = 65534;

#[expect(unsafe_code, reason = "setresuid, for all threads")]
fn become_nobody() {
    // SAFETY: takes three numbers.
    assert_eq!(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }, 0);
}

fn key(text: &str) -> QNativeIpcKey {
    match text {
        "" => QNativeIpcKey::default(),
        text if text.starts_with('"') => {
            QNativeIpcKey::from_string(&serde_json::from_str::<String>(text).unwrap())
        }
        text => QNativeIpcKey::from_string(text),
    }
}

fn mode(words: &[&str]) -> Access {
    match words.contains(&"ro") {
        true => Access::ReadOnly,
        false => Access::ReadWrite,
    }
}

// ---------------------------------------------------------------------------------------------
// The two sides.

/// A folder in the memory file system, which never gives an inode to a second file. On disk Qt's
/// habit of removing key files makes Qt processes that know nothing of each other meet.
struct Folder(String);

impl Folder {
    fn new() -> Self {
        let path = format!("/dev/shm/{}", unique_name());
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Posix,
    PosixLegacy,
    SystemV,
    SystemVLegacy,
}
use Kind::{Posix, PosixLegacy, SystemV, SystemVLegacy};

impl Kind {
    const ALL: [Self; 4] = [Posix, PosixLegacy, SystemV, SystemVLegacy];

    /// A new key for processes whose temporary folder is `folder`.
    fn key(self, folder: &Folder) -> TestKey {
        let rules = KeyRules::of_this_process().temp_dir(&folder.0);
        let name = unique_name();
        let key = match self {
            Posix => rules.platform_safe_key(Role::Segment, &name, KeyType::PosixRealtime),
            PosixLegacy => rules.legacy_key(Role::Segment, &name, KeyType::PosixRealtime),
            SystemV => NativeIpcKey::new(format!("{}/{name}", folder.0), KeyType::SYSTEM_V),
            SystemVLegacy => rules.legacy_key(Role::Segment, &name, KeyType::SYSTEM_V),
        };
        let lock = rules.semaphore_key(&key);
        let cleanup = match self {
            Posix | PosixLegacy => Cleanup::new(key.native_key()).and_name(lock.native_key()),
            SystemV | SystemVLegacy => Cleanup::default()
                .and_system_v(key.native_key(), b'Q')
                .and_system_v(lock.native_key(), b'Q'),
        };
        TestKey::of(key, cleanup)
    }
}

/// One side of a comparison: a process, and the key that stands for `KEY` in its commands.
struct Side {
    peer: QtPeer,
    key: TestKey,
}

/// Qt and ours, who do the same with a key each.
struct Both {
    qt: Side,
    ours: Side,
    folder: Folder,
}

impl Both {
    fn new(kind: Kind) -> Self {
        Self::of(QtPeer::command(), kind)
    }

    fn of(mut qt: Command, kind: Kind) -> Self {
        let folder = Folder::new();
        let mut ours = face_command();
        for command in [&mut qt, &mut ours] {
            command.env("TMPDIR", &folder.0);
        }
        // They take a moment to start, and do it together.
        let ours = thread::spawn(|| QtPeer::launch(ours));
        let qt = QtPeer::launch(qt);
        let ours = ours.join().expect("a process of ours");
        let [qt, ours] = [qt, ours].map(|peer| Side {
            peer,
            key: kind.key(&folder),
        });
        let mut both = Self { qt, ours, folder };
        both.same(["new KEY"]);
        both
    }

    fn set_kind(&mut self, kind: Kind) {
        for side in [&mut self.qt, &mut self.ours] {
            side.key = kind.key(&self.folder);
        }
    }

    /// Two more processes, which made a segment under the keys of the two sides.
    fn owner(&self) -> [QtPeer; 2] {
        [&self.qt, &self.ours].map(|side| {
            let mut command = face_command();
            command.env("TMPDIR", &self.folder.0);
            let mut owner = QtPeer::launch(command);
            owner.ok(format_args!("new {}", *side.key));
            owner.ok("create 64");
            owner
        })
    }

    /// Both do it and answer the same, and are in the same state after it.
    #[track_caller]
    fn same<'a>(&mut self, commands: impl IntoIterator<Item = &'a str>) {
        for command in commands {
            assert_eq!(self.ours.run(command), self.qt.run(command), "{command}");
            self.same_state(command);
        }
    }

    #[track_caller]
    fn same_state(&mut self, command: &str) {
        assert_eq!(self.ours.state(), self.qt.state(), "after {command}");
    }

    /// Both do it, and answer with the same number, but not in the same words.
    #[track_caller]
    fn same_number(&mut self, command: &str) {
        let [ours, qt] = [&mut self.ours, &mut self.qt].map(|side| side.run(command));
        let number = |answer: &Result<String, QtError>| match answer {
            Ok(_) => 0,
            Err(error) => error.number,
        };
        assert_eq!(number(&ours), number(&qt), "{command}: {ours:?}, {qt:?}");
    }

    /// A difference that is meant: what Qt answers, and what ours does.
    #[track_caller]
    fn differ(&mut self, command: &str, qt: Expected<'_>, ours: Expected<'_>) {
        for (side, expected) in [(&mut self.qt, qt), (&mut self.ours, ours)] {
            let answer = side.run(command);
            match expected {
                Yes(result) => assert_eq!(answer.as_deref(), Ok(result), "{command}"),
                No(number) => assert_eq!(answer.map_err(|no| no.number), Err(number), "{command}"),
            }
        }
    }
}

/// An answer of one side.
enum Expected<'a> {
    Yes(&'a str),
    No(i32),
}
use Expected::{No, Yes};

const ALREADY_EXISTS: Expected<'_> = No(SharedMemoryError::AlreadyExists as i32);
const NOT_FOUND: Expected<'_> = No(SharedMemoryError::NotFound as i32);
const KEY_ERROR: Expected<'_> = No(SharedMemoryError::KeyError as i32);
/// `false` without an error.
const NO_ERROR: Expected<'_> = No(0);

impl Side {
    #[track_caller]
    fn run(&mut self, command: &str) -> Result<String, QtError> {
        let key = self.key.to_string();
        let answer = self.peer.run(command.replace("KEY", &key));
        answer.map_err(|error| QtError {
            text: in_any_words(&error.text),
            ..error
        })
    }

    /// What the object says of itself, with `KEY` for the key.
    #[track_caller]
    fn state(&mut self) -> serde_json::Value {
        let state = self.peer.ok("state");
        let legacy = self.key.legacy_key().unwrap_or("none").to_owned();
        let state = state
            .replace(&self.key.to_string(), "KEY")
            .replace(self.key.native_key(), "NATIVE")
            .replace(&legacy, "LEGACY");
        let mut state: serde_json::Value = serde_json::from_str(&state).unwrap();
        state["errorString"] = in_any_words(state["errorString"].as_str().unwrap()).into();
        state
    }
}

/// A text without what the C library calls an error: Qt is built on glibc, and another one has other
/// words.
fn in_any_words(text: &str) -> String {
    const UNKNOWN: &str = "unknown error: ";
    match text.find(UNKNOWN) {
        Some(at) if cfg!(not(target_env = "gnu")) => text[..at + UNKNOWN.len()].to_owned(),
        _ => text.to_owned(),
    }
}

mod an_object_lives_the_same_life {
    use super::{Kind, live};

    #[test]
    fn posix() {
        live(Kind::Posix);
    }

    #[test]
    fn posix_legacy() {
        live(Kind::PosixLegacy);
    }

    #[test]
    fn system_v() {
        live(Kind::SystemV);
    }

    #[test]
    fn system_v_legacy() {
        live(Kind::SystemVLegacy);
    }
}

// Starting Qt takes a third of a second of a processor, so this does many things in a row.

fn live(kind: Kind) {
    let _watch = testkit::deadline(DEADLINE);
    let mut both = Both::new(kind);
    let is_posix = matches!(kind, Posix | PosixLegacy);

    // Nothing is there.
    both.same([
        "lock",
        "unlock",
        "detach",
        "attach",
        "attach ro",
        "lock",
        "lock",
        "unlock",
        "unlock",
        "detach",
        "create 0",
        "create -1",
        "create -9223372036854775808",
    ]);
    // Too large.
    both.same(["create 1125899906842624"]);
    if is_posix {
        // Qt leaves the name behind.
        both.differ("create 10", ALREADY_EXISTS, Yes("10"));
        both.differ("detach", NO_ERROR_BUT_EXISTS, Yes(""));
        fs::remove_file(format!("/dev/shm{}", both.qt.key.native_key())).unwrap();
    }

    // It is made.
    both.same([
        "new KEY",
        "create 100",
        "size",
        "read 0 100",
        "write 98 abcd",
        "read 96 4",
    ]);
    both.same([
        "attach", "lock", "unlock", "unlock", "lock", "lock", "unlock", "unlock",
    ]);
    both.same(["set-key windows:x"]);
    // A `create` that finds its own segment. With a System V key that is no legacy key it makes Qt
    // lose that segment: it renews its lock, and with that the file that leads to both.
    if kind != SystemV {
        both.same(["create 0", "create 7"]);
    }
    both.same(["lock", "detach", "unlock", "detach", "lock", "unlock"]);

    // What is left of it.
    if is_posix {
        both.differ("attach", Yes("100"), NOT_FOUND);
        both.differ("detach", Yes(""), No(5));
        both.differ("create 50", ALREADY_EXISTS, Yes("50"));
        both.differ("attach", Yes("100"), NO_ERROR);
    } else {
        both.same_number("attach");
        both.same(["create 50"]);
    }

    // The same key again.
    both.differ("set-key KEY", Yes(""), Yes(""));
    let [qt, ours] = [&mut both.qt, &mut both.ours].map(|side| side.state()["attached"].clone());
    assert_eq!((qt, ours), (json!(false), json!(true)));
    both.same(["new KEY"]);

    // Another one's.
    if is_posix {
        // What Qt left behind.
        fs::remove_file(format!("/dev/shm{}", both.qt.key.native_key())).unwrap();
    }
    let _owner = both.owner();
    both.same([
        "attach",
        "attach",
        "size",
        "lock",
        "unlock",
        "set-key windows:x",
        "detach",
    ]);
    both.same([
        "attach ro",
        "read 0 4",
        "set-key",
        "attach",
        "lock",
        "set-key KEY",
        "attach",
    ]);
    if kind != SystemV {
        both.same([
            "create 10",
            "detach",
            "create 10",
            "new KEY",
            "create 10",
            "attach",
        ]);
    }
}

const NO_ERROR_BUT_EXISTS: Expected<'_> = No(SharedMemoryError::AlreadyExists as i32);

#[test]
fn keys_that_cannot_be_used_are_refused_in_the_same_words() {
    let _watch = testkit::deadline(DEADLINE);
    let mut both = Both::new(Posix);
    let all = [
        "create 10",
        "attach",
        "create 0",
        "attach ro",
        "lock",
        "unlock",
        "detach",
    ];
    for empty in ["new", "new posix:", "new systemv:", "new systemv-84:"] {
        both.same([
            empty, "attach", "attach", "create 5", "attach", "lock", "unlock",
        ]);
        both.same([empty, "create 0", "attach", "detach"]);
    }
    for unsupported in ["new windows:x", "new windows:"] {
        both.same([unsupported, "attach", "create 5", "create 0", "lock"]);
    }
    // No key at all: Qt takes the type 0 for System V.
    both.same(["new no-key", "attach", "create 5", "lock"]);

    let long = |length: usize| format!("new posix:/{}", "x".repeat(length));
    let posix = ["new posix:/", "new posix:/a/b", "new posix:/a/"].map(str::to_owned);
    let posix = posix
        .into_iter()
        .chain([252, 253, 254, 255, 256, 300, 5000].map(long));
    let system_v = [
        "new systemv:/no-such-folder/x".to_owned(),
        format!("new systemv:/tmp/{}", "x".repeat(256)),
        format!("new systemv:/tmp/{}/x", "x".repeat(256)),
        format!("new systemv:{}", "/x".repeat(3000)),
    ];
    for new in posix.chain(system_v) {
        both.same([new.as_str()].into_iter().chain(all));
    }

    // Names that Qt cuts or bends.
    for odd in ["new posix:/.", "new posix:/.."] {
        both.same([odd]);
        both.differ("create 10", ALREADY_EXISTS, KEY_ERROR);
        both.same_number("attach");
    }
    let [qt, ours] = [TestKey::posix(), TestKey::posix()];
    for (side, key) in [(&mut both.qt, &qt), (&mut both.ours, &ours)] {
        side.run(&format!("new {}%00b", **key)).unwrap();
    }
    both.differ("create 10", Yes("10"), KEY_ERROR);
}

#[test]
fn names_that_others_took_are_refused_in_the_same_words() {
    let _watch = testkit::deadline(DEADLINE);
    let mut both = Both::new(Posix);
    let path = |side: &Side| format!("/dev/shm{}", side.key.native_key());
    let take = |both: &Both, how: &dyn Fn(&str)| {
        for side in [&both.qt, &both.ours] {
            how(&path(side));
        }
    };
    take(&both, &|path| fs::create_dir(path).unwrap());
    both.same(["attach", "create 10", "attach"]);
    take(&both, &|path| fs::remove_dir(path).unwrap());
    take(&both, &|path| symlink("/etc/passwd", path).unwrap());
    both.same(["attach", "attach ro", "create 10"]);
    take(&both, &|path| fs::remove_file(path).unwrap());
    take(&both, &|path| fs::write(path, "").unwrap());
    both.same(["attach", "attach ro", "create 10"]);
    // What anybody wrote there is a segment.
    take(&both, &|path| fs::write(path, "abc").unwrap());
    both.same(["create 10", "attach", "read 0 3", "create 10"]);
    // Both are the last one out.
    both.same(["detach"]);
    assert!(Path::new(&path(&both.qt)).exists());
    assert!(!Path::new(&path(&both.ours)).exists());
}

#[test]
fn what_belongs_to_another_user_is_refused_in_the_same_words() {
    let _watch = testkit::deadline(DEADLINE);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    // Both load everything that they need while they may still read it.
    let peer = QtPeer::command();
    let peer = peer.get_args().last().unwrap().to_str().unwrap();
    let code = format!(
        "import ctypes, json, os, runpy, sys, PyQt6.QtCore; os.setresuid({NOBODY}, {NOBODY}, {NOBODY}); \
         runpy.run_path({peer:?}, run_name='__main__')"
    );
    let mut both = Both::of(testkit::python_command(code, &[]), Posix);
    both.ours.run("become-nobody").unwrap();
    for kind in Kind::ALL {
        both.set_kind(kind);
        let owner = both.owner();
        both.same([
            "new KEY",
            "create 10",
            "new KEY",
            "attach",
            "attach ro",
            "lock",
            "detach",
        ]);
        drop(owner);
    }
}

#[test]
fn semaphores_count_the_same() {
    let _watch = testkit::deadline(DEADLINE);
    let mut both = Both::new(Posix);
    for kind in [Posix, SystemV] {
        both.set_kind(kind);
        let mut same = |commands: &[&str]| {
            for command in commands {
                assert_eq!(both.ours.run(command), both.qt.run(command), "{command}");
            }
        };
        same(&[
            "sem-new KEY 2",
            "sem-acquire",
            "sem-release 3",
            "sem-release 0",
            "sem-release -1",
        ]);
        // Four are left, and no fifth: that would wait.
        same(&[
            "sem-acquire",
            "sem-acquire",
            "sem-acquire",
            "sem-acquire",
            "sem-release",
        ]);
        same(&[
            "sem-new KEY 1 create",
            "sem-acquire",
            "sem-release",
            "sem-delete",
        ]);
        same(&[
            "sem-new KEY 32767 create",
            "sem-release 1",
            "sem-release 70000",
            "sem-acquire",
        ]);
        same(&[
            "sem-release 2",
            "sem-release 1",
            "sem-acquire",
            "sem-delete",
        ]);
        same(&[
            "sem-new KEY 2147483647 create",
            "sem-release",
            "sem-release 0",
            "sem-acquire",
        ]);
        same(&[
            "sem-release",
            "sem-release",
            "sem-release 5",
            "sem-acquire",
            "sem-delete",
        ]);
        same(&["sem-new KEY -1", "sem-release 0", "sem-release"]);
        same(&["sem-delete"]);
        let kind = if kind == Posix { "posix" } else { "systemv" };
        same(&[
            &format!("sem-new {kind}: 0"),
            "sem-acquire",
            "sem-release",
            "sem-release 0",
        ]);
        same(&[
            &format!("sem-new {kind}: 3 create"),
            "sem-acquire",
            "sem-release -1",
        ]);
    }
    let long = format!("sem-new posix:/{} 1", "x".repeat(253));
    for new in [
        "sem-new windows:x 1",
        "sem-new windows:x 1 create",
        "sem-new posix:/ 1",
        "sem-new posix:/a/b 1",
        &long,
        "sem-new systemv:/no-such-folder/x 1",
    ] {
        for command in [new, "sem-release 0", "sem-release -1"] {
            assert_eq!(both.ours.run(command), both.qt.run(command), "{command}");
        }
        let [ours, qt] = [&mut both.ours, &mut both.qt].map(|side| side.run("sem-release"));
        assert_eq!(ours.unwrap_err().number, qt.unwrap_err().number, "{new}");
    }
}

// ---------------------------------------------------------------------------------------------
// What Qt does not do, or does not do right.

/// The key for our classes.
fn face_key(key: &TestKey) -> QNativeIpcKey {
    key.key.clone().into()
}

fn created(key: &TestKey, size: i64) -> QSharedMemory {
    let mut memory = QSharedMemory::with_native_key(&face_key(key));
    assert!(
        memory.create(size, Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    memory
}

fn attached(key: &TestKey) -> QSharedMemory {
    let mut memory = QSharedMemory::with_native_key(&face_key(key));
    assert!(
        memory.attach(Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    memory
}

for_every_key!(
    the_last_detacher_removes_everything,
    objects_and_threads_keep_each_other_out,
    a_dead_holder_is_told_and_stays_told_until_the_data_are_repaired,
    a_lock_without_a_segment_leaves_nothing_behind,
    a_failing_create_or_attach_keeps_the_lock,
    an_object_does_not_wait_for_its_own_lock,
    what_lost_its_name_can_be_made_anew,
    read_only_is_read_only,
    an_orphan_is_no_obstacle,
    detach_does_not_wait_for_the_lock,
    a_forked_child_does_not_have_the_lock,
);

fn the_last_detacher_removes_everything(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut first = created(&key, 100);
    let mut second = attached(&key);
    assert!(second.lock() && second.unlock());
    let in_kernel = key.kernel_objects();
    assert!(first.lock());
    assert!(first.detach());
    assert!(!first.unlock());
    assert_ne!(key.traces(), [""; 0]);
    assert!(second.lock());
    assert!(second.detach());
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(crate::support::still_in_kernel(&in_kernel), []);
}

fn objects_and_threads_keep_each_other_out(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let memory = created(&key, 8);
    let other = attached(&key);
    assert!(memory.lock() && memory.lock_for(Duration::ZERO));
    assert!(!other.lock_for(SHORT));
    assert_eq!(other.error(), SharedMemoryError::LockError);
    let text = other.error_string();
    assert!(
        text.starts_with("QSharedMemory::lock: timed out after 30ms"),
        "{text}"
    );
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    // Another thread with the same object.
    thread::scope(|scope| {
        scope.spawn(|| assert!(!memory.lock_for(SHORT)));
    });
    assert!(memory.unlock() && !memory.unlock());
    assert!(other.lock() && other.unlock());

    let rounds = 2000;
    let count = |memory: &QSharedMemory| {
        let view = memory.data().unwrap();
        for _ in 0..rounds {
            assert!(memory.lock());
            view.write(0, &(view.read::<u64>(0).unwrap() + 1)).unwrap();
            assert!(memory.unlock());
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| count(&memory));
        scope.spawn(|| count(&memory));
        scope.spawn(|| count(&other));
    });
    assert_eq!(memory.data().unwrap().read::<u64>(0).unwrap(), 3 * rounds);
}

fn a_dead_holder_is_told_and_stays_told_until_the_data_are_repaired(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let memory = created(&key, 8);
    assert!(memory.lock() && !memory.owner_died() && memory.unlock());
    let mut other = face();
    other.ok(format_args!("new {}", *key));
    other.ok("attach");
    other.ok("lock");
    other.child().kill();
    assert!(memory.lock_for(LONG), "{}", memory.error_string());
    assert!(memory.owner_died());
    assert!(memory.unlock() && !memory.owner_died());
    // Nobody repaired anything.
    let native = SharedMemory::attach(&key).unwrap();
    assert!(native.lock().unwrap().owner_died());
    assert!(memory.lock() && memory.owner_died());
    assert!(memory.mark_recovered() && memory.unlock());
    assert!(!memory.mark_recovered());
    assert!(!native.lock().unwrap().owner_died());
}

fn a_lock_without_a_segment_leaves_nothing_behind(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut memory = QSharedMemory::with_native_key(&face_key(&key));
    assert!(!memory.attach(Access::ReadWrite));
    assert_eq!(key.traces(), [""; 0]);
    assert!(memory.lock());
    assert_ne!(key.traces(), [""; 0]);
    let in_kernel = key.kernel_objects();
    // Another one finds the lock taken.
    let mut other = QSharedMemory::with_native_key(&face_key(&key));
    assert!(!other.attach(Access::ReadOnly));
    assert!(!other.lock_for(Duration::ZERO));
    drop(other);
    assert_ne!(key.traces(), [""; 0]);
    // A key of its own has nothing to lock yet.
    memory.set_native_key(&QNativeIpcKey::default());
    assert!(!memory.lock());
    assert_eq!(key.traces(), [""; 0]);
    assert_eq!(crate::support::still_in_kernel(&in_kernel), []);
}

fn a_failing_create_or_attach_keeps_the_lock(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut memory = created(&key, 8);
    let other = attached(&key);
    assert!(memory.lock());
    assert!(!memory.create(8, Access::ReadWrite) && !memory.create(0, Access::ReadWrite));
    assert!(!memory.attach(Access::ReadWrite));
    let mut third = QSharedMemory::with_native_key(&face_key(&key));
    assert!(!third.create(8, Access::ReadWrite));
    assert_eq!(third.error(), SharedMemoryError::AlreadyExists);
    assert!(!other.lock_for(Duration::ZERO));
    assert!(memory.unlock());
    assert!(other.lock_for(Duration::ZERO) && !memory.lock_for(Duration::ZERO));
}

fn an_object_does_not_wait_for_its_own_lock(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut memory = QSharedMemory::with_native_key(&face_key(&key));
    assert!(!memory.attach(Access::ReadWrite) && memory.lock());
    assert!(
        memory.create(8, Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    memory.unlock();
    assert!(memory.detach() && memory.lock());
    assert!(!memory.attach(Access::ReadWrite));
    assert_eq!(memory.error(), SharedMemoryError::NotFound);
}

fn what_lost_its_name_can_be_made_anew(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut memory = created(&key, 8);
    memory.data().unwrap().copy_from(0, b"old data").unwrap();
    SharedMemory::remove(&key, shmkit::InUse::RemoveAnyway).unwrap();
    assert!(memory.is_attached());
    assert!(
        memory.create(16, Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    assert_eq!(memory.size(), 16);
    let other = attached(&key);
    assert_eq!(
        other.const_data().unwrap().read::<[u8; 8]>(0).unwrap(),
        [0; 8]
    );
    assert!(memory.lock() && !other.lock_for(Duration::ZERO));
    drop((memory, other));
    assert_eq!(key.traces(), [""; 0]);
}

fn read_only_is_read_only(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut memory = QSharedMemory::with_native_key(&face_key(&key));
    assert!(
        memory.create(100, Access::ReadOnly),
        "{}",
        memory.error_string()
    );
    assert!(memory.data().is_none());
    assert_eq!(memory.const_data().unwrap().len(), 100);
    let writer = attached(&key);
    writer.data().unwrap().copy_from(99, b"x").unwrap();
    assert_eq!(memory.const_data().unwrap().read::<u8>(99).unwrap(), b'x');
    assert!(memory.lock() && memory.unlock());
    drop((writer, memory));
    assert_eq!(key.traces(), [""; 0]);
}

fn an_orphan_is_no_obstacle(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut other = face();
    other.ok(format_args!("new {}", *key));
    other.ok("create 64");
    other.ok("lock");
    other.child().kill();
    let memory = created(&key, 8);
    assert_eq!(memory.size(), 8);
    assert!(memory.lock_for(LONG));
    // New data are right.
    assert!(!memory.owner_died());
}

fn detach_does_not_wait_for_the_lock(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let memory = created(&key, 8);
    let mut other = attached(&key);
    assert!(memory.lock());
    assert!(other.detach());
    assert!(other.attach(Access::ReadOnly));
    drop(other);
    assert!(memory.unlock());
}

fn a_forked_child_does_not_have_the_lock(key: TestKey) {
    let _watch = testkit::deadline(DEADLINE);
    let mut parent = testkit::spawn("qt_face::role_forks", key.to_string());
    parent.expect("child: false false");
    parent.expect("parent: true");
    parent.finish();
}

/// Forks while it has the lock; the child finds it taken, and has nothing to give back.
#[test]
#[ignore = "child role"]
#[expect(unsafe_code, reason = "fork")]
fn role_forks() {
    let Some(me) = testkit::role() else { return };
    let mut memory = QSharedMemory::with_native_key(&key(me.arg()));
    assert!(memory.create(8, Access::ReadWrite) && memory.lock());
    // SAFETY: the child of this process, whose other threads only wait, leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            me.say(format_args!(
                "child: {} {}",
                memory.unlock(),
                memory.lock_for(SHORT)
            ));
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(0) };
        }
        child => {
            // SAFETY: waits for the child; the status may be null.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            me.say(format_args!("parent: {}", memory.unlock()));
        }
    }
}

#[test]
fn a_users_own_key_file_stays() {
    let _watch = testkit::deadline(DEADLINE);
    let folder = Scratch::new();
    let path = folder.join("diary.txt");
    fs::write(&path, "dear diary").unwrap();
    let key = QNativeIpcKey::with_type(path.to_str().unwrap(), TypeNumber::SYSTEM_V);
    let mut memory = QSharedMemory::with_native_key(&key);
    assert!(
        memory.create(8, Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    assert!(memory.detach());
    assert!(
        memory.create(8, Access::ReadWrite),
        "{}",
        memory.error_string()
    );
    drop(memory);
    let semaphore = QSystemSemaphore::with_native_key(&key, 1, AccessMode::Create);
    assert!(semaphore.acquire());
    drop(semaphore);
    assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
}

#[test]
fn names_alone_are_the_legacy_keys() {
    let _watch = testkit::deadline(DEADLINE);
    let name = unique_name();
    let semaphore = QSystemSemaphore::legacy_native_key(&name, TypeNumber::SYSTEM_V);
    let segment = QSharedMemory::legacy_native_key(&name, TypeNumber::SYSTEM_V);
    let _cleanup = Cleanup::default()
        .and_system_v(segment.native_key(), b'Q')
        .and_system_v(semaphore.native_key(), b'Q');
    let mut memory = QSharedMemory::with_key(&name);
    assert_eq!(memory.key(), name);
    assert!(memory.create(8, Access::ReadWrite));
    let other = SharedMemory::attach(&NativeIpcKey::legacy(&name)).unwrap();
    assert!(memory.lock());
    assert!(other.try_lock().is_err());
}

mod semaphores {
    use super::*;

    fn open(key: &TestKey, initial: i32, mode: AccessMode) -> QSystemSemaphore {
        let semaphore = QSystemSemaphore::with_native_key(&face_key(key), initial, mode);
        assert_eq!(semaphore.error_string(), "");
        semaphore
    }

    /// Takes what there is.
    fn drain(semaphore: &QSystemSemaphore) -> u32 {
        std::iter::repeat_with(|| semaphore.acquire_for(Duration::ZERO))
            .take_while(|&got| got)
            .count() as u32
    }

    fn keys() -> [TestKey; 2] {
        [TestKey::posix(), TestKey::system_v()]
    }

    #[test]
    fn the_last_user_removes_what_shmkit_made() {
        let _watch = testkit::deadline(DEADLINE);
        for key in keys() {
            let first = open(&key, 3, AccessMode::Open);
            let second = open(&key, 9, AccessMode::Open);
            let in_kernel = key.kernel_objects();
            assert!(first.acquire());
            // The maker leaves; nothing changes for the other.
            drop(first);
            assert_ne!(key.traces(), [""; 0]);
            assert_eq!(drain(&second), 2);
            drop(second);
            assert_eq!(key.traces(), [""; 0]);
            assert_eq!(crate::support::still_in_kernel(&in_kernel), []);
        }
    }

    #[test]
    fn create_sets_the_value_for_everybody() {
        let _watch = testkit::deadline(DEADLINE);
        for key in keys() {
            let user = open(&key, 1, AccessMode::Open);
            assert_eq!(drain(&user), 1);
            assert!(!user.acquire_for(SHORT));
            assert!(
                user.error_string().contains("timed out after 30ms"),
                "{}",
                user.error_string()
            );
            let waiter = thread::spawn({
                let key = face_key(&key);
                move || QSystemSemaphore::with_native_key(&key, 0, AccessMode::Open).acquire()
            });
            let mut creator = open(&key, 5, AccessMode::Create);
            assert!(waiter.join().unwrap());
            assert!(matches!(drain(&user), 4 | 5));
            creator.set_native_key(&face_key(&key), 2, AccessMode::Create);
            assert_eq!(drain(&user), 2);
        }
    }

    #[test]
    fn a_release_wakes_as_many_as_it_gives() {
        let _watch = testkit::deadline(DEADLINE);
        for key in keys() {
            let semaphore = open(&key, 0, AccessMode::Open);
            thread::scope(|scope| {
                let waiters = [(); 4].map(|()| scope.spawn(|| semaphore.acquire()));
                assert!(semaphore.release(3) && semaphore.release(1));
                assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
            });
            assert_eq!(drain(&semaphore), 0);
        }
    }

    #[test]
    fn a_dead_users_shares_come_back_on_system_v_only() {
        let _watch = testkit::deadline(DEADLINE);
        for key in keys() {
            let semaphore = open(&key, 3, AccessMode::Open);
            let mut other = face();
            other.ok(format_args!("sem-new {}", *key));
            other.ok("sem-acquire");
            other.ok("sem-acquire");
            other.child().kill();
            let left = match key.key_type() {
                KeyType::PosixRealtime => 1,
                _ => 3,
            };
            assert_eq!(drain(&semaphore), left);
        }
    }
}
