//! What is seen of segments from outside, in every situation that can be made here.
#![expect(unsafe_code, reason = "a typed segment")]
#![cfg_attr(
    shmkit_force_portable,
    allow(unused_imports, reason = "for tests that are not built")
)]

use std::fs;
use std::process::{Command, Stdio};

use shmkit::inspect::{self, Filter, Kind, Place, ResidentBy, SegmentInfo, SortBy, State};
use shmkit::key::{KeyRules, KeyType, Role};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{Cleanup, Scratch, launch, python_command, spawn, unique_name};

use crate::support::{TestKey, for_every_key};

for_every_key!(
    holders_say_who_has_the_segment_and_its_lock,
    the_list_has_what_info_has,
);

fn holders_say_who_has_the_segment_and_its_lock(key: TestKey) {
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let free = inspect::holders(&key).unwrap();
    assert!(free.lock.is_none_or(|lock| lock.held == Some(false)));
    let mut holder = spawn("crash::role_create_and_hold", key.to_string());
    holder.expect("locked");
    let found = inspect::holders(&key).unwrap();
    let process = found
        .processes
        .iter()
        .find(|process| process.pid == holder.pid());
    if tells_processes(&key) {
        let process = process.unwrap();
        assert_eq!(process.user, Some(0));
        assert_eq!(process.user_name.as_deref(), Some("root"));
        let has_namespace = process.pid_namespace.is_some();
        assert!(process.attached >= 1 && has_namespace != cfg!(shmkit_force_portable));
        assert!(process.since.unwrap().elapsed().is_ok());
    }
    let lock = found.lock.unwrap();
    assert_eq!(lock.held, Some(true), "{lock:?}");
    let pids: Vec<u32> = lock.holders.iter().map(|user| user.pid).collect();
    assert_eq!(pids, [holder.pid()], "{lock:?}");

    let mut waiter = spawn("crash::role_wait_for_the_lock", key.to_string());
    waiter.expect("waiting");
    // It says so before it sleeps.
    let waits = || {
        let lock = inspect::holders(&key).unwrap().lock.unwrap();
        lock.waiters.iter().any(|user| user.pid == waiter.pid())
    };
    // Without the layout of `sem_t` it naps instead of sleeping on the lock, which nobody can see.
    let no_layout = cfg!(any(shmkit_force_fallbacks, target_pointer_width = "32"));
    let naps = no_layout && key.key_type() == KeyType::PosixRealtime || cfg!(shmkit_force_portable);
    assert!(naps || (0..1000).any(|_| waits()));

    holder.kill();
    waiter.expect("owner died");
    drop(segment);
}

/// Whether the system or shmkit's own locks tell which processes have a segment.
fn tells_processes(key: &TestKey) -> bool {
    key.key_type() == KeyType::PosixRealtime || cfg!(not(shmkit_force_portable))
}

fn the_list_has_what_info_has(key: TestKey) {
    let _segment = SharedMemory::create(&key, 12345).unwrap();
    let info = inspect::info(&key).unwrap();
    let is_same = |other: &&SegmentInfo| match (&other.place, &info.place) {
        (Place::SystemV { id: one, .. }, Place::SystemV { id: two, .. }) => one == two,
        (one, two) => one == two,
    };
    let list = inspect::list().unwrap();
    let listed = list.iter().find(is_same).unwrap();
    assert_eq!((listed.size, info.size), (12345, 12345));
    assert_eq!((&listed.kind, &info.kind), (&info.kind, &listed.kind));
    assert_eq!((listed.state, info.state), (State::Live, State::Live));
    assert_eq!((listed.owner, listed.mode), (info.owner, info.mode));
    let me = std::process::id();
    for found in [listed, &info] {
        let is_seen = found.holders.iter().any(|holder| holder.pid == me);
        assert_eq!(is_seen, tells_processes(&key), "{found:?}");
    }
    if cfg!(shmkit_force_portable) {
        assert_eq!(listed.resident, None, "nobody tells");
        return;
    }
    let resident = listed.resident.unwrap();
    match key.key_type() {
        KeyType::PosixRealtime => {
            assert_eq!((resident.bytes, resident.by), (16384, ResidentBy::Blocks))
        }
        _ => assert_eq!(resident.by, ResidentBy::Table),
    }
}

#[cfg(not(shmkit_force_portable))]
const SHARER: &str = r#"
import ctypes, mmap, os, sys
from multiprocessing import shared_memory
name, file = sys.argv[1:]
one = os.memfd_create(name); os.ftruncate(one, 1 << 20)
mapped = mmap.mmap(one, 1 << 20); mapped[0] = 1
two = os.memfd_create(name); os.ftruncate(two, 4096)
anonymous = mmap.mmap(-1, 8192); anonymous[0] = 1
block = shared_memory.SharedMemory(create=True, size=10000)
with open(file, "w+b") as f:
    f.write(b"x" * 50000); f.flush()
    shared = mmap.mmap(f.fileno(), 50000)
removed = open(f"/dev/shm/{name}", "w+b"); removed.truncate(3000)
view = mmap.mmap(removed.fileno(), 3000); os.unlink(f"/dev/shm/{name}")
print(f">>{block.name}", flush=True)
sys.stdin.read()
block.close(); block.unlink()
"#;

#[cfg(not(shmkit_force_portable))]
#[test]
fn what_has_no_key_is_listed_by_its_users() {
    let (name, scratch) = (unique_name(), Scratch::new());
    let file = scratch.join("file");
    let mut sharer = launch(python_command(SHARER, &[&name, file.to_str().unwrap()]));
    let block = sharer.line();
    let _cleanup = Cleanup::new(&block);
    let mut found = Filter::new().used_by(sharer.pid()).list().unwrap();
    SortBy::Size.sort(&mut found);
    let of = |place: &str| -> Vec<&SegmentInfo> {
        found
            .iter()
            .filter(|info| info.place.name() == place)
            .collect()
    };
    let memfds: Vec<(u64, Option<u64>)> = of("memfd")
        .iter()
        .map(|info| (info.size, info.attached))
        .collect();
    assert_eq!(
        memfds,
        [(1 << 20, Some(1)), (4096, Some(0))],
        "one is only open"
    );
    assert_eq!(of("memfd")[0].resident.unwrap().bytes, 4096);
    assert!(of("anonymous").iter().any(|info| info.size == 8192));
    let files = of("file");
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(
        (files[0].size, files[0].resident.unwrap().by),
        (50000, ResidentBy::PageCache)
    );
    let posix = of("posix");
    let removed = posix.iter().find(|info| info.key.is_none()).unwrap();
    assert!(
        removed.reason.contains("name is removed") && removed.size == 3000,
        "{removed:?}"
    );
    let python = posix.iter().find(|info| info.kind == Kind::Python).unwrap();
    assert!(python.place.to_string().ends_with(&block));
    assert!(found.iter().all(|info| info.state == State::Live));

    // lsof says the same of what is open.
    let lsof = Command::new("lsof")
        .args(["-w", "-p", &sharer.pid().to_string()])
        .output();
    let lsof = String::from_utf8(lsof.expect("lsof").stdout).unwrap();
    for info in [of("memfd")[0], *removed] {
        let inode = match &info.place {
            Place::Memfd { inode, .. } => inode.to_string(),
            _ => name.clone(),
        };
        assert!(lsof.contains(&inode), "{inode} in {lsof}");
    }
}

#[test]
fn kinds_are_told() {
    use shmkit::sync::Mutex;
    use shmkit::typed::Shared;
    let kind_of = |key: &TestKey| inspect::info(key).unwrap().kind;
    let raw = TestKey::posix();
    let _raw = SharedMemory::create(&raw, 64).unwrap();
    assert_eq!(kind_of(&raw), Kind::Raw);

    let typed = TestKey::posix();
    // SAFETY: nobody else knows the key.
    let _typed = unsafe { Shared::create(&*typed, Mutex::new(7_u64)) }.unwrap();
    assert_eq!(kind_of(&typed).to_string(), "typed Mutex");
    let listed = Filter::new()
        .kind("typed")
        .name(typed.native_key())
        .unwrap()
        .list()
        .unwrap();
    assert_eq!(
        listed[0].kind.to_string(),
        "typed Mutex",
        "also of one that is mapped"
    );

    let qt = TestKey::posix_legacy();
    let _qt = SharedMemory::create(&qt, 64).unwrap();
    assert_eq!(kind_of(&qt), Kind::Qt);

    let boost = TestKey::posix();
    let mut bytes = vec![0; 65536];
    bytes[0] = 2;
    bytes[0x68..0x6a].copy_from_slice(&[0xf0, 0xff]);
    fs::write(format!("/dev/shm{}", boost.native_key()), &bytes).unwrap();
    assert_eq!(kind_of(&boost), Kind::Boost);

    let unknown = TestKey::posix();
    fs::write(format!("/dev/shm{}", unknown.native_key()), "x").unwrap();
    assert_eq!(kind_of(&unknown), Kind::Unknown);
}

#[test]
fn qts_segments_are_told_by_their_key_files() {
    let (rules, name) = (KeyRules::of_this_process(), unique_name());
    let key = rules.legacy_key(Role::Segment, &name, KeyType::SYSTEM_V);
    let lock = rules.semaphore_key(&key);
    let _cleanup = Cleanup::default()
        .and_system_v(key.native_key(), b'Q')
        .and_system_v(lock.native_key(), b'Q');
    let code = "import sys; from PyQt6.QtCore import QSharedMemory, QNativeIpcKey\n\
                m = QSharedMemory(QNativeIpcKey.fromString(sys.argv[1]))\n\
                assert m.create(4096), m.errorString()\n\
                print('>>made', flush=True); sys.stdin.read(); m.detach()";
    let mut qt = launch(python_command(code, &[&key.to_string()]));
    qt.expect("made");
    let info = inspect::info(&key).unwrap();
    assert_eq!((info.kind, info.state), (Kind::Qt, State::Live));
    // ipcs counts the same.
    let Place::SystemV { id, .. } = info.place else {
        panic!("{:?}", info.place)
    };
    let ipcs = Command::new("ipcs")
        .args(["-m", "-i", &id.to_string()])
        .output()
        .unwrap();
    let ipcs = String::from_utf8(ipcs.stdout).unwrap();
    assert!(
        ipcs.contains("bytes=4096") && ipcs.contains("nattch=1"),
        "{ipcs}"
    );
    assert_eq!(info.attached, Some(1));
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn segments_of_other_namespaces_are_seen_by_their_users() {
    let code = "import ctypes, mmap, subprocess, sys\n\
                subprocess.run(['mount', '-t', 'tmpfs', 'none', '/dev/shm'], check=True)\n\
                f = open('/dev/shm/inner', 'w+b'); f.truncate(9000); m = mmap.mmap(f.fileno(), 9000)\n\
                libc = ctypes.CDLL(None); libc.shmat.restype = ctypes.c_void_p\n\
                libc.shmat(libc.shmget(0x51007777, 5000, 0o1600), None, 0)\n\
                print('>>ready', flush=True); sys.stdin.read()";
    let mut inner = launch(shmkit_testkit::under(
        ["unshare", "--ipc", "--mount"],
        python_command(code, &[]),
    ));
    inner.expect("ready");
    let found = inspect::list().unwrap();
    let posix = found.iter().find(|info| {
        let is_inner = |path: &std::path::PathBuf| path.ends_with("root/dev/shm/inner");
        matches!(&info.place, Place::Posix { path, .. } if is_inner(path))
    });
    let posix = posix.unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((posix.size, posix.key.is_none()), (9000, true));
    assert!(
        posix.reason.contains("another mount namespace"),
        "{}",
        posix.reason
    );
    let system_v = found.iter().find(|info| {
        matches!(
            info.place,
            Place::SystemV {
                ipc_key: 0x5100_7777,
                namespace: Some(_),
                ..
            }
        )
    });
    assert_eq!(system_v.unwrap().attached, Some(1));
}

#[cfg(not(shmkit_force_portable))]
#[test]
fn ten_thousand_segments_are_listed_while_processes_come_and_go() {
    let name = unique_name();
    struct Files(String);
    impl Drop for Files {
        fn drop(&mut self) {
            (0..10_000).for_each(|number| drop(fs::remove_file(format!("{}-{number}", self.0))));
        }
    }
    let files = Files(format!("/dev/shm/{name}"));
    for number in 0..10_000 {
        fs::write(format!("{}-{number}", files.0), "x").unwrap();
    }
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| {
            let mut filter = Filter::new();
            filter.name(&format!("{name}-*")).unwrap();
            (0..5)
                .map(|_| filter.list().unwrap().len())
                .collect::<Vec<_>>()
        });
        while !listing.is_finished() {
            let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(listing.join().unwrap(), [10_000; 5]);
    });
}

#[test]
fn filters_and_orders() {
    let [small, large] = [TestKey::posix(), TestKey::posix()];
    let _small = SharedMemory::create(&small, 100).unwrap();
    let _large = SharedMemory::create(&large, 9000).unwrap();
    let names = |filter: &mut Filter| -> Vec<String> {
        let filter = filter.name(small.native_key()).unwrap();
        let mut found = filter.name(large.native_key()).unwrap().list().unwrap();
        SortBy::Size.sort(&mut found);
        found
            .iter()
            .map(|info| info.key.as_ref().unwrap().to_string())
            .collect()
    };
    let [small_name, large_name] = [small.to_string(), large.to_string()];
    assert_eq!(names(&mut Filter::new()), [&*large_name, &small_name]);
    assert_eq!(names(Filter::new().larger_than(101)), [&*large_name]);
    assert_eq!(names(Filter::new().state(State::Orphan)), [""; 0]);
    assert_eq!(names(Filter::new().place("systemv")), [""; 0]);
    assert_eq!(names(Filter::new().owner(12345)), [""; 0]);
    assert_eq!(
        names(Filter::new().used_by(std::process::id()).kind("raw")).len(),
        2
    );
    assert_eq!(
        names(Filter::new().older_than(std::time::Duration::from_secs(3600))),
        [""; 0]
    );
    let error = Filter::new().name("[").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
}
