//! Readers and writers of a `RwLock` that die inside it, and more readers than it has room for.

use std::time::Instant;

use shmkit::typed::Shared;
use shmkit::{Acquired, ErrorKind, Held, Result};
use shmkit_testkit::{Child, deadline};

use super::board::{Board, board, obey, peer, until_asleep};
use crate::places::{Maker, for_every_place};
use crate::support::{LONG, SHORT};

for_every_place!(
    a_reader_that_dies_inside_hinders_nobody,
    a_writer_that_dies_inside_is_told_of_until_somebody_recovers,
    a_reader_that_gives_up_on_a_dead_writers_data_poisons_them,
    a_writer_that_dies_before_it_was_inside_has_changed_nothing,
    more_processes_than_slots_take_turns,
);

#[track_caller]
fn clean<G: Held>(attempt: Result<Acquired<G>>) -> G {
    match attempt.unwrap() {
        Acquired::Clean(guard) => guard,
        Acquired::OwnerDied(_) => panic!("it is in doubt"),
    }
}

fn dead_after(board: &crate::places::Made<Board>, order: &str) {
    let mut process = peer(&board.place);
    obey(&mut process, order);
    process.kill();
}

fn a_reader_that_dies_inside_hinders_nobody(maker: Maker) {
    let _watch = deadline(2 * LONG);
    let board = board(maker);
    dead_after(&board, "read");
    drop(clean(board.table.try_read()));
    drop(clean(board.table.write_timeout(LONG)));
    drop(clean(board.table.try_write()));
    dead_after(&board, "read");
    drop(clean(board.table.write_deadline(Instant::now() + LONG)));

    // One that a writer waits for.
    let mut reader = peer(&board.place);
    obey(&mut reader, "read");
    let mut writer = peer(&board.place);
    writer.tell("wait write");
    writer.expect("waits");
    until_asleep(&mut writer);
    reader.kill();
    assert!(writer.line().starts_with("through"));
}

fn a_writer_that_dies_inside_is_told_of_until_somebody_recovers(maker: Maker) {
    let board = board(maker);
    dead_after(&board, "write");
    // Several readers at once are told, until one of them finds that all is right.
    let Acquired::OwnerDied(recovery) = board.table.read_timeout(LONG).unwrap() else {
        panic!("the death was not noticed");
    };
    let second = board.table.try_read().unwrap();
    assert!(second.owner_died());
    assert_eq!(*recovery, [0, 0]);
    let other: Shared<Board> = board.place.open().unwrap();
    let Acquired::OwnerDied(third) = other.table.try_read().unwrap() else {
        panic!("the third one was not told");
    };
    drop(third.mark_recovered());
    drop(clean(board.table.try_read()));
    drop((recovery.mark_recovered(), second.assume_recovered()));
    drop(clean(board.table.try_write()));

    let board = self::board(maker);
    dead_after(&board, "write");
    let Acquired::OwnerDied(mut recovery) = board.table.write().unwrap() else {
        panic!("the death was not noticed");
    };
    *recovery = [1, 2];
    drop(recovery.mark_recovered());
    assert_eq!(*clean(board.table.read()), [1, 2]);
    // One that does not repair leaves it poisoned.
    dead_after(&board, "write");
    assert!(board.table.write().unwrap().owner_died());
    for kind in [
        board.table.read().map(drop).unwrap_err().kind(),
        board.table.write().map(drop).unwrap_err().kind(),
        board.table.try_read().map(drop).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Poisoned);
    }
    assert!(board.table.write_poisoned(LONG).unwrap().owner_died());
    assert_eq!(
        board.table.read().map(drop).unwrap_err().kind(),
        ErrorKind::Poisoned
    );
    drop(board.table.write_poisoned(LONG).unwrap().assume_recovered());
    drop(clean(board.table.try_read()));
    // Two that die one after the other.
    dead_after(&board, "write");
    let mut process = peer(&board.place);
    process.tell("write");
    process.expect("owner died");
    process.kill();
    assert!(board.table.read_timeout(LONG).unwrap().owner_died());
}

fn a_reader_that_gives_up_on_a_dead_writers_data_poisons_them(maker: Maker) {
    let board = board(maker);
    dead_after(&board, "write");
    assert!(board.table.read().unwrap().owner_died());
    assert!(board.table.is_poisoned());
    let error = board.table.read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    // Whoever says that the data are right has said so about the death as well.
    board.table.clear_poison().unwrap();
    drop(clean(board.table.read()));
    drop(clean(board.table.write()));
}

fn a_writer_that_dies_before_it_was_inside_has_changed_nothing(maker: Maker) {
    let _watch = deadline(2 * LONG);
    let board = board(maker);
    let reading = clean(board.table.read());
    let mut writer = peer(&board.place);
    writer.tell("wait write");
    writer.expect("waits");
    until_asleep(&mut writer);
    let error = board.table.read_timeout(SHORT).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&writer.pid().to_string()), "{text}");
    writer.kill();
    // New readers are let in again, and nothing is in doubt.
    drop(clean(board.table.read_timeout(LONG)));
    drop(reading);
    drop(clean(board.table.write_timeout(LONG)));
}

fn more_processes_than_slots_take_turns(maker: Maker) {
    let _watch = deadline(3 * LONG);
    let board = board(maker);
    let mut readers: Vec<Child> = (0..8).map(|_| peer(&board.place)).collect();
    for reader in &mut readers {
        obey(reader, "read");
    }
    assert_eq!(
        board.table.try_read().map(drop).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let begun = Instant::now();
    let error = board.table.read_timeout(SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed() >= SHORT);
    let text = error.to_string();
    let named = |reader: &Child| text.contains(&format!("process {} ", reader.pid()));
    assert!(readers.iter().any(named), "{text}");
    // One that leaves makes room, and so does one that dies.
    obey(&mut readers[3], "release");
    let mine = clean(board.table.read_timeout(LONG));
    readers[3].tell("wait read");
    readers[3].expect("waits");
    readers[5].kill();
    assert!(readers[3].line().starts_with("through"));
    // Another reader of a process that has a slot needs none.
    drop(clean(board.table.try_read()));
    drop(mine);
    readers.iter_mut().for_each(Child::kill);
    drop(clean(board.table.write_timeout(LONG)));
}
