//! Descriptors through Unix sockets (`unix(7)`, SCM_RIGHTS), from processes (`pidfd_getfd(2)`) and
//! into children.
#![expect(
    unsafe_code,
    reason = "descriptors by number, options that rustix does not have"
)]

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};

use crate::interrupt;

/// As many descriptors as every kernel takes at once. Linux takes 253 (`SCM_MAX_FD`); macOS and
/// FreeBSD take 254, for which their kernels keep 8 bytes each in a buffer of 2048.
const MOST: usize = 253;

/// How long it takes until a receiver is looked at anew that has no room.
const NAP: Duration = Duration::from_millis(1);

/// The longest path of a socket, in bytes: 107 on Linux, 103 on macOS and FreeBSD.
pub(crate) const LONGEST_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Whether sockets can have names in the kernel instead of paths.
pub(crate) const HAS_ABSTRACT: bool = cfg!(sys = "linux");

/// The address of a name in the kernel.
pub(crate) fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    #[cfg(all(sys = "linux", target_os = "android"))]
    use std::os::android::net::SocketAddrExt as _;
    #[cfg(all(sys = "linux", target_os = "linux"))]
    use std::os::linux::net::SocketAddrExt as _;
    #[cfg(sys = "linux")]
    return SocketAddr::from_abstract_name(name);
    #[cfg(not(sys = "linux"))]
    {
        let _ = name;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Who is at the other end of a Unix socket, as the kernel saw it when it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// 0 for one that cannot be seen from here.
    pub(crate) pid: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Asks who is at the other end.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer(socket: impl AsFd) -> io::Result<Peer> {
    // Not by rustix, whose process id cannot be 0.
    // SAFETY: that is what the option writes, and any numbers are one.
    let found: libc::ucred =
        unsafe { option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED) }?;
    Ok(Peer {
        pid: found.pid.cast_unsigned(),
        user: found.uid,
        group: found.gid,
    })
}

/// Asks who is at the other end.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let socket = socket.as_fd();
    let (mut user, mut group) = (0, 0);
    // SAFETY: takes a descriptor that is open, and where to write two numbers.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &mut user, &mut group) } {
        0 => Ok(Peer {
            pid: peer_pid(socket).unwrap_or(0).cast_unsigned(),
            user,
            group,
        }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The process that used the other end last.
#[cfg(target_os = "macos")]
fn peer_pid(socket: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    // SAFETY: that is what the option writes, and any number is one.
    unsafe { option(socket, libc::SOL_LOCAL, libc::LOCAL_PEERPID) }
}

/// The process that connected or listened; 0 before FreeBSD 13.
#[cfg(target_os = "freebsd")]
fn peer_pid(socket: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    // SAFETY: that is what the option writes; any numbers are one, and its pointer is not used.
    let found: libc::xucred = unsafe { option(socket, libc::SOL_LOCAL, libc::LOCAL_PEERCRED) }?;
    // SAFETY: the other field is a pointer that nobody sets any more, so a number is there.
    Ok(unsafe { found.cr_pid__c_anonymous_union.cr_pid })
}

/// Asks for an option of a socket.
///
/// # Safety
/// The option is a `T`, for which any bytes do.
unsafe fn option<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<T> {
    let mut found = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    let at = found.as_mut_ptr().cast();
    // SAFETY: the option writes at most as many bytes as a `T` has, and how many it wrote.
    match unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, at, &mut len) } {
        // SAFETY: all of it was zeroed or written, and by the contract any bytes do.
        0 => Ok(unsafe { found.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a message stays one message on its way.
pub(crate) fn keeps_messages(socket: impl AsFd) -> io::Result<bool> {
    Ok(net::sockopt::socket_type(socket)? != SocketType::STREAM)
}

/// How a message is sent: at once or not at all, and without SIGPIPE if nobody is there to read it.
fn send_flags(_socket: BorrowedFd<'_>) -> io::Result<SendFlags> {
    #[cfg(not(target_os = "macos"))]
    return Ok(SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    #[cfg(target_os = "macos")]
    {
        net::sockopt::set_socket_nosigpipe(_socket, true)?;
        Ok(SendFlags::DONTWAIT)
    }
}

/// Sends all of `bytes`, the descriptors with the first of them.
pub(crate) fn send(
    socket: impl AsFd,
    mut bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Instant,
) -> io::Result<()> {
    let socket = socket.as_fd();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = send_flags(socket)?;
    loop {
        match net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags) {
            Ok(sent) => {
                bytes = &bytes[sent..];
                if bytes.is_empty() {
                    return Ok(());
                }
                // They went with the first part.
                control.clear();
            }
            Err(Errno::AGAIN) => wait(socket, PollFlags::OUT, deadline)?,
            // So BSD says that the receiver of datagrams has no room; nothing tells when it has.
            Err(Errno::NOBUFS) if cfg!(any(target_os = "macos", target_os = "freebsd")) => {
                thread::sleep(left_until(deadline)?.min(NAP));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What one call received.
#[derive(Debug)]
pub(crate) struct Received {
    /// 0 at the end.
    pub(crate) bytes: usize,
    pub(crate) fds: Vec<OwnedFd>,
    /// Some of the bytes did not fit, and are lost.
    pub(crate) bytes_cut: bool,
    /// Some of the descriptors did not fit, or this process may have no more, and they are lost.
    pub(crate) fds_cut: bool,
}

/// Receives what there is, and waits for it. Descriptors are closed on exec.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    deadline: Instant,
) -> io::Result<Received> {
    let socket = socket.as_fd();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        #[cfg(not(target_os = "macos"))]
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        #[cfg(target_os = "macos")]
        let flags = RecvFlags::DONTWAIT;
        // Where they are not closed on exec from the beginning, no child is forked before they are.
        #[cfg(target_os = "macos")]
        let _steady = super::fork::steady();
        let message = net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags);
        match message {
            Ok(message) => {
                let mut fds = Vec::new();
                for part in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(came) = part {
                        fds.extend(came);
                    }
                }
                #[cfg(target_os = "macos")]
                for fd in &fds {
                    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
                }
                return Ok(Received {
                    bytes: message.bytes,
                    fds,
                    bytes_cut: message.flags.contains(ReturnFlags::TRUNC),
                    fds_cut: message.flags.contains(ReturnFlags::CTRUNC),
                });
            }
            Err(Errno::AGAIN) => wait(socket, PollFlags::IN, deadline)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a socket can be read from (`IN`) or written to. It may end early: callers try again.
fn wait(socket: BorrowedFd<'_>, events: PollFlags, deadline: Instant) -> io::Result<()> {
    await_events(socket, events, left_until(deadline)?).map(drop)
}

/// How long may be waited at once until then; an error if it is over.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = interrupt::slice(deadline.saturating_duration_since(Instant::now()));
    match left.is_zero() {
        true => Err(interrupt::over_for_system()),
        false => Ok(left),
    }
}

/// Waits for somebody who connects; `false` if nobody did in time.
pub(crate) fn wait_for_client(listener: impl AsFd, limit: Duration) -> io::Result<bool> {
    await_events(listener.as_fd(), PollFlags::IN, limit)
}

fn await_events(fd: BorrowedFd<'_>, events: PollFlags, limit: Duration) -> io::Result<bool> {
    let limit = Timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(fd, events)], Some(&limit)) {
        Ok(0) => Ok(false),
        Ok(_) => Ok(true),
        // The caller looks again, and comes back with what is left of the time.
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Takes a descriptor of another process, as a debugger might.
#[cfg(all(sys = "linux", target_os = "linux"))]
pub(crate) fn steal(pid: u32, number: RawFd) -> io::Result<OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let fd = rustix::process::pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?;
    rustix::io::fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Others have no such call, and Android ends a program that makes it.
#[cfg(not(all(sys = "linux", target_os = "linux")))]
pub(crate) fn steal(_: u32, _: RawFd) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets a descriptor through exec. Only a system call, for a child between fork and exec.
pub(crate) fn let_through_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
}

/// Takes over a descriptor that this process was started with; an error if it has none of that
/// number.
///
/// # Safety
/// Nothing else in the process uses the number.
pub(crate) unsafe fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it is not -1; whether it is open is asked here, and nothing is done with it if not.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and by the contract nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether a stream socket that has this path is one that nobody has any more.
///
/// One of another type asks: it is told that the types differ (`EPROTOTYPE`), however many wait to be
/// accepted, and is no client that the other would be told of.
pub(crate) fn is_abandoned(path: &Path) -> io::Result<bool> {
    let address = SocketAddrUnix::new(path)?;
    let asks = net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    Ok(net::connect(&asks, &address) == Err(Errno::CONNREFUSED))
}

/// Keeps others out who ask for the same directory the same way, until it is dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

/// Waits until nobody else has the lock of a directory, and takes it.
pub(crate) fn lock_directory(path: &Path) -> io::Result<DirectoryLock> {
    use rustix::fs::{FlockOperation, flock};
    let directory = File::open(path)?;
    loop {
        match flock(&directory, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(DirectoryLock(directory)),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Said, and not left to closing: a child that was just forked has a copy.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}
