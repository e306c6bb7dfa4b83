//! Seals, and copies that need no trust.

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use shmkit::{Access, ErrorKind, Sealed, Seals, SharedMemory};
use shmkit_testkit::{Child, Scratch, role, role_command, spawn};

use crate::support::TestKey;

/// Whether memfds can be had; where they are denied, what stands in for them takes no seals.
fn has_seals() -> bool {
    let segment = SharedMemory::options().size(1).memfd("seals").unwrap();
    match segment.add_seals(Seals::GROW) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            println!("skipped: {error}");
            false
        }
    }
}

fn memfd(size: usize) -> SharedMemory {
    SharedMemory::options()
        .size(size)
        .growable(1 << 20)
        .memfd("sealed")
        .unwrap()
}

#[test]
fn each_seal_forbids_what_it_says_and_is_seen_by_others() {
    if !has_seals() {
        return;
    }
    let mut segment = memfd(8192);
    assert_eq!(segment.seals().unwrap(), Seals::NONE);
    segment.add_seals(Seals::SHRINK).unwrap();
    assert_eq!(segment.shrink(4096).unwrap_err().kind(), ErrorKind::Sealed);
    segment.grow(10_000).unwrap();
    segment.add_seals(Seals::GROW).unwrap();
    assert_eq!(segment.grow(20_000).unwrap_err().kind(), ErrorKind::Sealed);

    if cfg!(shmkit_force_portable) {
        return only_linux_has_future_write(&segment);
    }
    // FUTURE_WRITE: this mapping writes, a new one does not.
    segment.add_seals(Seals::FUTURE_WRITE).unwrap();
    segment.write_at(0, b"still").unwrap();
    let fd = segment.to_fd(Access::ReadWrite).unwrap();
    let error = SharedMemory::options().attach_fd(fd).unwrap_err();
    assert!(error.raw_os_error().is_some(), "{error}");
    let fd = segment.to_fd(Access::ReadOnly).unwrap();
    let reader = SharedMemory::options()
        .access(Access::ReadOnly)
        .demand_seals(Seals::SHRINK | Seals::FUTURE_WRITE)
        .attach_fd(fd)
        .unwrap();
    assert_eq!(reader.view().read::<[u8; 5]>(0).unwrap(), *b"still");
    let all = Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE;
    assert!(reader.seals().unwrap().contains(all));
    assert_eq!(all.to_string(), "SHRINK|GROW|FUTURE_WRITE");

    segment.add_seals(Seals::SEAL).unwrap();
    let error = segment.add_seals(Seals::WRITE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sealed);
}

/// A seal that a system lacks is refused by its name, and nothing is added.
fn only_linux_has_future_write(segment: &SharedMemory) {
    let error = segment
        .add_seals(Seals::FUTURE_WRITE | Seals::SEAL)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("FUTURE_WRITE"), "{error}");
    assert_eq!(error.help(), Some("it has SEAL|SHRINK|GROW|WRITE"));
    let before = Seals::SHRINK | Seals::GROW;
    assert_eq!(segment.seals().unwrap(), before);
    segment.add_seals(Seals::SEAL).unwrap();
    let error = segment.add_seals(Seals::WRITE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sealed);
}

#[test]
fn what_is_no_memfd_takes_no_seals() {
    let key = TestKey::posix();
    let segment = SharedMemory::create(&key, 10).unwrap();
    let born_with = match cfg!(shmkit_force_portable) {
        true => Seals::NONE,
        false => Seals::SEAL,
    };
    assert_eq!(segment.seals().unwrap(), born_with);
    let unsealed = segment.seal().unwrap_err();
    assert_eq!(unsealed.error.kind(), ErrorKind::Unsupported);
    assert!(
        unsealed.to_string().contains(&key.to_string()),
        "{unsealed}"
    );
    // It came back, and still knows its key.
    unsealed.segment.write_at(0, b"x").unwrap();
    drop(unsealed.segment.lock().unwrap());

    let place = Scratch::new();
    let file = SharedMemory::options()
        .size(10)
        .create_file(place.join("file"))
        .unwrap();
    let error = file.add_seals(Seals::GROW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let mut unsealed = file.seal().unwrap_err();
    assert_eq!(unsealed.error.kind(), ErrorKind::Unsupported);
    unsealed.segment.write_at(0, b"x").unwrap();
    unsealed.segment.shrink(1).unwrap();
}

#[test]
fn sealed_memory_is_a_slice_that_nobody_can_change() {
    if !has_seals() {
        return;
    }
    let sealed = Sealed::new("greeting", &b"hello"[..]).unwrap();
    assert_eq!(&*sealed, b"hello");
    assert_eq!(sealed.view().to_vec(), b"hello");
    let all = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE;
    assert_eq!(sealed.seals().unwrap().without(Seals::FUTURE_WRITE), all);

    // Not even root can write to it, by whatever way.
    let fd = sealed.to_fd().unwrap();
    use std::os::fd::AsRawFd;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let writer = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    use std::os::unix::fs::FileExt;
    writer.write_at(b"H", 0).unwrap_err();
    writer.set_len(1).unwrap_err();
    writer.set_len(100).unwrap_err();
    let error = SharedMemory::options()
        .attach_fd(writer.into())
        .unwrap_err();
    match cfg!(shmkit_force_portable) {
        // There, too, a descriptor of sealed memory is one that writes.
        true => assert_eq!(error.kind(), ErrorKind::ReadOnly),
        false => assert!(error.raw_os_error().is_some(), "{error}"),
    }
    assert_eq!(&*Sealed::from_fd(fd).unwrap(), b"hello");
}

#[test]
fn what_is_not_sealed_is_not_taken_for_sealed() {
    let place = Scratch::in_memory();
    fs::write(place.join("file"), "x").unwrap();
    let file = fs::File::open(place.join("file")).unwrap();
    let error = Sealed::from_fd(file.into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sealed);
    if !has_seals() {
        return;
    }
    let too_few = [
        Seals::NONE,
        Seals::SHRINK,
        Seals::SHRINK | Seals::FUTURE_WRITE,
    ];
    for seals in &too_few[..if cfg!(shmkit_force_portable) { 2 } else { 3 }] {
        let segment = memfd(10);
        segment.add_seals(*seals).unwrap();
        let error = Sealed::from_fd(segment.to_fd(Access::ReadWrite).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sealed);
        assert!(error.to_string().contains("WRITE"), "{error}");
    }
}

/// Gives a child the descriptor of a segment as its standard input.
fn with_descriptor(role: &str, segment: &SharedMemory) -> Child {
    let fd = segment.to_fd(Access::ReadWrite).unwrap();
    spawn_with_fd(role, fd)
}

fn spawn_with_fd(role: &str, fd: OwnedFd) -> Child {
    use std::os::fd::AsRawFd;
    let number = fd.as_raw_fd();
    let mut child = spawn(role, format!("/proc/{}/fd/{number}", std::process::id()));
    child.expect("mapped");
    drop(fd);
    child
}

/// Opens what a path in `/proc` leads to, as a stranger does.
fn open(path: &str) -> OwnedFd {
    fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
        .into()
}

#[test]
#[ignore = "child role"]
fn role_keep_a_writable_mapping() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::options().attach_fd(open(me.arg())).unwrap();
    me.say("mapped");
    for word in me.orders() {
        segment.write_at(0, word.as_bytes()).unwrap();
        me.say("written");
    }
}

#[test]
fn a_writer_that_keeps_a_mapping_stands_against_the_seal() {
    if !has_seals() {
        return;
    }
    let segment = memfd(4096);
    let mut writer = with_descriptor("seals::role_keep_a_writable_mapping", &segment);
    let error = segment.add_seals(Seals::WRITE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    let unsealed = segment.seal().unwrap_err();
    assert_eq!(unsealed.error.kind(), ErrorKind::InUse);
    let segment = unsealed.segment;
    assert_eq!(segment.seals().unwrap(), Seals::NONE);

    // Nothing is lost on the way: both still write.
    segment.write_at(10, b"ours").unwrap();
    writer.tell("theirs");
    writer.expect("written");
    assert_eq!(segment.view().read::<[u8; 6]>(0).unwrap(), *b"theirs");
    writer.kill();
    let sealed = segment.seal().unwrap();
    assert_eq!(
        (&sealed[..6], &sealed[10..14]),
        (&b"theirs"[..], &b"ours"[..])
    );
}

#[test]
#[ignore = "child role"]
fn role_cut_and_mend() {
    let Some(me) = role() else { return };
    let file = fs::File::from(open(me.arg()));
    let size = file.metadata().unwrap().len();
    me.say("mapped");
    loop {
        file.set_len(0).unwrap();
        file.set_len(size).unwrap();
    }
}

#[test]
fn a_peer_that_truncates_while_we_copy_makes_an_error_and_no_signal() {
    const TIMES: usize = 10_000;
    let place = Scratch::new();
    let file = SharedMemory::options()
        .size(16 * 4096)
        .create_file(place.join("file"))
        .unwrap();
    for segment in [memfd(16 * 4096), file] {
        let mut peer = with_descriptor("seals::role_cut_and_mend", &segment);
        let mut buffer = vec![0; 16 * 4096];
        let (mut whole, mut cut) = (0, 0);
        for n in 0..TIMES {
            let done = match n % 2 {
                0 => segment.try_copy_to(0, &mut buffer),
                _ => segment.try_copy_from(0, &buffer),
            };
            match done {
                Ok(()) => whole += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
                    cut += 1;
                }
            }
        }
        peer.kill();
        assert_eq!(whole + cut, TIMES);
        assert!(cut > 0, "it was never cut while we copied");
    }
}

#[test]
fn checked_copies_are_copies() {
    let key = TestKey::system_v();
    let place = Scratch::new();
    fs::write(place.join("file"), vec![9; 10_000]).unwrap();
    let private = SharedMemory::options()
        .copy_on_write(true)
        .attach_file(place.join("file"))
        .unwrap();
    for segment in [
        memfd(10_000),
        SharedMemory::create(&key, 10_000).unwrap(),
        private,
    ] {
        let bytes: Vec<u8> = (0..9_000_u32).map(|n| n as u8).collect();
        segment.try_copy_from(1_000, &bytes).unwrap();
        assert_eq!(segment.view().get(1_000..).unwrap().to_vec(), bytes);
        let mut back = vec![0; 8_999];
        segment.try_copy_to(1_001, &mut back).unwrap();
        assert_eq!(back, bytes[1..]);
        let error = segment.try_copy_to(9_999, &mut [0; 2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
        let error = segment.try_copy_from(usize::MAX, &[0; 2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
        segment.try_copy_from(10_000, &[]).unwrap();
    }
    assert_eq!(fs::read(place.join("file")).unwrap(), vec![9; 10_000]);
}

#[test]
fn a_file_that_was_cut_is_seen_to_be() {
    let place = Scratch::new();
    let path = place.join("file");
    fs::write(&path, vec![1; 3 * 4096]).unwrap();
    let segment = SharedMemory::options().attach_file(&path).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(4096 + 10)
        .unwrap();
    let mut bytes = [0; 8];
    segment.try_copy_to(4096, &mut bytes).unwrap();
    let error = segment.try_copy_to(2 * 4096, &mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    let error = segment.try_copy_from(2 * 4096, &bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    // A copy that cannot be done does not make the file longer again.
    assert_eq!(fs::metadata(&path).unwrap().len(), 4096 + 10);
    assert_eq!(segment.refresh().unwrap(), 4096 + 10);
    assert_eq!(segment.view().len(), 4096 + 10);
}

#[test]
fn memory_that_can_be_cut_is_refused_on_demand() {
    let mut demanding = SharedMemory::options();
    demanding.demand_seals(Seals::SHRINK);
    let segment = memfd(100);
    let fd = || segment.to_fd(Access::ReadWrite).unwrap();
    let error = demanding.attach_fd(fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sealed);
    assert!(error.to_string().contains("SHRINK"), "{error}");
    let place = Scratch::new();
    fs::write(place.join("file"), "x").unwrap();
    let error = demanding.attach_file(place.join("file")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sealed);
    if has_seals() {
        segment.add_seals(Seals::SHRINK).unwrap();
        demanding.attach_fd(fd()).unwrap();
    }
}

#[test]
fn many_threads_seal_at_once_and_only_complete_seals_are_slices() {
    if !has_seals() {
        return;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let sealed = Sealed::new("x", &[7_u8; 5000][..]).unwrap();
                    assert!(sealed.iter().all(|&byte| byte == 7));
                }
            });
        }
        // Children come and go in between; see `sys::fork`.
        for _ in 0..20 {
            let status = role_command("seals::no_such_test", "").output().unwrap();
            assert!(status.status.success());
        }
        stop.store(true, Ordering::Relaxed);
    });
}
