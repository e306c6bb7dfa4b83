//! Where pages are: there in advance, huge, kept in memory, on a node.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use shmkit::{
    Access, Advice, ErrorKind, HugePages, Nodes, Options, Populated, Seals, SharedMemory, Wish,
};
use shmkit_testkit::{Scratch, launch, role, role_command, under};

use crate::support::TestKey;

const MIB: usize = 1 << 20;

/// The line of `/proc/self/smaps` about the mapping that begins at an address, in KiB.
fn from_smaps(segment: &SharedMemory, what: &str) -> usize {
    let start = format!("{:x}-", segment.view().as_ptr().addr());
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let lines = maps.lines().skip_while(|line| !line.starts_with(&start));
    let value = lines
        .skip(1)
        .find_map(|line| line.strip_prefix(what))
        .unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

fn options(size: usize) -> Options {
    let mut options = SharedMemory::options();
    options.size(size).reserve(false);
    options
}

#[test]
fn populated_pages_are_there_and_unchanged() {
    let key = TestKey::posix();
    let system_v = TestKey::system_v();
    for segment in [
        options(4 * MIB).create(&key).unwrap(),
        options(4 * MIB).create(&system_v).unwrap(),
        options(4 * MIB).memfd("populate").unwrap(),
    ] {
        segment.write_at(2 * MIB, b"written").unwrap();
        assert!(from_smaps(&segment, "Rss:") < 1024);
        segment.populate(..MIB, |_| {}).unwrap();
        assert!((1024..3000).contains(&from_smaps(&segment, "Rss:")));
        segment.populate(.., |_| {}).unwrap();
        assert_eq!(from_smaps(&segment, "Rss:"), 4096);
        assert_eq!(
            segment.view().read::<[u8; 7]>(2 * MIB).unwrap(),
            *b"written"
        );
        let error = segment.populate(..5 * MIB, |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
    }
    // Also when it is made, and for readers.
    let made = options(MIB).populate(Wish::Demand).create(&key).unwrap();
    assert_eq!(from_smaps(&made, "Rss:"), 1024);
    let reader = SharedMemory::options()
        .access(Access::ReadOnly)
        .populate(Wish::Demand)
        .attach(&key)
        .unwrap();
    assert_eq!(from_smaps(&reader, "Rss:"), 1024);
}

#[test]
fn progress_is_told_to_the_end() {
    let segment = options(150 * MIB).memfd("progress").unwrap();
    let calls = AtomicUsize::new(0);
    let mut last = 0;
    segment
        .populate(MIB.., |Populated { done, total, .. }| {
            assert_eq!(total, 149 * MIB);
            assert!(done > last && done <= total);
            last = done;
            calls.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    assert_eq!(last, 149 * MIB);
    assert!(calls.load(Ordering::Relaxed) >= 4);
    assert!(from_smaps(&segment, "Rss:") >= 149 * 1024);
}

#[test]
fn memory_that_is_not_there_is_an_error_and_no_signal() {
    if cfg!(shmkit_force_fallbacks) {
        println!("skipped: without MADV_POPULATE a lack of memory is a signal");
        return;
    }
    let place = Scratch::new();
    let path = place.join("file");
    fs::write(&path, vec![0; MIB]).unwrap();
    let segment = SharedMemory::options().attach_file(&path).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(10)
        .unwrap();
    let error = segment.populate(.., |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfSpace);
}

#[test]
#[ignore = "child role"]
fn role_lock_with_a_limit() {
    let Some(me) = role() else { return };
    // Root is above the limit.
    // SAFETY: it takes integers.
    #[expect(unsafe_code, reason = "becoming somebody else")]
    let result = unsafe { libc::setresuid(12345, 12345, 12345) };
    if result != 0 {
        println!("not root: the limit holds anyway");
    }
    let segment = SharedMemory::options()
        .size(MIB)
        .lock_in_memory(Wish::Hint)
        .memfd("locked")
        .unwrap();
    let [warning] = segment.warnings() else {
        panic!("{:?}", segment.warnings());
    };
    assert!(warning.contains("ulimit -l"), "{warning}");
    let error = SharedMemory::options()
        .size(MIB)
        .lock_in_memory(Wish::Demand)
        .memfd("locked")
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfResources);
    // What is below the limit is locked.
    segment.lock_in_memory(..4096).unwrap();
    me.say("refused with reasons");
}

#[test]
fn pages_are_kept_in_memory_up_to_the_limit() {
    let key = TestKey::posix();
    let segment = options(MIB).create(&key).unwrap();
    match segment.lock_in_memory(..) {
        Ok(()) => {
            assert_eq!(from_smaps(&segment, "Locked:"), 1024);
            segment.unlock_from_memory(..MIB / 2).unwrap();
            assert!(from_smaps(&segment, "Locked:") <= 512);
        }
        Err(error) => println!("skipped: {error}"),
    }
    let role = role_command("placement::role_lock_with_a_limit", "");
    let mut child = launch(under(["prlimit", "--memlock=65536"], role));
    child.expect("refused with reasons");
    child.finish();
}

#[test]
fn a_demand_that_is_not_met_leaves_nothing() {
    let key = TestKey::posix();
    let place = Scratch::new();
    let mut options = options(100);
    options.nodes(Nodes::Only(vec![0, 777]), Wish::Demand);
    let error = options.create(&key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("777"), "{error}");
    assert_eq!(key.traces(), [""; 0]);
    // A file that would be kept goes as well.
    options.create_file(place.join("file")).unwrap_err();
    assert!(!place.join("file").exists());
    // But never one that was there.
    fs::write(place.join("file"), "precious").unwrap();
    options.attach_file(place.join("file")).unwrap_err();
    assert_eq!(fs::read(place.join("file")).unwrap(), b"precious");

    options.nodes(Nodes::Preferred(777), Wish::Hint);
    let segment = options.create(&key).unwrap();
    assert!(
        segment.warnings()[0].contains("777"),
        "{:?}",
        segment.warnings()
    );
}

#[test]
fn pages_are_bound_to_nodes() {
    let segment = options(MIB).memfd("nodes").unwrap();
    segment.write_at(0, b"here").unwrap();
    match segment.bind(.., &Nodes::Only(vec![0])) {
        Ok(()) => {
            let start = format!("{:x} ", segment.view().as_ptr().addr());
            let maps = fs::read_to_string("/proc/self/numa_maps").unwrap();
            let line = maps
                .lines()
                .find_map(|line| line.strip_prefix(&start))
                .unwrap();
            assert!(line.starts_with("bind:0"), "{line}");
            segment.bind(.., &Nodes::Interleaved(vec![0])).unwrap();
            segment.bind(.., &Nodes::Preferred(0)).unwrap();
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            println!("skipped: {error}");
        }
    }
    let error = segment.bind(.., &Nodes::Only(vec![])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(segment.view().read::<[u8; 4]>(0).unwrap(), *b"here");
}

#[test]
fn advice_changes_no_byte() {
    let key = TestKey::system_v();
    let place = Scratch::new();
    fs::write(place.join("file"), vec![7; 10_000]).unwrap();
    let private = SharedMemory::options()
        .copy_on_write(true)
        .attach_file(place.join("file"))
        .unwrap();
    for segment in [
        private,
        options(10_000).memfd("advice").unwrap(),
        options(10_000).create(&key).unwrap(),
    ] {
        segment.view_mut().unwrap().fill(9);
        for advice in [
            Advice::Normal,
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::Cold,
            Advice::NotInDumps,
            Advice::InDumps,
        ] {
            segment.advise(5000..6000, advice).unwrap();
            segment.advise(.., advice).unwrap();
        }
        assert_eq!(segment.view().to_vec(), vec![9; 10_000]);
        let error = segment.advise(..10_001, Advice::Normal).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfBounds);
    }
}

#[test]
fn transparent_huge_pages_are_there_or_the_reason_is() {
    let place = Scratch::new();
    let in_memory = Scratch::in_memory();
    let mut hint = options(4 * MIB);
    hint.huge_pages(HugePages::Transparent, Wish::Hint);
    for segment in [
        hint.memfd("huge").unwrap(),
        hint.create_file(in_memory.join("huge")).unwrap(),
    ] {
        match segment.warnings() {
            [] => {
                segment.populate(.., |_| {}).unwrap();
                assert!(from_smaps(&segment, "ShmemPmdMapped:") > 0);
            }
            [warning] => {
                assert!(warning.contains("no transparent huge pages: "), "{warning}");
                assert!(warning.contains("root may"), "{warning}");
                println!("{warning}");
            }
            more => panic!("{more:?}"),
        }
    }
    let mut demand = options(4 * MIB);
    demand.huge_pages(HugePages::Transparent, Wish::Demand);
    let error = demand.create_file(place.join("disk")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("on a disk"), "{error}");
    assert!(!place.join("disk").exists());
}

#[test]
fn reserved_huge_pages_are_there_or_the_reason_is() {
    let mut demand = SharedMemory::options();
    demand
        .size(3 * MIB)
        .huge_pages(HugePages::Reserved, Wish::Demand);
    match demand.memfd("huge") {
        Ok(segment) => {
            assert_eq!(segment.fs_kind().unwrap().name, "hugetlbfs");
            assert_eq!(segment.size(), 3 * MIB);
            segment.write_at(3 * MIB - 1, b"x").unwrap();
            let mut byte = [0];
            segment.try_copy_to(3 * MIB - 1, &mut byte).unwrap();
            assert_eq!(byte, *b"x");
            let fd = segment.to_fd(Access::ReadWrite).unwrap();
            let other = SharedMemory::options().attach_fd(fd).unwrap();
            assert_eq!(other.view().read::<u8>(3 * MIB - 1).unwrap(), b'x');
            segment.add_seals(Seals::SHRINK).unwrap();
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("huge pages of"), "{error}");
            println!("{error}");
            let mut hint = demand.clone();
            hint.huge_pages(HugePages::Reserved, Wish::Hint);
            let segment = hint.memfd("not huge").unwrap();
            assert!(segment.warnings()[0].contains("no reserved huge pages"));
            assert_eq!(segment.fs_kind().unwrap().name, "tmpfs");
        }
    }
    demand.huge_pages(HugePages::ReservedOf(12345), Wish::Demand);
    let error = demand.memfd("odd").unwrap_err();
    assert!(
        error.to_string().contains("no huge pages of 12 KiB"),
        "{error}"
    );
}

#[test]
fn contents_say_that_they_cannot_have_reserved_huge_pages() {
    let mut options = SharedMemory::options();
    options.huge_pages(HugePages::Reserved, Wish::Demand);
    let error = options.memfd_from("huge", &b"text"[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("reserved huge pages"), "{error}");
    assert!(error.help().unwrap().contains("`memfd`"), "{error}");
    options.huge_pages(HugePages::Reserved, Wish::Hint);
    let segment = options.memfd_from("not huge", &b"text"[..]).unwrap();
    assert_eq!(segment.size(), 4);
    assert!(segment.warnings()[0].contains("no reserved huge pages"));
}
