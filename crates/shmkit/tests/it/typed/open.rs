//! Where typed segments may be, what of the options counts for them, and what a `Shared` can do.

use shmkit::mapping::Ro;
use shmkit::sync::Mutex;
use shmkit::typed::{Shared, ShmSafe};
use shmkit::{Access, Detached, ErrorKind};
use shmkit_testkit::Scratch;

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
    let name = format!("{:?}", made.segment().name());
    assert!(shown.contains(&name), "{shown}");
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
fn a_name_that_leads_nowhere_is_not_found() {
    let (key, folder) = (TestKey::named(), Scratch::new());
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
