//! Giving segments to other processes: through Unix sockets, into children, from a process by its
//! id, and by a name at which one program waits for others.
//!
//! A segment travels as a descriptor, with a [`Description`] of what it is. The descriptor is opened
//! for the journey, with the access that the receiver shall have, so nothing that happens to it on
//! the way touches the sender.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use std::time::Duration;
//!
//! use shmkit::os::handover::{self, Parcel};
//! use shmkit::{Access, SharedMemory};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if cfg!(target_os = "linux") {
//! let (here, there) = UnixStream::pair()?;
//! let frames = SharedMemory::options().size(4096).memfd("frames")?;
//! handover::send(&here, &[Parcel::new(&frames, Access::ReadOnly)?])?;
//!
//! let mut parcels = handover::receive(&there, Duration::from_secs(1))?;
//! let parcel = parcels.pop().expect("there is never none");
//! assert_eq!(parcel.description().size, 4096);
//! let theirs = parcel.attach(SharedMemory::options().access(Access::ReadOnly))?;
//! frames.write_at(0, b"hello")?;
//! assert_eq!(theirs.view().read::<[u8; 5]>(0)?, *b"hello");
//! # }
//! # Ok(()) }
//! ```
//!
//! # What a receiver may believe
//!
//! Nothing of the description. It is checked for its form and its length, and is for people; what
//! matters (size, access, seals, kind) is asked of the descriptor itself by
//! [`attach`](Parcel::attach) and [`sealed`](Parcel::sealed). A key is only accepted where it leads
//! to the same segment from here.
//!
//! A narrowed access keeps honest receivers from writing. One of the same user may open the memory
//! anew through `/proc`; who must not write is given [sealed](crate::Sealed) memory.
//!
//! # Platform-specific behavior
//!
//! All of it is there on Linux; Android lacks [`from_process`]. macOS and FreeBSD have neither that
//! nor [`Meeting::Abstract`], and of what is attached for writing they hand over
//!
//! * read-write: memory without a name, and files;
//! * read-only: files that have their path, and sealed memory. Something else is
//!   [`Unsupported`](crate::ErrorKind::Unsupported): see [`SharedMemory::to_fd`];
//! * not at all: POSIX segments, whose key is sent instead.
//!
//! Sealed memory, and with it [`publish`] and [`fetch`], is not there on macOS. On Windows handles are
//! given instead (`SharedMemory::give_to`).
//!
//! [`SharedMemory::to_fd`]: crate::SharedMemory::to_fd

mod child;
mod message;
mod rendezvous;
mod transfer;

pub use child::{CommandExt, inherited};
pub use message::{Called, Description, MOST};
pub use rendezvous::{Meeting, Published, Rendezvous, Server, fetch, publish};
pub use transfer::{Parcel, Peer, from_process, receive, send, send_within};

/// Reads what came with descriptors, as [`receive`] does; for fuzzing.
#[doc(hidden)]
pub fn decode(message: &[u8]) -> Option<Vec<Description>> {
    message::decode(message).ok()
}

/// Writes what goes with descriptors, as [`send`] does; for fuzzing.
#[doc(hidden)]
pub fn encode(descriptions: &[Description]) -> Vec<u8> {
    message::encode(descriptions)
}
