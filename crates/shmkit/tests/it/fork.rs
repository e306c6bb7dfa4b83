//! A forked child has its own share in what its parent has attached.
//!
//! Each test runs its scene in a process of its own: a fork here would copy the handles of all
//! the other tests.
#![expect(unsafe_code, reason = "fork and waitpid")]

use std::io::{PipeReader, Read};

use shmkit::{Detached, ErrorKind, SharedMemory};
use shmkit_testkit::{Role, role, spawn};

use crate::support::{LONG, SHORT, TestKey, for_every_key};

for_every_key!(
    a_child_keeps_the_segment_when_its_parent_leaves,
    a_parent_keeps_the_segment_when_its_child_leaves,
    a_killed_parent_leaves_the_segment_to_its_child,
    a_child_does_not_give_its_parents_lock_back,
    a_dead_parents_lock_does_not_live_on_in_its_child,
    a_child_locks_for_itself,
);

/// A forked child of this process, with a pipe whose end it can wait for.
pub(crate) struct Forked(libc::pid_t);

/// Runs `scene` in a forked child, which then ends without running anything else.
pub(crate) fn fork(scene: impl FnOnce()) -> Forked {
    // SAFETY: the child runs code of ours and of shmkit, which is made for this; glibc keeps its
    // allocator usable in a child of a process with threads.
    match unsafe { libc::fork() } {
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scene));
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(result.is_err().into()) }
        }
        child => Forked(child),
    }
}

impl Forked {
    pub(crate) fn join(self) {
        let mut status = 0;
        // SAFETY: waits for a child of ours; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, 0) }, self.0);
        assert_eq!(status, 0, "the child failed");
    }
}

pub(crate) fn wait_for_end(mut pipe: PipeReader) {
    pipe.read_to_end(&mut Vec::new()).unwrap();
}

fn scene(role: &str, key: &TestKey, words: &[&str]) {
    let mut actor = spawn(&format!("fork::{role}"), key.to_string());
    words.iter().for_each(|word| actor.expect(word));
    actor.finish();
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

fn segment(me: &Role) -> SharedMemory {
    SharedMemory::create(&me.arg().parse().unwrap(), 4096).unwrap()
}

#[test]
#[ignore = "child role"]
fn role_parent_leaves_first() {
    let Some(me) = role() else { return };
    let segment = segment(&me);
    let key = segment.key().unwrap().clone();
    let child = fork(|| {
        segment.write_at(0, b"child").unwrap();
        let _ = me.ask();
        segment.write_at(0, b"still").unwrap();
        me.say("child writes");
    });
    me.say(format_args!("{:?}", segment.detach().unwrap()));
    SharedMemory::attach(&key).unwrap();
    me.say("attachable");
    child.join();
    // The child ended without detaching: an orphan, which the next create reclaims.
    drop(SharedMemory::create(&key, 1).unwrap());
}

fn a_child_keeps_the_segment_when_its_parent_leaves(key: TestKey) {
    let mut actor = spawn("fork::role_parent_leaves_first", key.to_string());
    actor.expect("Remains");
    actor.expect("attachable");
    actor.tell("go");
    actor.expect("child writes");
    actor.finish();
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

#[test]
#[ignore = "child role"]
fn role_child_leaves_first() {
    let Some(me) = role() else { return };
    let segment = segment(&me);
    drop(segment.lock().unwrap());
    let mut shared = Some(segment);
    fork(|| assert_eq!(shared.take().unwrap().detach().unwrap(), Detached::Remains)).join();
    let segment = shared.unwrap();
    assert_eq!(
        SharedMemory::attach(segment.key().unwrap()).unwrap().size(),
        4096
    );
    me.say(format_args!("{:?}", segment.detach().unwrap()));
}

fn a_parent_keeps_the_segment_when_its_child_leaves(key: TestKey) {
    scene("role_child_leaves_first", &key, &["Removed"]);
}

#[test]
#[ignore = "child role"]
fn role_parent_of_a_survivor() {
    let Some(me) = role() else { return };
    let mut segment = Some(segment(&me));
    fork(|| {
        // SAFETY: the child must outlive the parent that the test kills.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        me.say("forked");
        let _ = me.ask();
        let segment = segment.take().unwrap();
        assert_eq!(
            SharedMemory::attach(segment.key().unwrap()).unwrap().size(),
            4096
        );
        me.say(format_args!("{:?}", segment.detach().unwrap()));
    });
    // Not by reading: the line from the test is the child's.
    loop {
        std::thread::park();
    }
}

fn a_killed_parent_leaves_the_segment_to_its_child(key: TestKey) {
    let mut actor = spawn("fork::role_parent_of_a_survivor", key.to_string());
    actor.expect("forked");
    assert_eq!(
        SharedMemory::create(&key, 1).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    actor.kill();
    // The child holds the pipes' other ends, and lives on after its parent's death.
    actor.tell("leave");
    actor.expect("Removed");
    assert!(key.traces().is_empty(), "left behind: {:?}", key.traces());
}

#[test]
#[ignore = "child role"]
fn role_child_drops_the_guard() {
    let Some(me) = role() else { return };
    let segment = segment(&me);
    let other = SharedMemory::attach(segment.key().unwrap()).unwrap();
    let mut held = Some(segment.lock().unwrap());
    fork(|| drop(held.take())).join();
    assert_eq!(other.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    assert!(!other.try_lock().unwrap().owner_died());
    me.say("done");
}

fn a_child_does_not_give_its_parents_lock_back(key: TestKey) {
    scene("role_child_drops_the_guard", &key, &["done"]);
}

#[test]
#[ignore = "child role"]
fn role_parent_dies_with_the_lock() {
    let Some(me) = role() else { return };
    let segment = segment(&me);
    let _held = segment.lock().unwrap();
    let (gone, here) = std::io::pipe().unwrap();
    let (mut gone, mut here) = (Some(gone), Some(here));
    fork(|| {
        drop(here.take());
        // SAFETY: the child must outlive the parent that the test kills.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
        me.say("forked");
        wait_for_end(gone.take().unwrap());
        // The parent's lock is dead although its child, with everything it inherited, lives.
        me.say(format_args!(
            "{}",
            segment.lock_timeout(LONG).unwrap().owner_died()
        ));
    });
    me.park();
}

fn a_dead_parents_lock_does_not_live_on_in_its_child(key: TestKey) {
    let mut actor = spawn("fork::role_parent_dies_with_the_lock", key.to_string());
    actor.expect("forked");
    actor.kill();
    actor.expect("true");
}

#[test]
#[ignore = "child role"]
fn role_child_locks() {
    let Some(me) = role() else { return };
    let segment = segment(&me);
    drop(segment.lock().unwrap());
    let (held, holds) = std::io::pipe().unwrap();
    let (end, ended) = std::io::pipe().unwrap();
    let (mut end, mut ended, mut holds) = (Some(end), Some(ended), Some(holds));
    let child = fork(|| {
        drop(ended.take());
        let _held = segment.lock().unwrap();
        drop(holds.take());
        wait_for_end(end.take().unwrap());
    });
    drop((holds.take(), end.take()));
    wait_for_end(held);
    assert_eq!(
        segment.lock_timeout(SHORT).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    drop(ended.take());
    child.join();
    assert!(!segment.lock_timeout(LONG).unwrap().owner_died());
    me.say("done");
}

fn a_child_locks_for_itself(key: TestKey) {
    scene("role_child_locks", &key, &["done"]);
}

#[test]
#[ignore = "child role"]
fn role_forks_with_segments_without_names() {
    let Some(me) = role() else { return };
    let mut options = SharedMemory::options();
    options.size(4096);
    let memory = options.memfd("fork").unwrap();
    let part = options
        .clone()
        .range(100..200)
        .create_file(me.arg())
        .unwrap();
    let mine = SharedMemory::options()
        .copy_on_write(true)
        .attach_file(me.arg())
        .unwrap();
    mine.write_at(0, b"mine").unwrap();
    let child = fork(|| {
        assert_eq!(mine.view().read::<[u8; 4]>(0).unwrap(), *b"mine");
        mine.write_at(0, b"ours").unwrap();
        memory.write_at(0, b"from the child").unwrap();
        part.write_at(99, b"!").unwrap();
    });
    child.join();
    assert_eq!(mine.view().read::<[u8; 4]>(0).unwrap(), *b"mine");
    assert_eq!(
        memory.view().read::<[u8; 14]>(0).unwrap(),
        *b"from the child"
    );
    assert_eq!(part.view().read::<u8>(99).unwrap(), b'!');
    me.say("shared what is shared");
}

#[test]
fn a_child_shares_memfds_and_files_and_has_its_own_copy_on_write() {
    let place = shmkit_testkit::Scratch::new();
    let path = place.join("forked");
    let mut parent = shmkit_testkit::spawn(
        "fork::role_forks_with_segments_without_names",
        path.display(),
    );
    parent.expect("shared what is shared");
    parent.finish();
    assert_eq!(std::fs::read(path).unwrap()[199], b'!');
}
