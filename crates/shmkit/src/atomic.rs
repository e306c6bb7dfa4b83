//! The atomics of everything that lives inside a segment: std's, or those of a checker.
//!
//! * `--cfg loom`: loom's, which try every interleaving that the memory model allows.
//! * `--cfg shmkit_fault_points`: std's, and before each effect that another process could see the
//!   process may be made to die, to try every place at which a real one can. `sys` has such points
//!   before its effects, too. `tests/faults` uses them.
//!
//! The code above is the same in all three.

pub(crate) use std::sync::atomic::Ordering;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;

#[cfg(not(any(loom, shmkit_fault_points)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(all(shmkit_fault_points, not(loom)))]
pub(crate) use std::sync::atomic::fence;

#[cfg(any(loom, shmkit_fault_points))]
pub(crate) use dying::{AtomicU32, AtomicU64};

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
    #[cfg(any(loom, shmkit_fault_points))]
    dying::pass();
}

/// What a thread of a model unwinds with when it has died, in place of a process.
#[cfg(loom)]
pub(crate) mod death {
    use std::cell::Cell;

    /// A thread's last words.
    #[derive(Debug)]
    pub(crate) struct Died;

    loom::thread_local! {
        static LEFT: Cell<u32> = Cell::new(0);
        static HAS_COME: Cell<bool> = Cell::new(false);
    }

    /// This thread dies at its effect with this number, counted from 1.
    pub(crate) fn dies_at(number: u32) {
        LEFT.with(|left| left.set(number));
    }

    /// Whether it has died: what unwinds does nothing any more that others could see.
    pub(crate) fn has_come() -> bool {
        HAS_COME.with(Cell::get)
    }

    pub(super) fn pass() {
        let left = LEFT.with(|left| left.replace(left.get().saturating_sub(1)));
        if left == 1 {
            HAS_COME.with(|has_come| has_come.set(true));
            std::panic::resume_unwind(Box::new(Died));
        }
    }
}

/// Death of the whole process, where a test wants it.
#[cfg(all(shmkit_fault_points, not(loom)))]
pub mod counting {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    static ARMED: AtomicBool = AtomicBool::new(false);
    static PASSED: AtomicU64 = AtomicU64::new(0);
    static LAST: OnceLock<(u64, fn())> = OnceLock::new();

    /// Counts points from here on, in all threads, and calls `die` at the one with this number; the
    /// first is 1. Once in a process.
    pub fn arm(number: u64, die: fn()) {
        LAST.set((number, die)).expect("armed only once");
        ARMED.store(true, Ordering::SeqCst);
    }

    /// Counts no more.
    pub fn disarm() {
        ARMED.store(false, Ordering::SeqCst);
    }

    /// Passes a point.
    #[inline]
    pub fn pass() {
        if ARMED.load(Ordering::Relaxed) {
            count();
        }
    }

    #[cold]
    fn count() {
        let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((number, die)) = LAST.get()
            && passed == *number
        {
            die();
        }
    }
}

#[cfg(any(loom, shmkit_fault_points))]
mod dying {
    #[cfg(not(loom))]
    use std::sync::atomic;

    #[cfg(loom)]
    use loom::sync::atomic;

    use super::Ordering;
    #[cfg(not(loom))]
    pub(super) use super::counting::pass;
    #[cfg(loom)]
    pub(super) use super::death::pass;

    #[cfg(not(loom))]
    pub(crate) fn raw(word: &AtomicU32) -> &atomic::AtomicU32 {
        &word.0
    }

    macro_rules! dying {
        ($($name:ident $value:ident),*) => {$(
            /// With a fault point before each effect.
            #[derive(Debug)]
            #[repr(transparent)]
            pub(crate) struct $name(atomic::$name);

            impl $name {
                #[cfg(not(loom))]
                pub(crate) const fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                #[cfg(loom)]
                pub(crate) fn new(value: $value) -> Self {
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

                dying!(@@ $value: compare_exchange compare_exchange_weak);
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
        (@@ $value:ident: $($exchange:ident)*) => {$(
            #[allow(dead_code, reason = "not every width needs every operation")]
            #[inline]
            pub(crate) fn $exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                pass();
                self.0.$exchange(current, new, success, failure)
            }
        )*};
    }

    dying!(AtomicU32 u32, AtomicU64 u64);
}
