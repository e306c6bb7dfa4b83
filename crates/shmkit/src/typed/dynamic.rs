//! A typed segment whose layout is only known at run time.
#![expect(
    unsafe_code,
    reason = "references into a segment that its opener vouched for"
)]

use std::fmt;
use std::ptr::NonNull;

use super::Location;
use super::begun::Begun;
use super::header::{self, Header};
use super::outline::Outline;
use crate::backend::Detached;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::layout::{Role, Schema, SchemaField, Shape};
use crate::lease;
use crate::mapping::{Access, Ro, Rw, View};
use crate::segment::{Options, SharedMemory};
use crate::sync::{Barrier, Condvar, Event, Limit, Mutex, Once, RecursiveMutex, RwLock, Semaphore};

/// A typed segment whose layout is only known at run time: what [`Shared`](super::Shared) is for
/// programs that have no Rust type for it, such as interpreters.
///
/// Both open the same segments. Where the value has a primitive, [`mutex`](Self::mutex) and its like
/// give a reference to it; everything else is bytes at offsets that the [`schema`](Self::schema)
/// says.
///
/// ```
/// use shmkit::key::NativeIpcKey;
/// use shmkit::layout::{Scalar, Schema};
/// use shmkit::sync::Mutex;
/// use shmkit::typed::{Dynamic, Shared};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("shmkit-doc-dynamic-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// let schema = Schema::mutex(Schema::scalar(Scalar::U64))?;
/// // SAFETY: every program that opens this key is ours.
/// let counter = unsafe { Dynamic::open_or_init(&key, &schema, |value| value.write(16, &7_u64)) }??;
///
/// let held = counter.mutex(0)?.lock()?.assume_recovered();
/// let data = schema.field("data").expect("a mutex has some").offset() as usize;
/// counter.bytes_mut()?.write(data, &8_u64)?;
/// drop(held);
///
/// // SAFETY: as above.
/// let typed = unsafe { Shared::<Mutex<u64>>::open(&key) }?;
/// assert_eq!(*typed.lock()?.assume_recovered(), 8);
/// # Ok(()) }
/// ```
///
/// # The act of trust
///
/// It is that of [`Shared`](super::Shared#the-act-of-trust), and one more: through
/// [`bytes_mut`](Self::bytes_mut) this process writes only what the rules allow. They are those of
/// each [`ShmSafe`](crate::layout::ShmSafe) type: what a lock protects is touched under the lock; the
/// words of a primitive by its own operations; what is neither that nor atomic, never again once the
/// value is initialised; and what is written is a value of the type.
pub struct Dynamic {
    segment: SharedMemory,
    value: NonNull<u8>,
    schema: Schema,
}

// SAFETY: what it gives out of the segment are views and primitives, which are for all threads.
unsafe impl Send for Dynamic {}

// SAFETY: as above.
unsafe impl Sync for Dynamic {}

impl Dynamic {
    /// Creates a segment for a value of this layout; see [`create_with`](Self::create_with).
    ///
    /// # Errors
    /// As [`create_with`](Self::create_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn create<'l, E>(
        location: impl Into<Location<'l>>,
        schema: &Schema,
        fill: impl FnOnce(View<'_, Rw>) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::create_with(&Options::new(), location, schema, fill) }
    }

    /// Opens a segment that holds a value of this layout; see [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open<'l>(location: impl Into<Location<'l>>, schema: &Schema) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(&Options::new(), location, Access::ReadWrite, Some(schema)) }
    }

    /// Opens the segment, or creates it with what `fill` makes; see
    /// [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_init<'l, E>(
        location: impl Into<Location<'l>>,
        schema: &Schema,
        fill: impl FnOnce(View<'_, Rw>) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_or_init_with(&Options::new(), location, schema, fill) }
    }

    /// Creates a segment for a value of this layout. `fill` gets its bytes, which are zeros: that is
    /// a value of each type, as [`Shared::open_or_init_in_place`] describes. Its error is inside.
    ///
    /// # Errors
    /// As [`Shared::create_with`].
    ///
    /// # Safety
    /// As [`Shared::create_with`]; and for as long as this lives, this process writes to the value's
    /// bytes, also in `fill`, only what [the type](Self#the-act-of-trust) says.
    ///
    /// [`Shared::create_with`]: super::Shared::create_with
    /// [`Shared::open_or_init_in_place`]: super::Shared::open_or_init_in_place
    pub unsafe fn create_with<'l, E>(
        options: &Options,
        location: impl Into<Location<'l>>,
        schema: &Schema,
        fill: impl FnOnce(View<'_, Rw>) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        let begun = Begun::create(options, &location.into(), &Outline::from(schema))?;
        Self::initialize(begun, options, schema, fill)
    }

    /// Opens the segment, or creates it with what `fill` makes of zeros, whose error is inside.
    ///
    /// However many do this at once, also with [`Shared`](super::Shared), exactly one initialises it,
    /// and the others wait, as long as [`Options::lock_timeout`] says. If that one dies or fails
    /// half-way, the next one runs its own `fill`, from zeros again.
    ///
    /// # Errors
    /// As [`Shared::open_or_init_with`](super::Shared::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_init_with<'l, E>(
        options: &Options,
        location: impl Into<Location<'l>>,
        schema: &Schema,
        fill: impl FnOnce(View<'_, Rw>) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        let begun = Begun::open_or_create(options, &location.into(), &Outline::from(schema))?;
        Self::initialize(begun, options, schema, fill)
    }

    /// Opens a segment, for reading only or also for writing. Without a `schema` it may be of any
    /// layout that it describes itself. If it is being initialised, waits for that as long as
    /// [`Options::lock_timeout`] says.
    ///
    /// # Errors
    /// As [`Shared::open_with`](super::Shared::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
        access: Access,
        schema: Option<&Schema>,
    ) -> Result<Self> {
        let segment = location.into().attach(options, access)?;
        let schema = match schema {
            Some(schema) => schema.clone(),
            None => described(&segment)?,
        };
        let begun = Begun::of(segment, Op::Attach, &Outline::from(&schema))?;
        begun.wait_until_initialized(Limit::after(options.patience()))?;
        Ok(Self::new(begun, schema))
    }

    fn initialize<E>(
        begun: Begun,
        options: &Options,
        schema: &Schema,
        fill: impl FnOnce(View<'_, Rw>) -> Result<(), E>,
    ) -> Result<Result<Self, E>> {
        // SAFETY: the value lies inside the segment, which is attached for writing and borrowed
        // for as long as `fill` has it; it is this process's turn.
        let value = unsafe { View::from_raw_parts(begun.value.as_ptr(), size_of_value(schema)) };
        // SAFETY: as above.
        let done = unsafe {
            begun.initialize_zeros_by(size_of_value(schema), options.patience(), || fill(value))
        }?;
        Ok(done.map(|()| Self::new(begun, schema.clone())))
    }

    /// Of one that is initialised, with a header for this layout.
    fn new(begun: Begun, schema: Schema) -> Self {
        Self {
            segment: begun.segment,
            value: begun.value,
            schema,
        }
    }

    /// The layout of the value.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The segment that it lies in: its name, size, mode, origin. Its bytes are not for writing to.
    pub fn segment(&self) -> &SharedMemory {
        &self.segment
    }

    /// The bytes of the value, which change at any time.
    pub fn bytes(&self) -> View<'_, Ro> {
        // SAFETY: the value lies inside the segment, which stays mapped while it is borrowed.
        unsafe { View::from_raw_parts(self.value.as_ptr(), size_of_value(&self.schema)) }
    }

    /// The bytes of the value, to write what [the rules](Self#the-act-of-trust) allow.
    ///
    /// # Errors
    /// [`ReadOnly`](ErrorKind::ReadOnly) if the segment is attached so.
    pub fn bytes_mut(&self) -> Result<View<'_, Rw>> {
        self.segment.view_mut()?;
        // SAFETY: as for `bytes`, and it may be written to.
        Ok(unsafe { View::from_raw_parts(self.value.as_ptr(), size_of_value(&self.schema)) })
    }

    /// Sets what messages of other processes call this one; see
    /// [`Shared::set_label`](super::Shared::set_label).
    pub fn set_label(&self, label: &str) -> bool {
        lease::set_label(self.value.addr().get(), label)
    }

    /// Detaches now instead of at drop, says whether the segment is gone, and reports a failure.
    ///
    /// # Errors
    /// As [`SharedMemory::detach`].
    pub fn detach(self) -> Result<Detached> {
        self.segment.detach()
    }

    /// The primitive of that name at an offset, if there is one with the bytes that this version
    /// knows, whatever it protects.
    fn primitive<T>(&self, offset: u64, name: &str, make: Make) -> Result<&T> {
        let refuse = |why: String| {
            Error::new(Op::Lock, ErrorKind::BadHeader)
                .on(self.segment.name())
                .detail(why)
        };
        let found = find(&self.schema, offset, name)
            .ok_or_else(|| refuse(format!("there is no `{name}` at byte {offset}")))?;
        let data = found.field("data").map(SchemaField::schema);
        let known = make(data.cloned().unwrap_or(Schema::UNIT));
        if known.as_ref() != Some(found) {
            return Err(refuse(format!(
                "the `{name}` at byte {offset} is another than this version of shmkit knows"
            ))
            .hint("open the segment with the type that made it"));
        }
        // SAFETY: the schema says that the primitive lies within the value.
        let at = unsafe { self.value.add(offset as usize) };
        // SAFETY: it is aligned, as the value and the schema are; all users treat it as what it is,
        // as whoever opened the segment vouched for; it stays mapped while the segment is borrowed.
        Ok(unsafe { at.cast().as_ref() })
    }
}

/// The layout of a primitive around such data.
type Make = fn(Schema) -> Option<Schema>;

macro_rules! primitives {
    ($($(#[$doc:meta])* $method:ident: $type:ty, $name:literal, $make:expr;)*) => {
        impl Dynamic {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`BadHeader`](ErrorKind::BadHeader) if there is none, or it is of another version.
            pub fn $method(&self, offset: u64) -> Result<&$type> {
                self.primitive(offset, $name, $make)
            }
        )*}
    };
}

primitives! {
    /// The [`Mutex`] at an offset, as [`Schema::primitives`] lists them. Its data lie behind it, and
    /// belong to whoever has the guard.
    mutex: Mutex<()>, "Mutex", |data| Schema::mutex(data).ok();

    /// The [`RecursiveMutex`] at an offset. Its data lie behind it, and belong to the thread that has
    /// guards.
    recursive_mutex: RecursiveMutex<()>, "RecursiveMutex", |data| Schema::recursive_mutex(data).ok();

    /// The [`RwLock`] at an offset, if it has the usual number of slots for readers. Its data lie
    /// behind it: they are to be read by whoever has a guard, and written to by who has that of a
    /// writer.
    rw_lock: RwLock<()>, "RwLock", |data| Schema::rw_lock(data).ok();

    /// The [`Semaphore`] at an offset.
    semaphore: Semaphore, "Semaphore", |_| Some(Schema::of::<Semaphore>());

    /// The [`Event`] at an offset.
    event: Event, "Event", |_| Some(Schema::of::<Event>());

    /// The [`Condvar`] at an offset.
    condvar: Condvar, "Condvar", |_| Some(Schema::of::<Condvar>());

    /// The [`Barrier`] at an offset.
    barrier: Barrier, "Barrier", |_| Some(Schema::of::<Barrier>());

    /// The [`Once`] at an offset; also that of an [`OnceCell`](crate::sync::OnceCell), whose value
    /// lies behind it: it is written to by whoever does what is done once, and read after that.
    once: Once, "Once", |_| Some(Schema::of::<Once>());
}

/// The primitive of that name that begins at `offset` of such a value.
fn find<'s>(schema: &'s Schema, offset: u64, name: &str) -> Option<&'s Schema> {
    if offset >= schema.size() {
        return None;
    }
    let (mut schema, mut offset) = (schema, offset);
    loop {
        match schema.shape() {
            Shape::Composite {
                role: Role::Sync,
                name: found,
                ..
            } if offset == 0 && found == name => return Some(schema),
            Shape::Composite { fields, .. } => {
                let field = fields.iter().find(|field| {
                    let within = offset.checked_sub(field.offset());
                    within.is_some_and(|within| within < field.schema().size())
                })?;
                offset -= field.offset();
                schema = field.schema();
            }
            Shape::Array { element, .. } => {
                offset = offset.checked_rem(element.size())?;
                schema = element;
            }
            _ => return None,
        }
    }
}

/// The layout that a segment says that it has.
fn described(segment: &SharedMemory) -> Result<Schema> {
    let schema = Header::read(segment.view())
        .and_then(|header| Schema::parse(&header.layout).map_err(|error| error.to_string()));
    schema.map_err(|defect| header::refuse(defect, Op::Attach).on(segment.name()))
}

/// Within the address space, as a segment with such a value is mapped.
const fn size_of_value(schema: &Schema) -> usize {
    schema.size() as usize
}

impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamic")
            .field("segment", &self.segment.name())
            .field("schema", &format_args!("{}", self.schema))
            .finish()
    }
}
