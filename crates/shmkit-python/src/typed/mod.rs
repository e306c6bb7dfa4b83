//! Typed segments and the primitives in them, for the classes in `python/shmkit/_typed`.
//!
//! Nothing here is public: the classes in Python give it names, types and documentation.
//!
//! Rules. The locks of `std` in here are taken only for moments in which no Python runs and nothing is
//! waited for: so a thread that has one always goes on, and a fork finds them free.

mod guard;
mod layout;
mod locks;
mod once;
mod part;
mod place;
mod segment;
mod signals;
mod tasks;
mod value;

pub(crate) use guard::Guard;
pub(crate) use layout::Layout;
pub(crate) use locks::{Mutex, RecursiveMutex, RwLock};
pub(crate) use once::Once;
pub(crate) use place::Place;
pub(crate) use segment::TypedSegment;
pub(crate) use signals::{Barrier, Condvar, Event, Semaphore};
pub(crate) use tasks::Waiting;
