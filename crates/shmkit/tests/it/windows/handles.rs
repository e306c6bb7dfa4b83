//! Giving memory and files to other processes as handles.
#![expect(unsafe_code, reason = "handles that another process put here")]

use std::os::windows::io::{
    AsHandle as _, AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle,
};

use shmkit::sync::Mutex;
use shmkit::{Access, ErrorKind, Options, SharedMemory};
use shmkit_testkit::{Child, Role, Scratch, role, spawn};

use crate::support::{LONG, TestKey};

/// Attaches to the handle whose number comes as an order.
fn attach(me: &Role, options: &Options) -> shmkit::Result<SharedMemory> {
    let number: usize = me.ask().parse().unwrap();
    // SAFETY: the parent put it here, or it was inherited, and nobody else closes it.
    let handle = unsafe { OwnedHandle::from_raw_handle(number as RawHandle) };
    options.attach_handle(handle)
}

#[test]
#[ignore = "child role"]
fn role_receive() {
    let Some(me) = role() else { return };
    let segment = attach(&me, &Options::new()).unwrap();
    // SAFETY: only these tests have it, and zeros are a free mutex.
    let mutex: &Mutex<u64> = unsafe { segment.placed(64) }.unwrap();
    let mut guard = mutex.lock_timeout(LONG).unwrap().assume_recovered();
    *guard += 1;
    me.say("locked");
    me.park();
}

#[test]
#[ignore = "child role"]
fn role_receive_to_read() {
    let Some(me) = role() else { return };
    let error = attach(&me, &Options::new()).unwrap_err();
    me.say(format_args!("{:?}", error.kind()));
    let segment = attach(&me, Options::new().access(Access::ReadOnly)).unwrap();
    let text = segment.view().read::<[u8; 5]>(0).unwrap();
    me.say(String::from_utf8_lossy(&text));
    me.park();
}

/// Puts a handle into a child, and says its number there.
fn give(child: &Child, segment: &SharedMemory, access: Access) -> usize {
    segment.give_to(child.as_handle(), access).unwrap() as usize
}

/// Memory, a named segment and a file without a name, each of a page.
fn kinds(key: &TestKey, place: &Scratch) -> [SharedMemory; 3] {
    let mut options = SharedMemory::options();
    options.size(4096);
    [
        options.memfd("given").unwrap(),
        options.create(key).unwrap(),
        options.unnamed_file(place.path()).unwrap(),
    ]
}

#[test]
fn a_process_is_given_a_segment_and_dies_with_a_lock_in_it() {
    let (key, place) = (TestKey::named(), Scratch::new());
    for segment in kinds(&key, &place) {
        let mut child = spawn("windows::handles::role_receive", "");
        let number = give(&child, &segment, Access::ReadWrite);
        child.tell(number);
        child.expect("locked");
        // SAFETY: only these tests have it, and zeros are a free mutex.
        let mutex: &Mutex<u64> = unsafe { segment.placed(64) }.unwrap();
        let error = mutex.try_lock().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(mutex.holder().unwrap().pid, Some(child.pid()));
        child.kill();
        let recovery = mutex.lock_timeout(LONG).unwrap();
        assert!(recovery.owner_died());
        assert_eq!(*recovery.assume_recovered(), 1);
    }
}

#[test]
fn a_child_inherits_a_segment() {
    let memory = SharedMemory::options().size(4096).memfd("heir").unwrap();
    let handle = memory.to_inherited_handle(Access::ReadWrite).unwrap();
    let mut child = spawn("windows::handles::role_receive", "");
    child.tell(handle.as_raw_handle() as usize);
    child.expect("locked");
    // SAFETY: only these tests have it, and zeros are a free mutex.
    let mutex: &Mutex<u64> = unsafe { memory.placed(64) }.unwrap();
    assert!(mutex.try_lock().is_err());
}

#[test]
fn whoever_may_only_read_only_reads() {
    let (key, place) = (TestKey::named(), Scratch::new());
    for segment in kinds(&key, &place) {
        segment.write_at(0, b"hello").unwrap();
        let mut child = spawn("windows::handles::role_receive_to_read", "");
        let number = give(&child, &segment, Access::ReadOnly);
        child.tell(number);
        child.expect("ReadOnly");
        let number = give(&child, &segment, Access::ReadOnly);
        child.tell(number);
        child.expect("hello");
    }
    let reader = SharedMemory::attach_read_only(&key);
    assert_eq!(reader.unwrap_err().kind(), ErrorKind::NotFound);
    let segment = SharedMemory::create(&key, 4096).unwrap();
    let reader = SharedMemory::attach_read_only(&key).unwrap();
    let error = reader.to_handle(Access::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    drop(reader.to_handle(Access::ReadOnly).unwrap());
    drop(segment);
}

#[test]
fn handles_of_other_things_are_refused() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let error = SharedMemory::options().attach_handle(reader.into());
    assert!(error.is_err());
    let place = Scratch::new();
    std::fs::write(place.join("empty"), "").unwrap();
    let empty = std::fs::File::open(place.join("empty")).unwrap();
    let error = SharedMemory::options()
        .access(Access::ReadOnly)
        .attach_handle(empty.into());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotASegment);
}

#[test]
fn a_handle_of_a_file_leads_to_the_same_locks() {
    let place = Scratch::new();
    let path = place.join("file");
    let whole = SharedMemory::options()
        .size(4096)
        .create_file(&path)
        .unwrap();
    let handle = whole.to_handle(Access::ReadWrite).unwrap();
    let same = SharedMemory::options().attach_handle(handle).unwrap();
    assert_eq!(same.size(), 4096);
    // SAFETY: only these tests have it, and zeros are a free mutex.
    let [one, two]: [&Mutex<u64>; 2] =
        [&whole, &same].map(|segment| unsafe { segment.placed(0) }.unwrap());
    let held = one.lock().unwrap();
    assert_eq!(
        two.try_lock().map(drop).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    drop(held);
    drop(two.lock().unwrap());
}
