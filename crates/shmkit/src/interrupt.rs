//! Ending waits early: a thread that waits asks its program, all the while, whether to go on.
//!
//! Whoever runs others' code needs it: an interpreter whose user presses Ctrl+C, a thread pool that is
//! shut down.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use shmkit::{ErrorKind, SharedMemory, interrupt, key::NativeIpcKey};
//!
//! # fn main() -> shmkit::Result<()> {
//! # let name = format!("shmkit-doc-interrupt-{}", std::process::id());
//! let segment = SharedMemory::create(&NativeIpcKey::platform_safe(&name), 4096)?;
//! let _held = segment.lock()?;
//! let begun = Instant::now();
//! let has_had_enough = move || begun.elapsed() > Duration::from_millis(20);
//! let limit = Duration::from_secs(30);
//! let ended = interrupt::with(has_had_enough, || segment.lock_timeout(limit).map(drop));
//! assert_eq!(ended.unwrap_err().kind(), ErrorKind::Interrupted);
//! # Ok(()) }
//! ```

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Op};

/// How long a thread that can be interrupted sleeps at most without asking.
const SLICE: Duration = Duration::from_millis(20);

struct Scope {
    check: Box<dyn Fn() -> bool>,
    /// Once it was to end, every further wait in the scope ends as well.
    has_come: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
}

/// Runs `act`; while this thread waits in it for anything of shmkit's, `check` is asked at least
/// every 50 milliseconds, and at once after a signal, whether the wait is to end. Not while a name is
/// opened or left, which may take seconds on a busy machine.
///
/// A wait that ends so is an error of the kind [`Interrupted`](ErrorKind::Interrupted), and as if
/// its time had been over: nothing was taken, and no wake-up that was meant for others is lost. What
/// came at the last moment may be had all the same. Waits of other threads go on, and
/// so do those of the asynchronous tasks that they poll; a task that is polled within `act` is one of
/// its waits.
///
/// `check` may do as it likes, also wait for something of shmkit's itself. Scopes may be nested; the
/// innermost is asked.
pub fn with<T>(check: impl Fn() -> bool + 'static, act: impl FnOnce() -> T) -> T {
    let scope = Scope {
        check: Box::new(check),
        has_come: Cell::new(false),
    };
    within(Some(Rc::new(scope)), act)
}

/// Runs `act` to its end, for what must not be left half-done.
pub(crate) fn without<T>(act: impl FnOnce() -> T) -> T {
    within(None, act)
}

/// The scope of a thread that ends is gone, and its last steps are not interrupted.
fn within<T>(scope: Option<Rc<Scope>>, act: impl FnOnce() -> T) -> T {
    struct Restore(Option<Rc<Scope>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CURRENT.try_with(|current| current.replace(self.0.take()));
        }
    }
    let before = CURRENT.try_with(|current| current.replace(scope));
    let _restore = Restore(before.ok().flatten());
    act()
}

fn current() -> Option<Rc<Scope>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

impl Scope {
    fn is_wanted(&self) -> bool {
        if !self.has_come.get() && without(|| (self.check)()) {
            self.has_come.set(true);
        }
        self.has_come.get()
    }
}

/// Asks whether the wait is to end.
pub(crate) fn is_wanted() -> bool {
    current().is_some_and(|scope| scope.is_wanted())
}

/// Whether a wait has ended so.
pub(crate) fn has_come() -> bool {
    current().is_some_and(|scope| scope.has_come.get())
}

/// What is left of a wait: this, or nothing if it is to end.
pub(crate) fn left(left: Duration) -> Duration {
    match is_wanted() {
        true => Duration::ZERO,
        false => left,
    }
}

/// How long to sleep of what is left of a wait: all of it, unless it has to be asked in between.
pub(crate) fn slice(left: Duration) -> Duration {
    match current() {
        Some(scope) if scope.is_wanted() => Duration::ZERO,
        Some(_) => left.min(SLICE),
        None => left,
    }
}

/// The error of a wait that is over: by its time, which `detail` says, or early.
pub(crate) fn over(op: Op, detail: impl FnOnce() -> String) -> Error {
    match has_come() {
        true => Error::new(op, ErrorKind::Interrupted),
        false => Error::new(op, ErrorKind::TimedOut).detail(detail()),
    }
}

/// The same as the operating system would say it.
pub(crate) fn over_for_system() -> io::Error {
    match has_come() {
        true => io::ErrorKind::Interrupted.into(),
        false => io::ErrorKind::TimedOut.into(),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_scope_is_asked_and_the_outer_one_is_back_after_it() {
        assert!(!is_wanted());
        with(
            || true,
            || {
                assert!(!with(|| false, is_wanted));
                assert!(!has_come());
                assert!(is_wanted() && has_come());
                assert!(!without(has_come));
                assert_eq!(over(Op::Lock, String::new).kind(), ErrorKind::Interrupted);
            },
        );
        assert!(!has_come());
        assert_eq!(over(Op::Lock, String::new).kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn once_interrupted_stays_interrupted() {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let check = move || {
            count.set(count.get() + 1);
            count.get() == 2
        };
        with(check, || {
            assert_eq!(slice(Duration::MAX), SLICE);
            assert_eq!(left(Duration::MAX), Duration::ZERO);
            assert_eq!(slice(Duration::MAX), Duration::ZERO);
        });
        assert_eq!(asked.get(), 2);
        assert_eq!(slice(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn a_panic_leaves_no_scope_behind() {
        let panicked = std::panic::catch_unwind(|| with(|| true, || panic!("on purpose")));
        assert!(panicked.is_err() && !is_wanted());
    }
}
