//! Shared memory that behaves.

mod backend;
mod error;
pub mod inspect;
pub mod key;
mod lock;
pub mod mapping;
pub mod qt;
mod segment;
mod sys;

pub use backend::{Detached, InUse, Lifetime, Origin, Owners};
pub use error::{Error, ErrorKind, Op, Result};
pub use lock::{Acquired, Guard, Recovery};
pub use mapping::{Access, View};
pub use segment::{Options, SharedMemory};
