//! The size of segments: growing in place, shrinking, flushing, what they lie on.

use std::fs;
use std::time::Duration;

use shmkit::{Access, ErrorKind, Medium, Options, SharedMemory, Wish, directory};
use shmkit_testkit::{Scratch, role, spawn};

use crate::support::{LONG, SHORT, TestKey};

const PAGE: usize = 4096;

fn growable() -> Options {
    let mut options = SharedMemory::options();
    options.size(PAGE).growable(1 << 30);
    options
}

/// Runs `test` on a growable segment of every kind that can grow.
fn for_every_kind(mut test: impl FnMut(SharedMemory)) {
    let key = TestKey::posix();
    let places = [Scratch::new(), Scratch::in_memory()];
    test(growable().create(&key).unwrap());
    test(growable().memfd("grows").unwrap());
    for place in &places {
        test(growable().create_file(place.join("grows")).unwrap());
    }
}

#[test]
fn a_segment_grows_in_place_and_old_views_stay() {
    for_every_kind(|segment| {
        assert_eq!((segment.size(), segment.capacity()), (PAGE, 1 << 30));
        let old = segment.view_mut().unwrap();
        old.write(0, &7_u64).unwrap();
        for size in [PAGE + 1, 3 * PAGE, 1 << 20, (1 << 20) + 5] {
            segment.grow(size).unwrap();
            let new = segment.view_mut().unwrap();
            assert_eq!((new.len(), new.as_ptr()), (size, old.as_ptr()));
            assert_eq!(new.read::<u8>(size - 1).unwrap(), 0);
            new.write(size - 1, &1_u8).unwrap();
            assert_eq!(old.len(), PAGE);
            assert_eq!(old.read::<u64>(0).unwrap(), 7);
        }
        // Growing to less is nothing.
        segment.grow(5).unwrap();
        assert_eq!(segment.size(), (1 << 20) + 5);
        let error = segment.grow((1 << 30) + 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
        assert!(error.help().unwrap().contains("growable"), "{error}");
    });
}

#[test]
fn memory_for_growth_is_taken_when_it_grows() {
    let place = Scratch::in_memory();
    let path = place.join("grows");
    let segment = growable().create_file(&path).unwrap();
    segment.grow(1 << 20).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 1 << 20);
    let mut sparse = growable();
    let path = place.join("sparse");
    let sparse = sparse.reserve(false).create_file(&path).unwrap();
    sparse.grow(1 << 29).unwrap();
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn what_cannot_grow_says_why() {
    let place = Scratch::new();
    let path = place.join("file");
    fs::write(&path, vec![0; 2 * PAGE]).unwrap();
    let mut options = SharedMemory::options();
    options.growable(1 << 20);
    let attach = |change: &dyn Fn(&mut Options)| {
        let mut options = options.clone();
        change(&mut options);
        options.attach_file(&path).unwrap()
    };
    let grow = |segment: SharedMemory| segment.grow(3 * PAGE).unwrap_err().kind();
    let part = attach(&|options| _ = options.range(..100));
    assert_eq!(grow(part), ErrorKind::Unsupported);
    let private = attach(&|options| _ = options.copy_on_write(true));
    assert_eq!(grow(private), ErrorKind::Unsupported);
    let reader = attach(&|options| _ = options.access(Access::ReadOnly));
    assert_eq!(grow(reader), ErrorKind::ReadOnly);
    let fixed = SharedMemory::options().attach_file(&path).unwrap();
    assert_eq!(grow(fixed), ErrorKind::OutOfBounds);
    let system_v = TestKey::system_v();
    let error = growable().create(&system_v).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let system_v = SharedMemory::create(&system_v, 10).unwrap();
    assert_eq!(grow(system_v), ErrorKind::Unsupported);
}

#[test]
fn two_who_grow_at_once_lose_nothing() {
    let place = Scratch::in_memory();
    for reserve in [true, false] {
        let path = place.join(format!("grows-{reserve}"));
        let mut options = growable();
        options.reserve(reserve);
        let first = options.create_file(&path).unwrap();
        let second = options.attach_file(&path).unwrap();
        let grow = |segment: &SharedMemory, odd: usize| {
            for n in 0..200 {
                let size = PAGE + (2 * n + odd) * 100;
                segment.grow(size).unwrap();
                segment.write_at(size - 1, &[1 + odd as u8]).unwrap();
                assert!(segment.refresh().unwrap() >= size);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| grow(&first, 0));
            scope.spawn(|| grow(&first, 1));
            grow(&second, 1);
        });
        assert_eq!(second.refresh().unwrap(), PAGE + 399 * 100);
        assert_eq!(second.view().read::<u8>(PAGE + 398 * 100 - 1).unwrap(), 1);
    }
}

#[test]
fn waiting_for_growth_ends_with_the_time_and_with_growth_by_others() {
    for_every_kind(|segment| {
        let error = segment.wait_for_growth(PAGE, SHORT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(segment.wait_for_growth(PAGE - 1, SHORT).unwrap(), PAGE);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| segment.wait_for_growth(PAGE, LONG).unwrap());
            segment.grow(PAGE + 1).unwrap();
            assert!(waiter.join().unwrap() > PAGE);
        });
    });
    // By a program that does not know shmkit.
    let place = Scratch::new();
    let path = place.join("file");
    let segment = growable().create_file(&path).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| segment.wait_for_growth(PAGE, LONG).unwrap());
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(10_000).unwrap();
        assert_eq!(waiter.join().unwrap(), 10_000);
    });
    assert_eq!(segment.view().len(), 10_000);
}

#[test]
#[ignore = "child role"]
fn role_attach_and_wait() {
    let Some(me) = role() else { return };
    let _segment = SharedMemory::attach_read_only(&me.arg().parse().unwrap()).unwrap();
    me.say("attached");
    me.park();
}

#[test]
fn shrinking_is_refused_while_others_are_attached_unless_asked_by_name() {
    for_every_kind(|mut segment| {
        segment.grow(3 * PAGE).unwrap();
        segment.shrink(2 * PAGE).unwrap();
        assert_eq!(segment.size(), 2 * PAGE);
        for size in [0, 2 * PAGE + 1] {
            let error = segment.shrink(size).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidSize);
        }
        // What is cut off is gone.
        segment.write_at(2 * PAGE - 1, b"x").unwrap();
        segment.shrink(PAGE).unwrap();
        segment.grow(2 * PAGE).unwrap();
        assert_eq!(segment.view().read::<u8>(2 * PAGE - 1).unwrap(), 0);
    });
    let key = TestKey::posix();
    let mut segment = growable().create(&key).unwrap();
    let mut other = spawn("extent::role_attach_and_wait", key.to_string());
    other.expect("attached");
    let error = segment.shrink(100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(segment.refresh().unwrap(), PAGE);
    segment.shrink_in_use(100).unwrap();
    assert_eq!(segment.refresh().unwrap(), 100);
    other.kill();
    segment.shrink(50).unwrap();
    assert_eq!(segment.view().len(), 50);
}

#[test]
#[ignore = "child role"]
fn role_flush_and_die() {
    let Some(me) = role() else { return };
    let segment = SharedMemory::options()
        .size(1 << 20)
        .create_file(me.arg())
        .unwrap();
    segment.write_at(100_000, b"flushed").unwrap();
    segment.flush(100_000..100_007).unwrap();
    segment.write_at(200_000, b"async").unwrap();
    segment.flush_async(..).unwrap();
    me.say("flushed");
    me.park();
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let place = Scratch::new();
    let path = place.join("flushed");
    let mut writer = spawn("extent::role_flush_and_die", path.display());
    writer.expect("flushed");
    writer.kill();
    // Read past the kernel's copy in memory, from the disk itself.
    let direct = read_from_disk(&path, 1 << 20);
    assert_eq!(direct[100_000..100_007], *b"flushed");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        (bytes.len(), &bytes[200_000..200_005]),
        (1 << 20, &b"async"[..])
    );
}

/// Reads with O_DIRECT, where the file system has it.
fn read_from_disk(path: &std::path::Path, size: usize) -> Vec<u8> {
    let copy = path.with_extension("copy");
    let status = std::process::Command::new("dd")
        .arg(format!("if={}", path.display()))
        .arg(format!("of={}", copy.display()))
        .args(["bs=1M", "count=1", "iflag=direct", "status=none"])
        .status();
    match status {
        Ok(status) if status.success() => fs::read(copy).unwrap(),
        _ => {
            println!("skipped: {} cannot be read past the cache", path.display());
            let bytes = fs::read(path).unwrap();
            assert_eq!(bytes.len(), size);
            bytes
        }
    }
}

#[test]
fn a_flush_outside_or_of_a_private_copy_is_refused() {
    for_every_kind(|segment| {
        segment.flush(..).unwrap();
        segment.flush(10..10).unwrap();
        segment.flush_async(PAGE - 1..).unwrap();
        let error = segment.flush(..PAGE + 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
    });
    let place = Scratch::new();
    fs::write(place.join("file"), "x").unwrap();
    let private = SharedMemory::options()
        .copy_on_write(true)
        .attach_file(place.join("file"))
        .unwrap();
    assert_eq!(
        private.flush(..).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    let system_v = SharedMemory::create(&TestKey::system_v(), 10).unwrap();
    system_v.flush(..).unwrap();
}

#[test]
fn a_segment_knows_what_it_lies_on() {
    let key = TestKey::posix();
    for segment in [
        SharedMemory::create(&key, 1).unwrap(),
        growable().memfd("x").unwrap(),
    ] {
        let kind = segment.fs_kind().unwrap();
        assert_eq!((kind.medium, &*kind.name), (Medium::Memory, "tmpfs"));
        assert!(segment.warnings().is_empty());
    }
    let system_v = SharedMemory::create(&TestKey::system_v(), 1).unwrap();
    assert!(system_v.fs_kind().unwrap().is_ram_backed());

    let place = Scratch::new();
    let mut options = growable();
    let segment = options.create_file(place.join("a")).unwrap();
    let kind = segment.fs_kind().unwrap();
    if kind.is_ram_backed() {
        println!("skipped: {} is in memory", place.path().display());
        return;
    }
    assert!(segment.warnings()[0].contains(&kind.name), "{kind}");
    options.ram_backed(Wish::Demand);
    for made in [
        options.create_file(place.join("b")),
        options.create_or_attach_file(place.join("b")),
        options.temporary_file(place.path()),
        options.unnamed_file(place.path()),
        options.create_file_from(place.join("b"), &b"x"[..]),
    ] {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&kind.name), "{error}");
    }
    assert!(!place.join("b").exists());
    options.memfd("in memory anyway").unwrap();
}

#[test]
fn directories_are_judged_with_reasons() {
    let found = directory::candidates(1);
    assert_eq!(found[0].path.to_str(), Some("/dev/shm"));
    assert!(found[0].objection.is_none(), "{}", found[0]);
    assert!(
        found[0].to_string().contains("tmpfs (in memory)"),
        "{}",
        found[0]
    );
    assert_eq!(directory::choose(1).unwrap(), found[0].path);
    let error = directory::choose(u64::MAX).unwrap_err();
    assert!(error.to_string().contains("bytes are needed"), "{error}");
    let place = Scratch::new();
    let disk = directory::examine(place.path(), 1);
    if !disk.kind.as_ref().unwrap().is_ram_backed() {
        assert_eq!(disk.objection.as_deref(), Some("it is not in memory"));
    }
    let missing = directory::examine(place.join("none"), 1);
    assert!(missing.objection.unwrap().contains("no such"));
    let segment = SharedMemory::options()
        .size(10)
        .temporary_file(directory::choose(10).unwrap())
        .unwrap();
    assert!(segment.warnings().is_empty());
    assert_eq!(segment.wait_for_growth(0, Duration::ZERO).unwrap(), 10);
}
