//! Creating a segment, attaching a second handle and letting both go, against the same system
//! calls made directly, and against the plain ones of a program that takes no care.
#![expect(
    unsafe_code,
    reason = "the raw calls that segments are measured against"
)]

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::ptr;

use rustix::fs::{self, AtFlags, CWD, FallocateFlags, Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::{Resource, getrlimit};
use shmkit::SharedMemory;
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit_bench::{Bench, Goal, run};

const SIZES: [(&str, usize); 2] = [("4 KiB", 4 << 10), ("1 MiB", 1 << 20)];

fn main() -> ExitCode {
    run(|bench| {
        posix(bench);
        system_v(bench);
    })
}

fn posix(bench: &mut Bench) {
    let name = format!("shmkit-bench-{}", std::process::id());
    let key = NativeIpcKey::new(format!("/{name}"), KeyType::PosixRealtime);
    let raw = Raw::new(&name);
    let ours = |size| {
        let made = SharedMemory::create(&key, size).expect("a segment");
        let joined = SharedMemory::attach(&key).expect("the same segment");
        drop(joined);
        drop(made);
    };
    for (case, size) in SIZES {
        bench
            .group("posix create+attach+detach+detach")
            .case(format!("{case} against the same system calls"))
            .goal(Goal::AtMost(1.15))
            .pair(|| ours(size), || raw.careful(size));
    }
    for (case, size) in SIZES {
        bench
            .group("posix create+attach+detach+detach")
            .case(format!(
                "{case} against shm_open, ftruncate, mmap, shm_unlink"
            ))
            .pair(|| ours(size), || raw.careless(size));
    }
    let made = SharedMemory::create(&key, 4096).expect("a segment");
    let path = format!("/dev/shm/{name}");
    bench
        .group("posix attach+detach")
        .case("4 KiB against open, fstat, mmap, munmap, close")
        .pair(
            || drop(SharedMemory::attach(&key).expect("the segment")),
            || {
                let fd = open(&path, OFlags::RDWR);
                assert_eq!(fs::fstat(&fd).expect("fstat").st_size, 4096);
                unmap(map(fd.as_fd(), 4096), 4096);
            },
        );
    drop(made);
}

/// The system calls of one round, without shmkit.
struct Raw {
    path: String,
    semaphore: String,
}

fn open(path: &str, flags: OFlags) -> OwnedFd {
    let mode = Mode::from_raw_mode(0o1600);
    fs::open(path, flags | OFlags::CLOEXEC, mode).expect("open")
}

fn map(fd: BorrowedFd<'_>, size: usize) -> *mut c_void {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: the kernel chooses the address.
    unsafe { mmap(ptr::null_mut(), size, protection, MapFlags::SHARED, fd, 0) }.expect("mmap")
}

fn unmap(at: *mut c_void, size: usize) {
    // SAFETY: `at` came from `map` with this size, and nothing points into it.
    unsafe { munmap(at, size) }.expect("munmap");
}

fn fcntl(fd: &OwnedFd, command: i32, argument: i32) -> i32 {
    // SAFETY: the commands used here take an integer.
    unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) }
}

fn presence(fd: &OwnedFd, command: i32, kind: i32) {
    // SAFETY: a C struct of integers.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_start = 1 << 32;
    lock.l_len = 1;
    // SAFETY: the commands used here take a pointer to a `flock`.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw mut lock) };
    assert_ne!(result, -1);
}

const F_SETSIG: i32 = 10;

impl Raw {
    fn new(name: &str) -> Self {
        Self {
            path: format!("/dev/shm/{name}-raw"),
            semaphore: format!("/dev/shm/sem.{name}-raw"),
        }
    }

    /// What shmkit does, call by call.
    fn careful(&self, size: usize) {
        let carefully = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let made = open("/dev/shm", OFlags::TMPFILE | OFlags::RDWR);
        let _ = getrlimit(Resource::Fsize);
        fs::fallocate(&made, FallocateFlags::empty(), 0, size as u64).expect("fallocate");
        fs::fstat(&made).expect("fstat");
        let at = map(made.as_fd(), size);
        presence(&made, libc::F_OFD_SETLK, libc::F_RDLCK);
        fs::open(&*self.semaphore, OFlags::RDWR | carefully, Mode::empty()).expect_err("no lock");
        let this = format!("/proc/self/fd/{}", made.as_raw_fd());
        fs::linkat(CWD, this, CWD, &*self.path, AtFlags::SYMLINK_FOLLOW).expect("linkat");

        let joined = open(&self.path, OFlags::RDWR | carefully);
        fs::fstat(&joined).expect("fstat");
        fcntl(&joined, F_SETSIG, libc::SIGURG);
        assert_eq!(fcntl(&joined, libc::F_SETLEASE, libc::F_WRLCK), -1);
        let joined_at = map(joined.as_fd(), size);
        presence(&joined, libc::F_OFD_SETLK, libc::F_RDLCK);

        unmap(joined_at, size);
        presence(&joined, libc::F_OFD_SETLK, libc::F_UNLCK);
        fcntl(&joined, F_SETSIG, libc::SIGURG);
        assert_eq!(fcntl(&joined, libc::F_SETLEASE, libc::F_WRLCK), -1);
        presence(&joined, libc::F_OFD_GETLK, libc::F_WRLCK);
        drop(joined);

        unmap(at, size);
        presence(&made, libc::F_OFD_SETLK, libc::F_UNLCK);
        fcntl(&made, F_SETSIG, libc::SIGURG);
        assert_eq!(fcntl(&made, libc::F_SETLEASE, libc::F_WRLCK), 0);
        fs::lstat(&*self.path).expect("lstat");
        fs::unlink(&*self.path).expect("unlink");
        fcntl(&made, libc::F_SETLEASE, libc::F_UNLCK);
        fs::open(&*self.semaphore, OFlags::RDWR | carefully, Mode::empty()).expect_err("no lock");
    }

    /// What most programs do: a half-made segment may be seen, a full file system is a signal, and
    /// a crash leaves everything behind.
    fn careless(&self, size: usize) {
        let made = open(&self.path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL);
        fs::ftruncate(&made, size as u64).expect("ftruncate");
        let at = map(made.as_fd(), size);
        let joined = open(&self.path, OFlags::RDWR);
        fs::fstat(&joined).expect("fstat");
        let joined_at = map(joined.as_fd(), size);
        unmap(joined_at, size);
        drop(joined);
        unmap(at, size);
        fs::unlink(&*self.path).expect("unlink");
    }
}

fn system_v(bench: &mut Bench) {
    let path = std::env::temp_dir().join(format!("shmkit-bench-{}", std::process::id()));
    let key = NativeIpcKey::new(path.display().to_string(), KeyType::SYSTEM_V);
    let raw = format!("{}-raw", path.display());
    for (case, size) in SIZES {
        bench
            .group("system v create+attach+detach+detach")
            .case(format!("{case} against Qt's system calls"))
            .pair(
                || {
                    let made = SharedMemory::create(&key, size).expect("a segment");
                    let joined = SharedMemory::attach(&key).expect("the same segment");
                    drop(joined);
                    drop(made);
                },
                || as_qt(&raw, size),
            );
    }
}

/// The calls of two QSharedMemory objects: one that creates and one that attaches, each under the
/// lock, and both go.
fn as_qt(path: &str, size: usize) {
    let key_file = || {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        drop(fs::open(path, flags, Mode::from_raw_mode(0o640)));
        let stat = fs::stat(path).expect("stat");
        let (device, inode) = (stat.st_dev as i32 & 0xff, stat.st_ino as i32 & 0xffff);
        i32::from(b'Q') << 24 | device << 16 | inode
    };
    let semaphore = || {
        let key = key_file();
        // SAFETY: takes integers only.
        match unsafe { libc::semget(key, 1, 0o600 | libc::IPC_CREAT | libc::IPC_EXCL) } {
            // SAFETY: as above.
            -1 => unsafe { libc::semget(key, 1, 0o600 | libc::IPC_CREAT) },
            set => {
                // SAFETY: SETVAL takes an integer.
                unsafe { libc::semctl(set, 0, libc::SETVAL, 1) };
                set
            }
        }
    };
    let operate = |set: i32, by: i16| {
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: by,
            sem_flg: libc::SEM_UNDO as _,
        };
        // SAFETY: the pointer is to one operation.
        assert_eq!(unsafe { libc::semop(set, &mut operation, 1) }, 0);
    };
    let attach = |id: i32| {
        // SAFETY: the kernel chooses the address.
        let at = unsafe { libc::shmat(id, ptr::null(), 0) };
        // SAFETY: a C struct of integers.
        let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: `status` is writable.
        unsafe { libc::shmctl(id, libc::IPC_STAT, &mut status) };
        at
    };
    let detach = |set: i32, at: *mut c_void| {
        operate(set, -1);
        // SAFETY: `at` came from `attach`.
        unsafe { libc::shmdt(at) };
        // SAFETY: takes integers only.
        let id = unsafe { libc::shmget(key_file(), 0, 0o400) };
        // SAFETY: a C struct of integers.
        let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: `status` is writable.
        unsafe { libc::shmctl(id, libc::IPC_STAT, &mut status) };
        if status.shm_nattch == 0 {
            // SAFETY: IPC_RMID does not use the pointer.
            unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
            fs::unlink(path).expect("unlink");
        }
        operate(set, 1);
    };
    let set = semaphore();
    operate(set, -1);
    // SAFETY: takes integers only.
    let id = unsafe { libc::shmget(key_file(), size, 0o600 | libc::IPC_CREAT | libc::IPC_EXCL) };
    let at = attach(id);
    operate(set, 1);
    let joined_set = semaphore();
    operate(joined_set, -1);
    let joined = attach(id);
    operate(joined_set, 1);
    detach(joined_set, joined);
    detach(set, at);
    // SAFETY: IPC_RMID takes no further argument.
    unsafe { libc::semctl(set, 0, libc::IPC_RMID) };
}
