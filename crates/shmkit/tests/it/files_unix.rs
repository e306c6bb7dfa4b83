//! Files with permissions and blocks, memfds, descriptors.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use shmkit::{Access, Detached, ErrorKind, Lifetime, Owners, SharedMemory};
use shmkit_testkit::Scratch;

use crate::support::TestKey;

#[test]
fn memory_for_a_file_is_taken_when_it_is_made() {
    for place in [Scratch::new(), Scratch::in_memory()] {
        let path = place.join("data");
        let mut options = SharedMemory::options();
        let _segment = options.size(5000).mode(0o640).create_file(&path).unwrap();
        let status = fs::metadata(&path).unwrap();
        assert_eq!((status.len(), status.mode() & 0o7777), (5000, 0o640));
        // So no page is missing later.
        assert!(status.blocks() * 512 >= 5000);
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
    if cfg!(shmkit_force_portable) {
        return println!("skipped: POSIX segments that are objects have no descriptors");
    }
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

/// Whether others can write by a descriptor.
fn writes(fd: OwnedFd) -> bool {
    use std::io::Write as _;
    fs::File::from(fd).write_all(b"x").is_ok()
}

#[test]
fn a_file_is_sent_read_only_while_it_has_its_path() {
    let place = Scratch::new();
    let (path, moved) = (place.join("file"), place.join("moved"));
    let segment = SharedMemory::options().size(10).create_file(&path).unwrap();
    assert!(writes(segment.to_fd(Access::ReadWrite).unwrap()));
    assert!(!writes(segment.to_fd(Access::ReadOnly).unwrap()));
    let other = SharedMemory::options().attach_file(&path).unwrap();
    fs::rename(&path, &moved).unwrap();
    // It was opened by a name, and the system knows what became of that.
    assert!(!writes(other.to_fd(Access::ReadOnly).unwrap()));
    fs::rename(&moved, &path).unwrap();
    let reader = SharedMemory::options()
        .access(Access::ReadOnly)
        .attach_fd(segment.to_fd(Access::ReadOnly).unwrap())
        .unwrap();
    segment.write_at(0, b"seen").unwrap();
    assert_eq!(reader.view().read::<[u8; 4]>(0).unwrap(), *b"seen");

    fs::remove_file(&path).unwrap();
    let sent = segment.to_fd(Access::ReadOnly);
    if !cfg!(shmkit_force_portable) {
        assert!(!writes(sent.unwrap()));
        return;
    }
    // Systems that cannot open a descriptor once more need the path, and say so.
    let error = sent.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("file"), "{error}");
    assert!(error.help().unwrap().contains("a file that has a name"));
    assert!(writes(segment.to_fd(Access::ReadWrite).unwrap()));
    // What has its path now is not it.
    fs::write(&path, "another").unwrap();
    let error = segment.to_fd(Access::ReadOnly).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // It need not be narrowed where it is narrow.
    assert!(!writes(reader.to_fd(Access::ReadOnly).unwrap()));
    let error = reader.to_fd(Access::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
}

#[test]
fn memory_without_a_name_is_sent_read_only_where_that_can_be() {
    let segment = SharedMemory::options().size(10).memfd("frames").unwrap();
    assert!(writes(segment.to_fd(Access::ReadWrite).unwrap()));
    let sent = segment.to_fd(Access::ReadOnly);
    if !cfg!(shmkit_force_portable) {
        assert!(!writes(sent.unwrap()));
        return;
    }
    let error = sent.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("memfd:frames"), "{error}");
    assert!(error.help().unwrap().contains("seal it"), "{error}");
    // Nobody can write to what is sealed, whatever the descriptor says.
    let sealed = segment.seal().unwrap();
    assert!(!writes(sealed.to_fd().unwrap()));
}

#[test]
fn a_key_is_sent_where_its_segment_has_no_descriptor() {
    let keys = [TestKey::posix(), TestKey::system_v()];
    let have = match cfg!(shmkit_force_portable) {
        true => 0,
        false => 1,
    };
    for key in &keys[have..] {
        let segment = SharedMemory::create(key, 10).unwrap();
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let error = segment.to_fd(access).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&key.to_string()), "{error}");
            let help = error.help().unwrap();
            assert!(help.contains("send its key"), "{error}");
        }
    }
}

#[test]
fn who_was_sent_a_file_removes_it_as_its_last_user() {
    let place = Scratch::new();
    let path = place.join("file");
    let made = SharedMemory::options()
        .size(10)
        .lifetime(Lifetime::Ephemeral)
        .create_file(&path)
        .unwrap();
    let sent = made.to_fd(Access::ReadWrite).unwrap();
    let joined = SharedMemory::options().attach_fd(sent).unwrap();
    assert_eq!(joined.path(), Some(&*path));
    assert_eq!(made.detach().unwrap(), Detached::Remains);
    assert_eq!(joined.detach().unwrap(), Detached::Removed);
    assert!(!path.exists());
}
