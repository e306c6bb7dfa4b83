//! The segment's lock, uncontended, against the C library's semaphore and the kernel's.
//!
//! Ours does more than the raw pair: it writes down who holds the lock, and sees to it that the
//! name still leads to this semaphore (POSIX); it raises and lowers a mark by which the next one
//! learns of an owner's death (System V).
#![expect(
    unsafe_code,
    reason = "the raw calls that the locks are measured against"
)]

use std::process::ExitCode;

use shmkit::SharedMemory;
use shmkit::key::{KeyType, NativeIpcKey};
use shmkit_bench::{Bench, Goal, run};

fn main() -> ExitCode {
    run(|bench| {
        posix(bench);
        system_v(bench);
    })
}

fn posix(bench: &mut Bench) {
    let name = format!("/shmkit-bench-lock-{}", std::process::id());
    let key = NativeIpcKey::new(name, KeyType::PosixRealtime);
    let segment = SharedMemory::create(&key, 4096).expect("a segment");
    let other = SharedMemory::create(&raw_key(&key), 4096).expect("memory for the raw semaphore");
    let semaphore: *mut libc::sem_t = other.view_mut().expect("read-write").as_mut_ptr().cast();
    // SAFETY: the memory is a segment's, large enough and aligned to a page.
    assert_eq!(unsafe { libc::sem_init(semaphore, 1, 1) }, 0);
    let mut group = bench.group("posix lock+unlock");
    group
        .case("against sem_wait+sem_post")
        .goal(Goal::AtMost(1.1))
        .pair(
            || segment.lock().is_ok(),
            || {
                // SAFETY: `semaphore` was initialised above and stays mapped.
                let taken = unsafe { libc::sem_wait(semaphore) };
                // SAFETY: as above.
                taken + unsafe { libc::sem_post(semaphore) }
            },
        );
    group
        .case("try_lock against sem_trywait+sem_post")
        .goal(Goal::AtMost(1.1))
        .pair(
            || segment.try_lock().is_ok(),
            || {
                // SAFETY: as above.
                let taken = unsafe { libc::sem_trywait(semaphore) };
                // SAFETY: as above.
                taken + unsafe { libc::sem_post(semaphore) }
            },
        );
}

fn raw_key(key: &NativeIpcKey) -> NativeIpcKey {
    NativeIpcKey::new(format!("{}-raw", key.native_key()), key.key_type())
}

fn system_v(bench: &mut Bench) {
    let path = std::env::temp_dir().join(format!("shmkit-bench-lock-{}", std::process::id()));
    let key = NativeIpcKey::new(path.display().to_string(), KeyType::SYSTEM_V);
    let segment = SharedMemory::create(&key, 4096).expect("a segment");
    // SAFETY: takes integers only.
    let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    assert_ne!(set, -1);
    let operate = |by: i16| {
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: by,
            sem_flg: libc::SEM_UNDO as _,
        };
        // SAFETY: the pointer is to one operation.
        unsafe { libc::semop(set, &mut operation, 1) }
    };
    assert_eq!(operate(1), 0);
    bench
        .group("system v lock+unlock")
        .case("against semop+semop with SEM_UNDO")
        .goal(Goal::AtMost(1.1))
        .pair(|| segment.lock().is_ok(), || operate(-1) + operate(1));
    // SAFETY: IPC_RMID takes no further argument.
    unsafe { libc::semctl(set, 0, libc::IPC_RMID) };
}
