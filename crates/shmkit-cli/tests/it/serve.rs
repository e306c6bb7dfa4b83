//! `serve --metrics`.
#![expect(unsafe_code, reason = "opening our own typed segments")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use shmkit::SharedMemory;
use shmkit::key::NativeIpcKey;
use shmkit::sync::{Mutex, RwLockWriteGuard};
use shmkit::typed::Shared;
use shmkit_testkit::{PATIENCE, Scratch, deadline, unique_name};

use crate::support::{Holding, Key, run, shmkit};
use crate::typed::{Station, station};

fn ask(mut connection: impl Read + Write, request: &str) -> String {
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server on any port, and where it is.
fn on_port() -> (Holding, String) {
    let (server, line) = Holding::start(shmkit(&["serve", "--metrics", "127.0.0.1:0"]));
    let address = line
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/metrics"));
    (
        server,
        address.unwrap_or_else(|| panic!("{line}")).to_owned(),
    )
}

/// The value of a metric whose labels contain this.
fn value(page: &str, metric: &str, label: &str) -> Option<f64> {
    let line = page
        .lines()
        .find(|line| line.starts_with(metric) && line.contains(label))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn segments_are_served_as_metrics() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::named(format!("{}\"\\", unique_name()));
    let (_holder, _) = Holding::start(shmkit(&["create", &key.text, "64K", "--hold"]));
    let (server, address) = on_port();
    let answer = ask(TcpStream::connect(&address).unwrap(), GET);
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("Content-Type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        head.contains(&format!("Content-Length: {}", page.len())),
        "{head}"
    );
    // Quotes and backslashes are escaped.
    let label = label("key", &key.text);
    assert_eq!(
        value(page, "shmkit_segment_size_bytes{", &label),
        Some(65536.0),
        "{page}"
    );
    assert_eq!(value(page, "shmkit_segment_attached{", &label), Some(1.0));
    assert!(value(page, "shmkit_segment_created_seconds{", &label).unwrap() > 1.6e9);
    assert!(value(page, "shmkit_segments{", "type=\"posix\",state=\"live\"").unwrap() >= 1.0);
    assert!(value(page, "shmkit_shm_size_bytes", "").unwrap() > 0.0);
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(page.contains(&format!("# TYPE {name} gauge\n")), "{line}");
    }
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
}

/// A label as the page has it.
fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{value}\"")
}

/// Asks until the page is as wanted; it may be a second old.
fn page_with(address: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let page = ask(TcpStream::connect(address).unwrap(), GET);
        if is_wanted(&page) {
            return page;
        }
        // Whoever asks without a pause is told that the server is busy.
        thread::sleep(Duration::from_millis(20));
    }
}

/// A command that has the lock until its standard input is closed.
fn locked(key: &Key) -> Holding {
    let script = ["--", "sh", "-c", "echo locked; read line"];
    let mut command = shmkit(&["lock", &key.text]);
    command.args(script).stdin(Stdio::piped());
    Holding::start(command).0
}

#[test]
fn who_waits_for_a_segments_lock_is_counted() {
    let _watch = deadline(PATIENCE * 3);
    let (_server, address) = on_port();
    let quoted = || Key::named(format!("{}\"\\", unique_name()));
    for key in [quoted(), Key::system_v_that_is_found()] {
        run(&["create", &key.text, "1"]).ok();
        let lock = |page: &str, metric: &str| {
            let metric = format!("shmkit_lock_{metric}{{");
            value(page, &metric, &label("key", &key.text))
        };
        let mut holder = locked(&key);
        let mut waiter = shmkit(&["lock", &key.text, "--", "true"]).spawn().unwrap();
        // Where the layout of a `sem_t` is the C library's secret, so is how many wait for it.
        let is_told = cfg!(target_pointer_width = "64") || key.text.starts_with("systemv");
        let waiting = is_told.then_some(1.0);
        let page = page_with(&address, |page| {
            lock(page, "held") == Some(1.0) && lock(page, "waiting") == waiting
        });
        assert_eq!(lock(&page, "owner_died"), Some(0.0));
        let seconds = |page: &str| lock(page, "held_seconds");
        let before = seconds(&page).unwrap();
        page_with(&address, |page| seconds(page).unwrap() > before);
        holder.hang_up();
        assert!(waiter.wait().unwrap().success());
        // Nobody uses the segment any more, so nobody has its lock.
        let page = page_with(&address, |page| lock(page, "held") != Some(1.0));
        assert_eq!(seconds(&page), None, "{page}");
    }
}

fn parsed(key: &Key) -> NativeIpcKey {
    key.text.parse().unwrap()
}

#[test]
fn an_owners_death_is_told() {
    let _watch = deadline(PATIENCE * 3);
    let (_server, address) = on_port();
    for key in [Key::posix(), Key::system_v_that_is_found()] {
        run(&["create", &key.text, "1"]).ok();
        let user = SharedMemory::attach(&parsed(&key)).unwrap();
        locked(&key).kill();
        let died = |page: &str| {
            value(page, "shmkit_lock_owner_died{", &label("key", &key.text)) == Some(1.0)
        };
        page_with(&address, died);
        drop(user.lock().unwrap().assume_recovered());
        page_with(&address, |page| !died(page));
    }
}

#[test]
fn a_death_with_a_lock_inside_a_typed_segment_is_told() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::posix();
    let station = station(&key);
    let (_server, address) = on_port();
    let parsed = parsed(&key);
    // SAFETY: only this test knows the key.
    let other = unsafe { Shared::<Station>::open(&parsed) }.unwrap();
    // Who leaves with a guard forgotten has died with it.
    std::mem::forget(other.frames.lock().unwrap());
    _ = other.detach().unwrap();
    let labels = [label("key", &key.text), label("path", "frames")].join(",");
    page_with(&address, |page| {
        value(page, "shmkit_typed_lock_owner_died{", &labels) == Some(1.0)
    });
    drop(station.frames.lock().unwrap().assume_recovered());
}

#[test]
fn segments_with_very_many_locks_are_left_out() {
    let _watch = deadline(PATIENCE * 3);
    let keys = [100, 101].map(|_| Key::posix());
    let [few, many] = keys.each_ref().map(parsed);
    // SAFETY: only this test knows the key.
    let _few = unsafe { Shared::create(&few, [const { Mutex::new(0_u64) }; 100]) }.unwrap();
    let (_server, address) = on_port();
    let omitted = |page: &str| value(page, "shmkit_locks_omitted ", "");
    // A look that takes long leaves out others as well.
    page_with(&address, |page| omitted(page) == Some(0.0));
    // SAFETY: as above.
    let _many = unsafe { Shared::create(&many, [const { Mutex::new(0_u64) }; 101]) }.unwrap();
    let page = page_with(&address, |page| omitted(page) == Some(1.0));
    let is_told = |key: &Key| {
        let metric = "shmkit_typed_lock_held{";
        value(&page, metric, &label("key", &key.text)).is_some()
    };
    assert_eq!(keys.each_ref().map(is_told), [true, false], "{page}");
}

#[test]
fn the_locks_inside_typed_segments_are_told_by_their_paths() {
    let _watch = deadline(PATIENCE * 3);
    let key = Key::named(format!("{}\"\\", unique_name()));
    let station = station(&key);
    let (_server, address) = on_port();
    let lock = |page: &str, metric: &str, path: &str| {
        let labels = [label("key", &key.text), label("path", path)].join(",");
        value(page, &format!("shmkit_typed_lock_{metric}{{"), &labels)
    };
    let page = page_with(&address, |_| true);
    assert_eq!(lock(&page, "held", "frames"), Some(0.0), "{page}");
    assert_eq!(lock(&page, "poisoned", "table"), Some(0.0));

    let frames = station.frames.lock().unwrap();
    RwLockWriteGuard::poison(station.table.write().unwrap().assume_recovered());
    let page = page_with(&address, |page| lock(page, "held", "frames") == Some(1.0));
    assert_eq!(lock(&page, "poisoned", "frames"), Some(0.0));
    assert_eq!(lock(&page, "poisoned", "table"), Some(1.0));
    assert_eq!(lock(&page, "owner_died", "frames"), Some(0.0));
    for metric in ["held", "owner_died", "poisoned"] {
        let name = format!("shmkit_typed_lock_{metric}");
        assert!(page.contains(&format!("# HELP {name} ")), "{page}");
        assert!(page.contains(&format!("# TYPE {name} gauge\n")), "{page}");
    }
    drop(frames);
    page_with(&address, |page| lock(page, "held", "frames") == Some(0.0));
    // Between two looks nobody else is attached.
    while key.info()["attached"] != 1 {}
}

#[test]
fn other_requests_are_refused() {
    let _watch = deadline(PATIENCE * 3);
    let (_server, address) = on_port();
    let status = |request: &str| {
        let answer = ask(TcpStream::connect(&address).unwrap(), request);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status("DELETE /metrics HTTP/1.1\r\n\r\n"), "405");
    assert_eq!(status("\x16\x03\x01\r\n\r\n"), "400");
    assert_eq!(
        status(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(8192))),
        "400"
    );
    let head = ask(
        TcpStream::connect(&address).unwrap(),
        "HEAD /metrics HTTP/1.1\r\n\r\n",
    );
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn silent_clients_keep_nobody_for_long() {
    let _watch = deadline(PATIENCE * 3);
    let (server, address) = on_port();
    let connect = || TcpStream::connect(&address).unwrap();
    let silent: Vec<TcpStream> = (0..8).map(|_| connect()).collect();
    // They are accepted in their order.
    let busy = ask(connect(), GET);
    assert!(busy.starts_with("HTTP/1.1 503"), "{busy}");
    drop(silent);
    while !ask(connect(), GET).starts_with("HTTP/1.1 200") {}
    let mut last = connect();
    last.write_all(b"GET /met").unwrap();
    // It says no more, and is left after some seconds.
    let mut answer = Vec::new();
    assert_eq!(last.read_to_end(&mut answer).unwrap(), 0);
    server.signal("INT");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_socket_has_its_mode_and_goes_with_its_server() {
    let _watch = deadline(PATIENCE * 3);
    let scratch = Scratch::new();
    let path = scratch.join("socket");
    let address = format!("unix:{}", path.display());
    let serve = || shmkit(&["serve", "--metrics", &address, "--mode", "660"]);
    let (mut killed, line) = Holding::start(serve());
    assert_eq!(line, address);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    run(&["serve", "--metrics", &address]).failed(2, &["cannot serve on", &address, "in use"]);
    killed.kill();
    assert!(path.exists());
    // Nobody answers there any more, so it is taken over.
    let (server, _) = Holding::start(serve());
    let answer = ask(UnixStream::connect(&path).unwrap(), GET);
    assert!(answer.contains("shmkit_build_info"), "{answer}");
    server.signal("TERM");
    assert_eq!(server.end(), Some(0));
    assert!(!path.exists());
    fs::write(&path, "a file").unwrap();
    run(&["serve", "--metrics", &address]).failed(2, &["in use"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

#[test]
fn nobody_else_is_served() {
    for wrong in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "unix:", "9782"] {
        let said = run(&["serve", "--metrics", wrong]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.stderr.contains("loopback")
                || said.stderr.contains("unix:PATH")
                || said.stderr.contains("empty"),
            "{said:?}"
        );
    }
}
