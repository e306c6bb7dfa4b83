//! The locks inside a segment against those of std, parking_lot, the C library and the kernel.
//!
//! Alone, between two processes, and their way from one process to the other.
#![expect(unsafe_code, reason = "the raw locks, and opening our own segment")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use shmkit::key::NativeIpcKey;
use shmkit::sync::{Event, Mutex, RecursiveMutex, RwLock};
use shmkit::typed::{Shared, ShmSafe};
use shmkit_bench::{Bench, Goal, run};

/// Room for a lock of the C library's.
type Room = [AtomicU64; 8];

/// What the two processes share.
#[derive(ShmSafe)]
#[repr(C)]
struct Arena {
    ours: Mutex<u64>,
    plain: Room,
    robust: Room,
    recursive: RecursiveMutex<u64>,
    table: RwLock<u64>,
    raw_table: Room,
    there: Event,
    back: Event,
    /// Words of a bare futex, there and back.
    raw_there: AtomicU32,
    raw_back: AtomicU32,
    /// What the other process is doing; one of the constants below.
    task: AtomicU32,
    _unused: u32,
    /// How often it has done it.
    done: AtomicU64,
}

const STOP: u32 = 0;
const REST: u32 = 1;
const OURS: u32 = 2;
const PLAIN: u32 = 3;
const ROBUST: u32 = 4;
const ECHO: u32 = 5;
const RAW_ECHO: u32 = 6;

const NAME_OF_CHILD: &str = "SHMKIT_BENCH_SYNC_CHILD";

fn main() -> ExitCode {
    if let Ok(key) = std::env::var(NAME_OF_CHILD) {
        other_process(&open(&key.parse().expect("a key")));
        return ExitCode::SUCCESS;
    }
    let key = NativeIpcKey::platform_safe(&format!("shmkit-bench-sync-{}", std::process::id()));
    let arena = create(&key);
    run(|bench| {
        alone(bench, &arena);
        scaling(bench, &arena);
        between_processes(bench, &arena, &key);
    })
}

fn create(key: &NativeIpcKey) -> Shared<Arena> {
    let room = || std::array::from_fn(|_| AtomicU64::new(0));
    let arena = Arena {
        ours: Mutex::new(0),
        plain: room(),
        robust: room(),
        recursive: RecursiveMutex::new(0),
        table: RwLock::new(0),
        raw_table: room(),
        there: Event::new_auto(),
        back: Event::new_auto(),
        raw_there: AtomicU32::new(0),
        raw_back: AtomicU32::new(0),
        task: AtomicU32::new(REST),
        _unused: 0,
        done: AtomicU64::new(0),
    };
    // SAFETY: only this program knows the key.
    let arena = unsafe { Shared::create(key, arena) }.expect("a segment");
    pthread::init(&arena.plain, false);
    pthread::init(&arena.robust, true);
    pthread::init_rwlock(&arena.raw_table);
    arena
}

fn open(key: &NativeIpcKey) -> Shared<Arena> {
    // SAFETY: only this program knows the key.
    unsafe { Shared::open(key) }.expect("the parent's segment")
}

fn alone(bench: &mut Bench, arena: &Arena) {
    let lock = || arena.ours.lock().is_ok();
    let word = AtomicU32::new(0);
    let std_mutex = std::sync::Mutex::new(0_u64);
    let parking_lot = parking_lot::Mutex::new(0_u64);
    let mut group = bench.group("mutex lock+unlock");
    group.case("against two compare-exchanges").pair(lock, || {
        let taken = word.compare_exchange(0, 1, Acquire, Relaxed);
        taken.is_ok() & word.compare_exchange(1, 0, Release, Relaxed).is_ok()
    });
    group
        .case("against parking_lot")
        .goal(Goal::AtMost(1.1))
        .pair(lock, || {
            drop(parking_lot.lock());
        });
    group
        .case("against std")
        .pair(lock, || std_mutex.lock().is_ok());
    group
        .case("against pthread, process-shared")
        .pair(lock, || {
            pthread::lock(&arena.plain) + pthread::unlock(&arena.plain)
        });
    group
        .case("against pthread, robust")
        .goal(Goal::AtMost(1.0))
        .pair(lock, || {
            pthread::lock(&arena.robust) + pthread::unlock(&arena.robust)
        });
    let set = system_v::Set::new();
    group
        .case("against System V semop, SEM_UNDO")
        .goal(Goal::AtMost(1.0 / 30.0))
        .pair(lock, || set.operate(-1) + set.operate(1));

    let reentrant = parking_lot::ReentrantMutex::new(0_u64);
    bench
        .group("recursive mutex lock+unlock")
        .case("against parking_lot")
        .pair(|| arena.recursive.lock().is_ok(), || drop(reentrant.lock()));

    let table = parking_lot::RwLock::new(0_u64);
    let mut group = bench.group("rwlock");
    group
        .case("read+unlock against parking_lot")
        .pair(|| arena.table.read().is_ok(), || drop(table.read()));
    group
        .case("read+unlock against pthread, process-shared")
        .pair(
            || arena.table.read().is_ok(),
            || pthread::read(&arena.raw_table) + pthread::unlock_rwlock(&arena.raw_table),
        );
    group
        .case("write+unlock against parking_lot")
        .pair(|| arena.table.write().is_ok(), || drop(table.write()));
}

/// How long both sides of a round with two at work take.
const ROUND: Duration = Duration::from_millis(10);

const ROUNDS: usize = 60;

/// What one of two threads needs for a read, and what one alone needs.
fn scaling(bench: &mut Bench, arena: &Arena) {
    let read = || arena.table.read().is_ok();
    let raw_read =
        || pthread::read(&arena.raw_table) + pthread::unlock_rwlock(&arena.raw_table) == 0;
    let table = parking_lot::RwLock::new(0_u64);
    let peer_read = || {
        drop(table.read());
        true
    };
    let mut group = bench.group("two threads that read");
    let case = group.case("rwlock against pthread, process-shared");
    if case.is_measured() {
        let pairs = (0..ROUNDS).map(|_| (two_threads(&read), two_threads(&raw_read)));
        let (ours, raw) = pairs.unzip();
        case.figures(ours, raw);
    }
    let case = group.case("rwlock against parking_lot");
    if case.is_measured() {
        let pairs = (0..ROUNDS).map(|_| (two_threads(&read), two_threads(&peer_read)));
        let (ours, raw) = pairs.unzip();
        case.figures(ours, raw);
    }
    let case = group.case("rwlock, two threads against one");
    if case.is_measured() {
        let pairs = (0..ROUNDS).map(|_| (two_threads(&read), one_thread(&read)));
        let (ours, raw) = pairs.unzip();
        case.figures(ours, raw);
    }
}

/// Nanoseconds for each of what two threads did at the same time.
fn two_threads(work: &(impl Fn() -> bool + Sync)) -> f64 {
    let other = thread::scope(|scope| {
        let other = scope.spawn(|| one_thread(work));
        (one_thread(work) + other.join().expect("no panic")) / 2.0
    });
    other / 2.0
}

fn one_thread(work: &impl Fn() -> bool) -> f64 {
    let begin = Instant::now();
    let mut done = 0_u64;
    while begin.elapsed() < ROUND {
        for _ in 0..100 {
            assert!(work());
        }
        done += 100;
    }
    begin.elapsed().as_secs_f64() * 1e9 / done as f64
}

fn between_processes(bench: &mut Bench, arena: &Arena, key: &NativeIpcKey) {
    let mut other = OtherProcess::start(key);
    let mut group = bench.group("two processes");
    for (name, raw) in [("plain", PLAIN), ("robust", ROBUST)] {
        let case = group.case(format!("contended lock+unlock against pthread, {name}"));
        if case.is_measured() {
            let rounds: Vec<_> = (0..ROUNDS)
                .map(|_| (contend(arena, OURS), contend(arena, raw)))
                .collect();
            case.figures(
                rounds.iter().map(|(ours, _)| ours.time).collect(),
                rounds.iter().map(|(_, raw)| raw.time).collect(),
            );
            group
                .case(format!(
                    "turns of the luckier for each of the other's, pthread {name}"
                ))
                .figures(
                    rounds.iter().map(|(ours, _)| ours.advantage).collect(),
                    rounds.iter().map(|(_, raw)| raw.advantage).collect(),
                );
        }
    }
    let case = group
        .case("event there and back against a bare futex")
        .goal(Goal::AtMost(1.1));
    if case.is_measured() {
        let pairs = (0..ROUNDS).map(|_| (echo(arena), raw_echo(arena)));
        let (ours, raw) = pairs.unzip();
        case.figures(ours, raw);
    }
    other.stop(arena);
}

/// What came of a time in which both wanted the same lock.
struct Contention {
    /// Nanoseconds for each lock+unlock, whoever had it.
    time: f64,
    /// How many more turns the luckier one had; 1 is fair.
    advantage: f64,
}

fn contend(arena: &Arena, task: u32) -> Contention {
    let before = arena.done.load(Relaxed);
    arena.task.store(task, Release);
    while arena.done.load(Relaxed) == before {
        thread::yield_now();
    }
    let (begin, at_begin) = (Instant::now(), arena.done.load(Relaxed));
    let mut mine = 0_u64;
    while begin.elapsed() < ROUND {
        for _ in 0..20 {
            lock_once(arena, task);
        }
        mine += 20;
    }
    let theirs = arena.done.load(Relaxed) - at_begin;
    let time = begin.elapsed().as_secs_f64() * 1e9 / (mine + theirs) as f64;
    arena.task.store(REST, Release);
    let (mine, theirs) = (mine as f64, theirs.max(1) as f64);
    Contention {
        time,
        advantage: (mine / theirs).max(theirs / mine),
    }
}

fn lock_once(arena: &Arena, task: u32) {
    match task {
        OURS => *arena.ours.lock().expect("ours").assume_recovered() += 1,
        PLAIN => _ = pthread::lock(&arena.plain) + pthread::unlock(&arena.plain),
        _ => _ = pthread::lock(&arena.robust) + pthread::unlock(&arena.robust),
    }
}

const ECHOES: u32 = 200;

/// Nanoseconds for one way there and back.
fn echo(arena: &Arena) -> f64 {
    arena.task.store(ECHO, Release);
    let there_and_back = || {
        arena.there.set().expect("read-write");
        arena.back.wait().expect("an answer");
    };
    let time = time_of(there_and_back);
    arena.task.store(REST, Release);
    arena.there.set().expect("read-write");
    time
}

fn raw_echo(arena: &Arena) -> f64 {
    arena.task.store(RAW_ECHO, Release);
    let time = time_of(|| {
        futex::set(&arena.raw_there);
        futex::take(&arena.raw_back);
    });
    arena.task.store(REST, Release);
    futex::set(&arena.raw_there);
    time
}

fn time_of(work: impl Fn()) -> f64 {
    work();
    let begin = Instant::now();
    (0..ECHOES).for_each(|_| work());
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(ECHOES)
}

/// The loop of the other process.
fn other_process(arena: &Arena) {
    println_flushed("ready");
    loop {
        match arena.task.load(Acquire) {
            STOP => return,
            ECHO => {
                arena.there.wait().expect("a call");
                if arena.task.load(Acquire) == ECHO {
                    arena.back.set().expect("read-write");
                }
            }
            RAW_ECHO => {
                futex::take(&arena.raw_there);
                if arena.task.load(Acquire) == RAW_ECHO {
                    futex::set(&arena.raw_back);
                }
            }
            REST => thread::sleep(Duration::from_micros(100)),
            task => {
                lock_once(arena, task);
                arena.done.fetch_add(1, Relaxed);
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn println_flushed(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("a parent that reads");
}

/// The process at the other end.
struct OtherProcess(Child);

impl OtherProcess {
    fn start(key: &NativeIpcKey) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .env(NAME_OF_CHILD, key.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a word");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }

    fn stop(&mut self, arena: &Arena) {
        arena.task.store(STOP, Release);
        assert!(self.0.wait().expect("an end").success());
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

mod futex {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::{Acquire, Release};

    use rustix::thread::futex::{Flags, wait, wake};

    pub(super) fn set(word: &AtomicU32) {
        word.store(1, Release);
        _ = wake(word, Flags::empty(), 1);
    }

    pub(super) fn take(word: &AtomicU32) {
        while word.swap(0, Acquire) == 0 {
            _ = wait(word, Flags::empty(), 0, None);
        }
    }
}

mod pthread {
    use super::Room;

    fn mutex(room: &Room) -> *mut libc::pthread_mutex_t {
        const { assert!(size_of::<libc::pthread_mutex_t>() <= size_of::<Room>()) };
        room.as_ptr().cast_mut().cast()
    }

    fn rwlock(room: &Room) -> *mut libc::pthread_rwlock_t {
        const { assert!(size_of::<libc::pthread_rwlock_t>() <= size_of::<Room>()) };
        room.as_ptr().cast_mut().cast()
    }

    pub(super) fn init(room: &Room, robust: bool) {
        let mut attributes = std::mem::MaybeUninit::uninit();
        // SAFETY: it is there to be initialised.
        let made = unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
        assert_eq!(made, 0);
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialised above.
        unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
        if robust {
            // SAFETY: as above.
            unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
        }
        // SAFETY: there is room, in memory that is shared and aligned.
        let made = unsafe { libc::pthread_mutex_init(mutex(room), attributes) };
        assert_eq!(made, 0);
    }

    pub(super) fn init_rwlock(room: &Room) {
        let mut attributes = std::mem::MaybeUninit::uninit();
        // SAFETY: it is there to be initialised.
        let made = unsafe { libc::pthread_rwlockattr_init(attributes.as_mut_ptr()) };
        assert_eq!(made, 0);
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialised above.
        unsafe { libc::pthread_rwlockattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
        // SAFETY: there is room, in memory that is shared and aligned.
        let made = unsafe { libc::pthread_rwlock_init(rwlock(room), attributes) };
        assert_eq!(made, 0);
    }

    pub(super) fn lock(room: &Room) -> i32 {
        // SAFETY: `init` was called on it.
        unsafe { libc::pthread_mutex_lock(mutex(room)) }
    }

    pub(super) fn unlock(room: &Room) -> i32 {
        // SAFETY: this thread has it.
        unsafe { libc::pthread_mutex_unlock(mutex(room)) }
    }

    pub(super) fn read(room: &Room) -> i32 {
        // SAFETY: `init_rwlock` was called on it.
        unsafe { libc::pthread_rwlock_rdlock(rwlock(room)) }
    }

    pub(super) fn unlock_rwlock(room: &Room) -> i32 {
        // SAFETY: this thread has it.
        unsafe { libc::pthread_rwlock_unlock(rwlock(room)) }
    }
}

mod system_v {
    /// A set of one semaphore; removed when dropped.
    pub(super) struct Set(i32);

    impl Set {
        pub(super) fn new() -> Self {
            // SAFETY: takes integers only.
            let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
            assert_ne!(set, -1);
            let set = Self(set);
            assert_eq!(set.operate(1), 0);
            set
        }

        pub(super) fn operate(&self, by: i16) -> i32 {
            let mut operation = libc::sembuf {
                sem_num: 0,
                sem_op: by,
                sem_flg: libc::SEM_UNDO as _,
            };
            // SAFETY: the pointer is to one operation.
            unsafe { libc::semop(self.0, &mut operation, 1) }
        }
    }

    impl Drop for Set {
        fn drop(&mut self) {
            // SAFETY: IPC_RMID takes no further argument.
            unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
        }
    }
}
