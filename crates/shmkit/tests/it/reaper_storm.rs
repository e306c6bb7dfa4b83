//! Reaping while programs start, work, and are killed: what somebody uses is never removed, and
//! what nobody uses any more never stays.
//!
//! `SHMKIT_TEST_CHANCES=100000 cargo test -p shmkit --test it reaper_storm` takes as many chances
//! for each type of key; usually there are fewer.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, fs, thread};

use shmkit::key::{KeyRules, KeyType, NativeIpcKey, Role};
use shmkit::reaper::{LeftoverKind, Outcome, Reaper, Report};
use shmkit::{ErrorKind, SharedMemory};
use shmkit_testkit::{
    Cleanup, PATIENCE, Scratch, deadline, launch, role, role_command, spawn, under,
};

use crate::support::{LONG, TestKey, for_every_key};

for_every_key!(nothing_in_use_is_removed_and_nothing_stays);

/// How often a worker has a segment in use while reapers look for something to remove.
fn chances() -> u64 {
    let number = env::var("SHMKIT_TEST_CHANCES").ok();
    // Each look at all processes takes its time.
    let usual = if cfg!(shmkit_force_fallbacks) {
        300
    } else {
        1000
    };
    number.map_or(usual, |number| number.parse().expect("a number"))
}

/// A worker tells of so many chances at once. Where there are no leases, each of them is a look or
/// two at all processes.
const AT_ONCE: u64 = if cfg!(shmkit_force_fallbacks) { 2 } else { 10 };

/// Uses the segment again and again, and looks each time whether it was taken away meanwhile.
#[test]
#[ignore = "child role"]
fn role_use_again_and_again() {
    let Some(me) = role() else { return };
    let (number, shared) = me.arg().split_once(' ').unwrap();
    let number: usize = number.parse().unwrap();
    let shared: NativeIpcKey = shared.parse().unwrap();
    let own = |what: &str| own_key(&shared, what);
    // It is held for all of its life, and so is certain to be left behind.
    let _held = SharedMemory::create(&own("held"), 4096).unwrap();
    let key = match shared.key_type() {
        KeyType::PosixRealtime => shared.clone(),
        // Here it is alone with the reapers.
        _ => own("used"),
    };
    for turn in 0_u64.. {
        let segment = SharedMemory::create_or_attach(&key, 4096).unwrap();
        let other = match SharedMemory::attach(&key) {
            Ok(other) => other,
            Err(error) => return me.say(format_args!("its name was removed: {error}")),
        };
        // The same memory: what is written to one is in the other.
        let place = usize::from(turn % 2 == 0) * 8 + number * 16;
        segment.write_at(place, &turn.to_le_bytes()).unwrap();
        let mut seen = [0; 8];
        other.read_at(place, &mut seen).unwrap();
        if u64::from_le_bytes(seen) != turn {
            return me.say("its name leads to another segment");
        }
        if turn % 4 == 0 {
            let guard = segment.lock_timeout(LONG).unwrap().assume_recovered();
            match other.try_lock() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return me.say(format_args!("its lock was removed: {other:?}")),
            }
            drop(guard);
        }
        if turn % AT_ONCE == AT_ONCE - 1 {
            me.say("used");
        }
    }
}

/// A key of this worker, of the same kind as the one that it shares.
fn own_key(shared: &NativeIpcKey, what: &str) -> NativeIpcKey {
    let own = format!("-{}-{what}", std::process::id());
    match shared.legacy_key() {
        None => NativeIpcKey::new(format!("{}{own}", shared.native_key()), shared.key_type()),
        Some(name) => {
            let name = letters(name) + &letters(&own);
            KeyRules::of_this_process().legacy_key(Role::Segment, &name, shared.key_type())
        }
    }
}

/// A name that Qt's legacy rule keeps as it is, so that patterns find it.
fn letters(name: &str) -> String {
    let letter = |byte| match byte {
        b'0'..=b'9' => byte - b'0' + b'G',
        b'-' => b'Q',
        letter => letter,
    };
    name.bytes().map(letter).map(char::from).collect()
}

fn nothing_in_use_is_removed_and_nothing_stays(key: TestKey) {
    if key.key_type() == KeyType::PosixRealtime {
        return storm(&key);
    }
    // With objects and key files of its own. Whoever is killed while it removes a key file leaves
    // that under a name which does not tell whose it was.
    let folder = Scratch::new();
    let mut scene = role_command("reaper_storm::role_storm", key.to_string());
    scene.env("TMPDIR", folder.path());
    let mut scene = launch(under(["unshare", "--ipc"], scene));
    let end = scene.line_within(PATIENCE * 20);
    assert_eq!(end.as_deref(), Some("over"));
    scene.finish();
}

#[test]
#[ignore = "child role"]
fn role_storm() {
    let Some(me) = role() else { return };
    let key = here(&me.arg().parse().unwrap());
    storm(&TestKey::of(key, Cleanup::default()));
    // A key file that is not renamed before it is removed leads nobody to what is left of it.
    if cfg!(not(shmkit_force_fallbacks)) {
        for objects in ["/proc/sysvipc/shm", "/proc/sysvipc/sem"] {
            let left = fs::read_to_string(objects).unwrap();
            assert_eq!(left.lines().count(), 1, "{left}");
        }
    }
    me.say("over");
}

/// The key of the same name whose key file lies where this process makes such files.
fn here(key: &NativeIpcKey) -> NativeIpcKey {
    let rules = KeyRules::of_this_process();
    match key.legacy_key() {
        Some(name) => rules.legacy_key(Role::Segment, name, key.key_type()),
        None => {
            let name = Path::new(key.native_key()).file_name().unwrap();
            let path = env::temp_dir().join(name);
            NativeIpcKey::new(path.to_str().unwrap(), key.key_type())
        }
    }
}

fn storm(key: &TestKey) {
    let _watchdog = deadline(PATIENCE * 20);
    let storm = Storm::of(key);
    thread::scope(|scope| {
        let storm = &storm;
        let workers: Vec<_> = (1..=3)
            .map(|number| scope.spawn(move || storm.start_and_kill(number)))
            .collect();
        let reapers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| storm.reap_until_over()))
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        storm.is_over.store(true, Ordering::Relaxed);
        let reapers = reapers.into_iter().map(|reaper| reaper.join());
        for end in ends.into_iter().chain(reapers) {
            end.unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    // Two that ask at the same moment see each other, and the last one may have died since. And
    // whoever looks at a process that dies keeps its mappings until it has looked.
    let objects = key.kernel_objects();
    let begun = Instant::now();
    while !storm.traces().is_empty() && begun.elapsed() < PATIENCE {
        storm.reap();
    }
    assert_eq!(storm.traces(), Vec::<String>::new());
    assert_eq!(crate::support::still_in_kernel(&objects), []);
    let [lives, reaped] = [&storm.lives, &storm.reaped].map(|count| count.load(Ordering::Relaxed));
    assert!(
        reaped >= lives,
        "{lives} workers left an orphan, and {reaped} were reaped"
    );
}

/// Workers that start, work and are killed, and reapers beside them.
struct Storm<'a> {
    key: &'a TestKey,
    wanted: u64,
    taken: AtomicU64,
    /// How many workers were killed; each left an orphan.
    lives: AtomicU64,
    /// How many segments were removed.
    reaped: AtomicU64,
    /// No more workers, also because one failed.
    is_over: AtomicBool,
    /// All workers that there were.
    workers: Mutex<Vec<u32>>,
}

impl<'a> Storm<'a> {
    fn of(key: &'a TestKey) -> Self {
        Self {
            key,
            wanted: chances(),
            taken: AtomicU64::new(0),
            lives: AtomicU64::new(0),
            reaped: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            workers: Mutex::default(),
        }
    }

    fn start_and_kill(&self, number: u64) {
        let _all_end = EndsIfItFails(&self.is_over);
        let mut random = number * 7;
        while self.taken.load(Ordering::Relaxed) < self.wanted
            && !self.is_over.load(Ordering::Relaxed)
        {
            let role = "reaper_storm::role_use_again_and_again";
            let mut worker = spawn(role, format!("{number} {}", **self.key));
            self.workers.lock().unwrap().push(worker.pid());
            // It dies anywhere, after more or less work.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            for _ in 0..=(random >> 33) % 30 {
                worker.expect("used");
                self.taken.fetch_add(AT_ONCE, Ordering::Relaxed);
            }
            worker.kill();
            self.lives.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn reap_until_over(&self) {
        let _all_end = EndsIfItFails(&self.is_over);
        while !self.is_over.load(Ordering::Relaxed) {
            self.reap();
        }
    }

    fn reap(&self) {
        let report = self.reaper().reap().unwrap();
        self.reaped.fetch_add(orphans(&report), Ordering::Relaxed);
    }

    /// A reaper of what has to do with the key, or with that of a worker.
    fn reaper(&self) -> Reaper {
        let mut reaper = Reaper::new();
        let legacy = self.key.legacy_key().into_iter().map(str::to_owned);
        for name in self.names().into_iter().chain(legacy) {
            reaper.name(&format!("*{name}*")).unwrap();
        }
        reaper
    }

    /// What the names of files have in them that belong to the key, or to a worker's.
    fn names(&self) -> Vec<String> {
        let native = self.key.native_key();
        let own = native.rsplit('/').next().unwrap().to_owned();
        let lock = own.replace("qipc_sharedmemory_", "qipc_systemsem_");
        let workers_keys = self.key.legacy_key().map(letters);
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let half_made = workers.iter().map(|worker| format!(".shmkit-{worker}-"));
        let half_gone = ".shmkit.gone-".to_owned();
        let names = half_made.chain([half_gone, own, lock]);
        names.chain(workers_keys).collect()
    }

    /// Every file that has to do with the key, or with that of a worker.
    fn files(&self) -> Vec<PathBuf> {
        let folder = match self.key.key_type() {
            KeyType::PosixRealtime => Path::new("/dev/shm"),
            _ => Path::new(self.key.native_key()).parent().unwrap(),
        };
        let names = self.names();
        let files = fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| {
            let found = file.file_name().unwrap().to_string_lossy();
            names.iter().any(|name| found.contains(name))
        });
        files
    }

    /// Empty when nothing was left behind.
    fn traces(&self) -> Vec<String> {
        let files = self.files().into_iter();
        let mut traces: Vec<_> = files.map(|file| file.display().to_string()).collect();
        traces.extend(self.key.traces());
        traces
    }
}

impl Drop for Storm<'_> {
    /// The workers are dead. After a success there is nothing to remove.
    fn drop(&mut self) {
        for file in self.files() {
            _ = fs::remove_file(file);
        }
    }
}

/// Ends everything when a thread panics.
struct EndsIfItFails<'a>(&'a AtomicBool);

impl Drop for EndsIfItFails<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// How many segments were removed.
fn orphans(report: &Report) -> u64 {
    let removed = report.leftovers.iter().filter(|leftover| {
        assert!(
            !matches!(leftover.outcome, Outcome::Failed(_)),
            "{leftover:?}"
        );
        leftover.kind == LeftoverKind::Segment
    });
    removed.count() as u64
}
