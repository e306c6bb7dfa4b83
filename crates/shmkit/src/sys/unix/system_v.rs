//! System V shared memory and semaphores (sysvipc(7)), which rustix does not have.
#![expect(unsafe_code, reason = "shmget, shmat, semop and their kin")]
#![allow(
    clippy::useless_conversion,
    reason = "an IPC key has 64 bits on FreeBSD"
)]

use std::io;
use std::ptr::{self, NonNull};
use std::time::Duration;

use libc::c_int;

use crate::atomic::fault_point;
use crate::mapping::Access;

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The IPC key of a file, as ftok(3) of the C library makes it.
pub(crate) fn ipc_key(device: u64, inode: u64, project: u8) -> i32 {
    let key = u32::from(project) << 24 | (device as u32 & 0xff) << 16 | (inode as u32 & 0xffff);
    key.cast_signed()
}

/// Of <sys/sem.h>; libc has them for Linux only. macOS and FreeBSD have the same numbers.
#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::{GETNCNT, GETPID, GETVAL, SEM_UNDO, SETVAL, SHM_NORESERVE};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod numbers {
    use libc::c_int;

    pub(super) const GETNCNT: c_int = 3;
    pub(super) const GETPID: c_int = 4;
    pub(super) const GETVAL: c_int = 5;
    pub(super) const SETVAL: c_int = 8;
    pub(super) const SEM_UNDO: c_int = 0o10000;
    /// There, what is not touched is never accounted for.
    pub(super) const SHM_NORESERVE: c_int = 0;
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use numbers::{GETNCNT, GETPID, GETVAL, SEM_UNDO, SETVAL, SHM_NORESERVE};

/// What `IPC_STAT` says of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentStatus {
    pub(crate) size: usize,
    pub(crate) attached: u64,
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    /// Removed already, and only alive for those that are attached (`SHM_DEST`).
    pub(crate) removed: bool,
    /// Seconds since the epoch when it was made, or its owner or mode changed.
    #[cfg_attr(
        not(sys = "portable"),
        allow(dead_code, reason = "for where there is no table")
    )]
    pub(crate) changed: i64,
}

/// `shm_perm.mode` of a segment that waits for its last user; <sys/shm.h>, not in libc.
pub(crate) const SHM_DEST: u32 = 0o1000;

/// Makes a segment that no other has the key of; `reserve` accounts for its memory at once.
pub(crate) fn create_segment(key: i32, size: usize, mode: u32, reserve: bool) -> io::Result<c_int> {
    fault_point();
    let mut flags = libc::IPC_CREAT | libc::IPC_EXCL | (mode & 0o777) as c_int;
    if !reserve {
        flags |= SHM_NORESERVE;
    }
    // SAFETY: takes integers only.
    check(unsafe { libc::shmget(key.into(), size, flags) })
}

/// Finds the segment of a key.
pub(crate) fn find_segment(key: i32) -> io::Result<c_int> {
    // SAFETY: takes integers only.
    check(unsafe { libc::shmget(key.into(), 0, 0) })
}

/// Maps a segment; it stays until [`detach`].
pub(crate) fn attach(id: c_int, access: Access) -> io::Result<NonNull<u8>> {
    fault_point();
    let flags = if access == Access::ReadOnly {
        libc::SHM_RDONLY
    } else {
        0
    };
    // SAFETY: the kernel chooses the address, so no memory in use is touched.
    let at = unsafe { libc::shmat(id, ptr::null(), flags) };
    if at.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(at.cast()).expect("the kernel maps nothing at address 0 unless asked"))
}

/// Ends a mapping.
///
/// # Safety
/// `at` came from [`attach`], and nothing points into the segment any more.
pub(crate) unsafe fn detach(at: NonNull<u8>) -> io::Result<()> {
    fault_point();
    // SAFETY: handed on.
    check(unsafe { libc::shmdt(at.as_ptr().cast()) }).map(drop)
}

/// Asks the kernel about a segment.
pub(crate) fn segment_status(id: c_int) -> io::Result<SegmentStatus> {
    // SAFETY: a C struct of integers, for which zeros are a valid value.
    let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `status` is writable and of the type that IPC_STAT fills in.
    check(unsafe { libc::shmctl(id, libc::IPC_STAT, &mut status) })?;
    #[allow(clippy::useless_conversion, reason = "it is smaller on some machines")]
    let mode = u32::from(status.shm_perm.mode);
    Ok(SegmentStatus {
        size: status.shm_segsz as usize,
        attached: status.shm_nattch as u64,
        mode: mode & 0o777,
        owner: status.shm_perm.uid,
        removed: mode & SHM_DEST != 0,
        changed: status.shm_ctime as i64,
    })
}

/// Removes a segment: its key at once, its memory with the last one attached.
pub(crate) fn remove_segment(id: c_int) -> io::Result<()> {
    fault_point();
    // SAFETY: IPC_RMID does not use the pointer.
    check(unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) }).map(drop)
}

/// Makes a set of `count` semaphores that no other has the key of; all start at 0.
pub(crate) fn create_set(key: i32, count: u16, mode: u32) -> io::Result<c_int> {
    fault_point();
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | (mode & 0o777) as c_int;
    // SAFETY: takes integers only.
    check(unsafe { libc::semget(key.into(), count.into(), flags) })
}

/// Finds the set of a key; it must have at least one semaphore.
pub(crate) fn find_set(key: i32) -> io::Result<c_int> {
    // SAFETY: takes integers only.
    check(unsafe { libc::semget(key.into(), 1, 0) })
}

/// Removes a set; those who wait on it are told `EIDRM`.
pub(crate) fn remove_set(id: c_int) -> io::Result<()> {
    fault_point();
    // SAFETY: IPC_RMID takes no fourth argument.
    check(unsafe { libc::semctl(id, 0, libc::IPC_RMID) }).map(drop)
}

/// What `IPC_STAT` says of a set of semaphores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetStatus {
    pub(crate) count: u64,
    pub(crate) owner: u32,
    /// Seconds since the epoch of the last operation; 0 if there was none.
    pub(crate) last_operation: i64,
    /// Seconds since the epoch when it was made, or its owner, its mode or a value was set.
    #[cfg_attr(
        not(sys = "portable"),
        allow(dead_code, reason = "for where there is no table")
    )]
    pub(crate) changed: i64,
}

/// `semid_ds` of <sys/sem.h>; libc lacks musl's, which is the kernel's `semid64_ds`.
#[cfg(not(target_env = "musl"))]
use libc::semid_ds;

#[cfg(target_env = "musl")]
#[repr(C)]
#[allow(non_camel_case_types, reason = "it is C's name")]
struct semid_ds {
    sem_perm: libc::ipc_perm,
    sem_otime: libc::c_long,
    #[cfg(target_arch = "x86_64")]
    unused_1: libc::c_long,
    sem_ctime: libc::c_long,
    #[cfg(target_arch = "x86_64")]
    unused_2: libc::c_long,
    sem_nsems: libc::c_ulong,
    unused_3: [libc::c_long; 2],
}

/// Asks the kernel about a set.
pub(crate) fn set_status(id: c_int) -> io::Result<SetStatus> {
    // SAFETY: a C struct of integers, for which zeros are a valid value.
    let mut status: semid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the fourth argument of IPC_STAT is a pointer to a `semid_ds`, which this is.
    check(unsafe { libc::semctl(id, 0, libc::IPC_STAT, std::ptr::from_mut(&mut status)) })?;
    Ok(SetStatus {
        count: status.sem_nsems as u64,
        owner: status.sem_perm.uid,
        last_operation: status.sem_otime as i64,
        changed: status.sem_ctime as i64,
    })
}

/// Sets a semaphore's value. Every process's undo entry for it is forgotten (semctl(2)).
pub(crate) fn set_value(id: c_int, semaphore: u16, value: c_int) -> io::Result<()> {
    fault_point();
    // SAFETY: the fourth argument of SETVAL is an integer, passed as `union semun` is.
    check(unsafe { libc::semctl(id, semaphore.into(), SETVAL, value) }).map(drop)
}

/// A semaphore's value.
pub(crate) fn value(id: c_int, semaphore: u16) -> io::Result<c_int> {
    // SAFETY: GETVAL takes no fourth argument.
    check(unsafe { libc::semctl(id, semaphore.into(), GETVAL) })
}

/// How many wait for a semaphore's value to grow.
pub(crate) fn waiting(id: c_int, semaphore: u16) -> io::Result<c_int> {
    // SAFETY: GETNCNT takes no fourth argument.
    check(unsafe { libc::semctl(id, semaphore.into(), GETNCNT) })
}

/// The process that last operated on a semaphore, as seen from this PID namespace; `None` if it
/// lives in another one, or nobody did.
pub(crate) fn last_pid(id: c_int, semaphore: u16) -> io::Result<Option<u32>> {
    // SAFETY: GETPID takes no fourth argument.
    let pid = check(unsafe { libc::semctl(id, semaphore.into(), GETPID) })?;
    Ok(u32::try_from(pid).ok().filter(|&pid| pid != 0))
}

/// One step of an operation on a set; all steps of an operation happen together or not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) semaphore: u16,
    /// Above 0 adds, below 0 waits and takes, 0 waits for zero.
    pub(crate) by: i16,
    pub(crate) undo: bool,
    pub(crate) wait: bool,
}

#[cfg(not(sys = "portable"))]
unsafe extern "C" {
    /// In glibc, musl and bionic; libc does not declare it.
    fn semtimedop(
        id: c_int,
        operations: *mut libc::sembuf,
        count: libc::size_t,
        limit: *const libc::timespec,
    ) -> c_int;
}

/// Carries the steps out together, waiting at most `limit`. `EAGAIN` means "not now": a step that
/// must not wait would have to, or the time was over.
#[inline]
pub(crate) fn operate<const N: usize>(
    id: c_int,
    steps: [Step; N],
    limit: Option<Duration>,
) -> io::Result<()> {
    fault_point();
    let mut operations = steps.map(as_sembuf);
    let result = match limit {
        // SAFETY: the pointer and the count are those of the array.
        None => unsafe { libc::semop(id, operations.as_mut_ptr(), N) },
        Some(limit) => return operate_within(id, steps, limit),
    };
    check(result).map(drop)
}

fn as_sembuf(step: Step) -> libc::sembuf {
    libc::sembuf {
        sem_num: step.semaphore,
        sem_op: step.by,
        sem_flg: ((if step.undo { SEM_UNDO } else { 0 })
            | (if step.wait { 0 } else { libc::IPC_NOWAIT })) as _,
    }
}

#[cfg(not(sys = "portable"))]
fn operate_within<const N: usize>(id: c_int, steps: [Step; N], limit: Duration) -> io::Result<()> {
    let mut operations = steps.map(as_sembuf);
    let limit = libc::timespec {
        tv_sec: limit.as_secs().min(i32::MAX as u64) as _,
        tv_nsec: limit.subsec_nanos() as _,
    };
    // SAFETY: the pointer and the count are those of the array, and `limit` lives through the call.
    check(unsafe { semtimedop(id, operations.as_mut_ptr(), N, &limit) }).map(drop)
}

/// Other systems wait for ever or not at all, so it is tried again and again.
#[cfg(sys = "portable")]
fn operate_within<const N: usize>(id: c_int, steps: [Step; N], limit: Duration) -> io::Result<()> {
    let mut naps = crate::sys::futex::Naps::within(limit);
    let at_once = steps.map(|step| Step {
        wait: false,
        ..step
    });
    loop {
        match operate(id, at_once, None) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && naps.again() => {}
            done => return done,
        }
    }
}
