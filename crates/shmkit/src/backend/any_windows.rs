//! Segments and semaphores on Windows, which has one type of key.

use std::io::{self, Read};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use super::windows::{lock, segment};
use super::{
    Advice, Detached, Examined, FsKind, Grant, InUse, Lifetime, Medium, Nodes, Origin, Owners,
    Removal, Seals, Spec, Suspect, Target, semaphore_key, unsupported,
};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::{KeyType, NativeIpcKey};

pub(crate) use super::windows::explain;
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

/// The key, which is of the type that there is.
fn key_of(target: &Target, op: Op) -> Result<&NativeIpcKey> {
    match target {
        Target::Key(key) if is_supported(key.key_type()) => Ok(key),
        Target::Key(key) => Err(unsupported(key, op)),
        _ => Err(Error::new(op, ErrorKind::Unsupported)
            .on(target)
            .detail("files and nameless memory are no segments on Windows so far")
            .hint("use a key")),
    }
}

/// Makes a segment.
pub(crate) fn create(target: &Target, spec: &Spec, op: Op) -> Result<(Segment, Option<Semaphore>)> {
    let key = key_of(target, op)?;
    with_lock(key, segment::create(key, spec, op)?, spec, op)
}

/// Makes a segment of the contents and of their size in whole pages.
pub(crate) fn create_from(
    target: &Target,
    spec: &Spec,
    contents: &mut dyn Read,
    op: Op,
) -> Result<(Segment, Option<Semaphore>)> {
    let key = key_of(target, op)?;
    with_lock(
        key,
        segment::create_from(key, spec, contents, op)?,
        spec,
        op,
    )
}

/// Attaches to a segment that exists. There are no orphans.
pub(crate) fn attach(
    target: &Target,
    spec: &Spec,
    op: Op,
) -> Result<Option<(Segment, Option<Semaphore>)>> {
    let key = key_of(target, op)?;
    with_lock(key, segment::attach(key, spec, op)?, spec, op).map(Some)
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
    match is_supported(key.key_type()) {
        true => segment::remove(key, in_use),
        false => Err(unsupported(key, Op::Remove)),
    }
}

/// Removes a file that is a segment.
pub(crate) fn remove_file(target: &Target, _: &Path, _: InUse) -> Result<()> {
    key_of(target, Op::Remove).map(drop)
}

/// What a directory is like.
pub(crate) fn examine_directory(_: &Path) -> Result<Examined> {
    Err(Error::new(Op::Inspect, ErrorKind::Unsupported)
        .detail("file systems are not told apart on Windows so far"))
}

/// A copy by the kernel, which Windows has for nobody.
///
/// # Safety
/// None is needed.
#[expect(unsafe_code, reason = "as where there is one")]
pub(crate) unsafe fn copy_checked(_: *const u8, _: *mut u8, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes what the dead left, of which there is nothing.
pub(crate) fn sweep(_: &Path) {}

/// A name for a temporary file.
pub(crate) fn temporary_name() -> String {
    "shmkit-tmp".to_owned()
}

impl Segment {
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

    /// Leaves; the kernel removes what nobody uses any more.
    pub(crate) fn detach(
        self,
        _: &Target,
        removal: Removal,
        lock: Option<Semaphore>,
    ) -> Result<Detached> {
        drop(lock);
        Ok(self.0.detach(removal))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.size()
    }

    pub(crate) fn grow(&self, _: usize) -> Result<()> {
        Err(as_it_was_made(Op::Grow))
    }

    pub(crate) fn shrink(&self, _: usize, _: bool) -> Result<()> {
        Err(as_it_was_made(Op::Shrink))
    }

    pub(crate) fn refresh(&self) -> Result<usize> {
        Ok(self.size())
    }

    pub(crate) fn wait_for_growth(&self, _: usize, _: Duration) -> Result<Option<usize>> {
        Err(as_it_was_made(Op::Inspect))
    }

    /// There is nowhere to write it to.
    pub(crate) fn flush(&self, _: usize, _: usize, _: bool) -> Result<()> {
        Ok(())
    }

    pub(crate) fn fs_kind(&self) -> Result<FsKind> {
        Ok(FsKind {
            medium: Medium::Memory,
            name: "page file".to_owned(),
        })
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
        None
    }

    pub(crate) fn advise(&self, _: usize, _: usize, _: Advice) -> Result<()> {
        Err(no_wishes(
            "Windows takes no advice on how segments will be used",
        ))
    }

    pub(crate) fn prefer_huge_pages(&self) -> Result<()> {
        Err(no_wishes(
            "Windows makes large pages only for those who may lock memory, at once",
        ))
    }

    /// Touches every page.
    pub(crate) fn populate(&self, offset: usize, len: usize, write: bool) -> Result<()> {
        self.0.populate(offset, len, write);
        Ok(())
    }

    pub(crate) fn lock_in_memory(&self, offset: usize, len: usize, lock: bool) -> Result<()> {
        self.0.lock_in_memory(offset, len, lock)
    }

    pub(crate) fn bind(&self, _: usize, _: usize, _: &Nodes) -> Result<()> {
        Err(no_wishes(
            "the nodes of a segment's pages cannot be chosen on Windows so far",
        ))
    }
}

fn no_wishes(why: &str) -> Error {
    Error::new(Op::Place, ErrorKind::Unsupported).detail(why)
}

fn as_it_was_made(op: Op) -> Error {
    Error::new(op, ErrorKind::Unsupported)
        .detail("a Windows segment is as it was made")
        .hint("make a larger one under another key")
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
