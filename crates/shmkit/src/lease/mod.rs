//! Who is alive: the lease of this process on each segment that it has attached.
//!
//! What lives inside a segment knows only its own address. From that the attachment is looked up,
//! once; a thread then remembers the last few.
#![expect(unsafe_code, reason = "the roster lies in the segment")]

pub(crate) mod roster;

use std::cell::Cell;

use crate::error::{Error, ErrorKind, Op};
use crate::mapping::Access;
use crate::sys::attachment::{self, Leased, NoLease};
use crate::sys::fork;

/// The lease of this process on the segment that `address` lies in.
#[inline]
pub(crate) fn of(address: usize) -> Result<u32, NoLease> {
    match remembered(address) {
        Some(lease) => Ok(lease),
        None => look_up(address),
    }
}

/// Writes this process down in the roster, for one who has its lease since before there was one.
pub(crate) fn introduce(address: usize) {
    if let Ok(lease) = of(address) {
        roster::enter(roster_of(address), lease, |lease| is_alive(address, lease));
    }
}

/// Whether the attachment with this lease is still there; when in doubt it is. The cold way: asks
/// the kernel.
pub(crate) fn is_alive(address: usize, lease: u32) -> bool {
    attachment::is_alive(address, lease)
}

/// Whether what lies at `address` may be written to.
pub(crate) fn is_writable(address: usize) -> bool {
    remembered(address).is_some() || attachment::access(address) != Some(Access::ReadOnly)
}

/// Counts the forks since the first process of ours: a guard compares it.
#[inline]
pub(crate) fn generation() -> u32 {
    fork::generation()
}

/// One attachment that this thread has used.
#[derive(Clone, Copy)]
struct Memory {
    of: Leased,
    /// It is worth something only until mappings have gone.
    epoch: u32,
}

const PLACES: usize = 4;

const NOTHING: Memory = Memory {
    of: Leased {
        base: 0,
        len: 0,
        lease: 0,
        is_new: false,
    },
    epoch: 0,
};

thread_local! {
    static MEMORY: [Cell<Memory>; PLACES] = const { [const { Cell::new(NOTHING) }; PLACES] };
}

/// Where a thread looks first for an address: the large things that share a place are far apart.
#[inline]
fn place(address: usize) -> usize {
    (address >> 12) % PLACES
}

/// The same if this thread remembers it.
#[inline]
pub(crate) fn remembered(address: usize) -> Option<u32> {
    MEMORY.with(|memory| {
        let Memory { of, epoch } = memory[place(address)].get();
        let is_there = address.wrapping_sub(of.base) < of.len && epoch == fork::epoch();
        is_there.then_some(of.lease)
    })
}

#[cold]
fn look_up(address: usize) -> Result<u32, NoLease> {
    let epoch = fork::epoch();
    let of = attachment::lease(address)?;
    if of.is_new {
        roster::enter(roster_of(address), of.lease, |lease| {
            is_alive(address, lease)
        });
    }
    MEMORY.with(|memory| memory[place(address)].set(Memory { of, epoch }));
    Ok(of.lease)
}

/// Sets what others call this process in the segment that `address` lies in; says whether there was
/// a place for it.
pub(crate) fn set_label(address: usize, label: &str) -> bool {
    of(address).is_ok_and(|lease| roster::label(roster_of(address), lease, label))
}

/// The roster of the segment that `address` lies in; empty if it has none.
pub(crate) fn roster_of<'s>(address: usize) -> &'s [roster::Entry] {
    let Some(roster) = attachment::roster(address) else {
        return &[];
    };
    let first = std::ptr::with_exposed_provenance(roster);
    // SAFETY: whoever registered the roster said that so many entries, which are atomics
    // throughout, lie there for as long as the segment is attached; and `address`, which is
    // somebody's reference into it, keeps it so.
    unsafe { std::slice::from_raw_parts(first, roster::ENTRIES) }
}

/// Why nothing can be locked at an address, for people.
#[cold]
pub(crate) fn explain(why: NoLease, op: Op) -> Error {
    match why {
        NoLease::Nowhere => Error::new(op, ErrorKind::Unsupported)
            .detail("it does not lie in an attached segment that can tell who is alive")
            .hint("put it into a POSIX, memfd or file segment"),
        NoLease::ReadOnly => Error::new(op, ErrorKind::ReadOnly).hint("attach it read-write"),
        NoLease::Private => Error::new(op, ErrorKind::Unsupported)
            .detail("the segment is attached copy-on-write: nobody else would see it locked")
            .hint("attach it without `copy_on_write`"),
        NoLease::UsedUp => Error::new(op, ErrorKind::OutOfResources)
            .detail("the segment has given out all its leases")
            .hint("make the segment anew"),
        NoLease::Os(cause) => Error::os(op, cause).detail("no lease can be taken"),
    }
}
