//! Which attached segment of this process an address lies in, and the lease that it has there.
//!
//! A lease is a byte far past the end of the segment's file that the attachment keeps locked; its
//! number stands in the words of the locks that this process holds. The kernel drops the lock when
//! the process dies, shows it across PID namespaces, and the number does not come back: it is taken
//! from a counter in the segment, or at random where there is no counter.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use super::fork;
pub(crate) use super::fork::Ledger;
use crate::mapping::Access;
use crate::sys::lease::{self, Hold};
use crate::sys::process::{self, Holder};

/// The byte of lease 0, which is no lease.
const LEASES: u64 = 1 << 33;

/// The largest number that a lease can have.
pub(crate) const MOST: u32 = (1 << 30) - 1;

/// How many numbers are tried. One is taken only if somebody has scribbled on the counter, or by a
/// chance of one in a billion for each process that is attached.
const TRIES: u32 = 1000;

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
    /// It lies in no segment that is attached by a descriptor.
    Nowhere,
    ReadOnly,
    /// What is written there, nobody else sees.
    Private,
    /// The counter has come to its end.
    UsedUp,
    Os(io::Error),
}

/// The lease of the attachment that `address` lies in; taken at its first use.
pub(crate) fn lease(address: usize) -> Result<Leased, NoLease> {
    let _steady = fork::steady();
    fork::at(address, |record| {
        let window = record.window();
        let (lease, is_new) = match (record.slot(), window.access) {
            _ if window.private => return Err(NoLease::Private),
            (_, Access::ReadOnly) => return Err(NoLease::ReadOnly),
            (0, Access::ReadWrite) => (take(record)?, true),
            (lease, Access::ReadWrite) => (lease, false),
        };
        Ok(Leased {
            base: record.base(),
            len: window.len,
            lease,
            is_new,
        })
    })
    .unwrap_or(Err(NoLease::Nowhere))
}

/// The caller has the registry, so no other thread takes one at the same time.
fn take(record: &fork::Record) -> Result<u32, NoLease> {
    for _ in 0..TRIES {
        let lease = match record.count_on(MOST) {
            Some(0) => return Err(NoLease::UsedUp),
            Some(number) => number,
            None => random(),
        };
        let byte = LEASES + u64::from(lease);
        if lease::try_lock(record.fd(), Hold::Exclusive, byte, 1).map_err(NoLease::Os)? {
            record.set_slot(lease);
            return Ok(lease);
        }
    }
    Err(NoLease::UsedUp)
}

fn random() -> u32 {
    // The keys of a hasher are the system's random numbers.
    let hasher = RandomState::new().build_hasher();
    1 + hasher.finish() as u32 % MOST
}

/// The lease that whoever makes a typed segment has on it before others can see it.
pub(crate) const FIRST: u32 = 1;

/// Takes the first lease of a new file, which nobody else has open.
pub(crate) fn take_first_lease(creator: &fork::User) -> io::Result<()> {
    let byte = LEASES + u64::from(FIRST);
    if !lease::try_lock(creator.as_fd(), Hold::Exclusive, byte, 1)? {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    creator.settle_slot(FIRST);
    Ok(())
}

/// Whether the attachment with a lease is still there; when in doubt it is.
pub(crate) fn is_alive(address: usize, number: u32) -> bool {
    let byte = LEASES + u64::from(number);
    fork::at(address, |record| {
        // The kernel shows only the locks of others.
        number == record.slot()
            || record.is_blind()
            || lease::is_locked(record.fd(), byte, 1).unwrap_or(true)
    })
    .unwrap_or(true)
}

/// How the segment that `address` lies in is attached; `None` if it lies in none.
pub(crate) fn access(address: usize) -> Option<Access> {
    fork::at(address, |record| record.window().access)
}

/// Says what the segment that is mapped at `base` keeps for those who attach to it.
pub(crate) fn set_ledger(base: usize, ledger: Ledger) {
    fork::at(base, |record| record.set_ledger(ledger));
}

/// The address of the roster of the segment that `address` lies in, if it has one.
pub(crate) fn roster(address: usize) -> Option<usize> {
    fork::at(address, |record| {
        Some(record.base() + record.ledger()?.roster)
    })?
}

/// What the segment that `address` lies in is called, if it has a name.
pub(crate) fn name(address: usize) -> Option<String> {
    fork::at(address, |record| Some(record.ledger()?.name.clone()))?
}

/// The process that has a lease, likely that one; `None` if it cannot be seen from here.
pub(crate) fn holder(address: usize, number: u32, likely: Option<u32>) -> Option<Holder> {
    let byte = LEASES + u64::from(number);
    if let Some(pid) = fork::at(address, |record| lease::pid_of_lock(record.fd(), byte))? {
        return Some(Holder {
            pid,
            program: process::program(pid).unwrap_or_default(),
            ..Holder::default()
        });
    }
    let file = fork::at(address, |record| super::file::status(record.fd()))?.ok()?;
    let has_it = |holder: &Holder| holder.locks.contains(&byte);
    let likely = likely.and_then(|pid| process::holder_with_pid(pid, file.id).ok()?);
    likely.filter(has_it).or_else(|| {
        let holders = process::holders_of(file.id).ok()?.found;
        holders.into_iter().find(has_it)
    })
}

/// Gives a lease back explicitly: a child that has not reached its exec yet may keep the
/// description for a moment.
pub(super) fn give_back(fd: BorrowedFd<'_>) {
    // It fails only on a descriptor that is none.
    let _ = lease::unlock(fd, LEASES, u64::from(MOST) + 1);
}
