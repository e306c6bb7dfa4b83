//! The atomics of everything that lives inside a segment: std's, or those of a checker.
//!
//! * `--cfg loom`: loom's, which try every interleaving that the memory model allows.
//! * `--cfg shmkit_fault_points`: std's, and before each effect that another process could see the
//!   process may be made to die, to try every place at which a real one can.
//!
//! The code above is the same in all three.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(not(any(loom, shmkit_fault_points)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(all(shmkit_fault_points, not(loom)))]
pub(crate) use std::sync::atomic::fence;

#[cfg(all(shmkit_fault_points, not(loom)))]
pub(crate) use dying::{AtomicU32, AtomicU64};

/// From now on the points at which to die are counted.
#[cfg(all(shmkit_fault_points, not(loom)))]
pub use dying::arm;

/// The word as the operating system's wrappers take it.
#[cfg(not(any(loom, shmkit_fault_points)))]
#[inline]
pub(crate) fn raw(word: &AtomicU32) -> &AtomicU32 {
    word
}

#[cfg(all(shmkit_fault_points, not(loom)))]
pub(crate) use dying::raw;

/// A place between two effects, at which a process can be made to die.
#[inline(always)]
pub(crate) fn fault_point() {
    #[cfg(all(shmkit_fault_points, not(loom)))]
    dying::pass();
}

#[cfg(all(shmkit_fault_points, not(loom)))]
mod dying {
    use std::sync::OnceLock;
    use std::sync::atomic::{self, Ordering};

    /// The number of the point at which to die, counted from 1 since [`arm`].
    const VARIABLE: &str = "SHMKIT_FAULT_POINT";

    static PASSED: atomic::AtomicU64 = atomic::AtomicU64::new(0);
    static ARMED: atomic::AtomicBool = atomic::AtomicBool::new(false);

    /// Begins to count, so that what a test does before is not counted.
    pub fn arm() {
        ARMED.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn pass() {
        if ARMED.load(Ordering::Relaxed) {
            count();
        }
    }

    #[cold]
    fn count() {
        static LAST: OnceLock<u64> = OnceLock::new();
        let last = *LAST.get_or_init(|| {
            let number = std::env::var(VARIABLE).ok();
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        });
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 == last {
            // As sudden as a kill: nothing of the process runs any more.
            std::process::abort();
        }
    }

    pub(crate) fn raw(word: &AtomicU32) -> &atomic::AtomicU32 {
        &word.0
    }

    macro_rules! dying {
        ($($name:ident $value:ident),*) => {$(
            /// std's, with a fault point before each effect.
            #[derive(Debug)]
            #[repr(transparent)]
            pub(crate) struct $name(atomic::$name);

            impl $name {
                pub(crate) const fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                #[inline]
                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    self.0.load(ordering)
                }

                #[inline]
                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    pass();
                    self.0.store(value, ordering);
                }

                dying!(@ $value: swap fetch_add fetch_sub fetch_or fetch_and);

                #[inline]
                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    pass();
                    self.0.compare_exchange(current, new, success, failure)
                }

                #[inline]
                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    pass();
                    self.0.compare_exchange_weak(current, new, success, failure)
                }

            }
        )*};
        (@ $value:ident: $($operation:ident)*) => {$(
            #[allow(dead_code, reason = "not every width needs every operation")]
            #[inline]
            pub(crate) fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                pass();
                self.0.$operation(value, ordering)
            }
        )*};
    }

    dying!(AtomicU32 u32, AtomicU64 u64);
}
