//! Who uses a file, as far as users of shmkit say so themselves: each has a lock on a byte of the
//! file's *lock file*, which the kernel drops when the process dies. `lock_file` has the protocol.
//!
//! Nobody tells of those who do not know shmkit, so "nobody but me" means "no other user of shmkit".

use std::convert::Infallible;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;

pub(in crate::sys) use super::lock_file::{Frozen, freeze, unlock_all};
pub(crate) use super::lock_file::{
    Hold, directories, directory, is_locked, is_unused, pid_of_lock, processes, remove_unused,
    sign, sign_off, try_lock, unlock,
};

/// Proof that no other open file description of the file exists, which these systems never give.
pub(crate) struct Sole<'fd>(Infallible, PhantomData<&'fd ()>);

/// How the kernel answers the question "am I the only one?".
pub(crate) enum Users<'fd> {
    OnlyMe(Sole<'fd>),
    Others,
    Unknown,
}

/// Whether a file counts as unused when no user of shmkit is present.
pub(crate) const ONLY_OURS_COUNT: bool = true;

/// Asks whether `fd` is the only open file description of its file.
pub(crate) fn users(_: BorrowedFd<'_>) -> io::Result<Users<'_>> {
    Ok(Users::Unknown)
}

/// Whether the kernel grants leases.
pub(crate) fn are_granted() -> bool {
    false
}
