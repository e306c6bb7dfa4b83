//! A name at which one program waits for others, to give them memory.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::transfer::{Parcel, Peer, receive, send_within};
use crate::backend::Owners;
use crate::backend::backoff::Backoff;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::interrupt;
use crate::segment::Sealed;
use crate::sys::{environment, file, socket};

/// How long a client may take; it has nothing to do but to read.
const CLIENT_PATIENCE: Duration = Duration::from_secs(1);

/// How long a server goes without looking whether it shall end.
const SLICE: Duration = Duration::from_millis(100);

/// Where the two meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meeting {
    /// A name in the kernel, which goes with the server and needs no directory. Everybody in the
    /// same network namespace can reach it, so both ends look who the other one is. Only Linux and
    /// Android have such names.
    Abstract,
    /// A socket that only this user can reach: `shmkit/NAME.sock` in `$XDG_RUNTIME_DIR`.
    ///
    /// # Platform-specific behavior
    /// On macOS and FreeBSD, where that variable is seldom set, it is in the temporary directory
    /// (`$TMPDIR`; on macOS the user's own without it, on FreeBSD `/tmp`) if that is only this
    /// user's, and otherwise in `runtime-USER` in it. The whole path has at most 103 bytes there,
    /// and 107 on Linux.
    RuntimeDirectory,
}

impl Default for Meeting {
    /// [`Abstract`](Self::Abstract) where there are such names, otherwise
    /// [`RuntimeDirectory`](Self::RuntimeDirectory).
    fn default() -> Self {
        match socket::HAS_ABSTRACT {
            true => Self::Abstract,
            false => Self::RuntimeDirectory,
        }
    }
}

/// A name at which one program gives memory to others.
///
/// ```
/// use std::time::Duration;
///
/// use shmkit::os::handover::{Parcel, Rendezvous};
/// use shmkit::{Access, SharedMemory};
///
/// # fn main() -> shmkit::Result<()> {
/// let name = format!("doc-rendezvous-{}", std::process::id());
/// let frames = SharedMemory::options().size(4096).memfd("frames")?;
/// let server = Rendezvous::new(&name).serve(vec![Parcel::new(&frames, Access::ReadWrite)?])?;
/// # let fetched = std::thread::scope(|scope| {
/// # scope.spawn(|| server.hand_out(Duration::from_secs(10)));
///
/// // Another program:
/// let fetched = Rendezvous::new(&name).fetch(Duration::from_secs(10));
/// # fetched
/// # });
/// assert_eq!(fetched?.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Rendezvous {
    name: String,
    meeting: Meeting,
    owners: Owners,
    server_user: u32,
}

impl Rendezvous {
    /// Both sides say the same name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            meeting: Meeting::default(),
            owners: Owners::Mine,
            server_user: file::user(),
        }
    }

    /// Sets where they meet; both sides say the same. Default [`Meeting::default`].
    pub fn meeting(&mut self, meeting: Meeting) -> &mut Self {
        self.meeting = meeting;
        self
    }

    /// Sets whom to accept at the other end. Default [`Owners::Mine`]: this user and root.
    pub fn owners(&mut self, owners: Owners) -> &mut Self {
        self.owners = owners;
        self
    }

    /// Sets whose name it is, for one who fetches from another user. Default: this user's. Users
    /// cannot meet in a runtime directory, which is [`Unsupported`](ErrorKind::Unsupported).
    pub fn of_user(&mut self, user: u32) -> &mut Self {
        self.server_user = user;
        self
    }

    /// Takes the name, to give these parcels to everybody who comes.
    ///
    /// # Errors
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if somebody has the name;
    /// [`InvalidKey`](ErrorKind::InvalidKey) if it cannot be one;
    /// [`Unsupported`](ErrorKind::Unsupported) if they cannot [meet](Meeting) there: this system has
    /// no such names, or this user no such directory.
    pub fn serve(&self, parcels: Vec<Parcel>) -> Result<Server> {
        let op = Op::Create;
        let explain = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::AddrInUse => ErrorKind::AlreadyExists,
                _ => ErrorKind::of(&error),
            };
            Error::os(op, error).on(self.shown()).with_kind(kind)
        };
        let address = self.address(op)?;
        let mut _alone = None;
        if let Some(path) = address.as_pathname() {
            // One after the other, or one would remove what another has just made.
            _alone = Some(lock_around(path).map_err(explain)?);
            remove_abandoned(path).map_err(explain)?;
        }
        let listener = UnixListener::bind_addr(&address).map_err(explain)?;
        listener.set_nonblocking(true).map_err(explain)?;
        Ok(Server {
            path: address.as_pathname().map(Into::into),
            listener,
            owners: self.owners,
            parcels,
            called: self.shown(),
        })
    }

    /// Waits for somebody who has the name, at most `limit`, and takes what it gives.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if nobody had the name in time;
    /// [`ForeignOwner`](ErrorKind::ForeignOwner) if it is one whom [`owners`](Self::owners) does not
    /// accept; [`InvalidKey`](ErrorKind::InvalidKey) and [`Unsupported`](ErrorKind::Unsupported) as
    /// [`serve`](Self::serve); otherwise as [`receive`].
    pub fn fetch(&self, limit: Duration) -> Result<Vec<Parcel>> {
        let op = Op::Receive;
        let begin = Instant::now();
        let address = self.address(op)?;
        let mut backoff = Backoff::new(limit);
        let stream = loop {
            match UnixStream::connect_addr(&address) {
                Ok(stream) => break stream,
                Err(error) if is_nobody_there(&error) => {
                    if !backoff.again() {
                        if interrupt::has_come() {
                            return Err(Error::new(op, ErrorKind::Interrupted).on(self.shown()));
                        }
                        return Err(Error::os(op, error)
                            .on(self.shown())
                            .detail("nobody gives anything by that name")
                            .with_kind(ErrorKind::NotFound));
                    }
                }
                Err(error) => return Err(Error::os(op, error).on(self.shown())),
            }
        };
        let server = Peer::of(&stream)?;
        if !server.is_among(self.owners) {
            return Err(Error::new(op, ErrorKind::ForeignOwner)
                .on(self.shown())
                .detail(format!("it is given by user {}, not by you", server.user))
                .hint("accept that user in the options if you trust it"));
        }
        receive(
            &stream,
            limit.saturating_sub(begin.elapsed()).max(CLIENT_PATIENCE),
        )
        .map_err(|error| error.on(self.shown()))
    }

    fn shown(&self) -> String {
        format!("rendezvous:{}", self.name.escape_debug())
    }

    fn address(&self, op: Op) -> Result<SocketAddr> {
        let refused = |why: &str| {
            Error::new(op, ErrorKind::InvalidKey)
                .on(self.shown())
                .detail(why)
        };
        if self.name.is_empty() || self.name.contains('\0') {
            return Err(refused("a name has at least one character, and no NUL"));
        }
        let too_long = |_| refused("the name is too long");
        match self.meeting {
            Meeting::Abstract if !socket::HAS_ABSTRACT => {
                Err(Error::new(op, ErrorKind::Unsupported)
                    .on(self.shown())
                    .detail("this system has no names for sockets but paths")
                    .hint("meet in the runtime directory"))
            }
            Meeting::Abstract => {
                let name = format!("shmkit/{}/{}", self.server_user, self.name);
                socket::abstract_address(&name).map_err(too_long)
            }
            Meeting::RuntimeDirectory => {
                let path = self.runtime_directory(op)?.join(self.file_name());
                if path.as_os_str().len() > socket::LONGEST_PATH {
                    return Err(refused("the path of its socket would be too long"));
                }
                SocketAddr::from_pathname(path).map_err(too_long)
            }
        }
    }

    /// A slash would lead elsewhere.
    fn file_name(&self) -> String {
        let name = self.name.replace('%', "%25").replace('/', "%2F");
        format!("{name}.sock")
    }

    /// The directory of the sockets, which is this user's alone.
    fn runtime_directory(&self, op: Op) -> Result<PathBuf> {
        let unusable = |why: String| {
            Error::new(op, ErrorKind::Unsupported)
                .on(self.shown())
                .detail(why)
        };
        if self.server_user != file::user() {
            return Err(
                unusable("nobody else can use this user's runtime directory".to_owned())
                    .hint("connect a socket that both can reach, and send through that"),
            );
        }
        let path = environment::own_directory()
            .map_err(unusable)?
            .join("shmkit");
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unusable(format!(
                    "{} cannot be made: {error}",
                    path.display()
                )));
            }
            _ => {}
        }
        match fs::symlink_metadata(&path) {
            Ok(found)
                if found.is_dir() && found.uid() == file::user() && found.mode() & 0o077 == 0 =>
            {
                Ok(path)
            }
            _ => Err(unusable(format!(
                "{} is not a directory that only you can use",
                path.display()
            ))),
        }
    }
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound | io::ErrorKind::WouldBlock
    )
}

/// Locks the directory of a path.
fn lock_around(path: &Path) -> io::Result<socket::DirectoryLock> {
    socket::lock_directory(path.parent().unwrap_or(Path::new("/")))
}

/// Removes the socket of a server that was killed. Its directory is this user's alone.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    match socket::is_abandoned(path)? {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Has a [`Rendezvous`]' name, and gives its parcels to those who come.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    /// Where the name is a file.
    path: Option<PathBuf>,
    owners: Owners,
    parcels: Vec<Parcel>,
    called: String,
}

impl Server {
    /// Waits for somebody who comes, at most `limit`, and gives it the parcels; `None` if nobody
    /// came. One whom the [owners](Rendezvous::owners) do not include goes with empty hands, and so
    /// does one who does not take them within a second: neither is an error of the server.
    ///
    /// # Errors
    /// [`OutOfResources`](ErrorKind::OutOfResources) if this process may have no more descriptors;
    /// [`Os`](ErrorKind::Os).
    pub fn hand_out(&self, limit: Duration) -> Result<Option<Peer>> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let left = deadline.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            let slice = interrupt::slice(left);
            if !socket::wait_for_client(&self.listener, slice)
                .map_err(|error| self.failed(error))?
            {
                if interrupt::has_come() {
                    return Err(self.failed(io::ErrorKind::Interrupted.into()));
                }
                match slice == left {
                    true => return Ok(None),
                    false => continue,
                }
            }
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                // It came and went.
                Err(error) if is_fleeting(&error) => continue,
                Err(error) => return Err(self.failed(error)),
            };
            let given = Peer::of(&stream).and_then(|peer| {
                let accepted = peer.is_among(self.owners);
                if accepted {
                    send_within(&stream, &self.parcels, CLIENT_PATIENCE)?;
                }
                Ok(accepted.then_some(peer))
            });
            if let Ok(Some(peer)) = given {
                return Ok(Some(peer));
            }
        }
    }

    /// Gives to everybody who comes until `stop` is true.
    ///
    /// # Errors
    /// As [`hand_out`](Self::hand_out).
    pub fn run_until(&self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.hand_out(SLICE)?;
        }
        Ok(())
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.called
    }

    fn failed(&self, error: io::Error) -> Error {
        let kind = match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => ErrorKind::OutOfResources,
            _ => ErrorKind::of(&error),
        };
        Error::os(Op::Send, error).on(&self.called).with_kind(kind)
    }
}

fn is_fleeting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

impl AsFd for Server {
    /// Can be read from when somebody waits for [`hand_out`](Self::hand_out).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// Gives sealed memory by name, in a thread of its own, until what it returns is dropped.
///
/// ```
/// use std::time::Duration;
///
/// use shmkit::Sealed;
/// use shmkit::os::handover;
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = &format!("doc-publish-{}", std::process::id());
/// # if cfg!(all(not(shmkit_force_fallbacks), target_os = "linux")) {
/// let table = Sealed::new("table", &b"1 2 3"[..])?;
/// let _published = handover::publish(name, &table)?;
///
/// // Another program:
/// let table = handover::fetch(name, Duration::from_secs(5))?;
/// assert_eq!(&*table, b"1 2 3");
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`Rendezvous::serve`].
///
/// # Platform-specific behavior
/// There is no sealed memory on macOS; [`Rendezvous`] gives what there is.
pub fn publish(name: &str, memory: &Sealed) -> Result<Published> {
    let server = Rendezvous::new(name).serve(vec![Parcel::of_sealed(memory)?])?;
    let stop = Arc::new(AtomicBool::new(false));
    let thread = thread::Builder::new()
        .name("shmkit-rendezvous".to_owned())
        .spawn({
            let stop = Arc::clone(&stop);
            move || {
                // Without descriptors it waits for better times.
                while server.run_until(&stop).is_err() {
                    thread::sleep(SLICE);
                }
            }
        })
        .map_err(|error| Error::os(Op::Create, error))?;
    Ok(Published {
        stop,
        thread: Some(thread),
    })
}

/// Gives memory by name until it is dropped; made by [`publish`].
#[derive(Debug)]
#[must_use = "the name goes when this is dropped"]
pub struct Published {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it does, there is nothing to be done here.
            let _ = thread.join();
        }
    }
}

/// Takes sealed memory that a program of this user gives by name; waits at most `limit` for it.
///
/// # Errors
/// As [`Rendezvous::fetch`]; [`Sealed`](ErrorKind::Sealed) if it is not sealed.
pub fn fetch(name: &str, limit: Duration) -> Result<Sealed> {
    let mut parcels = Rendezvous::new(name).fetch(limit)?;
    parcels.swap_remove(0).sealed()
}
