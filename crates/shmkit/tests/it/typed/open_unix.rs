//! What the options count for where segments are files with permissions, and descriptors.
#![expect(unsafe_code, reason = "opening by location; only these tests open it")]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use shmkit::typed::{Location, Shared};
use shmkit::{Access, Detached, ErrorKind, Lifetime, Options, SharedMemory};
use shmkit_testkit::unique_name;

use super::in_place::{Film, MIB};
use crate::places::{Maker, Place};
use crate::support::TestKey;

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
fn memory_is_taken_only_where_it_is_written() {
    let (name, mut options) = (unique_name(), Options::new());
    options.reserve(false);
    let fill = |film: &mut Film| film.frames.get_mut()[7][0] = 1;
    // SAFETY: nobody else has it.
    let film = unsafe { Shared::create_in_place_with(&options, Location::Memory(&name), fill) };
    let film = film.unwrap();
    let file = File::from(film.segment().to_fd(Access::ReadWrite).unwrap());
    let taken = file.metadata().unwrap().blocks() as usize * 512;
    assert!(taken < MIB, "{taken} bytes");
}
