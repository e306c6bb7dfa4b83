//! What a typed segment says of itself, for programs that do not have its type.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use super::header::{self, Header};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::layout::{Schema, mark};
use crate::mapping::{Ro, View};
use crate::segment::SharedMemory;
use crate::sync::{BLAMED, LockHolder, held_for, peek};
use crate::sys::attachment;

/// What a typed segment says of itself: its type, whether it is initialised, who made it, who holds
/// its locks.
///
/// ```
/// use shmkit::key::NativeIpcKey;
/// use shmkit::sync::Mutex;
/// use shmkit::typed::{Description, Shared};
/// use shmkit::SharedMemory;
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-description-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: nobody but this program knows the key.
/// let counter = unsafe { Shared::create(&key, Mutex::new(7_u64)) }?;
/// let _held = counter.lock()?;
///
/// // A program without the type:
/// let segment = SharedMemory::attach_read_only(&key)?;
/// let description = Description::of(&segment)?.expect("a typed segment");
/// assert_eq!(description.type_name(), "Mutex");
/// let locks = description.locks()?;
/// assert_eq!(locks[0].holder.as_ref().unwrap().pid, Some(std::process::id()));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Description<'s> {
    segment: &'s SharedMemory,
    header: Header,
}

/// A lock inside a segment, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockState {
    /// Where it is in the value: `cameras[3].lock`. Empty if the value is the lock.
    pub path: String,
    /// The name of its type: `Mutex`.
    pub name: String,
    /// Who holds it.
    pub holder: Option<LockHolder>,
    /// Whether its data are in doubt.
    pub is_poisoned: bool,
}

impl<'s> Description<'s> {
    /// The description of a segment; `None` if it is no typed one.
    ///
    /// # Errors
    /// [`BadHeader`](ErrorKind::BadHeader) if it begins as one and its header cannot be right.
    pub fn of(segment: &'s SharedMemory) -> Result<Option<Self>> {
        let view = segment.view();
        let mut start = [0; mark::MAGIC.len()];
        if view.copy_to(0, &mut start).is_err() || start != mark::MAGIC {
            return Ok(None);
        }
        let header = Header::read(view)
            .map_err(|defect| header::refuse(defect, Op::Inspect).on(segment.name()))?;
        attachment::set_ledger(view.as_ptr().addr(), header::ledger(segment.name()));
        Ok(Some(Self { segment, header }))
    }

    /// The name of the type; the layout's text for numbers, arrays and the like.
    pub fn type_name(&self) -> String {
        let schema = Schema::parse(&self.header.layout).ok();
        let name = schema.and_then(|schema| schema.name().map(str::to_owned));
        name.unwrap_or_else(|| self.header.layout.clone())
    }

    /// The text of the layout, as its creator wrote it.
    pub fn layout_text(&self) -> &str {
        &self.header.layout
    }

    /// The hash of the layout, as its creator wrote it.
    pub fn layout_hash(&self) -> u64 {
        self.header.layout_hash
    }

    /// The layout.
    ///
    /// # Errors
    /// [`BadHeader`](ErrorKind::BadHeader) if its text is none.
    pub fn schema(&self) -> Result<Schema> {
        let schema = Schema::parse(&self.header.layout);
        let schema = schema
            .ok()
            .filter(|schema| schema.size() == self.header.value_size as u64);
        schema.ok_or_else(|| self.bad("its header describes the layout in what is no description"))
    }

    /// Whether the value has been initialised.
    pub fn is_initialized(&self) -> bool {
        let ready = self.segment.view().atomic_load::<AtomicU32>(header::READY);
        ready.is_ok_and(|ready| peek(ready.load(Ordering::Acquire)).1)
    }

    /// When the segment was made, as its creator said.
    pub fn created(&self) -> SystemTime {
        self.header.created
    }

    /// Its creator's process id in its own PID namespace, and the name of its program.
    pub fn creator(&self) -> (u32, &str) {
        (self.header.creator_pid, &self.header.creator_program)
    }

    /// The bytes of the value, which change at any time.
    pub fn value(&self) -> View<'s, Ro> {
        let (begin, len) = (self.header.header_len, self.header.value_size);
        let value = self.segment.view().get(begin..begin + len);
        value.expect("the header was checked against the segment")
    }

    /// The locks in the value, and who holds them now; the first 100,000 of them. Takes long for each
    /// that is held: it looks at all processes.
    ///
    /// # Errors
    /// As [`schema`](Self::schema).
    pub fn locks(&self) -> Result<Vec<LockState>> {
        let value = self.value();
        let primitives = self.schema()?.primitives();
        let locks = primitives
            .into_iter()
            .filter(|primitive| ["Mutex", "RecursiveMutex", "RwLock"].contains(&&*primitive.name));
        let states = locks.map(|primitive| {
            let offset = usize::try_from(primitive.offset).unwrap_or(usize::MAX);
            let word = value.atomic_load::<AtomicU32>(offset)?;
            let (lease, is_poisoned) = peek(word.load(Ordering::Acquire));
            let holder = lease.map(|lease| {
                let blamed = value.read::<u64>(offset + BLAMED).ok();
                let held_for = blamed.and_then(|record| held_for(record, lease));
                crate::sync::holder_of(word.as_ptr().addr(), lease, held_for)
            });
            Ok(LockState {
                path: primitive.path,
                name: primitive.name,
                holder,
                is_poisoned,
            })
        });
        states
            .collect::<Result<_>>()
            .map_err(|_: Error| self.bad("its layout puts a lock where none can be"))
    }

    fn bad(&self, why: &str) -> Error {
        Error::new(Op::Inspect, ErrorKind::BadHeader)
            .on(self.segment.name())
            .detail(why)
    }
}
