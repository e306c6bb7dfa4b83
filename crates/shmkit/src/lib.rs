//! Shared memory that behaves: named segments that several processes map, a lock that survives a
//! crash, and clean-up that survives a crash.
//!
//! ```
//! use shmkit::{Acquired, SharedMemory, key::NativeIpcKey};
//!
//! # fn main() -> shmkit::Result<()> {
//! # let name = format!("shmkit-doc-crate-{}", std::process::id());
//! # let key = NativeIpcKey::platform_safe(&name);
//! # if false {
//! let key = NativeIpcKey::platform_safe("cam0"); // the same as in Qt
//! # }
//! // However many programs do this at once: one creates, the others attach.
//! let segment = SharedMemory::create_or_attach(&key, 1 << 20)?;
//!
//! match segment.lock()? {
//!     Acquired::Clean(_guard) => segment.write_at(0, b"a frame")?,
//!     // The one before was killed in the middle: repair first.
//!     Acquired::OwnerDied(recovery) => {
//!         segment.view_mut()?.fill(0);
//!         drop(recovery.mark_recovered());
//!     }
//! }
//! # Ok(()) } // the last one out removes the segment
//! ```
//!
//! # Where to go
//!
//! * [`SharedMemory`] and its [`Options`]: create, attach, detach, lock.
//! * [Files](Options::create_file), [memfds](Options::memfd), [seals](Sealed),
//!   [growing](Options::growable), [placement](Options::populate): the same segments without a key.
//!   [`directory`] says where files are in memory; [`os`] has what hands segments over.
//! * [`View`] and [`mapping`]: bytes that other processes may change at any time.
//! * [`key`]: names, Qt's and the system's; what a key means on another platform.
//! * [`typed`] and [`sync`]: a value of a type in a segment, and the locks in it.
//! * [`layout`]: which types may lie in a segment; `#[derive(ShmSafe)]` (the feature `derive`, which
//!   is on by default) proves it.
//! * [`inspect`]: which segments there are, who has them, which are orphans.
//! * [`reaper`]: removing what crashed programs left behind.
//! * [`watch`]: waiting for a segment to come, be attached, be released or go; a stream of what
//!   happens.
//! * [`interrupt`]: ending a wait early, as an interpreter must.
//! * [`doctor`]: what on this machine gets in the way, and what mends it.
//! * [`qt`]: `QSharedMemory` and `QSystemSemaphore` as they are, for programs that leave Qt.
//!
//! # Ephemeral or kept
//!
//! A segment is [ephemeral](Lifetime::Ephemeral) unless you say otherwise: the last one to leave
//! removes it, whichever process that is, and after a `kill -9` of everybody the next `create`
//! removes the *orphan*. A [kept](Lifetime::Kept) one stays until it is removed by name. Segments
//! that other programs made are left to them.
//!
//! # Threads, forks, signals
//!
//! Everything here may be used from many threads. A forked child has its own share in what its
//! parent has attached, and none of its locks. After `exec` nothing is attached. While shmkit asks
//! the kernel whether it is alone, another process that opens the file may cause a `SIGURG`, which
//! is ignored unless the program handles it.

// The checker runs the locks' words alone; what stands above them is not built.
#![cfg_attr(
    loom,
    allow(dead_code, rustdoc::broken_intra_doc_links, reason = "see above")
)]
// What only a backend needs that is left out is there for the builds that have it.
#![cfg_attr(
    partial,
    allow(
        clippy::drop_non_drop,
        dead_code,
        irrefutable_let_patterns,
        unused_imports,
        reason = "see above"
    )
)]

// What `derive(ShmSafe)` makes names shmkit as its users do.
extern crate self as shmkit;

mod atomic;
mod backend;
pub mod directory;
pub mod doctor;
mod error;
pub mod inspect;
pub mod interrupt;
pub mod key;
pub mod layout;
mod lease;
mod lock;
pub mod mapping;
pub mod os;
pub mod qt;
pub mod reaper;
mod segment;
pub mod sync;
mod sys;
#[cfg(not(loom))]
pub mod typed;
pub mod watch;

/// Where a process dies, in the build for the tests that make it.
#[cfg(all(shmkit_fault_points, not(loom)))]
#[doc(hidden)]
pub use atomic::counting as fault;

pub use backend::{
    Advice, Detached, FsKind, HugePages, InUse, Lifetime, Medium, Nodes, Origin, Owners, Seals,
    Wish,
};
pub use error::{Error, ErrorKind, Op, Result};
pub use layout::ShmSafe;
pub use lock::{Acquired, Guard, Held, Recovery};
pub use mapping::{Access, View};
pub use segment::{Options, Populated, Sealed, SharedMemory, Unsealed};

/// The traits by which [`View::read`] and [`View::write`] know which types may be bytes.
#[doc(no_inline)]
pub use zerocopy;

/// The example of the README runs, too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
