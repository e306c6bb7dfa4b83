//! Which segments exist on this machine, who uses them, and which were left behind.
//!
//! Looking changes nothing and works for every segment, also for those that shmkit did not make.
//! Whether an ephemeral segment is an orphan is the kernel's word; who its users are is read from
//! `/proc`, which shows an ordinary user only its own processes: [`SegmentInfo::complete`] tells.
//!
//! ```
//! # fn main() -> shmkit::Result<()> {
//! use shmkit::inspect::{self, State};
//!
//! # if cfg!(target_os = "linux") {
//! for segment in inspect::list()? {
//!     if segment.state == State::Orphan {
//!         println!("{}: {} bytes, {}", segment.place, segment.size, segment.reason);
//!     }
//! }
//! # }
//! # Ok(()) }
//! ```

pub(crate) mod filter;

pub use crate::backend::{
    Holder, Holders, Kind, LockInfo, LockUser, Place, Resident, ResidentBy, SegmentInfo, State,
};
pub use filter::{Filter, SortBy};

use crate::backend;
use crate::error::Result;
use crate::key::NativeIpcKey;

/// All segments of the machine, in no particular order; see [`Filter`] for some of them, and
/// [`SortBy`] for an order.
///
/// It takes one look at every process, however many segments there are.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where segments cannot be listed.
///
/// # Platform-specific behavior
/// On Linux these are the files in `/dev/shm` except for semaphores, the System V segments of
/// this IPC namespace, and what processes have that no key leads to: memfds, memory that they
/// share with their forks, files that somebody has mapped to share and write, segments whose name
/// is removed, and those of other namespaces. An ordinary user is told of the latter only as far
/// as its own processes have them.
///
/// On macOS and FreeBSD, whose kernels tell no program of others' segments, these are the POSIX segments
/// that a user of shmkit has made or used, and the System V segments of the key files that shmkit
/// and Qt make, where this user may look at them. Holders are users of shmkit, and of POSIX segments
/// only.
///
/// On Windows these are the named sections of the session and of the machine (`Global\`), without
/// those that belong to the locks of shmkit.
#[doc(alias = "ipcs")]
#[doc(alias = "lsof")]
pub fn list() -> Result<Vec<SegmentInfo>> {
    backend::list()
}

/// The number of a user, for [`Filter::owner`]; `None` if there is none of this name.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// assert_eq!(shmkit::inspect::user_number("root"), Some(0));
/// # }
/// ```
pub fn user_number(name: &str) -> Option<u32> {
    backend::user_number(name)
}

/// Who has a segment mapped or open, and who has its lock and waits for it.
///
/// ```
/// use shmkit::{SharedMemory, inspect, key::NativeIpcKey};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-holders-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// # if cfg!(target_os = "linux") {
/// let segment = SharedMemory::create(&key, 4096)?;
/// let holders = inspect::holders(&key)?;
/// for process in &holders.processes {
///     println!("{} {} since {:?}", process.pid, process.program, process.since);
/// }
/// # assert!(holders.processes.iter().any(|process| process.pid == std::process::id()));
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`info`].
pub fn holders(key: &NativeIpcKey) -> Result<Holders> {
    backend::holders(key)
}

/// A segment's lock, without taking it: who has it and who waits, which is part of what
/// [`holders`] tells. `None` if the segment has none: nobody has ever taken it.
///
/// ```
/// use shmkit::{SharedMemory, inspect, key::NativeIpcKey};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-inspect-lock-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// # if cfg!(target_os = "linux") {
/// let segment = SharedMemory::create(&key, 4096)?;
/// let held = segment.lock()?;
/// let lock = inspect::lock(&key)?.expect("it was taken");
/// assert_eq!(lock.held, Some(true));
/// assert_eq!(lock.holders[0].pid, std::process::id());
/// # drop(held);
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`InvalidKey`](crate::ErrorKind::InvalidKey); [`Unsupported`](crate::ErrorKind::Unsupported).
pub fn lock(key: &NativeIpcKey) -> Result<Option<LockInfo>> {
    backend::lock_info(key)
}

/// The segment that a key leads to, without attaching to it.
///
/// ```
/// use shmkit::{SharedMemory, inspect, key::NativeIpcKey};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-inspect-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// # if cfg!(target_os = "linux") {
/// let segment = SharedMemory::create(&key, 4096)?;
/// let info = inspect::info(&key)?;
/// assert_eq!(info.size, 4096);
/// assert_eq!(info.state, inspect::State::Live);
/// assert!(info.holders.iter().any(|holder| holder.pid == std::process::id()));
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound); [`NotASegment`](crate::ErrorKind::NotASegment) if
/// something else has the name; [`InvalidKey`](crate::ErrorKind::InvalidKey);
/// [`Unsupported`](crate::ErrorKind::Unsupported).
pub fn info(key: &NativeIpcKey) -> Result<SegmentInfo> {
    backend::find(key)
}
