//! Typed segments of every kind, for tests with several processes.
#![expect(
    unsafe_code,
    reason = "opening typed segments: all that open these are tests"
)]

use std::fmt;
#[cfg(unix)]
use std::fs::{self, File};
#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
#[cfg(windows)]
use std::os::windows::io::{AsRawHandle as _, BorrowedHandle, OwnedHandle, RawHandle};
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use shmkit::key::NativeIpcKey;
use shmkit::mapping::Ro;
use shmkit::typed::{Location, Shared, ShmSafe};
use shmkit::{Access, Options, Result, SharedMemory};
use shmkit_testkit::{Scratch, unique_name};

use crate::support::TestKey;

/// Where a typed segment is. In its text form a child finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Key(NativeIpcKey),
    File(PathBuf),
    /// A descriptor, of this process or another.
    #[cfg(unix)]
    Fd(PathBuf),
    /// A handle, which children of this process have, too.
    #[cfg(windows)]
    Handle(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            #[cfg(unix)]
            Self::Fd(path) => write!(f, "fd {}", path.display()),
            #[cfg(windows)]
            Self::Handle(number) => write!(f, "handle {number}"),
        }
    }
}

impl FromStr for Place {
    type Err = shmkit::key::ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(' ') {
            Some(("file", path)) => Self::File(path.into()),
            #[cfg(unix)]
            Some(("fd", path)) => Self::Fd(path.into()),
            #[cfg(windows)]
            Some(("handle", number)) => Self::Handle(number.parse().unwrap()),
            _ => Self::Key(text.parse()?),
        })
    }
}

impl Place {
    fn at<R>(&self, act: impl FnOnce(Location<'_>) -> R) -> R {
        match self {
            Self::Key(key) => act(key.into()),
            Self::File(path) => act(path.into()),
            #[cfg(unix)]
            Self::Fd(path) => {
                let file = File::options().read(true).write(true).open(path).unwrap();
                act(file.as_fd().into())
            }
            #[cfg(windows)]
            Self::Handle(number) => act(borrowed(*number).into()),
        }
    }

    pub(crate) fn open<T: ShmSafe>(&self) -> Result<Shared<T>> {
        self.open_with(&Options::new())
    }

    pub(crate) fn open_with<T: ShmSafe>(&self, options: &Options) -> Result<Shared<T>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe { Shared::open_with(options, location) })
    }

    pub(crate) fn open_read_only<T: ShmSafe>(&self) -> Result<Shared<T, Ro>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe { Shared::<T>::open_read_only(location) })
    }

    pub(crate) fn create<T: ShmSafe>(&self, value: T) -> Result<Shared<T>> {
        self.create_with(&Options::new(), value)
    }

    pub(crate) fn create_with<T: ShmSafe>(&self, options: &Options, value: T) -> Result<Shared<T>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe { Shared::create_with(options, location, value) })
    }

    pub(crate) fn open_or_init<T: ShmSafe>(&self, init: impl FnOnce() -> T) -> Result<Shared<T>> {
        self.open_or_init_with(&Options::new(), init)
    }

    pub(crate) fn open_or_init_with<T: ShmSafe>(
        &self,
        options: &Options,
        init: impl FnOnce() -> T,
    ) -> Result<Shared<T>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe { Shared::open_or_init_with(options, location, init) })
    }

    pub(crate) fn open_or_try_init<T: ShmSafe, E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<Shared<T>, E>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe {
            Shared::open_or_try_init_with(&Options::new(), location, init)
        })
    }

    pub(crate) fn open_or_init_in_place<T: ShmSafe>(
        &self,
        fill: impl FnOnce(&mut T),
    ) -> Result<Shared<T>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe { Shared::open_or_init_in_place(location, fill) })
    }

    pub(crate) fn open_or_try_init_in_place<T: ShmSafe, E>(
        &self,
        fill: impl FnOnce(&mut T) -> Result<(), E>,
    ) -> Result<Result<Shared<T>, E>> {
        // SAFETY: only these tests open it.
        self.at(|location| unsafe {
            Shared::open_or_try_init_in_place_with(&Options::new(), location, fill)
        })
    }

    /// The same segment as bytes.
    pub(crate) fn raw(&self) -> SharedMemory {
        self.raw_with(&SharedMemory::options()).unwrap()
    }

    pub(crate) fn raw_with(&self, options: &Options) -> Result<SharedMemory> {
        match self {
            Self::Key(key) => options.attach(key),
            Self::File(path) => options.attach_file(path),
            #[cfg(unix)]
            Self::Fd(path) => {
                let file = File::options().read(true).write(true).open(path).unwrap();
                options.attach_fd(file.into())
            }
            #[cfg(windows)]
            Self::Handle(number) => {
                options.attach_handle(borrowed(*number).try_clone_to_owned().unwrap())
            }
        }
    }
}

/// A handle that its maker keeps open.
#[cfg(windows)]
fn borrowed<'h>(number: usize) -> BorrowedHandle<'h> {
    // SAFETY: it is open as long as the maker's `Keeper` is, which outlives the test.
    unsafe { BorrowedHandle::borrow_raw(number as RawHandle) }
}

/// A typed segment of this process, with where others find it, removed when it is dropped.
pub(crate) struct Made<T: ShmSafe> {
    shared: Shared<T>,
    pub(crate) place: Place,
    _cleanup: Option<Keeper>,
}

#[expect(dead_code, reason = "they remove when they are dropped")]
enum Keeper {
    Key(TestKey),
    Folder(Scratch),
    #[cfg(windows)]
    Handle(OwnedHandle),
}

impl<T: ShmSafe> std::ops::Deref for Made<T> {
    type Target = Shared<T>;

    fn deref(&self) -> &Shared<T> {
        &self.shared
    }
}

/// Makes a typed segment of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Maker {
    Key,
    File,
    Memory,
}

impl Maker {
    pub(crate) fn make<T: ShmSafe>(self, value: T) -> Made<T> {
        match self {
            Self::Key => {
                let key = TestKey::named();
                let place = Place::Key(key.key.clone());
                Made {
                    shared: place.create(value).unwrap(),
                    place,
                    _cleanup: Some(Keeper::Key(key)),
                }
            }
            Self::File => {
                let folder = Scratch::new();
                let place = Place::File(folder.join("typed"));
                Made {
                    shared: place.create(value).unwrap(),
                    place,
                    _cleanup: Some(Keeper::Folder(folder)),
                }
            }
            Self::Memory => {
                let name = unique_name();
                let location = Location::Memory(&name);
                // SAFETY: only these tests open it.
                let shared = unsafe { Shared::create(location, value) }.unwrap();
                found_by_what_this_process_has_open(shared)
            }
        }
    }
}

#[cfg(unix)]
fn found_by_what_this_process_has_open<T: ShmSafe>(shared: Shared<T>) -> Made<T> {
    Made {
        place: Place::Fd(descriptor_of(shared.segment())),
        shared,
        _cleanup: None,
    }
}

#[cfg(windows)]
fn found_by_what_this_process_has_open<T: ShmSafe>(shared: Shared<T>) -> Made<T> {
    let handle = shared.segment().to_inherited_handle(Access::ReadWrite);
    let handle = handle.unwrap();
    Made {
        place: Place::Handle(handle.as_raw_handle() as usize),
        shared,
        _cleanup: Some(Keeper::Handle(handle)),
    }
}

/// The descriptor by which this process has a segment without a name.
#[cfg(unix)]
fn descriptor_of(segment: &SharedMemory) -> PathBuf {
    let file = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    // Without `/proc` what may be written to cannot be opened again for reading only.
    let access = match cfg!(shmkit_force_portable) {
        true => Access::ReadWrite,
        false => Access::ReadOnly,
    };
    let another = segment.to_fd(access).unwrap();
    let wanted = fs::File::from(another).metadata().unwrap();
    let wanted = Some((wanted.dev(), wanted.ino()));
    let entries = fs::read_dir(format!("/proc/{}/fd", std::process::id())).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .find(|path| file(path) == wanted)
        .expect("a descriptor of the memfd")
}

/// Runs each test function once for every kind of typed segment.
macro_rules! for_every_place {
    ($($(#[$attribute:meta])? $test:ident),+ $(,)?) => {
        mod key { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::places::Maker::Key); })+ }
        mod file { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::places::Maker::File); })+ }
        mod memory { $($(#[$attribute])? #[test] fn $test() { super::$test(crate::places::Maker::Memory); })+ }
    };
}
pub(crate) use for_every_place;
