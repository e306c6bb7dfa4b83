//! What is done exactly once, whoever comes first and whoever dies over it.
#![expect(
    unsafe_code,
    reason = "the value belongs to its initialiser, then to all"
)]

use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use super::holder::{self, LockHolder};
use super::limit::Limit;
use super::lock::{self, DEFAULT_TIMEOUT, Wait};
use super::park;
use super::peers::Process;
use super::word::{Flagged, Refusal, Word};
use crate::atomic::{AtomicU32, fault_point};
use crate::error::{ErrorKind, Op, Result};
use crate::lease;

/// Something inside a segment that is done once by one of all the processes.
///
/// If the one that does it dies half-way, the next one takes over and does it from the beginning;
/// if it panics or fails, the next one tries. [`OnceCell`] keeps a value as well.
///
/// # Layout
///
/// A word and 4 bytes that are 0; all zeros is not done yet.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Once {
    word: Word,
    reserved: AtomicU32,
}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

impl Once {
    /// Not done yet.
    pub const fn new() -> Self {
        Self {
            word: Word::new(),
            reserved: AtomicU32::new(0),
        }
    }

    /// Whether it has been done.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.word.is_flagged()
    }

    /// Does it, unless it has been done; waits for another process that is at it, at most
    /// [`DEFAULT_TIMEOUT`].
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut), naming who is at it; otherwise as
    /// [`Mutex::lock`](super::Mutex::lock).
    pub fn call_once(&self, act: impl FnOnce()) -> Result<()> {
        self.call_once_timeout(DEFAULT_TIMEOUT, act)
    }

    /// The same, waiting for another process at most about `limit`.
    ///
    /// # Errors
    /// As [`call_once`](Self::call_once).
    pub fn call_once_timeout(&self, limit: Duration, act: impl FnOnce()) -> Result<()> {
        let act = || {
            act();
            Ok::<(), Infallible>(())
        };
        self.try_call(Wait::For(limit), act).map(|Ok(())| ())
    }

    /// The same, waiting for another process at most until about `deadline`.
    ///
    /// # Errors
    /// As [`call_once`](Self::call_once).
    pub fn call_once_deadline(&self, deadline: Instant, act: impl FnOnce()) -> Result<()> {
        let act = || {
            act();
            Ok::<(), Infallible>(())
        };
        self.try_call(Wait::Until(deadline), act).map(|Ok(())| ())
    }

    /// Does it, unless it has been done, if nobody else is at it.
    ///
    /// # Errors
    /// [`WouldBlock`](ErrorKind::WouldBlock) if somebody is; otherwise as
    /// [`call_once`](Self::call_once).
    pub fn try_call_once(&self, act: impl FnOnce()) -> Result<()> {
        let act = || {
            act();
            Ok::<(), Infallible>(())
        };
        self.try_call(Wait::No, act).map(|Ok(())| ())
    }

    /// Does what may fail; the error of `act` is inside. After one it is as if nobody had tried.
    pub(super) fn try_call<E>(
        &self,
        wait: Wait,
        act: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        if self.is_done() {
            return Ok(Ok(()));
        }
        let Some(turn) = self.begin(wait)? else {
            return Ok(Ok(()));
        };
        let done = act();
        if done.is_ok() {
            turn.finish();
        }
        Ok(done)
    }

    /// Does what may fail, waiting for another process at most about `limit`; the error of `act` is
    /// inside. After one it is as if nobody had tried.
    ///
    /// # Errors
    /// As [`call_once`](Self::call_once).
    pub fn call_once_or_fail<E>(
        &self,
        limit: Duration,
        act: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>> {
        self.try_call(Wait::For(limit), act)
    }

    /// What this process's turn would be.
    fn turn(&self) -> Result<Turn<'_>> {
        let address = std::ptr::from_ref(self).addr();
        match lease::of(address) {
            Ok(lease) => Ok(Turn {
                once: self,
                process: Process { lease, address },
                generation: lease::generation(),
                is_done: false,
            }),
            Err(why) => Err(lease::explain(why, Op::Lock)),
        }
    }

    /// The turn to do it; `None` if it has been done.
    fn begin(&self, wait: Wait) -> Result<Option<Turn<'_>>> {
        let turn = ManuallyDrop::new(self.turn()?);
        let Process { address, .. } = turn.process;
        let begun = Instant::now();
        match self
            .word
            .take(&turn.process, Flagged::Refuse, wait.limit())?
        {
            Ok(_) => Ok(Some(ManuallyDrop::into_inner(turn))),
            Err(Refusal::Flagged) => Ok(None),
            Err(Refusal::Held(holder)) => {
                let kind = lock::refused(wait);
                if kind == ErrorKind::Interrupted {
                    return Err(lock::error(kind, address));
                }
                let time = begun.elapsed().as_secs_f64();
                let who = holder::of_lease(address, holder, None);
                let detail = format!("not done after {time:.3} s, {who} is at it");
                Err(lock::error(kind, address).detail(detail))
            }
        }
    }

    /// Who is doing it now, if anybody. Takes long: it looks at all processes.
    pub fn initializer(&self) -> Option<LockHolder> {
        let address = std::ptr::from_ref(self).addr();
        Some(holder::of_lease(address, self.word.holder()?, None))
    }
}

impl Once {
    /// The word of one that this lease is doing.
    pub(crate) const fn begun_by(lease: u32) -> u32 {
        lease
    }

    /// Goes on with what was begun in this process's name before others could see it.
    pub(crate) fn go_on<E>(&self, act: impl FnOnce() -> Result<(), E>) -> Result<Result<(), E>> {
        let turn = self.turn()?;
        let done = act();
        if done.is_ok() {
            turn.finish();
        }
        Ok(done)
    }

    /// Waits until it has been done by somebody else. Only reads.
    pub(crate) fn wait_until_done(&self, limit: Limit) -> Result<(), Undone> {
        let address = std::ptr::from_ref(self).addr();
        loop {
            let holder = self
                .word
                .holder()
                .filter(|&holder| lease::is_alive(address, holder));
            // Only now: whoever was at it may have finished, and left, meanwhile.
            if self.is_done() {
                return Ok(());
            }
            let Some(holder) = holder else {
                return Err(Undone::Abandoned);
            };
            match limit.left(POLL) {
                Some(left) => self.word.wait_for_change(left),
                None => return Err(Undone::Busy(holder::of_lease(address, holder, None))),
            }
        }
    }
}

/// How often somebody who only reads looks: nobody wakes it.
const POLL: Duration = Duration::from_millis(1);

/// Why something has not been done.
pub(crate) enum Undone {
    /// Nobody is at it any more.
    Abandoned,
    /// This one still is.
    Busy(LockHolder),
}

/// Somebody is at it; dropped unfinished, the next one may try.
struct Turn<'a> {
    once: &'a Once,
    process: Process,
    generation: u32,
    is_done: bool,
}

impl Turn<'_> {
    fn finish(mut self) {
        self.is_done = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.generation == lease::generation() {
            // All, as some may only wait to read.
            self.once
                .word
                .unlock(&self.process, self.is_done, park::ALL);
        }
    }
}

/// A value inside a segment that is made once, by one of all the processes.
///
/// ```
/// use shmkit::{key::NativeIpcKey, sync::OnceCell, typed::Shared};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-once-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// // SAFETY: every program that opens this key is ours.
/// let table = unsafe { Shared::<OnceCell<[u32; 4]>>::open_or_init(&key, OnceCell::new) }?;
/// assert_eq!(table.get_or_init(|| [1, 2, 3, 4])?, &[1, 2, 3, 4]);
/// assert_eq!(table.get_or_init(|| unreachable!())?[3], 4);
/// # Ok(()) }
/// ```
///
/// # Layout
///
/// 8 bytes of [`Once`], the value.
#[repr(C, align(8))]
pub struct OnceCell<T> {
    once: Once,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: one thread makes the value and hands it over (`Send`); then all have `&T` (`Sync`).
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

// As std's `OnceLock`: a panic leaves no value.
impl<T: UnwindSafe> UnwindSafe for OnceCell<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceCell<T> {}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceCell<T> {
    /// Where the value is, in bytes from the beginning.
    pub(super) const VALUE: usize = std::mem::offset_of!(Self, value);

    /// No value yet.
    pub const fn new() -> Self {
        Self {
            once: Once::new(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The value, if it has been made.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        let value = self.value.get().cast::<T>();
        // SAFETY: it was made before that was said, and is not written to any more.
        self.once.is_done().then(|| unsafe { &*value })
    }

    /// The value; made by `make` if there is none. Waits for another process that is making it, at
    /// most [`DEFAULT_TIMEOUT`].
    ///
    /// # Errors
    /// As [`Once::call_once`].
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> Result<&T> {
        self.get_or_init_timeout(DEFAULT_TIMEOUT, make)
    }

    /// The same, waiting for another process at most about `limit`.
    ///
    /// # Errors
    /// As [`Once::call_once`].
    pub fn get_or_init_timeout(&self, limit: Duration, make: impl FnOnce() -> T) -> Result<&T> {
        let make = || Ok::<T, Infallible>(make());
        self.get_or_try_init(limit, make).map(|Ok(value)| value)
    }

    /// The same, waiting for another process at most until about `deadline`.
    ///
    /// # Errors
    /// As [`Once::call_once`].
    pub fn get_or_init_deadline(&self, deadline: Instant, make: impl FnOnce() -> T) -> Result<&T> {
        let make = || Ok::<T, Infallible>(make());
        self.init(Wait::Until(deadline), make)
            .map(|Ok(value)| value)
    }

    /// The value; made by `make` if there is none and nobody is making it.
    ///
    /// # Errors
    /// As [`Once::try_call_once`].
    pub fn try_get_or_init(&self, make: impl FnOnce() -> T) -> Result<&T> {
        let make = || Ok::<T, Infallible>(make());
        self.init(Wait::No, make).map(|Ok(value)| value)
    }

    /// The same with a `make` that may fail; its error is inside. After one, the next one tries.
    ///
    /// # Errors
    /// As [`Once::call_once`].
    pub fn get_or_try_init<E>(
        &self,
        limit: Duration,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<&T, E>> {
        self.init(Wait::For(limit), make)
    }

    fn init<E>(&self, wait: Wait, make: impl FnOnce() -> Result<T, E>) -> Result<Result<&T, E>> {
        let made = self.once.try_call(wait, || {
            let value = make()?;
            fault_point();
            // SAFETY: it is this thread's turn, and nobody reads before it is over.
            unsafe { self.value.get().cast::<T>().write(value) };
            Ok(())
        })?;
        Ok(made.map(|()| self.get().expect("it has just been made")))
    }

    /// Who is making the value now, if anybody.
    pub fn initializer(&self) -> Option<LockHolder> {
        self.once.initializer()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
