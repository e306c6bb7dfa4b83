//! Who may use a segment, and where its name lives.

use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::{ErrorKind, SharedMemory, inspect};
use shmkit_testkit::{role, spawn, unique_name};

use crate::support::TestKey;

fn key(name: String) -> NativeIpcKey {
    NativeIpcKey::new(name, KeyType::Windows)
}

#[test]
fn permissions_are_those_asked_for() {
    for mode in [0o600, 0o640, 0o660, 0o604, 0o644, 0o666] {
        let key = TestKey::named();
        let mut options = SharedMemory::options();
        let made = options.size(100).mode(mode).create(&key).unwrap();
        assert_eq!(made.mode(), mode);
        assert_eq!(SharedMemory::attach(&key).unwrap().mode(), mode, "{mode:o}");
        assert_eq!(inspect::info(&key).unwrap().mode, mode);
        let memory = options.memfd("memory").unwrap();
        let handle = memory.to_handle(shmkit::Access::ReadWrite).unwrap();
        let same = SharedMemory::options().attach_handle(handle).unwrap();
        assert_eq!(same.mode(), mode);
    }
}

#[test]
#[ignore = "child role"]
fn role_attach_and_lock() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::attach(&me.arg().parse().unwrap()).unwrap();
    let _held = segment.lock().unwrap();
    me.say("locked");
    me.park();
}

/// Wine has one session, so that they are apart from each other is not to be seen; the names are.
#[test]
fn names_of_the_session_and_of_the_machine_are_found_with_their_locks() {
    for space in [r"Local\", r"Global\"] {
        let key = key(format!("{space}{}", unique_name()));
        let segment = SharedMemory::create(&key, 100).unwrap();
        let mut other = spawn("windows::security::role_attach_and_lock", key.to_string());
        other.expect("locked");
        assert_eq!(
            segment.try_lock().map(drop).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        other.kill();
        assert!(segment.lock().unwrap().owner_died());
    }
}

#[test]
fn a_name_of_no_space_is_refused() {
    for name in [r"Session\1\x", r"local\x", r"a\b", r"Global\", ""] {
        let key = key(name.to_owned());
        let error = SharedMemory::create(&key, 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey, "{name}: {error}");
    }
}
