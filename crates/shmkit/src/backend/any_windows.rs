//! Segments and semaphores on Windows, which has one type of key; files, and memory without a name.

use std::io::{self, Read};
use std::os::windows::io::OwnedHandle;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use super::windows::{file, lock, memory, named, segment};
use super::{
    Advice, Detached, FsKind, Grant, InUse, Lifetime, Nodes, Origin, Owners, Removal, Seals, Spec,
    Suspect, Target, semaphore_key, unsupported,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};
use crate::mapping::Access;
use crate::sys::object;

pub(crate) use super::windows::explain;
pub(crate) use crate::sys::section::copy_checked;
pub(crate) use file::{examine as examine_directory, sweep, temporary_name};
pub(crate) use lock::{Taken, Ticket};

/// An attached segment.
#[derive(Debug)]
pub(crate) struct Segment(segment::Segment);

/// Qt's lock, and a counting semaphore between processes.
#[derive(Debug)]
pub(crate) struct Semaphore(lock::Semaphore);

/// Whether this system has segments and locks of a type.
pub(crate) fn is_supported(kind: KeyType) -> bool {
    kind == KeyType::Windows
}

fn refuse_other(key: &NativeIpcKey, op: Op) -> Result<()> {
    match is_supported(key.key_type()) {
        true => Ok(()),
        false => Err(unsupported(key, op)),
    }
}

/// Makes a segment.
pub(crate) fn create(target: &Target, spec: &Spec, op: Op) -> Result<(Segment, Option<Semaphore>)> {
    let made = match target {
        Target::Key(key) => {
            refuse_other(key, op)?;
            return with_lock(key, named::create(key, spec, op)?, spec, op);
        }
        Target::File(path) => file::create(path, spec, op),
        Target::Unnamed(directory) => file::create_unnamed(directory, spec, op),
        Target::Memory(_) => memory::create(spec, op),
    };
    without_lock(made, target)
}

/// Makes a segment of the contents: of their size in files, and otherwise in whole pages.
pub(crate) fn create_from(
    target: &Target,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    let made =
        match target {
            Target::Key(key) => {
                refuse_other(key, op)?;
                return with_lock(key, named::create_from(key, spec, contents, op)?, spec, op);
            }
            Target::File(path) => file::create_from(path, spec, contents, op),
            Target::Unnamed(_) => Err(Error::new(op, ErrorKind::Unsupported)
                .detail("a file without a name is made of zeros")),
            Target::Memory(_) => memory::create_from(spec, contents, op),
        };
    without_lock(made, target)
}

fn without_lock(
    made: Result<segment::Segment>,
    target: &Target,
) -> Result<(Segment, Option<Semaphore>)> {
    match made {
        Ok(segment) => Ok((Segment(segment), None)),
        Err(error) => Err(error.on(target)),
    }
}

/// Attaches to a segment that exists; `None` if it was an orphan, which only files can be, and is
/// removed.
pub(crate) fn attach(
    target: &Target,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    match target {
        Target::Key(key) => {
            refuse_other(key, op)?;
            with_lock(key, named::attach(key, spec, op)?, spec, op).map(Some)
        }
        Target::File(path) => match file::attach(path, spec, op) {
            Ok(segment) => Ok(segment.map(|segment| (Segment(segment), None))),
            Err(error) => Err(error.on(target)),
        },
        Target::Unnamed(_) | Target::Memory(_) => {
            Err(Error::new(op, ErrorKind::NotFound).on(target))
        }
    }
}

/// The lock is opened at once, so that what is known of its owner lives as long as the segment.
fn with_lock(
    key: &NativeIpcKey,
    segment: segment::Segment,
    spec: &Spec,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    let lock = lock::Semaphore::open(&semaphore_key(key), 1, segment.mode(), spec.trust, op);
    let lock = match lock {
        Ok(lock) => Some(Semaphore(lock)),
        // Whoever only reads may have no right to lock.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => return Err(error.on(key)),
    };
    Ok((Segment(segment), lock))
}

/// Removes a segment by name, as far as that is possible.
pub(crate) fn remove(key: &NativeIpcKey, _: &Spec, in_use: InUse) -> Result<()> {
    refuse_other(key, Op::Remove)?;
    named::remove(key, in_use)
}

/// Removes a file that is a segment.
pub(crate) fn remove_file(target: &Target, path: &Path, in_use: InUse) -> Result<()> {
    file::remove(path, in_use).map_err(|error| error.on(target))
}

/// Attaches to what a handle leads to.
pub(crate) fn adopt(handle: OwnedHandle, spec: &Spec, op: Op) -> Result<Segment> {
    match object::is_file(&handle).map_err(|cause| explain(cause, op))? {
        true => file::adopt(handle.into(), spec, op).map(Segment),
        false => memory::adopt(handle, spec, op).map(Segment),
    }
}

impl Segment {
    /// A handle for others.
    pub(crate) fn to_handle(&self, access: Access, goes_to_children: bool) -> Result<OwnedHandle> {
        self.0.to_handle(access, goes_to_children)
    }

    pub(crate) fn address(&self) -> NonNull<u8> {
        self.0.address()
    }

    pub(crate) fn size(&self) -> usize {
        self.0.size()
    }

    pub(crate) fn mode(&self) -> u32 {
        self.0.mode()
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.0.lifetime()
    }

    pub(crate) fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// Leaves, and removes what nobody uses any more, as far as the kernel does not.
    pub(crate) fn detach(
        self,
        target: &Target,
        removal: Removal,
        lock: Option<Semaphore>,
    ) -> Result<Detached> {
        drop(lock);
        self.0.detach(removal).map_err(|error| error.on(target))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn grow(&self, size: usize) -> Result<()> {
        self.0.grow(size)
    }

    pub(crate) fn shrink(&self, size: usize, in_use: bool) -> Result<()> {
        self.0.shrink(size, in_use)
    }

    pub(crate) fn refresh(&self) -> Result<usize> {
        self.0.refresh()
    }

    pub(crate) fn wait_for_growth(&self, size: usize, limit: Duration) -> Result<Option<usize>> {
        self.0.wait_for_growth(size, limit)
    }

    pub(crate) fn flush(&self, offset: usize, len: usize, wait: bool) -> Result<()> {
        self.0.flush(offset, len, wait)
    }

    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        self.0.fs_kind()
    }

    pub(crate) fn seals(&self) -> Result<Seals> {
        Ok(Seals::NONE)
    }

    pub(crate) fn add_seals(&self, _: Seals) -> Result<()> {
        Err(no_seals())
    }

    pub(crate) fn seal(&mut self) -> Result<()> {
        Err(no_seals())
    }

    /// What cannot be sealed is as it was.
    pub(crate) fn reads_only(&self) -> bool {
        false
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        self.0.warning()
    }

    pub(crate) fn advise(&self, offset: usize, len: usize, advice: Advice) -> Result<()> {
        self.0.advise(offset, len, advice)
    }

    pub(crate) fn prefer_huge_pages(&self) -> Result<()> {
        Err(Error::new(Op::Place, ErrorKind::Unsupported)
            .detail("Windows makes large pages only at once, for memory without a name")
            .hint("make it with `memfd` and `HugePages::Reserved`"))
    }

    pub(crate) fn populate(&self, offset: usize, len: usize, write: bool) -> Result<()> {
        self.0.populate(offset, len, write)
    }

    pub(crate) fn lock_in_memory(&self, offset: usize, len: usize, lock: bool) -> Result<()> {
        self.0.lock_in_memory(offset, len, lock)
    }

    pub(crate) fn bind(&self, offset: usize, len: usize, nodes: &Nodes) -> Result<()> {
        self.0.bind(offset, len, nodes)
    }
}

fn no_seals() -> Error {
    Error::new(Op::Seal, ErrorKind::Unsupported).detail("Windows segments take no seals")
}

impl Semaphore {
    /// Opens the semaphore of `key`, or makes it with `value`.
    pub(crate) fn open(
        key: &NativeIpcKey,
        value: u32,
        mode: u32,
        trust: Owners,
        op: Op,
    ) -> Result<Self> {
        match is_supported(key.key_type()) {
            true => lock::Semaphore::open(key, value, mode, trust, op).map(Self),
            false => Err(unsupported(key, op)),
        }
    }

    /// Takes the lock if that needs no system call, which it always does.
    pub(crate) fn lock_at_once(&self) -> Option<Taken<'_>> {
        None
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> io::Result<Option<(Taken<'_>, Grant)>> {
        self.0.try_lock()
    }

    /// Takes the lock, sleeping at most about `limit`; `None` if it was not to be had.
    pub(crate) fn lock_within(&self, limit: Duration) -> io::Result<Option<(Taken<'_>, Grant)>> {
        self.0.lock_within(limit)
    }

    /// Who holds the lock, if that can be told.
    pub(crate) fn suspects(&self) -> io::Result<Vec<Suspect>> {
        self.0.suspects()
    }

    /// The lock of a ticket.
    pub(crate) fn redeem(&self, ticket: Ticket) -> Option<Taken<'_>> {
        self.0.redeem(ticket)
    }

    /// Takes one of the value, sleeping at most about `limit`; `false` if it was not to be had.
    pub(crate) fn acquire_within(&self, limit: Duration) -> io::Result<bool> {
        self.0.acquire_within(limit)
    }

    /// Adds `by` to the value, all or nothing.
    pub(crate) fn release(&self, by: u32) -> io::Result<()> {
        self.0.release(by)
    }

    /// Leaves the value as it is: so does Qt on Windows, where a new semaphore begins with the
    /// last one's end.
    pub(crate) fn set_value(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn leave_with(self, _: &NativeIpcKey) {}

    pub(crate) fn leave_lock(self, _: &NativeIpcKey) {}

    pub(crate) fn leave_counting(self, _: &NativeIpcKey, _: Option<Presence>, _: bool) {}
}

/// A user of a semaphore, of which the kernel keeps count.
#[derive(Debug)]
pub(crate) enum Presence {}

impl Presence {
    pub(crate) fn announce(_: &NativeIpcKey) -> Option<Self> {
        None
    }

    pub(crate) fn is_own(&self) -> bool {
        match *self {}
    }
}

/// Processes in a sentence.
pub(crate) fn name_suspects(suspects: &[Suspect]) -> String {
    match suspects {
        [] => "a program that does not say so, as those that use Qt".to_owned(),
        suspects => suspects
            .iter()
            .map(|suspect| format!("process {} ({})", suspect.pid, suspect.program))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
