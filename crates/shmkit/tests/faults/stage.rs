//! What victims and survivors share.
#![expect(unsafe_code, reason = "the stage is made anew in place")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use shmkit::fault;
use shmkit::sync::{
    Barrier, Condvar, Event, Mutex, Once, OnceCell, RecursiveMutex, RwLock, Semaphore,
};
use shmkit::typed::{Shared, ShmSafe};

/// One of everything.
#[derive(ShmSafe)]
#[repr(C)]
pub(crate) struct Stage {
    pub(crate) mutex: Mutex<Record>,
    pub(crate) recursive: RecursiveMutex<Record>,
    pub(crate) rwlock: RwLock<Record, 1>,
    pub(crate) letters: Mutex<u64>,
    pub(crate) arrived: Condvar,
    pub(crate) semaphore: Semaphore,
    pub(crate) manual: Event,
    pub(crate) auto: Event,
    pub(crate) barrier: Barrier,
    pub(crate) once: Once,
    pub(crate) made: Record,
    pub(crate) cell: OnceCell<Record>,
    /// How many survivors are through.
    pub(crate) done: AtomicU32,
    reserved: AtomicU32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            mutex: Mutex::new(Record::default()),
            recursive: RecursiveMutex::new(Record::default()),
            rwlock: RwLock::new(Record::default()),
            letters: Mutex::new(0),
            arrived: Condvar::new(),
            semaphore: Semaphore::new(0),
            manual: Event::new_manual(),
            auto: Event::new_auto(),
            barrier: Barrier::new(2),
            once: Once::new(),
            made: Record::default(),
            cell: OnceCell::new(),
            done: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
        }
    }

    /// Makes everything as it was at the beginning, while nobody else does anything with it.
    pub(crate) fn renew(stage: &Shared<Self>) {
        let stage: *mut Self = std::ptr::from_ref(&**stage).cast_mut();
        // SAFETY: the caller is the only one at it, and everything in it is an atomic or a cell.
        unsafe { stage.write(Self::new()) };
    }

    /// Nothing is held and nothing in doubt.
    pub(crate) fn assert_at_rest(&self) {
        let clean = [
            self.mutex.try_lock().map(|taken| taken.owner_died()),
            self.recursive.try_lock().map(|taken| taken.owner_died()),
            self.rwlock.try_write().map(|taken| taken.owner_died()),
            self.letters.try_lock().map(|taken| taken.owner_died()),
        ];
        for owner_died in clean {
            assert!(!owner_died.unwrap(), "it is in doubt and nobody was told");
        }
    }
}

/// Data that show when they were written half, and who else was at it.
#[derive(Debug, Default, ShmSafe)]
#[repr(C)]
pub(crate) struct Record {
    first: AtomicU64,
    second: AtomicU64,
    /// Whoever is at it, by its pid.
    at_it: AtomicU32,
    reserved: AtomicU32,
}

impl Record {
    /// Half of what [`finish`](Self::finish) ends.
    pub(crate) fn begin(&self) {
        self.first.fetch_add(1, SeqCst);
        fault::pass();
    }

    fn finish(&self) {
        self.second.fetch_add(1, SeqCst);
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.first.load(SeqCst) == self.second.load(SeqCst)
    }

    /// How often it was changed.
    pub(crate) fn changes(&self) -> u64 {
        assert!(self.is_whole());
        self.first.load(SeqCst)
    }

    /// Makes it whole: what was begun counts.
    fn mend(&self) {
        self.second.store(self.first.load(SeqCst), SeqCst);
    }

    /// What a reader can do who is told that the owner died: it may not be the only one.
    pub(crate) fn repair(&self) {
        self.mend();
        self.at_it.store(0, SeqCst);
    }

    /// What everybody does who is alone with it: changes it once. It must be whole and nobody else
    /// at it, unless an owner has died.
    pub(crate) fn change(&self, owner_died: bool) {
        let other = self.at_it.swap(std::process::id(), SeqCst);
        match owner_died {
            true => self.mend(),
            false => assert!(
                other == 0 && self.is_whole(),
                "process {other} is at it, too, or died and nobody was told"
            ),
        }
        fault::pass();
        self.begin();
        self.finish();
        fault::pass();
        self.at_it.store(0, SeqCst);
        fault::pass();
    }

    /// What those do who may only look.
    pub(crate) fn look(&self) {
        fault::pass();
        assert!(self.is_whole(), "half-written, and nobody was told");
        assert_eq!(self.at_it.load(SeqCst), 0, "somebody changes it meanwhile");
        fault::pass();
    }

    /// A value that is made once: from the beginning, whatever is there.
    pub(crate) fn make(&self) {
        self.first.store(1, SeqCst);
        fault::pass();
        self.second.store(1, SeqCst);
    }

    pub(crate) fn new_made() -> Self {
        let made = Self::default();
        made.make();
        made
    }
}
