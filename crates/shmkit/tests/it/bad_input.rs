//! Bad input is an error that says what is wrong, and leaves nothing behind.
#![expect(
    unsafe_code,
    reason = "changing the user, and a write that must end the process"
)]

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::{Error, ErrorKind, Lifetime, Owners, Result, SharedMemory};
use shmkit_testkit::{Child, deadline, launch, role, role_command, spawn, under, unique_name};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

/// A user that is nobody here.
const STRANGER: u32 = 65534;

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// The text of an error, which must name the key and say all of `words`.
fn assert_says(error: &Error, key: &NativeIpcKey, words: &[&str]) {
    let text = error.to_string();
    for word in words.iter().copied().chain([&*key.to_string()]) {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}

for_every_key!(
    impossible_sizes_are_refused,
    a_write_through_a_read_only_mapping_ends_the_process,
    another_user_is_refused,
    no_descriptors_left_is_an_error,
    no_address_space_left_is_an_error,
    a_file_size_limit_is_an_error_and_no_signal,
    signals_do_not_make_a_wait_longer,
);

fn impossible_sizes_are_refused(key: TestKey) {
    assert_eq!(kind(SharedMemory::create(&key, 0)), ErrorKind::InvalidSize);
    assert_eq!(
        kind(SharedMemory::create_or_attach(&key, 0)),
        ErrorKind::InvalidSize
    );
    assert_eq!(
        kind(SharedMemory::create(&key, usize::MAX)),
        ErrorKind::InvalidSize
    );
    // A process with 32-bit addresses may well have room for the largest size that it can name.
    let sizes = [isize::MAX as usize, isize::MAX as usize >> 13];
    for size in sizes
        .into_iter()
        .filter(|_| cfg!(target_pointer_width = "64"))
    {
        let error = SharedMemory::create(&key, size).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::OutOfSpace | ErrorKind::InvalidSize),
            "{error}"
        );
        let lazily = SharedMemory::options()
            .size(size)
            .reserve(false)
            .create(&key);
        assert!(
            matches!(kind(lazily), ErrorKind::OutOfSpace | ErrorKind::InvalidSize),
            "{error}"
        );
    }
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

fn refused(text: &str, expected: ErrorKind, words: &[&str]) {
    let key = match text.parse::<NativeIpcKey>() {
        Ok(key) => key,
        Err(error) => panic!("{text}: {error}"),
    };
    let error = SharedMemory::create(&key, 64).unwrap_err();
    assert_eq!(error.kind(), expected, "{error}");
    assert_says(&error, &key, words);
    let error = SharedMemory::attach(&key).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::InvalidKey | ErrorKind::NotFound),
        "{error}"
    );
}

#[test]
fn names_that_cannot_be_are_refused() {
    use ErrorKind::InvalidKey;
    refused("posix:", InvalidKey, &["the name is empty"]);
    refused("posix:/", InvalidKey, &["the name is empty"]);
    refused("posix:/a/b", InvalidKey, &["slash inside"]);
    refused("posix:/..", InvalidKey, &["`..` is a directory"]);
    refused("posix:/a%00b", InvalidKey, &["NUL"]);
    refused(
        &format!("posix:/{}", "x".repeat(4096)),
        InvalidKey,
        &["4096 bytes"],
    );
    // Room for the segment, but not for its lock.
    refused(
        &format!("posix:/{}", "x".repeat(252)),
        InvalidKey,
        &["252 bytes, and 251"],
    );
    refused("systemv:", InvalidKey, &["the path is empty"]);
    refused("systemv:/tmp/a%00b", InvalidKey, &["NUL"]);
    refused(
        "systemv:/no/such/folder/key",
        InvalidKey,
        &["directory does not exist"],
    );
    refused(
        &format!("systemv:/tmp/{}", "x".repeat(4096)),
        InvalidKey,
        &["255 bytes"],
    );
}

#[test]
fn the_longest_name_works_with_its_lock() {
    let mut name = unique_name();
    name.push_str(&"x".repeat(251 - name.len()));
    let _cleanup = shmkit_testkit::Cleanup::new(&name);
    let key = NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime);
    let segment = SharedMemory::create(&key, 64).unwrap();
    drop(segment.lock().unwrap());
}

#[test]
fn a_type_that_this_system_lacks_is_unsupported() {
    let key = NativeIpcKey::new("shm_x", KeyType::Windows);
    let error = SharedMemory::create(&key, 64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_says(&error, &key, &["windows"]);
    assert_eq!(kind(SharedMemory::attach(&key)), ErrorKind::Unsupported);
}

/// What create, attach, create-or-attach and lock say of a name that something else has.
fn squatted(key: &TestKey, expected: ErrorKind, word: &str) {
    let tries = [
        SharedMemory::create(key, 64),
        SharedMemory::attach(key),
        SharedMemory::create_or_attach(key, 64),
    ];
    for result in tries {
        let error = result.unwrap_err();
        let as_expected = error.kind() == expected
            // An empty file may be somebody's segment in the making, so it exists.
            || word == "empty" && error.kind() == ErrorKind::AlreadyExists;
        assert!(as_expected, "{error}");
        assert_says(&error, key, &[word]);
    }
}

#[test]
fn names_that_something_else_has_are_refused() {
    let path = |key: &TestKey| format!("/dev/shm{}", key.native_key());

    let key = TestKey::posix();
    symlink("/etc/passwd", path(&key)).unwrap();
    squatted(&key, ErrorKind::NotASegment, "symbolic link");

    let key = TestKey::posix();
    symlink("/no/such/file", path(&key)).unwrap();
    squatted(&key, ErrorKind::NotASegment, "symbolic link");

    let key = TestKey::posix();
    fs::create_dir(path(&key)).unwrap();
    squatted(&key, ErrorKind::NotASegment, "a directory");
    fs::remove_dir(path(&key)).unwrap();

    let key = TestKey::posix();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path(&key),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    squatted(&key, ErrorKind::NotASegment, "FIFO");

    let key = TestKey::posix();
    fs::File::create(path(&key)).unwrap();
    squatted(&key, ErrorKind::NotASegment, "empty");
}

#[test]
fn a_lock_whose_name_something_else_has_is_refused() {
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 64).unwrap();
    let lock = format!("/dev/shm/sem.{}", &key.native_key()[1..]);
    symlink("/etc/passwd", &lock).unwrap();
    let error = segment.lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment, "{error}");
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, b"too short").unwrap();
    let error = segment.lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment, "{error}");
    assert_says(&error, &key, &["too short"]);
}

#[test]
fn a_lock_that_could_not_be_followed_is_not_kept() {
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 64).unwrap();
    drop(segment.lock().unwrap());
    let lock = format!("/dev/shm/sem.{}", &key.native_key()[1..]);
    fs::remove_file(&lock).unwrap();
    symlink("/etc/passwd", &lock).unwrap();
    // Noticed with the next clock tick.
    while segment.try_lock().is_ok() {
        std::thread::yield_now();
    }
    fs::remove_file(&lock).unwrap();
    drop(segment.try_lock().unwrap());
}

#[test]
fn a_strangers_segment_is_refused_unless_it_is_trusted() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can give a file to somebody else");
        return;
    }
    let key = TestKey::posix();
    let path = format!("/dev/shm{}", key.native_key());
    fs::write(&path, b"bait").unwrap();
    chown(&path, Some(STRANGER), None).unwrap();
    squatted(&key, ErrorKind::ForeignOwner, "65534");
    for owners in [Owners::Anyone, Owners::User(STRANGER)] {
        let segment = SharedMemory::options().owners(owners).attach(&key).unwrap();
        assert_eq!((segment.size(), segment.lifetime()), (4, Lifetime::Kept));
    }
    // It is the stranger's, and stays.
    assert_eq!(fs::read(&path).unwrap(), b"bait");
}

#[test]
fn foreign_segments_are_left_alone() {
    let key = TestKey::posix();
    let path = format!("/dev/shm{}", key.native_key());
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    fs::write(&path, b"Python's").unwrap();
    let error = SharedMemory::create(&key, 64).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_says(&error, &key, &["not made by shmkit"]);
    drop(SharedMemory::create_or_attach(&key, 64).unwrap());
    drop(SharedMemory::attach(&key).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"Python's");
}

#[test]
fn a_users_own_file_survives_being_a_key() {
    for (text, mode) in [("", 0o644), ("", 0o600), ("precious", 0o644)] {
        let key = TestKey::system_v();
        fs::write(key.native_key(), text).unwrap();
        fs::set_permissions(key.native_key(), fs::Permissions::from_mode(mode)).unwrap();
        let segment = SharedMemory::create(&key, 64).unwrap();
        drop(segment.lock().unwrap());
        drop(segment);
        assert_eq!(fs::read_to_string(key.native_key()).unwrap(), text);
    }
}

#[test]
#[ignore = "child role"]
fn role_write_read_only() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach_read_only(&me.arg().parse().unwrap()).unwrap();
    me.say("attached");
    let at = segment.view().as_ptr().cast_mut();
    // SAFETY: it is not safe: the page is read-only, and this ends the process, as documented.
    unsafe { at.write_volatile(1) };
    me.say("alive");
}

fn a_write_through_a_read_only_mapping_ends_the_process(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut writer = spawn("bad_input::role_write_read_only", key.to_string());
    writer.expect("attached");
    assert_eq!(writer.wait().signal(), Some(libc::SIGSEGV));
    assert_eq!(segment.view().to_vec(), [0; 64]);
}

/// Tells the parent what the usual operations say here.
fn say_kinds(me: &shmkit_testkit::Role, key: &NativeIpcKey, size: usize) {
    let say = |result: Result<SharedMemory>| match result {
        Ok(_) => me.say("Ok"),
        Err(error) => me.say(format_args!("{:?} {error}", error.kind())),
    };
    say(SharedMemory::attach(key));
    say(SharedMemory::create(key, size));
    me.park();
}

/// The kinds of the two errors that [`say_kinds`] told, in front of their texts.
fn expect_kinds(mut child: Child, kinds: [ErrorKind; 2]) -> [String; 2] {
    let texts = kinds.map(|kind| {
        let text = child.line();
        assert!(
            text.starts_with(&format!("{kind:?} ")),
            "not {kind:?}: {text}"
        );
        text
    });
    child.finish();
    texts
}

#[test]
#[ignore = "child role"]
fn role_stranger() {
    let Some(me) = role() else { return };
    // SAFETY: takes integers; every thread of this process changes its user.
    assert_eq!(unsafe { libc::setresuid(STRANGER, STRANGER, STRANGER) }, 0);
    say_kinds(&me, &me.arg().parse().unwrap(), 64);
}

fn another_user_is_refused(key: TestKey) {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can become somebody else");
        return;
    }
    let segment = SharedMemory::create(&key, 64).unwrap();
    drop(segment.lock().unwrap());
    let child = spawn("bad_input::role_stranger", key.to_string());
    let kinds = [ErrorKind::PermissionDenied; 2];
    let [attach, _] = expect_kinds(child, kinds);
    assert!(attach.contains(&key.to_string()), "{attach}");
    assert_eq!(SharedMemory::attach(&key).unwrap().size(), 64);
}

#[test]
#[ignore = "child role"]
fn role_without_descriptors() {
    let Some(me) = role() else { return };
    let key = me.arg().parse().unwrap();
    let highest = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let mut kept = Vec::new();
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(highest),
            maximum: Some(highest),
        },
    )
    .unwrap();
    while let Ok(file) = fs::File::open("/dev/null") {
        kept.push(file);
    }
    say_kinds(&me, &key, 64);
}

fn no_descriptors_left_is_an_error(key: TestKey) {
    let segment = SharedMemory::create(&key, 64).unwrap();
    let mut child = spawn("bad_input::role_without_descriptors", key.to_string());
    let attach = child.line();
    match key.key_type() {
        KeyType::PosixRealtime => {
            assert!(attach.starts_with("OutOfResources"), "{attach}");
            assert!(attach.contains("ulimit -n"), "{attach}");
        }
        // It needs none.
        _ => assert_eq!(attach, "Ok"),
    }
    let create = child.line();
    let expected = match key.key_type() {
        KeyType::PosixRealtime => "OutOfResources",
        _ => "AlreadyExists",
    };
    assert!(create.starts_with(expected), "{create}");
    child.finish();
    drop(segment);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

#[test]
#[ignore = "child role"]
fn role_without_address_space() {
    let Some(me) = role() else { return };
    let limit = Some(256 << 20);
    setrlimit(
        Resource::As,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .unwrap();
    say_kinds(&me, &me.arg().parse().unwrap(), 512 << 20);
}

fn no_address_space_left_is_an_error(key: TestKey) {
    let child = spawn("bad_input::role_without_address_space", key.to_string());
    expect_kinds(child, [ErrorKind::NotFound, ErrorKind::OutOfSpace]);
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

#[test]
#[ignore = "child role"]
fn role_with_a_file_size_limit() {
    let Some(me) = role() else { return };
    let limit = Some(4096);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )
    .unwrap();
    say_kinds(&me, &me.arg().parse().unwrap(), 8192);
}

fn a_file_size_limit_is_an_error_and_no_signal(key: TestKey) {
    let mut child = spawn("bad_input::role_with_a_file_size_limit", key.to_string());
    assert!(child.line().starts_with("NotFound"));
    let create = child.line();
    match key.key_type() {
        KeyType::PosixRealtime => {
            assert!(create.starts_with("InvalidSize"), "{create}");
            assert!(create.contains("ulimit -f"), "{create}");
        }
        // System V segments are no files.
        _ => assert_eq!(create, "Ok"),
    }
    child.finish();
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

/// Runs a role where `script` has prepared namespaces of its own.
fn launch_in_namespace(namespaces: &str, script: &str, role: &str, key: &TestKey) -> Child {
    let run = format!("{script} && exec \"$0\" \"$@\"");
    let around = [
        "unshare",
        namespaces,
        "--propagation",
        "private",
        "sh",
        "-c",
        &run,
    ];
    launch(under(
        around,
        role_command(&format!("bad_input::{role}"), key.to_string()),
    ))
}

#[test]
#[ignore = "child role"]
fn role_in_a_full_file_system() {
    let Some(me) = role() else { return };
    let key: NativeIpcKey = me.arg().parse().unwrap();
    let other = NativeIpcKey::new(format!("{}-other", key.native_key()), key.key_type());
    let most = SharedMemory::create(&other, 48 << 10).unwrap();
    let entries = || fs::read_dir("/dev/shm").unwrap().count();
    let before = entries();
    let error = SharedMemory::create(&key, 32 << 10).unwrap_err();
    me.say(format_args!("{:?} {error}", error.kind()));
    me.say(entries() - before);
    // Asked for lazily it is not an error, as long as nobody touches what is not there.
    let lazy = SharedMemory::options()
        .size(1 << 20)
        .reserve(false)
        .create(&key)
        .unwrap();
    lazy.write_at(0, b"the first page").unwrap();
    me.say("Ok");
    drop((most, lazy));
    me.park();
}

#[test]
fn a_full_memory_file_system_is_an_error_at_create() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can mount a small file system");
        return;
    }
    let key = TestKey::posix();
    let mount = "mount -t tmpfs -o size=64k tmpfs /dev/shm";
    let mut child = launch_in_namespace("--mount", mount, "role_in_a_full_file_system", &key);
    let text = child.line();
    assert!(text.starts_with("OutOfSpace "), "{text}");
    for word in [
        "/dev/shm",
        "needs 32 KiB",
        "16 KiB of 64 KiB are free",
        "--shm-size",
        "remount",
    ] {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    child.expect("0");
    child.expect("Ok");
    child.finish();
}

#[test]
#[ignore = "child role"]
fn role_create_two() {
    let Some(me) = role() else { return };
    let key: NativeIpcKey = me.arg().parse().unwrap();
    let other = NativeIpcKey::new(format!("{}-other", key.native_key()), key.key_type());
    let _first = SharedMemory::create(&other, 64).unwrap();
    say_kinds(&me, &key, 8192);
}

/// What the second create says where a System V limit leaves room for one.
fn with_limit(setting: &str, expected: ErrorKind, word: &str) {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can have an IPC namespace of its own");
        return;
    }
    let key = TestKey::system_v();
    let child = launch_in_namespace("--ipc", setting, "role_create_two", &key);
    let [_, create] = expect_kinds(child, [ErrorKind::NotFound, expected]);
    assert!(create.contains(word), "`{word}` is missing in: {create}");
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

#[test]
fn system_v_limits_are_errors_that_name_them() {
    let proc = "/proc/sys/kernel";
    with_limit(
        &format!("echo 1 > {proc}/shmmni"),
        ErrorKind::OutOfResources,
        "kernel.shmmni",
    );
    with_limit(
        &format!("echo 4096 > {proc}/shmmax"),
        ErrorKind::InvalidSize,
        "kernel.shmmax",
    );
    let sem = format!("echo 250 32000 32 1 > {proc}/sem");
    with_limit(&sem, ErrorKind::OutOfResources, "kernel.sem");
}

extern "C" fn do_nothing(_: libc::c_int) {}

fn signals_do_not_make_a_wait_longer(key: TestKey) {
    let _deadline = deadline(LONG);
    // SAFETY: a C struct, for which zeros are a valid value: no flags, so no SA_RESTART.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = do_nothing as *const () as usize;
    // SAFETY: the handler may run at any time, since it does nothing.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    let segment = SharedMemory::create(&key, 64).unwrap();
    let other = SharedMemory::attach(&key).unwrap();
    let _held = segment.lock().unwrap();
    // SAFETY: takes nothing.
    let me = unsafe { libc::pthread_self() } as usize; // a pointer in musl
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // SAFETY: the thread lives until the scope has ended.
                unsafe { libc::pthread_kill(me as libc::pthread_t, libc::SIGUSR1) };
                std::thread::sleep(SHORT);
            }
        });
        let waited = kind(other.lock_timeout(SHORT * 8));
        done.store(true, Ordering::Relaxed);
        assert_eq!(waited, ErrorKind::TimedOut);
    });
}
