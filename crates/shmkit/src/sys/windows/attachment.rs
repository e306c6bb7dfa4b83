//! Which attached segment of this process an address lies in, and the lease that it has there.
//!
//! A lease is a named section that its process keeps open, with the process's id in it: the kernel
//! removes it with the process. For what processes of several sessions share the name is one of the
//! whole machine, and where a user may not make such a section, an event does: then the roster tells
//! the process. Its number stands in the words of the locks that this process holds,
//! and does not come back: it is taken from a counter in the segment, or from the clock.
#![expect(unsafe_code, reason = "the counter lies in the segment")]

use std::io;
use std::os::windows::io::OwnedHandle;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::section::{self, Mapping, Window};
use super::security::Descriptor;
use super::{process, signal};
use crate::mapping::Access;

/// The largest number that a lease can have.
const MOST: u32 = (1 << 30) - 1;

/// How many numbers are tried.
const TRIES: u32 = 1000;

/// The lease that whoever makes a typed segment has on it before others can see it.
pub(crate) const FIRST: u32 = 1;

/// A mapping of this process and its lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leased {
    pub(crate) base: usize,
    pub(crate) len: usize,
    pub(crate) lease: u32,
    /// It was taken just now.
    pub(crate) is_new: bool,
}

/// Why there is no lease for an address.
#[derive(Debug)]
pub(crate) enum NoLease {
    /// It lies in no segment that is attached.
    Nowhere,
    ReadOnly,
    /// What is written there, nobody else sees.
    Private,
    /// The counter has come to its end.
    UsedUp,
    Os(io::Error),
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

/// A process that has a lease.
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) program: String,
}

#[derive(Debug)]
struct Record {
    base: usize,
    len: usize,
    window: Window,
    /// With what the names of this segment's leases begin.
    leases: String,
    mode: u32,
    lease: Option<(u32, OwnedHandle)>,
    ledger: Option<Ledger>,
}

/// Everything that this process has attached.
static RECORDS: Mutex<Vec<Record>> = Mutex::new(Vec::new());

/// Counts how often something was detached, so that nobody trusts what was there before.
static EPOCH: AtomicU32 = AtomicU32::new(1);

pub(super) fn epoch() -> u32 {
    EPOCH.load(Ordering::Acquire)
}

fn records() -> MutexGuard<'static, Vec<Record>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at<R>(address: usize, look: impl FnOnce(&mut Record) -> R) -> Option<R> {
    let mut records = records();
    let record = records
        .iter_mut()
        .find(|record| address.wrapping_sub(record.base) < record.len)?;
    Some(look(record))
}

/// An attachment that is known, until this is dropped. It must be dropped before the mapping.
#[derive(Debug)]
pub(crate) struct Attached(usize);

impl Attached {
    /// `leases`: with what the names of this segment's leases begin.
    pub(crate) fn new(mapping: &Mapping, window: Window, leases: String, mode: u32) -> Self {
        let base = mapping.address().as_ptr().expose_provenance();
        records().push(Record {
            base,
            len: mapping.len,
            window,
            leases,
            mode,
            lease: None,
            ledger: None,
        });
        Self(base)
    }

    /// Takes the first lease of a new segment, which nobody else can see yet.
    pub(crate) fn take_first_lease(&self) -> io::Result<()> {
        let taken = at(self.0, |record| record.take(FIRST)).unwrap_or(Ok(false))?;
        match taken {
            true => Ok(()),
            false => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        records().retain(|record| record.base != self.0);
        EPOCH.fetch_add(1, Ordering::AcqRel);
    }
}

impl Record {
    fn name_of(&self, number: u32) -> String {
        format!("{}{number}", self.leases)
    }

    /// Takes this number if nobody has it.
    fn take(&mut self, number: u32) -> io::Result<bool> {
        let security = Descriptor::new(self.mode)?;
        let name = self.name_of(number);
        let made = match section::create(&name, 4096, &security) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                signal::event(&name, &security)?
            }
            made => made?,
        };
        if made.existed {
            return Ok(false);
        }
        // An event has no page.
        if let Ok(page) = Mapping::new(&made.handle, Window::whole(Access::ReadWrite)) {
            page.word(0).store(std::process::id(), Ordering::Release);
        }
        self.lease = Some((number, made.handle));
        Ok(true)
    }

    /// The next number of the segment's counter, 0 at its end; `None` if there is no counter.
    fn count_on(&self) -> Option<u32> {
        let word = self.base + self.ledger.as_ref()?.counter;
        let word = ptr::with_exposed_provenance_mut(word);
        // SAFETY: the ledger names an aligned word in this mapping, which is writable and lives
        // as long as the record; all that touch the word use atomics.
        let counter = unsafe { AtomicU32::from_ptr(word) };
        let next = |last| (last < MOST).then(|| last + 1);
        let counted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Some(counted.map_or(0, |last| last + 1))
    }

    fn lease(&mut self) -> Result<u32, NoLease> {
        for _ in 0..TRIES {
            let number = match self.count_on() {
                Some(number @ 1..=MOST) => number,
                Some(_) => return Err(NoLease::UsedUp),
                None => from_the_clock(),
            };
            if self.take(number).map_err(NoLease::Os)? {
                return Ok(number);
            }
        }
        Err(NoLease::UsedUp)
    }
}

/// A number that has not been there for a while; whether somebody has it is seen when it is taken.
fn from_the_clock() -> u32 {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = (now.unwrap_or_default().as_nanos() / 100) as u32;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    1 + now.wrapping_add(count.wrapping_mul(0x9e37_79b9)) % MOST
}

/// The lease of the attachment that `address` lies in; taken at its first use.
pub(crate) fn lease(address: usize) -> Result<Leased, NoLease> {
    at(address, |record| {
        let (lease, is_new) = match (&record.lease, record.window.access) {
            _ if record.leases.is_empty() => return Err(NoLease::Nowhere),
            _ if record.window.private => return Err(NoLease::Private),
            (_, Access::ReadOnly) => return Err(NoLease::ReadOnly),
            (Some((lease, _)), _) => (*lease, false),
            (None, Access::ReadWrite) => (record.lease()?, true),
        };
        Ok(Leased {
            base: record.base,
            len: record.len,
            lease,
            is_new,
        })
    })
    .unwrap_or(Err(NoLease::Nowhere))
}

/// Whether the attachment with a lease is still there; when in doubt it is.
pub(crate) fn is_alive(address: usize, number: u32) -> bool {
    at(address, |record| {
        let is_mine = record.lease.as_ref().is_some_and(|mine| mine.0 == number);
        let open = || section::open(&record.name_of(number), Access::ReadOnly);
        is_mine || !matches!(open(), Err(error) if error.kind() == io::ErrorKind::NotFound)
    })
    .unwrap_or(true)
}

/// How the segment that `address` lies in is attached; `None` if it lies in none.
pub(crate) fn access(address: usize) -> Option<Access> {
    at(address, |record| record.window.access)
}

/// Says what the segment that is mapped at `base` keeps for those who attach to it. Only the first
/// one counts.
pub(crate) fn set_ledger(base: usize, ledger: Ledger) {
    at(base, |record| record.ledger.get_or_insert(ledger).counter);
}

/// The address of the roster of the segment that `address` lies in, if it has one.
pub(crate) fn roster(address: usize) -> Option<usize> {
    at(address, |record| {
        Some(record.base + record.ledger.as_ref()?.roster)
    })?
}

/// What the segment that `address` lies in is called, if it has a name.
pub(crate) fn name(address: usize) -> Option<String> {
    at(address, |record| Some(record.ledger.as_ref()?.name.clone()))?
}

/// The process that has a lease, and if that cannot be told, likely that one.
pub(crate) fn holder(address: usize, number: u32, likely: Option<u32>) -> Option<Holder> {
    let name = at(address, |record| record.name_of(number))?;
    let pid = match section::open(&name, Access::ReadOnly) {
        Ok(section) => {
            let page = Mapping::new(&section, Window::whole(Access::ReadOnly)).ok()?;
            page.word(0).load(Ordering::Acquire)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => likely?,
    };
    (pid != 0).then(|| Holder {
        pid,
        program: process::program(pid).unwrap_or_default(),
    })
}

/// With what the names of a word's events begin, and where in the segment the word is.
pub(super) fn place(address: usize) -> Option<(String, u64, u32)> {
    at(address, |record| {
        let offset = record.window.offset + (address - record.base) as u64;
        (record.leases.clone(), offset, record.mode)
    })
}
