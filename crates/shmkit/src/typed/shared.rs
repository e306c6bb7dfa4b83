//! A value of a type in a segment, shared by all who open it.
#![expect(
    unsafe_code,
    reason = "a reference into a segment that its opener vouched for"
)]

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use super::Location;
use super::draft::Draft;
use crate::backend::Detached;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Op, Result};
use crate::layout::ShmSafe;
use crate::lease;
use crate::mapping::{Access, Mode, Ro, Rw};
use crate::segment::{Options, SharedMemory};
use crate::sync::Limit;

/// A `T` in a segment, for as long as this lives: it derefs to the `T` that all processes share.
///
/// ```
/// use shmkit::key::NativeIpcKey;
/// use shmkit::sync::{Event, Mutex};
/// use shmkit::typed::{Shared, ShmSafe};
///
/// #[derive(ShmSafe)]
/// #[repr(C)]
/// struct State {
///     counter: Mutex<u64>,
///     ready: Event,
/// }
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-shared-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // However many programs do this at once, one initialises and all have the same `State`.
/// let init = || State { counter: Mutex::new(0), ready: Event::new_manual() };
/// // SAFETY: every program that opens this key is ours.
/// let state = unsafe { Shared::<State>::open_or_init(&key, init) }?;
///
/// *state.counter.lock()?.assume_recovered() += 1;
/// state.ready.set()?;
/// # Ok(()) } // the last one out removes the segment
/// ```
///
/// # The act of trust
///
/// Opening is `unsafe`, and nothing after it is: a guard's `&mut T` is sound only if every process
/// that has the segment attached for writing follows the protocol. That is a promise about programs,
/// which no program can check: make it where only your own may open the segment, which is the
/// default (mode 0600, owners: yourself and root). What can be checked is: a header that is wrong,
/// of another version, or of another type is an error that says what differs.
///
/// # Birth and death
///
/// The segment appears with its header complete, and nobody gets a `Shared` before the value is. If
/// the process that initialises it dies half-way, the next one takes over. Removal is that of
/// [`SharedMemory`]: the last one out removes an ephemeral segment.
///
/// A value is made on the stack and copied into the segment. One that is too large for that is made
/// where it lies: [`create_in_place`](Self::create_in_place),
/// [`open_or_init_in_place`](Self::open_or_init_in_place).
pub struct Shared<T: ShmSafe, A: Mode = Rw> {
    pub(super) segment: SharedMemory,
    pub(super) value: NonNull<T>,
    pub(super) _access: PhantomData<A>,
}

// SAFETY: it is a `&T` that keeps itself alive, and a `ShmSafe` is `Send` and `Sync`.
unsafe impl<T: ShmSafe, A: Mode> Send for Shared<T, A> {}

// SAFETY: as above.
unsafe impl<T: ShmSafe, A: Mode> Sync for Shared<T, A> {}

impl<T: ShmSafe> Shared<T> {
    /// Creates a segment that holds `value`; see [`create_with`](Self::create_with).
    ///
    /// # Errors
    /// As [`create_with`](Self::create_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn create<'l>(location: impl Into<Location<'l>>, value: T) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::create_with(&Options::new(), location, value) }
    }

    /// Opens a segment that holds a `T`; see [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open<'l>(location: impl Into<Location<'l>>) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(&Options::new(), location) }
    }

    /// Opens the segment, or creates it with what `init` makes; see
    /// [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_init<'l>(
        location: impl Into<Location<'l>>,
        init: impl FnOnce() -> T,
    ) -> Result<Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_or_init_with(&Options::new(), location, init) }
    }

    /// Creates a segment that holds `value`. Of the `options` mode, lifetime, owners and the like
    /// count; the type says the size.
    ///
    /// # Errors
    /// As [`Options::create`]; [`Unsupported`](ErrorKind::Unsupported) for System V keys, whose
    /// segments cannot tell who is alive.
    ///
    /// # Safety
    /// For as long as this lives, whoever may write to the segment, this process or another, does so
    /// only through a `Shared` of the same type or by the rules in `docs/FORMAT.md`, and does not
    /// shrink it.
    pub unsafe fn create_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
        value: T,
    ) -> Result<Self> {
        let location = location.into();
        let made = Draft::<T>::create(options, &location)?;
        let init = || Ok::<T, Infallible>(value);
        // SAFETY: the caller vouches for the others.
        unsafe { made.initialize(options.patience(), init) }.map(|Ok(shared)| shared)
    }

    /// Opens a segment that holds a `T`. If it is being initialised, waits for that as long as
    /// [`Options::lock_timeout`] says.
    ///
    /// # Errors
    /// As [`Options::attach`]; [`BadHeader`](ErrorKind::BadHeader) if it holds something else, or
    /// its creator died before it was initialised; [`TimedOut`](ErrorKind::TimedOut), naming who
    /// initialises it.
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
    ) -> Result<Self> {
        let segment = location.into().attach(options, Access::ReadWrite)?;
        let limit = Limit::after(options.patience());
        // SAFETY: the caller vouches for the others.
        unsafe { Draft::<T>::of(segment, Op::Attach)?.wait_until_initialized(limit) }
    }

    /// Opens the segment, or creates it with what `init` makes.
    ///
    /// However many do this at once, exactly one runs its `init`, and the others wait for it, as
    /// long as [`Options::lock_timeout`] says. If that one dies or panics half-way, the next one runs
    /// its own. An orphan is removed and made anew.
    ///
    /// # Errors
    /// As [`Options::create_or_attach`] and [`open_with`](Self::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_init_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
        init: impl FnOnce() -> T,
    ) -> Result<Self> {
        let init = || Ok::<T, Infallible>(init());
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_or_try_init_with(options, location, init) }.map(|Ok(shared)| shared)
    }

    /// The same with an `init` that may fail, whose error is inside. After one, the next one to
    /// open runs its own.
    ///
    /// # Errors
    /// As [`open_or_init_with`](Self::open_or_init_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_or_try_init_with<'l, E>(
        options: &Options,
        location: impl Into<Location<'l>>,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<Self, E>> {
        let draft = Draft::<T>::open_or_create(options, &location.into())?;
        // SAFETY: the caller vouches for the others.
        unsafe { draft.initialize(options.patience(), init) }
    }

    /// Opens a segment that holds a `T` for reading only; see
    /// [`open_read_only_with`](Self::open_read_only_with).
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_read_only<'l>(location: impl Into<Location<'l>>) -> Result<Shared<T, Ro>> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_read_only_with(&Options::new(), location) }
    }

    /// Opens a segment that holds a `T` for reading only: what would write is an error
    /// ([`ReadOnly`](ErrorKind::ReadOnly)), so locks cannot be taken, but an
    /// [`Event`](crate::sync::Event) can be waited for.
    ///
    /// A type with bare atomics does not compile here: a store to one would be a crash.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    ///
    /// # Safety
    /// As [`create_with`](Self::create_with).
    pub unsafe fn open_read_only_with<'l>(
        options: &Options,
        location: impl Into<Location<'l>>,
    ) -> Result<Shared<T, Ro>> {
        const {
            assert!(
                !T::WRITES_UNCHECKED,
                "the type has bare atomics: through read-only memory a store to one would crash"
            );
        }
        let segment = location.into().attach(options, Access::ReadOnly)?;
        let limit = Limit::after(options.patience());
        // SAFETY: the caller vouches for the others.
        unsafe { Draft::<T>::of(segment, Op::Attach)?.wait_until_initialized(limit) }
    }

    /// Sets what messages of other processes call this one, as holder of a lock in this segment; at
    /// most 56 bytes are kept. Says whether there was a place for it: there are 40.
    pub fn set_label(&self, label: &str) -> bool {
        lease::set_label(self.value.addr().get(), label)
    }
}

impl<T: ShmSafe, A: Mode> Shared<T, A> {
    /// The segment that it lies in: its name, size, mode, origin. Its bytes are not for writing to.
    pub fn segment(&self) -> &SharedMemory {
        &self.segment
    }

    /// Detaches now instead of at drop, says whether the segment is gone, and reports a failure.
    ///
    /// # Errors
    /// As [`SharedMemory::detach`].
    pub fn detach(self) -> Result<Detached> {
        self.segment.detach()
    }
}

impl<T: ShmSafe, A: Mode> Deref for Shared<T, A> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value is initialised and stays mapped while the segment is; whoever opened it
        // vouched for those who may write to it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ShmSafe + fmt::Debug, A: Mode> fmt::Debug for Shared<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("segment", &self.segment.name())
            .field("value", &&**self)
            .finish()
    }
}
