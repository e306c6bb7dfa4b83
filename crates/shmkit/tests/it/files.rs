//! Segments without a key: files, temporary files, memfds, descriptors.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use shmkit::{Access, Detached, ErrorKind, InUse, Lifetime, Origin, Owners, SharedMemory};
use shmkit_testkit::{Scratch, role, spawn};

use crate::support::TestKey;

/// A place on the disk and one in memory.
fn places() -> [Scratch; 2] {
    [Scratch::new(), Scratch::in_memory()]
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_is_born_with_its_size_and_stays_with_its_bytes() {
    for place in places() {
        let path = place.join("data");
        let segment = SharedMemory::options()
            .size(5000)
            .mode(0o640)
            .create_file(&path)
            .unwrap();
        assert_eq!(segment.size(), 5000);
        assert_eq!(segment.lifetime(), Lifetime::Kept);
        assert_eq!(segment.path(), Some(&*path));
        assert_eq!(segment.key(), None);
        segment.write_at(4995, b"bytes").unwrap();
        let status = fs::metadata(&path).unwrap();
        assert_eq!((status.len(), status.mode() & 0o7777), (5000, 0o640));
        // Memory for it is taken, so that no page is missing later.
        assert!(status.blocks() * 512 >= 5000);
        assert_eq!(segment.detach().unwrap(), Detached::Remains);
        assert_eq!(fs::read(&path).unwrap()[4995..], *b"bytes");

        let again = SharedMemory::options().attach_file(&path).unwrap();
        assert_eq!(again.origin(), Origin::Attached);
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
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
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

        // When all are killed, the next one removes what they left.
        let mut maker = spawn("files::role_make_a_temporary_file", directory.display());
        let left = maker.line();
        maker.kill();
        assert!(Path::new(&left).exists());
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

#[test]
fn links_directories_fifos_and_empty_files_are_no_segments() {
    let place = Scratch::new();
    let (file, link) = (place.join("file"), place.join("link"));
    fs::write(&file, "x").unwrap();
    symlink(&file, &link).unwrap();
    let options = SharedMemory::options();
    let error = options.attach_file(&link).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    assert!(error.help().unwrap().contains("the path that it leads to"));
    let error = SharedMemory::options()
        .size(1)
        .create_file(&link)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    let error = options.attach_file(place.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    fs::write(&file, "").unwrap();
    let error = options.attach_file(&file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    let error = options.attach_file(place.join("nothing")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = options.attach_file(place.join("no/thing")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[test]
fn a_directory_where_everybody_may_replace_files_is_refused() {
    let place = Scratch::new();
    let mode = |mode| {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    let mut options = SharedMemory::options();
    options.size(10).lifetime(Lifetime::Ephemeral);
    mode(0o777);
    let error = options.create_file(place.join("a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("not sticky"), "{error}");
    drop(
        options
            .clone()
            .owners(Owners::Anyone)
            .create_file(place.join("a"))
            .unwrap(),
    );
    mode(0o1777);
    drop(options.create_file(place.join("a")).unwrap());
}

#[test]
fn a_memfd_has_no_name_and_keeps_its_mode() {
    let segment = SharedMemory::options()
        .size(4096)
        .mode(0o644)
        .memfd("frames")
        .unwrap();
    assert_eq!(segment.name(), "memfd:frames");
    assert_eq!((segment.key(), segment.path()), (None, None));
    assert_eq!((segment.size(), segment.mode()), (4096, 0o644));
    segment.write_at(4090, b"frames").unwrap();
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    for name in ["a\0b", &"x".repeat(250)] {
        let error = SharedMemory::options().size(1).memfd(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
    }
    let error = SharedMemory::options().memfd("none").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSize);
    assert!(error.to_string().contains("memfd:none"), "{error}");
    let filled = SharedMemory::options()
        .memfd_from("full", &b"contents"[..])
        .unwrap();
    assert_eq!(filled.view().to_vec(), b"contents");
    let error = filled.lock().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().is_some());
}

#[test]
fn a_descriptor_is_attached_as_a_user_of_its_own() {
    let key = TestKey::posix();
    let made = SharedMemory::create(&key, 4096).unwrap();
    let path = format!("/dev/shm{}", key.native_key());
    let open = |write: bool| -> OwnedFd {
        fs::File::options()
            .read(true)
            .write(write)
            .open(&path)
            .unwrap()
            .into()
    };
    let fd = open(true);
    let copy = fd.try_clone().unwrap();
    let joined = SharedMemory::options().attach_fd(copy).unwrap();
    joined.write_at(0, b"joined").unwrap();
    assert_eq!(made.view().read::<[u8; 6]>(0).unwrap(), *b"joined");
    assert_eq!(joined.lifetime(), Lifetime::Ephemeral);
    // Locks of the description that came do not touch those of the user.
    drop(fd);
    assert_eq!(made.detach().unwrap(), Detached::Remains);
    assert_eq!(joined.detach().unwrap(), Detached::Removed);
    assert!(!Path::new(&path).exists());

    let made = SharedMemory::create(&key, 4096).unwrap();
    let error = SharedMemory::options().attach_fd(open(false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let reader = SharedMemory::options()
        .access(Access::ReadOnly)
        .attach_fd(open(false))
        .unwrap();
    assert_eq!(reader.size(), made.size());
    assert_eq!(reader.view_mut().unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn descriptors_of_other_things_are_refused_and_closed() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let fd = OwnedFd::from(reader);
    let number = fd.as_fd().as_raw_fd();
    let mut options = SharedMemory::options();
    options.access(Access::ReadOnly);
    let error = options.attach_fd(fd).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    let still = fs::read_link(format!("/proc/self/fd/{number}"));
    assert!(!still.is_ok_and(|link| link.to_string_lossy().starts_with("pipe:")));
    let directory = fs::File::open("/").unwrap();
    let error = options.attach_fd(directory.into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
}
