//! Segments without a key: files of any directory, and memory without a name.

use std::io;
use std::ops::{Bound, RangeBounds};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::path::Path;

use super::{Options, SharedMemory};
use crate::backend::{self, InUse, Lifetime, Medium, Spec, Target, Wish};
use crate::error::{Error, ErrorKind, Op, Result};
#[cfg(unix)]
use crate::key::NativeIpcKey;
#[cfg(unix)]
use crate::mapping::Access;

/// The longest name of a memfd (memfd_create(2)), in bytes.
const LONGEST_MEMFD_NAME: usize = 249;

impl Options {
    /// Sets which bytes are attached, counted from the beginning of the file. Default: all of
    /// them. The range may begin at any byte and must lie in the file; `..end` and `begin..` are
    /// fine. What the segment's views call offset 0 is the first byte of the range.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("shmkit-doc-range-{}", std::process::id()));
    /// std::fs::write(&path, "header and frames").unwrap();
    /// let frames = shmkit::SharedMemory::options().range(11..).attach_file(&path)?;
    /// assert_eq!(frames.view().to_vec(), b"frames");
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Platform-specific behavior
    /// System V segments are attached as a whole; a range is `Unsupported` there.
    pub fn range(&mut self, range: impl RangeBounds<u64>) -> &mut Self {
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => Some(last.saturating_add(1)),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => None,
        };
        self.spec.offset = begin;
        // An empty range is refused like every other size of 0.
        self.spec.length =
            end.map(|end| usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX));
        self
    }

    /// Sets whether writes stay in this handle (`MAP_PRIVATE`). Default `false`: everybody sees
    /// them.
    ///
    /// With `true` a page is copied when it is first written, and the file needs to be readable
    /// only. What others write to a page shows until then.
    ///
    /// # Platform-specific behavior
    /// `Unsupported` for System V segments.
    #[doc(alias = "MAP_PRIVATE")]
    pub fn copy_on_write(&mut self, private: bool) -> &mut Self {
        self.spec.private = private;
        self
    }

    /// Creates a file of zeros at `path` as a segment, in any directory. It appears there complete
    /// or not at all, and is kept unless [`lifetime`](Self::lifetime) was set: an ephemeral one
    /// goes with its last user, like a named segment.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("shmkit-doc-file-{}", std::process::id()));
    /// use shmkit::SharedMemory;
    ///
    /// let segment = SharedMemory::options().size(4096).create_file(&path)?;
    /// segment.write_at(0, b"hello")?;
    /// drop(segment);
    /// assert_eq!(std::fs::read(&path).unwrap()[..5], *b"hello");
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create); [`PermissionDenied`](ErrorKind::PermissionDenied) also if
    /// everybody may replace the files in that directory, which is so where everybody may write
    /// and the sticky bit is not set. [`owners`](Self::owners) with
    /// [`Anyone`](crate::Owners::Anyone) accepts that.
    pub fn create_file(&self, path: impl AsRef<Path>) -> Result<SharedMemory> {
        self.create_target(file(path), &self.file_spec())
    }

    /// Creates a file that holds `contents`, as [`create_from`](Self::create_from) does.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file) and [`create_from`](Self::create_from).
    pub fn create_file_from(
        &self,
        path: impl AsRef<Path>,
        mut contents: impl io::Read,
    ) -> Result<SharedMemory> {
        self.create_target_from(file(path), &self.file_spec(), &mut contents)
    }

    /// Attaches to a file that exists, whoever made it: all of it or a [range](Self::range),
    /// shared or [copy-on-write](Self::copy_on_write), read-write or
    /// [read-only](Self::access).
    ///
    /// # Errors
    /// As [`attach`](Self::attach); [`OutOfBounds`](ErrorKind::OutOfBounds) if it does not have
    /// the range; [`NotASegment`](ErrorKind::NotASegment) if it is empty, a directory or a
    /// symbolic link. Links are not followed: in a directory where others may write they lead
    /// where the others want.
    pub fn attach_file(&self, path: impl AsRef<Path>) -> Result<SharedMemory> {
        self.attach_target(file(path), &self.file_spec())
    }

    /// Attaches to a file, and creates it otherwise; however many do this at once, one creates and
    /// the others attach.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file) and [`attach_file`](Self::attach_file), but neither
    /// `AlreadyExists` nor `NotFound`.
    pub fn create_or_attach_file(&self, path: impl AsRef<Path>) -> Result<SharedMemory> {
        self.create_or_attach_target(file(path), &self.file_spec())
    }

    /// Creates a file with a name of its own in `directory`; it goes with its last user.
    /// [`SharedMemory::path`] tells the name to give to others.
    ///
    /// When all its users were killed, the next one who makes a temporary file in that directory
    /// removes it. An [unnamed file](Self::unnamed_file) goes at once even then.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file).
    ///
    /// # Platform-specific behavior
    /// On Windows the kernel removes it, whatever happens; once its maker has left, nobody else can
    /// attach to it.
    pub fn temporary_file(&self, directory: impl AsRef<Path>) -> Result<SharedMemory> {
        let directory = directory.as_ref();
        backend::sweep(directory);
        let spec = Spec {
            lifetime: Lifetime::Ephemeral,
            ..self.spec.clone()
        };
        loop {
            let path = directory.join(backend::temporary_name());
            match self.create_target(Target::File(path), &spec) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return made,
            }
        }
    }

    /// Creates a file in `directory` that never has a name: the kernel frees it with its last
    /// user, however that one ends. Others get it as a descriptor.
    ///
    /// # Errors
    /// As [`create_file`](Self::create_file).
    #[doc(alias = "O_TMPFILE")]
    pub fn unnamed_file(&self, directory: impl AsRef<Path>) -> Result<SharedMemory> {
        self.create_target(Target::Unnamed(directory.as_ref().to_owned()), &self.spec)
    }

    /// Removes a file that is a segment; see [`remove`](Self::remove).
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_file(&self, path: impl AsRef<Path>, in_use: InUse) -> Result<()> {
        let path = path.as_ref();
        backend::remove_file(&file(path), path, in_use)
    }

    /// Creates memory that has no name anywhere: the kernel frees it with its last user, however
    /// that one ends. `name` is for people, who see it in messages and in `/proc`.
    ///
    /// Others get it as a descriptor: handed over, inherited or received.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// let segment = shmkit::SharedMemory::options().size(4096).memfd("frames")?;
    /// segment.write_at(0, b"hello")?;
    /// assert_eq!(segment.name(), "memfd:frames");
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`InvalidSize`](ErrorKind::InvalidSize); [`InvalidKey`](ErrorKind::InvalidKey) for a name
    /// with a NUL or of more than 249 bytes; [`OutOfSpace`](ErrorKind::OutOfSpace);
    /// [`OutOfResources`](ErrorKind::OutOfResources); [`Unsupported`](ErrorKind::Unsupported).
    ///
    /// # Platform-specific behavior
    /// On Linux it is a memfd that takes seals and cannot be executed. Where a sandbox denies
    /// `memfd_create(2)` it is an unnamed file in `/dev/shm`, which takes no seals. Android before 11
    /// (API level 30) may end a program that asks, so it is not asked: the error is
    /// [`Unsupported`](ErrorKind::Unsupported), and an [unnamed file](Self::unnamed_file) in the
    /// program's own directory does instead. On FreeBSD it is a memfd that takes seals, on macOS a
    /// file in the directory for temporary files that has lost its name. On Windows it is a section of
    /// the page file, in whole pages, and others get it as a handle.
    #[doc(alias = "memfd_create")]
    #[doc(alias = "anonymous")]
    pub fn memfd(&self, name: &str) -> Result<SharedMemory> {
        self.create_target(memory(name)?, &self.spec)
    }

    /// Creates memory without a name that holds `contents`, as
    /// [`create_from`](Self::create_from) does.
    ///
    /// # Errors
    /// As [`memfd`](Self::memfd) and [`create_from`](Self::create_from).
    pub fn memfd_from(&self, name: &str, mut contents: impl io::Read) -> Result<SharedMemory> {
        self.create_target_from(memory(name)?, &self.spec, &mut contents)
    }

    /// Attaches to what a descriptor leads to: a memfd, a file, a POSIX segment, whoever made it.
    ///
    /// This user is told from the one who sent or duplicated the descriptor (on Linux the file is
    /// opened once more for that); a descriptor that only reads gives no more than reading. If the
    /// file has a name and is ephemeral, this user may be the last one and remove it.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// use shmkit::SharedMemory;
    ///
    /// # let path = std::env::temp_dir().join(format!("shmkit-doc-fd-{}", std::process::id()));
    /// std::fs::write(&path, "hello").unwrap();
    /// let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    /// let segment = SharedMemory::options().attach_fd(file.into())?;
    /// assert_eq!(segment.size(), 5);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if it is open for reading only and
    /// [`access`](Self::access) does not say so; otherwise as [`attach_file`](Self::attach_file).
    #[cfg(unix)]
    pub fn attach_fd(&self, fd: OwnedFd) -> Result<SharedMemory> {
        let target = backend::target_of(&fd);
        let segment = backend::adopt(fd, &target, &self.spec, Op::Attach)?;
        self.place(self.handle(target, segment, None))
    }

    /// Attaches to what a descriptor leads to, under a key if that leads to the same from here.
    #[cfg(unix)]
    #[allow(dead_code, reason = "unused where nothing is handed over")]
    pub(crate) fn attach_fd_of_key(&self, fd: OwnedFd, key: NativeIpcKey) -> Result<SharedMemory> {
        if !backend::is_of_key(&fd, &key) {
            return self.attach_fd(fd);
        }
        let target = Target::Key(key);
        let segment = backend::adopt(fd, &target, &self.spec, Op::Attach)?;
        self.place(self.handle(target, segment, None))
    }

    /// Attaches to what a descriptor leads to, called so unless it has a name of its own.
    #[cfg(unix)]
    #[allow(dead_code, reason = "unused where nothing is handed over")]
    pub(crate) fn attach_fd_called(&self, fd: OwnedFd, name: String) -> Result<SharedMemory> {
        let target = match backend::target_of(&fd) {
            Target::Memory(_) => Target::Memory(name),
            named => named,
        };
        let segment = backend::adopt(fd, &target, &self.spec, Op::Attach)?;
        self.place(self.handle(target, segment, None))
    }

    /// Sets how much it matters that a new file is in memory and not on a disk or another machine.
    /// Default [`Wish::Hint`]: if it is not, [`SharedMemory::warnings`] tells. Segments by key and
    /// memfds are in memory anyway.
    ///
    /// ```
    /// use shmkit::{SharedMemory, Wish};
    ///
    /// # if cfg!(target_os = "linux") {
    /// let mut options = SharedMemory::options();
    /// options.size(4096).ram_backed(Wish::Demand);
    /// let error = options.create_file("/proc/memory").unwrap_err();
    /// assert!(error.to_string().contains("not in memory"));
    /// # }
    /// ```
    pub fn ram_backed(&mut self, wish: Wish) -> &mut Self {
        self.ram_backed = wish;
        self
    }

    /// Says what a new file will lie on, if that is not memory.
    pub(super) fn check_medium(&self, target: &Target, op: Op) -> Result<Option<String>> {
        let Some(directory) = target.directory() else {
            return Ok(None);
        };
        let kind = match backend::examine_directory(directory) {
            Ok(found) if found.kind.is_ram_backed() => return Ok(None),
            Ok(found) => found.kind,
            // What is wrong with it will be said when it is used.
            Err(_) => return Ok(None),
        };
        let what = match kind.medium {
            Medium::Network => "; processes on other machines do not share it",
            _ => "",
        };
        let text = format!("{} is not in memory: {kind}{what}", directory.display());
        match self.ram_backed {
            Wish::Hint => Ok(Some(text)),
            Wish::Demand => Err(Error::new(op, ErrorKind::Unsupported)
                .on(target)
                .detail(text)
                .hint("see `shmkit::directory` for places that are in memory")),
        }
    }

    /// A file that somebody asked for by its path is kept unless they said otherwise.
    fn file_spec(&self) -> Spec {
        Spec {
            lifetime: self.lifetime.unwrap_or(Lifetime::Kept),
            ..self.spec.clone()
        }
    }
}

fn file(path: impl AsRef<Path>) -> Target {
    Target::File(path.as_ref().to_owned())
}

fn memory(name: &str) -> Result<Target> {
    let why = match name {
        name if name.contains('\0') => "the name has a NUL character inside",
        name if name.len() > LONGEST_MEMFD_NAME => "the name has more than 249 bytes",
        name => return Ok(Target::Memory(name.to_owned())),
    };
    Err(Error::new(Op::Create, ErrorKind::InvalidKey)
        .on(format!("memfd:{}", name.escape_debug()))
        .detail(why))
}

impl SharedMemory {
    /// A descriptor to give to others by any means (a socket, D-Bus, a child), which then
    /// [attach](Options::attach_fd) to it. With [`Access::ReadOnly`] they can read only.
    ///
    /// It is opened for this purpose: what others do with it, and how long they keep it, does not
    /// touch what the kernel knows about this handle.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if it is attached read-only and that is not what is asked
    /// for; [`OutOfResources`](ErrorKind::OutOfResources);
    /// [`Unsupported`](ErrorKind::Unsupported) for System V segments and without `/proc`, and for
    /// what the system cannot do.
    ///
    /// # Platform-specific behavior
    /// macOS and FreeBSD open no descriptor once more. Read-write it is a duplicate there, which
    /// does no harm: users are told apart by other means. Read-only it is opened by the file's path;
    /// what has none can be sent read-only if it is [sealed](Self::seal) or was attached by a
    /// descriptor that only reads. POSIX segments have no descriptors there: send the key.
    #[cfg(unix)]
    pub fn to_fd(&self, access: Access) -> Result<OwnedFd> {
        self.segment()
            .to_fd(access)
            .map_err(|error| error.on(&self.target))
    }
}
