//! What is left when all users were killed, and what is kept. Windows leaves no orphans of a key, and
//! keeps none.

use std::time::Duration;

use shmkit::typed::Shared;
use shmkit::{Detached, Lifetime, Options, Origin};
use shmkit_testkit::spawn;

use super::birth::Born;
use crate::places::Place;
use crate::support::TestKey;

#[test]
fn an_orphan_is_made_anew_and_what_is_kept_stays() {
    let key = TestKey::named();
    let place = Place::Key(key.key.clone());
    let leave_an_orphan = |how: &str| {
        let mut owner = spawn("typed::birth::role_racer", &place);
        owner.tell(format_args!("race {how}"));
        owner.expect(&format!("{how} 1"));
        owner.kill();
    };
    leave_an_orphan("20");
    let born = place.open_or_init(|| Born::by(21)).unwrap();
    assert_eq!(
        (born.maker, born.segment().origin()),
        (21, Origin::Reclaimed)
    );
    assert_eq!(born.detach().unwrap(), Detached::Removed);
    leave_an_orphan("22");
    let born = place.create(Born::by(23)).unwrap();
    assert_eq!(born.segment().origin(), Origin::Reclaimed);
    drop(born);
    // One that is only opened is taken as it is.
    leave_an_orphan("24");
    let born: Shared<Born> = place.open().unwrap();
    assert_eq!((born.maker, born.segment().origin()), (24, Origin::Adopted));
    drop(born);

    let mut options = Options::new();
    options.lifetime(Lifetime::Kept);
    let born = place.create_with(&options, Born::by(25)).unwrap();
    assert_eq!(born.detach().unwrap(), Detached::Remains);
    for _ in 0..2 {
        let born = place.open_or_init_with(&options, || Born::by(26)).unwrap();
        assert_eq!(born.maker, 25);
        // A holder that dies between two users is told of to the next.
        *born
            .users
            .lock_timeout(Duration::ZERO)
            .unwrap()
            .assume_recovered() += 1;
        std::mem::forget(born.users.lock());
        drop(born);
        let born: Shared<Born> = place.open().unwrap();
        assert!(born.users.try_lock().unwrap().owner_died());
        born.users.clear_poison().unwrap();
    }
}
