//! Segments through Unix sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::message::{self, Called, Description, HEADER, LONGEST, MOST, Refused};
use crate::backend::{Owners, Target};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::mapping::Access;
use crate::segment::{Options, Sealed, SharedMemory};
use crate::sys::socket;

/// How long [`send`] waits for the receiver to make room.
const PATIENCE: Duration = Duration::from_secs(30);

/// A segment on its way: a descriptor, and what the sender says about it.
#[derive(Debug)]
pub struct Parcel {
    fd: OwnedFd,
    description: Description,
}

impl Parcel {
    /// Packs a segment; the receiver gets this access and no more.
    ///
    /// # Errors
    /// As [`SharedMemory::to_fd`].
    pub fn new(segment: &SharedMemory, access: Access) -> Result<Self> {
        Ok(Self {
            fd: segment.to_fd(access)?,
            description: Description {
                called: match segment.target() {
                    Target::Key(key) => Called::Key(key.to_string()),
                    Target::File(path) => Called::Path(path.to_string_lossy().into_owned()),
                    Target::Unnamed(_) => Called::Name("file".to_owned()),
                    Target::Memory(name) => Called::Name(name.clone()),
                },
                access,
                size: segment.size() as u64,
                seals: segment.seals()?,
            },
        })
    }

    /// Packs sealed memory.
    ///
    /// # Errors
    /// As [`Sealed::to_fd`].
    pub fn of_sealed(sealed: &Sealed) -> Result<Self> {
        Self::new(sealed.segment(), Access::ReadOnly)
    }

    pub(super) fn of_fd(fd: OwnedFd, description: Description) -> Self {
        Self { fd, description }
    }

    /// What the sender says about it.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Attaches to it, as [`Options::attach_fd`] does: size, owner, access and
    /// [demanded seals](Options::demand_seals) are checked on the descriptor itself, whatever the
    /// description says.
    ///
    /// If it is called by a key, and the key leads to the same segment from here, the segment has
    /// its key, and with it its lock.
    ///
    /// # Errors
    /// As [`Options::attach_fd`].
    pub fn attach(self, options: &Options) -> Result<SharedMemory> {
        let Self { fd, description } = self;
        match description.called {
            Called::Key(text) => match text.parse() {
                Ok(key) => options.attach_fd_of_key(fd, key),
                Err(_) => options.attach_fd(fd),
            },
            Called::Name(name) => options.attach_fd_called(fd, name),
            Called::Path(_) => options.attach_fd(fd),
        }
    }

    /// Takes it as sealed memory.
    ///
    /// # Errors
    /// As [`Sealed::from_fd`].
    pub fn sealed(self) -> Result<Sealed> {
        Sealed::from_fd(self.fd)
    }

    /// The descriptor alone.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Parcel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sends segments through a connected Unix socket, all in one message, of whatever type the socket
/// is. Waits at most 30 seconds for room.
///
/// # Errors
/// As [`send_within`].
///
/// # Platform-specific behavior
/// A peer that is gone is an error and no SIGPIPE; on macOS the socket is set not to raise that any
/// more (`SO_NOSIGPIPE`). A socket that keeps messages apart takes short ones only, on macOS of 2048
/// bytes. A stream takes all.
#[doc(alias = "SCM_RIGHTS")]
pub fn send(socket: impl AsFd, parcels: &[Parcel]) -> Result<()> {
    send_within(socket, parcels, PATIENCE)
}

/// Sends segments and waits at most `limit` for room.
///
/// # Errors
/// [`InvalidSize`](ErrorKind::InvalidSize) for none or more than [`MOST`], and if the socket keeps
/// messages apart and this one is too long for it;
/// [`TimedOut`](ErrorKind::TimedOut), and then the connection is of no use any more;
/// [`OutOfResources`](ErrorKind::OutOfResources) if too many descriptors are on their way;
/// [`Os`](ErrorKind::Os) if nobody is at the other end.
pub fn send_within(socket: impl AsFd, parcels: &[Parcel], limit: Duration) -> Result<()> {
    if parcels.is_empty() || parcels.len() > MOST {
        return Err(Error::new(Op::Send, ErrorKind::InvalidSize)
            .detail(format!("{} segments are not 1 to {MOST}", parcels.len())));
    }
    let descriptions: Vec<Description> = parcels
        .iter()
        .map(|parcel| parcel.description.clone())
        .collect();
    let fds: Vec<BorrowedFd<'_>> = parcels.iter().map(AsFd::as_fd).collect();
    let message = message::encode(&descriptions);
    socket::send(socket, &message, &fds, deadline(limit)).map_err(|error| {
        let called = &descriptions[0].called;
        match error.raw_os_error() {
            Some(libc::ETOOMANYREFS) => Error::os(Op::Send, error)
                .on(called)
                .detail("too many descriptors of this user are on their way")
                .with_kind(ErrorKind::OutOfResources),
            Some(libc::EMSGSIZE) => Error::os(Op::Send, error)
                .on(called)
                .detail(format!("a message of {} bytes is too long", message.len()))
                .hint("send fewer segments at once, or use a stream")
                .with_kind(ErrorKind::InvalidSize),
            _ => Error::os(Op::Send, error).on(called),
        }
    })
}

/// Receives the segments of one message, and waits for it at most `limit`.
///
/// If anything is wrong with the message, every descriptor that came is closed.
///
/// # Errors
/// [`TimedOut`](ErrorKind::TimedOut); [`BadMessage`](ErrorKind::BadMessage) if it is not one of
/// shmkit's, or not all of its descriptors came; [`OutOfResources`](ErrorKind::OutOfResources) if
/// this process may have no more; [`NotFound`](ErrorKind::NotFound) if the sender has closed the
/// connection. After an error a stream may be in the middle of a message: close it.
pub fn receive(socket: impl AsFd, limit: Duration) -> Result<Vec<Parcel>> {
    let deadline = deadline(limit);
    let (message, fds) = match socket::keeps_messages(&socket) {
        Ok(true) => receive_message(&socket, deadline)?,
        Ok(false) => receive_from_stream(&socket, deadline)?,
        Err(error) => return Err(Error::os(Op::Receive, error)),
    };
    let descriptions = message::decode(&message).map_err(bad)?;
    if descriptions.len() != fds.len() {
        return Err(bad(Refused(
            "it does not have as many descriptors as it says",
        )));
    }
    let parcels = fds.into_iter().zip(descriptions);
    Ok(parcels
        .map(|(fd, description)| Parcel { fd, description })
        .collect())
}

fn receive_message(socket: impl AsFd, deadline: Instant) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut buffer = vec![0; LONGEST];
    let received = socket::receive(socket, &mut buffer, deadline).map_err(failed)?;
    check(&received)?;
    if received.bytes_cut {
        return Err(bad(Refused("it is too long")));
    }
    buffer.truncate(received.bytes);
    Ok((buffer, received.fds))
}

/// A stream does not keep messages apart, so the header tells how much to read.
fn receive_from_stream(socket: impl AsFd, deadline: Instant) -> Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut message = vec![0; HEADER];
    let mut fds = Vec::new();
    let mut done = 0;
    while done < message.len() {
        let received = socket::receive(&socket, &mut message[done..], deadline).map_err(failed)?;
        fds.extend(check(&received).map(|()| received.fds)?);
        if fds.len() > MOST {
            return Err(bad(Refused("it has more descriptors than can be sent")));
        }
        done += received.bytes;
        if done == HEADER
            && let Some(header) = message.first_chunk()
        {
            let length = message::length(header).map_err(bad)?;
            message.resize(length, 0);
        }
    }
    Ok((message, fds))
}

fn check(received: &socket::Received) -> Result<()> {
    if received.fds_cut {
        return Err(Error::new(Op::Receive, ErrorKind::OutOfResources)
            .detail("descriptors were lost on the way: this process may have no more")
            .hint("raise its limit (`ulimit -n`) or close what it no longer needs"));
    }
    if received.bytes == 0 {
        return Err(Error::new(Op::Receive, ErrorKind::NotFound)
            .detail("the sender has closed the connection"));
    }
    Ok(())
}

fn bad(Refused(why): Refused) -> Error {
    Error::new(Op::Receive, ErrorKind::BadMessage)
        .detail(format!("the message is not one of shmkit's: {why}"))
        .hint("see who is at the other end, and close the connection")
}

fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::TimedOut => Error::os(Op::Receive, error).detail("nothing came in time"),
        _ => Error::os(Op::Receive, error),
    }
}

fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    // Longer than any program runs.
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_secs(1 << 30))
}

/// Takes a segment out of another process by the number of its descriptor there, where the system
/// allows this user to look into that process (as for a debugger).
///
/// # Errors
/// [`PermissionDenied`](ErrorKind::PermissionDenied); [`NotFound`](ErrorKind::NotFound) if there is
/// no such process; [`Os`](ErrorKind::Os) if it has no such descriptor;
/// [`Unsupported`](ErrorKind::Unsupported) before Linux 5.6, and on Android, macOS and FreeBSD,
/// which do not let programs do it.
#[doc(alias = "pidfd_getfd")]
pub fn from_process(pid: u32, number: i32) -> Result<OwnedFd> {
    socket::steal(pid, number).map_err(|error| {
        let kind = match error.raw_os_error() {
            Some(libc::ESRCH) => ErrorKind::NotFound,
            _ => ErrorKind::of(&error),
        };
        Error::os(Op::Receive, error)
            .on(format!("descriptor {number} of process {pid}"))
            .with_kind(kind)
    })
}

/// Who is at the other end of a Unix socket: the kernel's word, of the moment when it was
/// connected.
///
/// # Platform-specific behavior
/// On macOS the process is the one that used the other end last, and FreeBSD before 13 does not tell
/// it. Of the ends of a `socketpair(2)` both may know nothing, which is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its process id; 0 if it cannot be seen from here or is not told. It may have ended meanwhile, and another
    /// one may have its number.
    pub pid: u32,
    /// The user that it acted as.
    pub user: u32,
    /// The group that it acted as.
    pub group: u32,
}

impl Peer {
    /// Asks who is at the other end.
    ///
    /// # Errors
    /// [`Os`](ErrorKind::Os) if it is no Unix socket, or not connected.
    pub fn of(socket: impl AsFd) -> Result<Self> {
        let socket::Peer { pid, user, group } =
            socket::peer(socket).map_err(|error| Error::os(Op::Inspect, error))?;
        Ok(Self { pid, user, group })
    }

    /// Whether it is one of those whose segments are accepted.
    pub fn is_among(self, owners: Owners) -> bool {
        owners.admits(self.user)
    }
}
