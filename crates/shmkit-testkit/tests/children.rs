//! Children do what they are told, and die when they should.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shmkit_testkit::{self as testkit, QtPeer};

/// Says its argument back, and then every line it is told.
#[test]
#[ignore = "child role"]
fn role_echo() {
    let Some(me) = testkit::role() else { return };
    me.say(me.arg());
    for line in me.orders() {
        me.say(line);
    }
}

/// Needs one more line than it gets.
#[test]
#[ignore = "child role"]
fn role_asks() {
    let Some(me) = testkit::role() else { return };
    me.say(me.ask());
}

#[test]
#[ignore = "child role"]
fn role_parks() {
    let Some(me) = testkit::role() else { return };
    me.say("parked");
    me.park();
}

#[test]
#[ignore = "child role"]
fn role_panics() {
    let Some(_me) = testkit::role() else { return };
    panic!("the role's own reason");
}

/// Starts a child of its own, and tells its process id.
#[test]
#[ignore = "child role"]
fn role_parent() {
    let Some(me) = testkit::role() else { return };
    let mut child = testkit::spawn("role_parks", "");
    child.expect("parked");
    me.say(child.pid());
    me.park();
}

/// Leaves a process behind that nobody tells to end.
#[test]
#[ignore = "child role"]
fn role_litters() {
    let Some(me) = testkit::role() else { return };
    let mut left = Command::new("sleep");
    let mut left = left.arg("1000").stdout(Stdio::null()).spawn().unwrap();
    me.say(left.id());
    me.park();
    left.wait().unwrap();
}

#[test]
#[ignore = "child role"]
fn role_hangs() {
    let Some(me) = testkit::role() else { return };
    let _watch = testkit::deadline(Duration::from_millis(50));
    me.park();
}

#[test]
#[ignore = "child role"]
fn role_tells_who_it_is() {
    let Some(me) = testkit::role() else { return };
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
    };
    me.say(format_args!(
        "{} {}",
        std::process::id(),
        field("Uid:").trim()
    ));
}

/// The message of the panic that `action` ends with.
fn panic_of<T>(action: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action))
        .err()
        .expect("a panic");
    *panic.downcast::<String>().expect("a message")
}

#[cfg(target_os = "linux")]
fn runs(pid: &str) -> bool {
    // A dead process that nobody waits for is still listed, as a zombie.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn eventually(fact: impl Fn() -> bool) {
    let start = Instant::now();
    while !fact() {
        assert!(start.elapsed() < testkit::PATIENCE, "still not so");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_child_hears_its_argument_and_its_orders() {
    let mut child = testkit::spawn("role_echo", "an argument");
    child.expect("an argument");
    child.tell("first");
    child.tell("second word");
    assert_eq!(child.line(), "first");
    child.expect("second word");
    assert_eq!(child.line_within(Duration::from_millis(20)), None);
    child.finish();
}

#[test]
fn a_wrong_word_fails_the_test() {
    let mut child = testkit::spawn("role_echo", "yes");
    let message = panic_of(|| child.expect("no"));
    assert!(
        message.contains(r#"expected "no", heard "yes""#),
        "{message}"
    );
}

#[test]
fn a_childs_panic_is_shown() {
    let mut child = testkit::spawn("role_panics", "");
    let message = panic_of(|| child.expect("ready"));
    assert!(message.contains("the role's own reason"), "{message}");
    let message = panic_of(|| testkit::spawn("role_panics", "").finish());
    assert!(message.contains("the role's own reason"), "{message}");
}

#[test]
fn a_role_that_does_not_exist_is_named_as_the_cause() {
    let mut child = testkit::spawn("role_nobody", "");
    let message = panic_of(|| child.expect("ready"));
    assert!(message.contains("no test has that name"), "{message}");
}

#[test]
fn an_order_that_never_comes_fails_the_child() {
    let mut child = testkit::spawn("role_asks", "");
    assert!(!child.wait().success());
    assert!(
        child.stderr().contains("one more line"),
        "{}",
        child.stderr()
    );
}

#[test]
fn a_parked_child_ends_when_the_pipe_closes() {
    let mut child = testkit::spawn("role_parks", "");
    child.expect("parked");
    child.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn a_killed_child_is_gone_at_once() {
    let mut child = testkit::spawn("role_parks", "");
    child.expect("parked");
    let pid = child.pid().to_string();
    assert!(runs(&pid));
    child.kill();
    assert!(!runs(&pid));
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_dies_with_its_handle() {
    let mut child = testkit::spawn("role_parks", "");
    child.expect("parked");
    let pid = child.pid().to_string();
    drop(child);
    assert!(!runs(&pid));
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_child_starts_outlives_it_but_not_the_handle() {
    let mut child = testkit::spawn("role_litters", "");
    let left = child.line();
    child.kill();
    assert!(runs(&left));
    drop(child);
    eventually(|| !runs(&left));
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_dies_with_its_parent_even_while_stopped() {
    let mut parent = testkit::spawn("role_parent", "");
    let grandchild = parent.line();
    let pid = rustix::process::Pid::from_raw(grandchild.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    parent.kill();
    eventually(|| !runs(&grandchild));
}

#[test]
fn a_child_outlives_the_thread_that_started_it() {
    let start = || {
        let mut child = testkit::spawn("role_echo", "ready");
        child.expect("ready");
        child
    };
    let mut child = std::thread::spawn(start).join().unwrap();
    child.tell("still here");
    child.expect("still here");
}

#[test]
#[cfg(target_os = "linux")]
fn a_stopped_child_says_nothing_until_it_goes_on() {
    let mut child = testkit::spawn("role_echo", "ready");
    child.expect("ready");
    child.stop();
    child.tell("word");
    assert_eq!(child.line_within(Duration::from_millis(100)), None);
    child.cont();
    child.expect("word");
}

#[test]
#[cfg(target_os = "linux")]
fn a_hang_aborts_with_the_name_of_the_test() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut child = testkit::spawn("role_hangs", "");
    let panic = panic_of(|| child.expect("never said"));
    assert!(panic.contains("hangs: 50ms are over"), "{panic}");
    assert!(panic.contains("children.rs"), "{panic}");
    let sigabrt = 6;
    assert_eq!(child.wait().signal(), Some(sigabrt));
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_can_be_another_user_or_run_under_a_program() {
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::geteuid().is_root() {
        return skip("only root can change the user");
    }
    let nobody = 65534;
    let mut child = testkit::spawn_with("role_tells_who_it_is", "", |command| {
        command.uid(nobody).gid(nobody);
    });
    assert_eq!(
        child.line(),
        format!("{} {nobody}\t{nobody}\t{nobody}\t{nobody}", child.pid())
    );

    let program = ["unshare", "--pid", "--fork", "--kill-child"];
    let command = testkit::role_command("role_tells_who_it_is", "");
    let mut first = testkit::launch(testkit::under(program, command));
    assert!(first.line().starts_with("1 0"));
}

#[test]
fn python_speaks_the_same_protocol() {
    let code = "import sys\nprint('noise')\nprint('>>' + sys.argv[1])\nprint('>>' + input())";
    let mut child = testkit::spawn_python(code, &["argument"]);
    child.expect("argument");
    child.tell("line");
    child.expect("line");
    child.finish();
}

#[test]
#[cfg(target_os = "linux")]
fn qt_shares_a_posix_segment() {
    let name = testkit::unique_name();
    let _cleanup = testkit::Cleanup::new(&name);
    qt_peers_share(&format!("posix:/{name}"));
}

#[test]
#[cfg(target_os = "linux")]
fn qt_shares_a_system_v_segment() {
    let folder = testkit::Scratch::new();
    let path = folder.join("key");
    let _cleanup = testkit::Cleanup::default().and_system_v(&path, b'Q');
    qt_peers_share(&format!("systemv:{}", path.display()));
}

/// Two Qt processes share the segment called `key`, and its lock.
fn qt_peers_share(key: &str) {
    let [mut one, mut two] = [QtPeer::start(), QtPeer::start()];
    one.ok(format_args!("new {key}"));
    two.ok(format_args!("new {key}"));
    let not_found = 5;
    assert_eq!(two.no("attach").number, not_found);
    // An object that looked too early made a POSIX semaphore: the creator would replace it, and it
    // would remove the creator's when it goes. So it goes first.
    two.ok("delete");
    one.ok("create 4096");
    two.ok(format_args!("new {key}"));
    let size: usize = two.ok("attach").parse().unwrap();
    assert!(size >= 4096);
    one.ok("write 8 cafe00");
    assert_eq!(two.ok("read 7 4"), "00cafe00");

    one.ok("lock");
    two.send("lock");
    assert_eq!(two.child().line_within(Duration::from_millis(100)), None);
    one.ok("unlock");
    assert_eq!(two.answer(), Ok(String::new()));
    two.ok("unlock");

    let rounds = 100_000;
    one.send(format_args!("incr {rounds}"));
    two.send(format_args!("incr {rounds}"));
    one.answer().unwrap();
    two.answer().unwrap();
    assert_eq!(one.ok("read 0 8"), hex(2 * rounds));

    let state = two.ok("state");
    assert!(
        state.contains(r#""attached": true"#) && state.contains(key),
        "{state}"
    );
    one.ok("detach");
    assert_eq!(one.no("bogus").number, -1);
    one.ok("quit");
    assert!(one.child().wait().success());
    two.ok("delete");
}

/// The bytes of a little-endian number, in hex.
fn hex(number: u64) -> String {
    number
        .to_le_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn qt_tells_its_keys() {
    let mut qt = QtPeer::start();
    let keys = qt.ok("keys test");
    let sha1 = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
    assert!(
        keys.contains(&format!(
            "posix:/qipc_sharedmemory_test{sha1}?legacyKey=test"
        )),
        "{keys}"
    );
    let parsed = qt.ok(r#"parse "posix:/a\nb""#);
    assert!(parsed.contains(r#""nativeKey": "/a\nb""#), "{parsed}");
    let key_error = 3;
    qt.ok("new");
    assert_eq!(qt.no("create 10").number, key_error);
}

fn skip(reason: &str) {
    #[expect(clippy::print_stderr, reason = "a skip says why")]
    {
        eprintln!("skipped: {reason}");
    }
}
