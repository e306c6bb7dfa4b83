//! Descriptors through Unix sockets (`unix(7)`, SCM_RIGHTS), from processes (`pidfd_getfd(2)`) and
//! into children.
#![expect(unsafe_code, reason = "descriptors by number")]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags};
use rustix::net::{
    self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketType,
};

use crate::interrupt;

/// As many descriptors as the kernel takes at once (`SCM_MAX_FD`).
const MOST: usize = 253;

/// Who is at the other end of a Unix socket, as the kernel saw it when it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// 0 for one that cannot be seen from here.
    pub(crate) pid: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Asks who is at the other end.
pub(crate) fn peer(socket: impl AsFd) -> io::Result<Peer> {
    // Not by rustix, whose process id cannot be 0.
    let mut found = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    use std::os::fd::AsRawFd as _;
    // SAFETY: the option writes a `ucred` of this length, and the length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &mut len,
        )
    };
    match result {
        0 => Ok(Peer {
            pid: found.pid.cast_unsigned(),
            user: found.uid,
            group: found.gid,
        }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a message stays one message on its way.
pub(crate) fn keeps_messages(socket: impl AsFd) -> io::Result<bool> {
    Ok(net::sockopt::socket_type(socket)? != SocketType::STREAM)
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
    loop {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
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
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags);
        match message {
            Ok(message) => {
                let mut fds = Vec::new();
                for part in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(came) = part {
                        fds.extend(came);
                    }
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
    let left = interrupt::slice(deadline.saturating_duration_since(Instant::now()));
    if left.is_zero() {
        return Err(interrupt::over_for_system());
    }
    await_events(socket, events, left).map(drop)
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
#[cfg(not(target_os = "android"))]
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

/// Android ends a program that tries.
#[cfg(target_os = "android")]
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
