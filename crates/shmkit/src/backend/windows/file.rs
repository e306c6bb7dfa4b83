//! Segments that are files.
//!
//! A file is complete before it has its name. Whoever leaves an ephemeral one closes it and then opens
//! it for nobody else but itself: that succeeds only while no handle of it is open anywhere, also of
//! programs that never heard of shmkit. So it is the whole proof of being the last, kept right by the
//! kernel through every kind of death. Those who open it meanwhile are refused for a moment, and try
//! again.
//!
//! That a file is ephemeral stands in its attributes, and as long as somebody uses it in a named event,
//! for file systems that do not keep the attributes.

use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read, Write as _};
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::explain::explain;
use super::name::beside;
use super::segment::{LEASE, Of, Segment, no_growing_files};
use crate::backend::backoff::Backoff;
use crate::backend::target::directory_of;
use crate::backend::{
    Detached, Examined, FsKind, InUse, Lifetime, Medium, Origin, Orphans, Removal, Spec, bytes,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::sys::attachment::Attached;
use crate::sys::file::{self, Fate, Identity};
use crate::sys::object::Made;
use crate::sys::section::{self, Mapping, Window};
use crate::sys::security::{self, Descriptor};
use crate::sys::signal;

/// Temporary files are called so.
const TEMPORARY: &str = "shmkit-tmp-";

/// Files that have no other name yet are called so.
const UNBORN: &str = ".shmkit-new-";

/// How long somebody may look whether it is the last.
const PROBE: Duration = Duration::from_secs(2);

const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_FILE_INVALID: i32 = 1006;

/// The file behind a segment.
#[derive(Debug)]
pub(super) struct Backing {
    file: File,
    /// None if nobody else can open it.
    path: Option<PathBuf>,
    directory: PathBuf,
    identity: Identity,
    /// Tells others that it is ephemeral.
    _announced: Option<OwnedHandle>,
}

/// A new file, which goes again unless it is kept. It must be dropped after what maps it.
struct Born(Option<File>);

impl Born {
    fn file(&self) -> &File {
        self.0.as_ref().expect("only taken out when it is kept")
    }

    fn keep(mut self) -> File {
        self.0.take().expect("it is kept once")
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = file::dispose(file);
        }
    }
}

/// A name that is most likely free.
pub(crate) fn temporary_name() -> String {
    unique(TEMPORARY)
}

fn unique(prefix: &str) -> String {
    format!("{prefix}{:016x}", RandomState::new().hash_one(prefix))
}

/// With what the names of objects begin that belong to a file: it may be used from several sessions.
fn object(identity: Identity, what: &str) -> String {
    beside(&format!(r"Global\file {}", identity.text()), what)
}

/// Makes a file of zeros.
pub(crate) fn create(path: &Path, spec: &Spec, op: Op) -> Result<Segment> {
    make(path, spec, op, |file| {
        file.set_len(spec.size as u64)?;
        Ok(spec.size)
    })
}

/// Makes a file of the contents and of their size.
pub(crate) fn create_from(
    path: &Path,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<Segment> {
    make(path, spec, op, |file| fill(file, contents))
}

fn make(
    path: &Path,
    spec: &Spec,
    op: Op,
    fill: impl FnOnce(&File) -> io::Result<usize>,
) -> Result<Segment> {
    refuse_growth(spec, op)?;
    let mut origin = Origin::Created;
    if let Ok(found) = fs::symlink_metadata(path) {
        refuse_others(&found, op)?;
        match reclaim(path) {
            true => origin = Origin::Reclaimed,
            false => return Err(Error::new(op, ErrorKind::AlreadyExists)),
        }
    }
    let fate = match (spec.lifetime, is_temporary(path)) {
        (Lifetime::Kept, _) => Fate::Kept,
        (Lifetime::Ephemeral, false) => Fate::Ephemeral,
        (Lifetime::Ephemeral, true) => Fate::Temporary,
    };
    let made = match fate {
        Fate::Temporary => bear(path, path, spec, fate, fill),
        _ => bear(
            &directory_of(path).join(unique(UNBORN)),
            path,
            spec,
            fate,
            fill,
        ),
    };
    match made {
        Ok(segment) => Ok(Segment { origin, ..segment }),
        Err(cause) => Err(told(cause, path, op)),
    }
}

/// Makes a file that nobody else can open by a name.
pub(crate) fn create_unnamed(directory: &Path, spec: &Spec, op: Op) -> Result<Segment> {
    refuse_growth(spec, op)?;
    let path = directory.join(unique(TEMPORARY));
    let fill = |file: &File| {
        file.set_len(spec.size as u64)?;
        Ok(spec.size)
    };
    bear(&path, &path, spec, Fate::Unnamed, fill).map_err(|cause| told(cause, directory, op))
}

/// Makes a file, fills it in, and then gives it its name.
fn bear(
    unborn: &Path,
    path: &Path,
    spec: &Spec,
    fate: Fate,
    fill: impl FnOnce(&File) -> io::Result<usize>,
) -> io::Result<Segment> {
    let born = Born(Some(file::create(unborn, spec.mode, fate)?));
    let size = match fill(born.file())? {
        0 => return Err(Because::NoContents.into()),
        size => size,
    };
    let window = Window::whole(Access::ReadWrite);
    let section = section::of_file(born.file(), window)?;
    let mapping = Mapping::new(&section, window)?;
    let identity = file::identity(born.file())?;
    let attached = Attached::new(&mapping, window, object(identity, LEASE), spec.mode);
    if !spec.head.is_empty() {
        attached.take_first_lease()?;
        mapping.begin_with(&spec.head);
    }
    let (lifetime, announced) = match fate {
        Fate::Kept => (Lifetime::Kept, None),
        _ => (Lifetime::Ephemeral, Some(announce(identity, spec.mode)?)),
    };
    if unborn != path {
        file::rename(born.file(), path)?;
    }
    Ok(Segment {
        attached,
        mapping,
        section,
        of: Of::File(Backing {
            file: born.keep(),
            path: (fate != Fate::Unnamed).then(|| path.to_owned()),
            directory: directory_of(path).to_owned(),
            identity,
            _announced: announced.map(|made| made.handle),
        }),
        window,
        size: AtomicUsize::new(size),
        mode: spec.mode,
        lifetime,
        origin: Origin::Created,
        warning: None,
    })
}

/// Lets others know that a file is ephemeral, for as long as this is kept.
fn announce(identity: Identity, mode: u32) -> io::Result<Made> {
    signal::event(&object(identity, "ephemeral"), &Descriptor::new(mode)?)
}

/// Copies contents into a file.
fn fill(file: &File, contents: &mut dyn Read) -> io::Result<usize> {
    let mut piece = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = match contents.read(&mut piece) {
            Ok(0) => return Ok(size),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Because::Unreadable(error).into()),
        };
        (&*file).write_all(&piece[..read])?;
        size += read;
    }
}

/// Attaches to a file that exists; `None` if it was an orphan and is removed.
pub(crate) fn attach(path: &Path, spec: &Spec, op: Op) -> Result<Option<Segment>> {
    refuse_growth(spec, op)?;
    if let Ok(found) = fs::symlink_metadata(path) {
        refuse_others(&found, op)?;
    }
    if spec.orphans == Orphans::Remove && reclaim(path) {
        return Ok(None);
    }
    let file = open(path, file_access(spec)).map_err(|cause| told(cause, path, op))?;
    let attached = map(file, Some(path), spec);
    attached.map(Some).map_err(|cause| told(cause, path, op))
}

/// Attaches to a file that is open already, by a handle of our own.
pub(crate) fn adopt(file: File, spec: &Spec, op: Op) -> Result<Segment> {
    refuse_growth(spec, op)?;
    let path = Path::new("the file of a handle");
    map(file, None, spec).map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied if spec.access == Access::ReadWrite => {
            Error::os(op, cause).with_kind(ErrorKind::ReadOnly)
        }
        _ => told(cause, path, op),
    })
}

/// A private copy only reads it.
fn file_access(spec: &Spec) -> Access {
    match spec.private {
        true => Access::ReadOnly,
        false => spec.access,
    }
}

/// Opens a file, waiting for one who looks whether it is the last.
fn open(path: &Path, access: Access) -> io::Result<File> {
    let mut backoff = Backoff::new(PROBE);
    loop {
        match file::open(path, access) {
            Err(error) if is_taken(&error) && backoff.again() => {}
            opened => return opened,
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_SHARING_VIOLATION)
}

fn map(file: File, path: Option<&Path>, spec: &Spec) -> io::Result<Segment> {
    let has = file.metadata()?.len();
    let size = part_of(has, spec)?;
    let window = Window {
        offset: spec.offset,
        length: size,
        access: spec.access,
        private: spec.private,
        large: false,
    };
    let section = section::of_file(&file, window)?;
    let mapping = Mapping::new(&section, window)?;
    let identity = file::identity(&file)?;
    let mode = security::of_file(&file).map_or(0o600, |rights| rights.mode);
    let (lifetime, origin, announced) = match announced(identity)? {
        Some(event) => (Lifetime::Ephemeral, Origin::Attached, Some(event)),
        // All its users were killed.
        None if file::is_marked(&file)? => {
            let event = announce(identity, mode)?.handle;
            (Lifetime::Ephemeral, Origin::Adopted, Some(event))
        }
        None => (Lifetime::Kept, Origin::Attached, None),
    };
    Ok(Segment {
        attached: Attached::new(&mapping, window, object(identity, LEASE), mode),
        mapping,
        section,
        of: Of::File(Backing {
            file,
            directory: path.map(directory_of).unwrap_or(Path::new(".")).to_owned(),
            path: path.map(Path::to_owned),
            identity,
            _announced: announced,
        }),
        window,
        size: AtomicUsize::new(size),
        mode,
        lifetime,
        origin,
        warning: None,
    })
}

/// The event of those who use an ephemeral file.
fn announced(identity: Identity) -> io::Result<Option<OwnedHandle>> {
    match signal::open_event(&object(identity, "ephemeral")) {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many bytes of a file of this size are attached.
fn part_of(has: u64, spec: &Spec) -> io::Result<usize> {
    let rest = has.saturating_sub(spec.offset);
    let needed = match spec.length {
        _ if has == 0 => return Err(Because::Empty.into()),
        Some(0) => return Err(Because::NoBytes.into()),
        Some(length) => length as u64,
        None => rest.max(1),
    };
    if needed > rest {
        let needed = spec.offset.saturating_add(needed);
        return Err(Because::Short { has, needed }.into());
    }
    usize::try_from(needed).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// Removes an orphan: an ephemeral file that nobody has open. What cannot be removed stays.
fn reclaim(path: &Path) -> bool {
    let is_orphan = |file: &File| {
        file::is_marked(file).is_ok_and(|is_marked| is_marked)
            && file::identity(file)
                .and_then(announced)
                .is_ok_and(|event| event.is_none())
    };
    match file::open_alone(path) {
        Ok(file) if is_orphan(&file) => file::dispose(&file).is_ok(),
        _ => false,
    }
}

/// Removes what users of a directory left there when the machine went down, or before a file had
/// its name. What cannot be removed stays.
pub(crate) fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if (name.starts_with(TEMPORARY) || name.starts_with(UNBORN))
            && let Ok(file) = file::open_alone(&entry.path())
        {
            let _ = file::dispose(&file);
        }
    }
}

/// Removes a file that is a segment.
pub(crate) fn remove(path: &Path, in_use: InUse) -> Result<()> {
    let op = Op::Remove;
    let found = fs::symlink_metadata(path).map_err(|cause| told(cause, path, op))?;
    refuse_others(&found, op)?;
    let removed = match file::open_alone(path) {
        Ok(file) => file::dispose(&file),
        Err(error) if is_taken(&error) && in_use == InUse::Refuse => {
            return Err(Error::new(op, ErrorKind::InUse).detail("somebody has it open"));
        }
        Err(error) if is_taken(&error) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.map_err(|cause| match in_use {
        InUse::RemoveAnyway if cause.kind() == io::ErrorKind::PermissionDenied => {
            Error::os(op, cause)
                .detail("Windows takes no file's name away while it is mapped")
                .with_kind(ErrorKind::Unsupported)
        }
        _ => told(cause, path, op),
    })
}

/// What a directory is like.
pub(crate) fn examine(directory: &Path) -> Result<Examined> {
    let found = file::volume(directory).map_err(|cause| told(cause, directory, Op::Inspect))?;
    Ok(Examined {
        available: found.available,
        kind: kind(found),
        objection: None,
    })
}

/// What files in a directory lie on.
pub(super) fn kind_of(directory: &Path) -> Result<FsKind> {
    examine(directory).map(|found| found.kind)
}

fn kind(found: file::Volume) -> FsKind {
    FsKind {
        medium: match found.drive {
            2 | 3 | 5 => Medium::Disk,
            4 => Medium::Network,
            6 => Medium::Memory,
            _ => Medium::Unknown,
        },
        name: found.name,
    }
}

impl Backing {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Closes the file, and removes it if it shall go and nobody else has it open.
    pub(super) fn leave(self, lifetime: Lifetime, removal: Removal) -> Result<Detached> {
        let Self {
            file,
            path,
            identity,
            _announced,
            ..
        } = self;
        let goes = match removal {
            Removal::IfEphemeral => lifetime == Lifetime::Ephemeral,
            Removal::Always => true,
            Removal::Never => false,
        };
        drop(file);
        let Some(path) = path.filter(|_| goes) else {
            return Ok(Detached::Remains);
        };
        // Whoever comes while this looks must still see that it is ephemeral.
        match file::open_alone(&path) {
            Ok(file) if file::identity(&file).is_ok_and(|found| found == identity) => {
                file::dispose(&file)
                    .map(|()| Detached::Removed)
                    .map_err(|cause| told(cause, &path, Op::Detach))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Detached::Removed),
            _ => Ok(Detached::Remains),
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(TEMPORARY)
}

/// Links are not followed: in a directory where others may write they lead where the others want.
fn refuse_others(found: &fs::Metadata, op: Op) -> Result<()> {
    let what = match found {
        found if file::is_link(found) => "a link",
        found if found.is_dir() => "a directory",
        _ => return Ok(()),
    };
    let error =
        Error::new(op, ErrorKind::NotASegment).detail(format!("the name is taken by {what}"));
    Err(match file::is_link(found) {
        true => error.hint("use the path that it leads to"),
        false => error,
    })
}

fn refuse_growth(spec: &Spec, op: Op) -> Result<()> {
    match spec.capacity > 0 {
        true => Err(no_growing_files(op)),
        false => Ok(()),
    }
}

/// What is wrong where the system is not asked. Travels inside an `io::Error` until the path is
/// known.
#[derive(Debug)]
enum Because {
    NoContents,
    Unreadable(io::Error),
    Empty,
    NoBytes,
    Short { has: u64, needed: u64 },
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Because {}

impl From<Because> for io::Error {
    fn from(why: Because) -> Self {
        Self::other(why)
    }
}

/// Says why a file could not be made, opened or mapped.
fn told(cause: io::Error, path: &Path, op: Op) -> Error {
    let cause = match cause.downcast::<Because>() {
        Ok(why) => return because(why, op),
        Err(cause) => cause,
    };
    match cause.raw_os_error() {
        Some(ERROR_SHARING_VIOLATION) => Error::os(op, cause)
            .with_kind(ErrorKind::InUse)
            .detail("a program has it open and shares it with nobody"),
        Some(ERROR_FILE_INVALID) => because(Because::Empty, op),
        _ if cause.kind() == io::ErrorKind::NotFound => {
            let directory = directory_of(path);
            let error = Error::os(op, cause);
            match directory.exists() {
                true => error,
                false => error.detail(format!("{} does not exist", directory.display())),
            }
        }
        _ if cause.kind() == io::ErrorKind::NotADirectory => {
            Error::os(op, cause).with_kind(ErrorKind::NotFound)
        }
        _ if cause.kind() == io::ErrorKind::PermissionDenied => Error::os(op, cause),
        _ => explain(cause, op),
    }
}

fn because(why: Because, op: Op) -> Error {
    match why {
        Because::NoContents => crate::backend::no_contents(op),
        Because::Unreadable(cause) => crate::backend::unreadable(cause, op),
        Because::Empty => Error::new(op, ErrorKind::NotASegment).detail("it is an empty file"),
        Because::NoBytes => Error::new(op, ErrorKind::InvalidSize).detail("the range has no bytes"),
        Because::Short { has, needed } => Error::new(op, ErrorKind::OutOfBounds).detail(format!(
            "it has {}, and what was asked for reaches to {needed}",
            bytes(has)
        )),
    }
}
