//! Qt's shape: [`QSharedMemory`], [`QSystemSemaphore`] and [`QNativeIpcKey`] as Qt 6 has them,
//! on shmkit's segments and locks.
//!
//! For programs that are ported from Qt, and for the faces in other languages. They are objects
//! with a state: a key that can be set, an error that stays until it is cleared, `bool` for an
//! answer, and the numbers and texts of Qt's errors. New Rust programs are better off with
//! [`SharedMemory`](crate::SharedMemory), whose results cannot be overlooked.
//!
//! Names are Qt's, written as Rust writes them: `setNativeKey` is `set_native_key`. A program with
//! Qt on the other side shares the segment and its lock, on both kinds of keys, in both directions.
//!
//! Where Qt leaks, hangs or takes things from others, these classes do not. `docs/QT.md` lists
//! each difference; the ones that a program notices:
//!
//! * The last one out removes the segment, for POSIX keys too, and an orphan of a crash is no
//!   obstacle: `create` succeeds in its place.
//! * `lock` waits as long as it takes, as in Qt, but gets the lock of a holder that died. There is
//!   [`lock_for`](QSharedMemory::lock_for) with a time-out.
//! * `detach` never waits for the lock, and says `true` whenever it detached.
//! * Nothing is printed where Qt prints a warning.
//!
//! ```
//! use shmkit::Access;
//! use shmkit::qt::{QSharedMemory, SharedMemoryError};
//!
//! # let name = format!("shmkit-doc-qt-{}", std::process::id());
//! let mut memory = QSharedMemory::with_key(&name);
//! if !memory.create(64, Access::ReadWrite) {
//!     assert_eq!(memory.error(), SharedMemoryError::AlreadyExists);
//!     memory.attach(Access::ReadWrite);
//! }
//! memory.lock();
//! if let Some(bytes) = memory.data() {
//!     bytes.copy_from(0, b"hello").unwrap();
//! }
//! memory.unlock();
//! # assert_eq!(memory.size(), if shmkit::qt::QSharedMemory::is_key_type_supported(shmkit::qt::TypeNumber::legacy_default_for_os()) { 64 } else { 0 });
//! ```

mod error;
mod key;
mod lock;
mod memory;
mod semaphore;
mod text;

pub use error::{SharedMemoryError, SystemSemaphoreError};
pub use key::{QNativeIpcKey, TypeNumber};
pub use memory::QSharedMemory;
pub use semaphore::{AccessMode, QSystemSemaphore};
