//! What a forked child must do before anything else runs in it.
//!
//! A child inherits its parent's open file descriptions. The kernel then counts parent and child
//! as one user: a write lease is granted to one while the other still has the segment mapped, and
//! the locks of a dead parent live on in the child. So every description that stands for "a user
//! of the segment" is registered here, and `pthread_atfork` handlers give the child one of its
//! own, without a moment at which it has none:
//!
//! * before the fork the parent opens a second description through `/proc/self/fd`,
//! * after it the parent closes that one again,
//! * and the child puts it in the place of the inherited one, under the descriptor and under the
//!   mapping.
//!
//! Where the second description cannot be had (no descriptors left, no `/proc`), the kernel's
//! answers can no longer be trusted for this file; both sides remember that (`is_blind`) and never
//! take the other for dead or gone.
#![expect(unsafe_code, reason = "pthread_atfork, and re-mapping in the child")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;

use super::attachment;
use super::memory::{self, Pages, Window};
use crate::atomic::fault_point;
use crate::mapping::Access;
use crate::sys::lease::{self, Frozen};

/// Counts the forks between this process and the first one: a handle to something that a child
/// must not use (a held lock) compares it.
#[inline]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Changes whenever a mapping or its lease may have gone: what was remembered of an address is
/// then to be looked up anew.
#[inline]
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

static EPOCH: AtomicU32 = AtomicU32::new(1);

/// A mapped file whose open file description stands for one user of it.
#[derive(Debug)]
pub(crate) struct User(ManuallyDrop<Arc<Record>>);

#[derive(Debug)]
pub(super) struct Record {
    fd: OwnedFd,
    at: NonNull<u8>,
    window: Window,
    /// The description for a child, while a fork is under way; else -1.
    spare: AtomicI32,
    blind: AtomicBool,
    /// The byte whose lock says that this user is alive; 0 for none. A child starts without.
    slot: AtomicU32,
    ledger: OnceLock<Ledger>,
}

/// What a segment keeps for those who attach to it.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Where in the mapping the counter is from which leases get their numbers: an aligned word.
    pub(crate) counter: usize,
    /// Where the roster begins.
    pub(crate) roster: usize,
    /// What the segment is called in messages.
    pub(crate) name: String,
}

// SAFETY: `at` is an address of memory shared between processes, used by no method here except
// to re-map or unmap it; everything else is `Send` itself.
unsafe impl Send for Record {}
// SAFETY: as above; the methods on `&self` use atomics and system calls.
unsafe impl Sync for Record {}

impl User {
    /// Maps a window of `fd`, whose description is this user's alone, and registers it. The caller
    /// holds [`steady`] since before it opened `fd`.
    pub(crate) fn map(fd: OwnedFd, window: Window) -> io::Result<Self> {
        let at = memory::map(fd.as_fd(), &window);
        Self::register_mapped(fd, at, window)
    }

    /// What came of mapping; without a mapping `fd` keeps no locks.
    fn register_mapped(
        fd: OwnedFd,
        at: io::Result<NonNull<u8>>,
        window: Window,
    ) -> io::Result<Self> {
        match at {
            Ok(at) => Ok(Self::register(fd, at, window)),
            Err(error) => {
                lease::unlock_all(fd.as_fd());
                Err(error)
            }
        }
    }

    fn register(fd: OwnedFd, at: NonNull<u8>, window: Window) -> Self {
        let record = Arc::new(Record {
            fd,
            at,
            window,
            spare: AtomicI32::new(-1),
            blind: AtomicBool::new(false),
            slot: AtomicU32::new(0),
            ledger: OnceLock::new(),
        });
        install();
        records().insert(at.addr().get(), Arc::clone(&record));
        Self(ManuallyDrop::new(record))
    }

    /// Maps a window of `object` for the user that `fd` stands for.
    #[cfg(anchored)]
    pub(crate) fn map_object(fd: OwnedFd, object: &OwnedFd, window: Window) -> io::Result<Self> {
        let at = memory::map(object.as_fd(), &window);
        Self::register_mapped(fd, at, window)
    }

    /// Ends the mapping and nothing else: the locks of the user stay.
    #[cfg(anchored)]
    pub(crate) fn unmap_only(self) -> OwnedFd {
        self.0.slot.store(0, Ordering::Relaxed);
        self.unmap()
    }

    /// The address of the first byte.
    #[inline]
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.0.at
    }

    /// The pages that hold `len` bytes from `offset` on; as many of them as there are.
    pub(crate) fn pages(&self, offset: usize, len: usize) -> Pages<'_> {
        let offset = offset.min(self.0.window.len);
        let len = len.min(self.0.window.len - offset);
        // SAFETY: the range lies in the window.
        let at = unsafe { self.0.at.add(offset) };
        // SAFETY: as above, and it stays mapped while `self` lives.
        unsafe { Pages::around(at, len) }
    }

    /// Whether this user's description may be somebody else's, too: after a fork that the kernel
    /// could not be told about.
    pub(crate) fn is_blind(&self) -> bool {
        self.0.blind.load(Ordering::Relaxed)
    }

    /// Says that somebody else may have the same description, and that the kernel's answers about
    /// this user mean nothing.
    pub(crate) fn share_description(&self) {
        self.0.blind.store(true, Ordering::Relaxed);
    }

    /// The byte that stands for this user; 0 for none.
    #[inline]
    pub(crate) fn slot(&self) -> u32 {
        self.0.slot.load(Ordering::Relaxed)
    }

    /// Says which byte stands for this user, if none does yet; answers which one does now.
    pub(crate) fn settle_slot(&self, slot: u32) -> u32 {
        match self
            .0
            .slot
            .compare_exchange(0, slot, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => slot,
            Err(first) => first,
        }
    }

    /// Ends the mapping and hands out the description, for a last question to the kernel. The
    /// caller holds [`steady`] until it has closed it.
    pub(crate) fn unmap(self) -> OwnedFd {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used again and not dropped.
        unsafe { this.end() }
    }

    /// # Safety
    /// Called once, as the last thing that is done with the user.
    unsafe fn end(&mut self) -> OwnedFd {
        // SAFETY: by the contract it is not taken twice.
        let record = unsafe { ManuallyDrop::take(&mut self.0) };
        records().remove(&record.at.addr().get());
        EPOCH.fetch_add(1, Ordering::Relaxed);
        let record = Arc::into_inner(record).expect("only the registry had another one");
        // SAFETY: the mapping came from `memory::map`, and views into it borrow the user.
        let ended = unsafe { memory::unmap(record.at, &record.window) };
        debug_assert!(ended.is_ok(), "the range was mapped");
        if record.slot() != 0 {
            attachment::give_back(record.fd());
        }
        record.fd
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _steady = steady();
        // SAFETY: this is the end of it.
        let fd = unsafe { self.end() };
        lease::unlock_all(fd.as_fd());
    }
}

impl AsFd for User {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

/// Looks at the user whose mapping has `address` in it.
pub(super) fn at<R>(address: usize, look: impl FnOnce(&Record) -> R) -> Option<R> {
    let records = records();
    let (_, record) = records.range(..=address).next_back()?;
    (address - record.base() < record.window.len).then(|| look(record))
}

impl Record {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn base(&self) -> usize {
        self.at.expose_provenance().get()
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn is_blind(&self) -> bool {
        self.blind.load(Ordering::Relaxed)
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot.load(Ordering::Relaxed)
    }

    pub(super) fn set_slot(&self, slot: u32) {
        self.slot.store(slot, Ordering::Relaxed);
    }

    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.get()
    }

    /// Only the first one counts.
    pub(super) fn set_ledger(&self, ledger: Ledger) {
        let _ = self.ledger.set(ledger);
    }

    /// The next number of the segment's counter, which stops at `most`: then 0. `None` if there is
    /// no counter.
    pub(super) fn count_on(&self, most: u32) -> Option<u32> {
        let word = self.base() + self.ledger()?.counter;
        let word = ptr::with_exposed_provenance_mut(word);
        // SAFETY: the ledger names an aligned word in this mapping, which is writable and lives
        // as long as the record; all that touch the word use atomics.
        let counter = unsafe { AtomicU32::from_ptr(word) };
        let next = |last| (last < most).then(|| last + 1);
        fault_point();
        let counted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Some(counted.map_or(0, |last| last + 1))
    }

    fn be_blind(&self) {
        self.blind.store(true, Ordering::Relaxed);
    }

    /// Where users are known by locks of their process, the description does not matter.
    #[cfg(sys = "portable")]
    fn prepare(&self) {}

    #[cfg(not(sys = "portable"))]
    fn prepare(&self) {
        let flags = match self.window.file_access() {
            Access::ReadOnly => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        } | OFlags::CLOEXEC;
        let this = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        match rustix::fs::open(this, flags, Mode::empty()) {
            Ok(fd) => self.spare.store(fd.into_raw_fd(), Ordering::Relaxed),
            Err(_) => self.blind.store(true, Ordering::Relaxed),
        }
    }

    fn take_spare(&self) -> Option<OwnedFd> {
        use std::os::fd::FromRawFd;
        match self.spare.swap(-1, Ordering::Relaxed) {
            -1 => None,
            // SAFETY: `prepare` put a descriptor of its own there, and the swap took it out.
            fd => Some(unsafe { OwnedFd::from_raw_fd(fd) }),
        }
    }

    /// In the child, with one thread: only system calls from here on.
    fn become_own_user(&self) {
        self.slot.store(0, Ordering::Relaxed);
        let Some(spare) = self.take_spare() else {
            return;
        };
        // A private mapping holds what only this process has, and must stay. It keeps the parent's
        // description, too, which costs nothing but that both look present until both are gone.
        let mapped = match self.window.private {
            true => Ok(()),
            // SAFETY: the range is this user's shared mapping of the same window.
            false => unsafe { memory::replace(spare.as_fd(), self.at, &self.window) },
        };
        // SAFETY: takes two descriptor numbers that are open; the number of `self.fd` stays valid
        // throughout, only its description changes.
        let moved = unsafe { libc::dup2(spare.as_raw_fd(), self.fd.as_raw_fd()) };
        // Nobody else runs in the child who could start a program in between.
        let marked = rustix::io::fcntl_setfd(&self.fd, FdFlags::CLOEXEC);
        if mapped.is_err() || moved == -1 || marked.is_err() {
            self.blind.store(true, Ordering::Relaxed);
        }
    }
}

static RECORDS: Mutex<BTreeMap<usize, Arc<Record>>> = Mutex::new(BTreeMap::new());

fn records() -> MutexGuard<'static, BTreeMap<usize, Arc<Record>>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held for reading while descriptions come and go, for writing from before a fork until after.
static STEADY: RwLock<()> = RwLock::new(());

/// Keeps forks away until it is dropped, so that no child is born with a description that is not
/// registered.
pub(crate) struct Steady(PhantomData<*const ()>);

/// What a thread keeps of its own. `ManuallyDrop`, so that it has no destructor, and is still there
/// when a thread that ends drops a segment that it kept in a `thread_local`.
type Kept<T> = Cell<Option<ManuallyDrop<T>>>;

/// All the locks: a child that was born while another thread had one of them would wait for it for
/// ever.
type Forking = (
    RwLockWriteGuard<'static, ()>,
    MutexGuard<'static, BTreeMap<usize, Arc<Record>>>,
    Frozen,
);

thread_local! {
    /// How many [`Steady`] this thread has, with the lock that the first one took: a thread that
    /// took a read lock twice could block itself when a fork waits in between.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static HELD: Kept<RwLockReadGuard<'static, ()>> = const { Cell::new(None) };
    /// The forking thread holds this between the handlers.
    static FORKING: Kept<Forking> = const { Cell::new(None) };
}

/// See [`Steady`]. May be nested.
pub(crate) fn steady() -> Steady {
    if DEPTH.replace(DEPTH.get() + 1) == 0 {
        let held = STEADY.read().unwrap_or_else(PoisonError::into_inner);
        HELD.set(Some(ManuallyDrop::new(held)));
    }
    Steady(PhantomData)
}

impl Drop for Steady {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if DEPTH.get() == 0 {
            drop(HELD.take().map(ManuallyDrop::into_inner));
        }
    }
}

/// Sees to it that forks are noticed from now on.
pub(crate) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: the three functions have the C ABI, live for ever and do not unwind: they only
        // lock, call the kernel and allocate before the fork. It fails only without memory; then
        // forked children are as blind as without it.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

extern "C" fn before() {
    let steady = STEADY.write().unwrap_or_else(PoisonError::into_inner);
    let records = records();
    records.values().for_each(|record| record.prepare());
    FORKING.set(Some(ManuallyDrop::new((steady, records, lease::freeze()))));
}

extern "C" fn in_parent() {
    let Some(forking) = FORKING.take() else {
        return;
    };
    let (_steady, records, locks) = ManuallyDrop::into_inner(forking);
    records
        .values()
        .for_each(|record| drop(record.take_spare()));
    locks.in_parent();
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    EPOCH.fetch_add(1, Ordering::Relaxed);
    let Some(forking) = FORKING.take() else {
        return;
    };
    let (_steady, records, locks) = ManuallyDrop::into_inner(forking);
    records.values().for_each(|record| record.become_own_user());
    if !locks.in_child() {
        records.values().for_each(|record| record.be_blind());
    }
}
