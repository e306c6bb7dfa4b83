//! The rules of Windows for files that are mapped.

use std::fs::{self, File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt as _;

use shmkit::{Access, Detached, ErrorKind, InUse, Lifetime, Medium, SharedMemory, Wish, directory};
use shmkit_testkit::Scratch;

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;

fn segment_of(bytes: usize, path: &std::path::Path) -> SharedMemory {
    SharedMemory::options()
        .size(bytes)
        .create_file(path)
        .unwrap()
}

#[test]
fn a_mapped_file_keeps_its_length() {
    let place = Scratch::new();
    let path = place.join("data");
    let mut segment = segment_of(10_000, &path);
    // A program without shmkit.
    let file = File::options().write(true).open(&path).unwrap();
    assert!(file.set_len(10).is_err());
    let error = segment.shrink(10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("while it is mapped"), "{error}");
    let error = segment.grow(20_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.help().unwrap().contains("as large as"), "{error}");
    segment.grow(5).unwrap();
    for made in [
        SharedMemory::options()
            .growable(1 << 20)
            .attach_file(&path)
            .unwrap_err(),
        SharedMemory::options()
            .size(1)
            .growable(1 << 20)
            .create_file(place.join("other"))
            .unwrap_err(),
    ] {
        assert_eq!(made.kind(), ErrorKind::Unsupported, "{made}");
    }
    assert!(!place.join("other").exists());
    // So checked copies find all bytes, and what is outside is refused before.
    let mut bytes = [1; 100];
    segment.try_copy_from(9_900, &[7; 100]).unwrap();
    segment.try_copy_to(9_900, &mut bytes).unwrap();
    assert_eq!(bytes, [7; 100]);
    let error = segment.try_copy_to(9_901, &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfBounds);
}

#[test]
fn what_was_flushed_is_in_the_file() {
    let place = Scratch::new();
    let path = place.join("data");
    let segment = segment_of(1 << 20, &path);
    segment.write_at(100_000, b"flushed").unwrap();
    segment.flush(100_000..100_007).unwrap();
    segment.flush(10..10).unwrap();
    segment.flush_async(..).unwrap();
    assert_eq!(fs::read(&path).unwrap()[100_000..100_007], *b"flushed");
    let error = segment.flush(..(1 << 20) + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfBounds);
    let mut options = SharedMemory::options();
    let private = options.copy_on_write(true).attach_file(&path).unwrap();
    let error = private.flush(..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut options = SharedMemory::options();
    let reader = options.access(Access::ReadOnly).attach_file(&path).unwrap();
    reader.flush(..).unwrap();
}

#[test]
fn a_program_that_shares_with_nobody_is_waited_for_and_named_as_the_cause() {
    let place = Scratch::new();
    let path = place.join("data");
    fs::write(&path, "bytes").unwrap();
    let _alone = OpenOptions::new()
        .read(true)
        .share_mode(0)
        .open(&path)
        .unwrap();
    let error = SharedMemory::options().attach_file(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(
        error.to_string().contains("shares it with nobody"),
        "{error}"
    );
}

#[test]
fn a_temporary_file_must_be_shared_for_deletion() {
    let place = Scratch::new();
    let mut options = SharedMemory::options();
    let segment = options.size(100).temporary_file(place.path()).unwrap();
    let path = segment.path().unwrap();
    let mut others = OpenOptions::new();
    others
        .read(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE);
    let error = others.open(path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(32), "ERROR_SHARING_VIOLATION");
    // Those that allow it see it go with its last user.
    let other = SharedMemory::options().attach_file(path).unwrap();
    assert_eq!(other.lifetime(), Lifetime::Ephemeral);
    let path = path.to_owned();
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    assert_eq!(other.detach().unwrap(), Detached::Removed);
    assert!(!path.exists());
}

#[test]
fn a_program_without_shmkit_counts_as_a_user() {
    let place = Scratch::new();
    let path = place.join("data");
    let mut options = SharedMemory::options();
    options.size(100).lifetime(Lifetime::Ephemeral);
    let segment = options.create_file(&path).unwrap();
    let reading = File::open(&path).unwrap();
    assert_eq!(segment.detach().unwrap(), Detached::Remains);
    drop(reading);
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_in_use_is_not_removed_unless_asked() {
    let place = Scratch::new();
    let path = place.join("data");
    let segment = segment_of(100, &path);
    let options = SharedMemory::options();
    let error = options.remove_file(&path, InUse::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(path.exists());
    // Windows itself refuses it, newer ones perhaps not.
    match options.remove_file(&path, InUse::RemoveAnyway) {
        Ok(()) => assert_eq!(segment.view().len(), 100),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unsupported),
    }
    drop(segment);
    if path.exists() {
        options.remove_file(&path, InUse::Refuse).unwrap();
    }
    assert!(!path.exists());
    let error = options.remove_file(&path, InUse::Refuse).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn directories_empty_files_and_nothing_are_no_segments() {
    let place = Scratch::new();
    let file = place.join("file");
    fs::write(&file, "").unwrap();
    let options = SharedMemory::options();
    for (path, kind) in [
        (place.path(), ErrorKind::NotASegment),
        (&file, ErrorKind::NotASegment),
        (&place.join("nothing"), ErrorKind::NotFound),
        (&place.join("no/thing"), ErrorKind::NotFound),
    ] {
        let error = options.attach_file(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let error = options.attach_file(place.join("no/thing")).unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    let mut options = SharedMemory::options();
    let error = options.size(1).create_file(place.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotASegment);
    let error = SharedMemory::options().create_file_from(place.join("new"), &b""[..]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidSize);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn contents_are_there_when_the_name_is() {
    let place = Scratch::new();
    let path = place.join("data");
    let contents: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let made = SharedMemory::options()
        .create_file_from(&path, &contents[..])
        .unwrap();
    assert_eq!(made.size(), contents.len());
    assert_eq!(made.view().to_vec(), contents);
    assert_eq!(fs::read(&path).unwrap(), contents);
}

#[test]
fn a_long_path_is_a_path() {
    let place = Scratch::new();
    let folder = place.join("x".repeat(120));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("y".repeat(120));
    let segment = segment_of(100, &path);
    segment.write_at(0, b"long").unwrap();
    let other = SharedMemory::options().attach_file(&path).unwrap();
    assert_eq!(other.view().read::<[u8; 4]>(0).unwrap(), *b"long");
}

#[test]
fn a_segment_knows_what_it_lies_on() {
    let place = Scratch::new();
    let segment = segment_of(100, &place.join("data"));
    let kind = segment.fs_kind().unwrap();
    assert!(!kind.name.is_empty());
    let memory = SharedMemory::options().size(100).memfd("memory").unwrap();
    assert_eq!(memory.fs_kind().unwrap().medium, Medium::Memory);
    let found = directory::examine(place.path(), 1);
    assert_eq!(found.kind.unwrap(), kind);
    let mut options = SharedMemory::options();
    let made = options
        .size(100)
        .ram_backed(Wish::Demand)
        .create_file(place.join("in memory"));
    match kind.is_ram_backed() {
        true => drop(made.unwrap()),
        false => {
            let error = made.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&kind.name), "{error}");
            assert!(segment.warnings()[0].contains(&kind.name));
        }
    }
}
