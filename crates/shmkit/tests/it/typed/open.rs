//! Where typed segments may be, what of the options counts for them, and what a `Shared` can do.
#![expect(unsafe_code, reason = "opening by location; only these tests open it")]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use shmkit::mapping::Ro;
use shmkit::sync::Mutex;
use shmkit::typed::{Location, Shared, ShmSafe};
use shmkit::{Access, Detached, ErrorKind, Lifetime, Options, SharedMemory};
use shmkit_testkit::{Scratch, unique_name};

use crate::places::{Maker, Place, for_every_place};
use crate::support::TestKey;

for_every_place!(
    what_one_puts_there_another_finds,
    a_shared_value_tells_of_its_segment,
    a_reader_sees_what_a_writer_wrote,
);

#[derive(ShmSafe)]
#[repr(C, align(4096))]
struct Page {
    mutex: Mutex<u64>,
    rest: [u8; 4096 - 24],
}

fn what_one_puts_there_another_finds(maker: Maker) {
    let made = maker.make([1_u16, 2, 3]);
    assert_eq!(**made, [1, 2, 3]);
    assert_eq!(*made.place.open::<[u16; 3]>().unwrap(), [1, 2, 3]);
    assert_eq!(*made.place.open_or_init(|| [0_u16; 3]).unwrap(), [1, 2, 3]);
    drop(maker.make(()));
    let page = maker.make(Page {
        mutex: Mutex::new(4),
        rest: [5; 4096 - 24],
    });
    assert!((&raw const **page).addr().is_multiple_of(4096));
    let other: Shared<Page> = page.place.open().unwrap();
    assert_eq!(*other.mutex.lock().unwrap().assume_recovered(), 4);
    assert_eq!(other.rest, [5; 4096 - 24]);
}

fn a_shared_value_tells_of_its_segment(maker: Maker) {
    let made = maker.make(Mutex::new(1_u32));
    assert_eq!(made.segment().access(), Access::ReadWrite);
    assert!(made.segment().size() > 4096);
    let shown = format!("{:?}", *made);
    assert!(shown.contains(&made.segment().name()), "{shown}");
    let other: Shared<Mutex<u32>> = made.place.open().unwrap();
    assert!(other.set_label("one of two"));
    assert_eq!(other.detach().unwrap(), Detached::Remains);
    // Through all threads.
    let again: Shared<Mutex<u32>> = made.place.open().unwrap();
    std::thread::spawn(move || *again.lock().unwrap().assume_recovered() += 1)
        .join()
        .unwrap();
    assert_eq!(*made.lock().unwrap().assume_recovered(), 2);
}

fn a_reader_sees_what_a_writer_wrote(maker: Maker) {
    let made = maker.make(shmkit::sync::OnceCell::<u64>::new());
    let reader: Shared<shmkit::sync::OnceCell<u64>, Ro> = made.place.open_read_only().unwrap();
    assert_eq!(reader.segment().access(), Access::ReadOnly);
    assert_eq!(reader.get(), None);
    made.get_or_init(|| 5).unwrap();
    assert_eq!(reader.get(), Some(&5));
    let error = reader.segment().view_mut().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert_eq!(reader.detach().unwrap(), Detached::Remains);
}

#[test]
fn a_descriptor_can_be_opened_and_a_name_without_memory_cannot() {
    let name = unique_name();
    // SAFETY: nobody else has it.
    let error = unsafe { Shared::<u32>::open(Location::Memory(&name)) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.help().unwrap().contains("descriptor"), "{error}");
    let made = Maker::Memory.make(3_u32);
    let Place::Fd(path) = &made.place else {
        panic!("it has a descriptor");
    };
    let file = File::options().read(true).write(true).open(path).unwrap();
    // SAFETY: only this test opens it.
    let error = unsafe { Shared::create(file.as_fd(), 4_u32) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    // SAFETY: as above.
    let opened = unsafe { Shared::<u32>::open(file.as_fd()) }.unwrap();
    drop(file);
    assert_eq!(*opened, 3);
    let file = File::open(path).unwrap();
    // SAFETY: as above.
    let error = unsafe { Shared::<u32>::open(file.as_fd()) }.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    // SAFETY: as above.
    let reader = unsafe { Shared::<u32>::open_read_only(file.as_fd()) }.unwrap();
    assert_eq!(*reader, 3);
}

#[test]
fn mode_and_lifetime_are_those_asked_for_and_the_size_is_the_types() {
    let key = TestKey::posix();
    let mut options = Options::new();
    options.mode(0o640).lifetime(Lifetime::Kept).size(1);
    let place = Place::Key(key.key.clone());
    let made = place.create_with(&options, [9_u8; 10_000]).unwrap();
    let file = std::fs::metadata(format!("/dev/shm{}", key.native_key())).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o640);
    assert!(file.len() >= 4096 + 10_000);
    assert_eq!(made.segment().lifetime(), Lifetime::Kept);
    assert_eq!(made.detach().unwrap(), Detached::Remains);
    // It was kept with its value, without anybody.
    assert_eq!(*place.open::<[u8; 10_000]>().unwrap(), [9; 10_000]);
    let raw = SharedMemory::attach(&key).unwrap();
    assert_eq!(raw.view().read::<[u8; 8]>(0).unwrap(), *b"\x89SHMKIT\n");
}

#[test]
fn a_name_that_leads_nowhere_is_not_found() {
    let (key, folder) = (TestKey::posix(), Scratch::new());
    for place in [
        Place::Key(key.key.clone()),
        Place::File(folder.join("none")),
    ] {
        let error = place.open::<u32>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            place.open_read_only::<u32>().unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    assert!(key.traces().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
