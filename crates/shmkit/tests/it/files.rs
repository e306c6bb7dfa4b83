//! Segments without a key: files, temporary files.

use std::fs;
use std::path::Path;

use shmkit::{Detached, ErrorKind, InUse, Lifetime, Origin, SharedMemory};
use shmkit_testkit::{Scratch, role, spawn};

/// A place on the disk and, where there is such, one in memory.
fn places() -> Vec<Scratch> {
    vec![
        Scratch::new(),
        #[cfg(unix)]
        Scratch::in_memory(),
    ]
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[cfg(unix)]
fn only_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
}

#[test]
fn a_file_is_born_with_its_size_and_stays_with_its_bytes() {
    for place in places() {
        let path = place.join("data");
        let segment = SharedMemory::options()
            .size(5000)
            .mode(0o604)
            .create_file(&path)
            .unwrap();
        assert_eq!(segment.size(), 5000);
        assert_eq!(segment.lifetime(), Lifetime::Kept);
        assert_eq!(segment.path(), Some(&*path));
        assert_eq!(segment.key(), None);
        segment.write_at(4995, b"bytes").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
        assert_eq!(segment.detach().unwrap(), Detached::Remains);
        assert_eq!(fs::read(&path).unwrap()[4995..], *b"bytes");

        let again = SharedMemory::options().attach_file(&path).unwrap();
        assert_eq!(again.origin(), Origin::Attached);
        assert_eq!((again.size(), again.mode()), (5000, 0o604));
        assert_eq!(again.view().read::<[u8; 5]>(4995).unwrap(), *b"bytes");
        let error = SharedMemory::options().size(1).create_file(&path);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}

#[test]
#[ignore = "child role"]
fn role_write_to_a_file() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::options().attach_file(me.arg()).unwrap();
    segment.write_at(1, b"child").unwrap();
    me.say("written");
    me.park();
}

#[test]
fn what_one_writes_to_a_file_another_process_reads() {
    for place in places() {
        let path = place.join("shared");
        let segment = SharedMemory::options()
            .size(100)
            .create_file(&path)
            .unwrap();
        let mut child = spawn("files::role_write_to_a_file", path.display());
        child.expect("written");
        assert_eq!(segment.view().read::<[u8; 5]>(1).unwrap(), *b"child");
    }
}

#[test]
fn a_range_may_begin_at_any_byte_and_must_lie_in_the_file() {
    for place in places() {
        let path = place.join("range");
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        fs::write(&path, &bytes).unwrap();
        for range in [0..10_000, 4096..8192, 5000..5001, 4095..4097, 9999..10_000] {
            let part = SharedMemory::options()
                .range(range.clone())
                .attach_file(&path)
                .unwrap();
            let (begin, end) = (range.start as usize, range.end as usize);
            assert_eq!(part.view().to_vec(), bytes[begin..end]);
            part.write_at(0, &[bytes[begin]]).unwrap();
        }
        for range in [9999..10_001, 10_000..10_001, u64::MAX - 1..u64::MAX] {
            let error = SharedMemory::options().range(range).attach_file(&path);
            assert_eq!(error.unwrap_err().kind(), ErrorKind::OutOfBounds);
        }
        let error = SharedMemory::options().range(7..7).attach_file(&path);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidSize);
        // What a part writes is at its place in the file.
        let part = SharedMemory::options()
            .range(5000..)
            .attach_file(&path)
            .unwrap();
        part.write_at(1, b"x").unwrap();
        assert_eq!(fs::read(&path).unwrap()[5001], b'x');
    }
}

#[test]
fn copy_on_write_changes_nothing_for_others() {
    for place in places() {
        let path = place.join("cow");
        fs::write(&path, "original").unwrap();
        #[cfg(unix)]
        only_readable(&path);
        let mine = SharedMemory::options()
            .copy_on_write(true)
            .attach_file(&path)
            .unwrap();
        mine.write_at(0, b"changed!").unwrap();
        assert_eq!(mine.view().to_vec(), b"changed!");
        assert_eq!(fs::read(&path).unwrap(), b"original");
    }
}

#[test]
fn an_ephemeral_file_goes_with_its_last_user() {
    for place in places() {
        let path = place.join("ephemeral");
        let mut options = SharedMemory::options();
        options.size(64).lifetime(Lifetime::Ephemeral);
        let first = options.create_file(&path).unwrap();
        let second = SharedMemory::options().attach_file(&path).unwrap();
        assert_eq!(first.detach().unwrap(), Detached::Remains);
        assert!(path.exists());
        assert_eq!(second.detach().unwrap(), Detached::Removed);
        assert!(!path.exists());
    }
}

#[test]
fn a_file_that_was_there_before_is_never_removed() {
    let place = Scratch::new();
    let path = place.join("precious");
    fs::write(&path, "precious").unwrap();
    let mut options = SharedMemory::options();
    options.lifetime(Lifetime::Ephemeral).size(10);
    drop(options.attach_file(&path).unwrap());
    assert_eq!(
        options.create_file(&path).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    drop(options.create_or_attach_file(&path).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    options.remove_file(&path, InUse::Refuse).unwrap();
    assert!(!path.exists());
}

#[test]
#[ignore = "child role"]
fn role_make_a_temporary_file() {
    let Some(me) = role() else { return };
    let mut options = SharedMemory::options();
    options.size(1 << 20);
    let named = options.temporary_file(me.arg()).unwrap();
    let unnamed = options.unnamed_file(me.arg()).unwrap();
    unnamed.write_at(0, b"here").unwrap();
    me.say(named.path().unwrap().display());
    me.park();
}

#[test]
fn temporary_files_are_gone_after_a_kill() {
    for place in places() {
        let directory = place.path();
        let mut maker = spawn("files::role_make_a_temporary_file", directory.display());
        let path = maker.line();
        // The survivor removes the name, and the unnamed one went with its maker.
        let survivor = SharedMemory::options().attach_file(&path).unwrap();
        maker.kill();
        assert_eq!(survivor.detach().unwrap(), Detached::Removed);
        assert_eq!(names_in(directory), [""; 0]);

        // When all are killed, the next one removes what they left. On Windows the kernel does.
        let mut maker = spawn("files::role_make_a_temporary_file", directory.display());
        let left = maker.line();
        maker.kill();
        assert_eq!(Path::new(&left).exists(), !cfg!(windows));
        let next = SharedMemory::options()
            .size(1)
            .temporary_file(directory)
            .unwrap();
        assert!(!Path::new(&left).exists());
        let path = next.path().unwrap().to_owned();
        assert!(path.starts_with(directory) && path.exists());
        drop(next);
        assert_eq!(names_in(directory), [""; 0]);
    }
}
