//! Where the segments of the tests lie, and how children are told.
#![expect(unsafe_code, reason = "opening a typed segment is the act of trust")]

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use shmkit::key::{KeyType, NativeIpcKey};
use shmkit::typed::{Location, Shared, ShmSafe};
use shmkit::{Lifetime, Options};
use shmkit_testkit::{Cleanup, unique_name};

/// What a segment is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Posix,
    File,
    /// A file that stays when nobody uses it.
    KeptFile,
    Memfd,
}

/// A segment that exists or may exist; its text form is for children.
#[derive(Debug)]
pub(crate) enum Place {
    Key(NativeIpcKey),
    File(PathBuf, Lifetime),
    /// A descriptor of another process, by its path in `/proc`.
    Door(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key:{key}"),
            Self::File(path, Lifetime::Kept) => write!(f, "kept:{}", path.display()),
            Self::File(path, Lifetime::Ephemeral) => write!(f, "file:{}", path.display()),
            Self::Door(path) => write!(f, "door:{}", path.display()),
        }
    }
}

impl Place {
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once(':').unwrap() {
            ("key", key) => Self::Key(key.parse().unwrap()),
            ("kept", path) => Self::File(path.into(), Lifetime::Kept),
            ("file", path) => Self::File(path.into(), Lifetime::Ephemeral),
            ("door", path) => Self::Door(path.into()),
            (other, _) => panic!("{other} is no place"),
        }
    }

    /// A free one with a name, and what removes its traces.
    pub(crate) fn named(backend: Backend) -> (Self, Cleanup) {
        let name = unique_name();
        match backend {
            Backend::Posix => {
                let key = NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime);
                (Self::Key(key), Cleanup::new(name))
            }
            Backend::File => Self::file(&name, Lifetime::Ephemeral),
            Backend::KeptFile => Self::file(&name, Lifetime::Kept),
            Backend::Memfd => panic!("a memfd has no name"),
        }
    }

    fn file(name: &str, lifetime: Lifetime) -> (Self, Cleanup) {
        let path = std::env::temp_dir().join(name);
        (Self::File(path.clone(), lifetime), Cleanup::path(path))
    }

    /// Creates the segment. One without a name is then found by the descriptor of this process.
    pub(crate) fn create<T: ShmSafe>(backend: Backend, value: T) -> (Shared<T>, Self, Cleanup) {
        if backend != Backend::Memfd {
            let (place, cleanup) = Self::named(backend);
            return (place.create_here(value).unwrap(), place, cleanup);
        }
        let name = unique_name();
        // SAFETY: only these tests have the descriptor.
        let made = unsafe { Shared::create(Location::Memory(&name), value) }.unwrap();
        (made, Self::Door(door(&name)), Cleanup::default())
    }

    fn location(&self) -> Location<'_> {
        match self {
            Self::Key(key) => Location::Key(key),
            Self::File(path, _) => Location::File(path),
            Self::Door(_) => panic!("a descriptor is opened first"),
        }
    }

    fn options(&self) -> Options {
        let mut options = Options::new();
        if let Self::File(_, lifetime) = self {
            options.lifetime(*lifetime);
        }
        options
    }

    pub(crate) fn create_here<T: ShmSafe>(&self, value: T) -> shmkit::Result<Shared<T>> {
        // SAFETY: only these tests know the place.
        unsafe { Shared::create_with(&self.options(), self.location(), value) }
    }

    pub(crate) fn open<T: ShmSafe>(&self) -> shmkit::Result<Shared<T>> {
        if let Self::Door(path) = self {
            let file = File::options().read(true).write(true).open(path).unwrap();
            // SAFETY: only these tests have it.
            return unsafe { Shared::open(Location::Fd(file.as_fd())) };
        }
        // SAFETY: only these tests know the place.
        unsafe { Shared::open(self.location()) }
    }

    pub(crate) fn open_or_init<T: ShmSafe>(
        &self,
        init: impl FnOnce() -> T,
    ) -> shmkit::Result<Shared<T>> {
        // SAFETY: only these tests know the place.
        unsafe { Shared::open_or_init_with(&self.options(), self.location(), init) }
    }

    pub(crate) fn open_or_init_in_place<T: ShmSafe>(
        &self,
        fill: impl FnOnce(&mut T),
    ) -> shmkit::Result<Shared<T>> {
        // SAFETY: only these tests know the place.
        unsafe { Shared::open_or_init_in_place_with(&self.options(), self.location(), fill) }
    }

    /// Whether the name is there when nobody has the segment any more as it should.
    pub(crate) fn is_left_as_it_should(&self) -> bool {
        match self {
            Self::Key(_) => !self.path().exists(),
            Self::File(path, lifetime) => path.exists() == (*lifetime == Lifetime::Kept),
            Self::Door(_) => true,
        }
    }

    /// The path at which a name can be seen.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Key(key) => format!("/dev/shm{}", key.native_key()).into(),
            Self::File(path, _) | Self::Door(path) => path.clone(),
        }
    }
}

/// The descriptor that this process has of a memfd with this name, as others can open it.
fn door(name: &str) -> PathBuf {
    let me = PathBuf::from(format!("/proc/{}/fd", std::process::id()));
    let mut doors = std::fs::read_dir(me).unwrap().flatten();
    let leads_there = |path: &PathBuf| {
        std::fs::read_link(path).is_ok_and(|target| target.to_string_lossy().contains(name))
    };
    let door = doors.find_map(|entry| Some(entry.path()).filter(leads_there));
    door.expect("a descriptor of the memfd")
}
