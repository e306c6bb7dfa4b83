//! Between PID and mount namespaces, and where a pid is given to another process: containers.

use std::fs;

use shmkit::ErrorKind;
use shmkit_testkit::{Child, launch, role, role_command, under};

use super::board::{board, holder, obey, peer};
use crate::places::{Maker, Place, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    a_holder_in_a_container_is_named_and_its_death_noticed,
    a_holder_outside_is_named_to_a_container_and_its_death_noticed,
    two_containers_whose_processes_have_the_same_pid,
);

const CONTAINER: [&str; 6] = [
    "unshare",
    "--pid",
    "--mount",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// A peer that is the first process of a PID namespace, with its own mounts.
fn contained(place: &Place) -> Child {
    // The descriptor's door is the other namespace's `/proc`, so it is not mounted anew there.
    let words = match place {
        Place::Fd(_) => &CONTAINER[..5],
        _ => &CONTAINER[..],
    };
    let command = role_command("sync::board::role_peer", place);
    let mut peer = launch(under(words.iter().copied(), command));
    peer.expect("here");
    peer
}

/// What the kernel calls the child of `unshare`, from here.
fn pid_inside(container: &Child) -> u32 {
    let pid = container.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().unwrap()
}

fn a_holder_in_a_container_is_named_and_its_death_noticed(maker: Maker) {
    let board = board(maker);
    let mut container = contained(&board.place);
    obey(&mut container, "lock");
    obey(&mut container, "label in the box");
    let error = board.mutex.lock_timeout(3 * SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    let pid = pid_inside(&container);
    assert!(text.contains(&format!("process {pid} (")), "{text}");
    assert!(text.contains("\"in the box\""), "{text}");
    let said = board.mutex.holder().unwrap();
    assert_eq!((said.pid, said.own_pid), (Some(pid), Some(1)));
    container.kill();
    assert!(board.mutex.lock_timeout(LONG).unwrap().owner_died());
}

#[test]
#[ignore = "child role"]
fn role_read_the_message() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let board = place.open::<super::board::Board>().unwrap();
    me.say(board.mutex.lock_timeout(3 * SHORT).unwrap_err());
    assert!(board.mutex.lock_timeout(LONG).unwrap().owner_died());
    me.say("owner died");
}

fn a_holder_outside_is_named_to_a_container_and_its_death_noticed(maker: Maker) {
    let board = board(maker);
    let mut owner = holder(&board.place);
    obey(&mut owner, "label outside");
    let words = match board.place {
        Place::Fd(_) => &CONTAINER[..5],
        _ => &CONTAINER[..],
    };
    let command = role_command("sync::namespaces::role_read_the_message", &board.place);
    let mut container = launch(under(words.iter().copied(), command));
    let text = container.line();
    if !matches!(board.place, Place::Fd(_)) {
        let pid = owner.pid();
        let unseen = format!("cannot be seen from here (process {pid} in its own PID namespace)");
        assert!(text.contains(&unseen), "{text}");
    }
    assert!(text.contains("\"outside\""), "{text}");
    assert!(!text.contains("died"), "{text}");
    owner.kill();
    container.expect("owner died");
    container.finish();
}

fn two_containers_whose_processes_have_the_same_pid(maker: Maker) {
    let board = board(maker);
    let [mut one, mut two] = [contained(&board.place), contained(&board.place)];
    // By their pids and thread numbers these two are the same.
    obey(&mut one, "lock recursive");
    obey(&mut one, "lock");
    two.tell("wait mutex");
    two.expect("waits");
    assert_eq!(two.line_within(3 * SHORT), None);
    one.kill();
    assert!(two.line().starts_with("through"));
    two.tell("lock recursive");
    two.expect("owner died");
    assert_eq!(
        board.recursive.try_lock().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
#[ignore = "child role"]
fn role_reuse_a_pid() {
    let Some(me) = role() else { return };
    let place: Place = me.arg().parse().unwrap();
    let mut first = holder(&place);
    obey(&mut first, "lock recursive");
    let pid = first.pid();
    first.kill();
    let mut second = loop {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let peer = peer(&place);
        if peer.pid() == pid {
            break peer;
        }
    };
    // A third one sees the pid alive, and is not fooled.
    let mut third = peer(&place);
    third.tell("lock");
    third.expect("owner died");
    // The second one has the pid of the dead, and is not fooled either.
    second.tell("lock recursive");
    second.expect("owner died");
    second.finish();
    me.say("done");
}

#[test]
fn a_process_with_a_dead_holders_pid_is_not_the_holder() {
    // Not for a memfd: its door is the `/proc` of out here.
    for maker in [Maker::Key, Maker::File] {
        let board = board(maker);
        let command = role_command("sync::namespaces::role_reuse_a_pid", &board.place);
        let mut container = launch(under(CONTAINER, command));
        container.expect("done");
        container.finish();
    }
}
