//! Sleeping on a word that other processes share.
//!
//! * FreeBSD: `_umtx_op(2)`, never with the flag that keeps it to one process.
//! * macOS since 14.4: `os_sync_wait_on_address` with its flag for shared memory, looked up by name.
//!   Before it there is only `__ulock_wait`, which Apple keeps to itself and refuses to programs of
//!   its store; so older ones nap.
//! * Napping: looking again and again, less and less often, at least every [`LONGEST_NAP`]. Waking
//!   somebody is nothing then.
#![expect(unsafe_code, reason = "system calls that take an address")]

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::atomic::fault_point;

/// The longest time until one who naps sees that the word has changed.
pub(crate) const LONGEST_NAP: Duration = Duration::from_millis(2);

const FIRST_NAP: Duration = Duration::from_micros(50);

/// Sleeps while `*word == expected`, at most `limit`. Waking early is allowed: callers look again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> io::Result<()> {
    fault_point();
    match system::wait(word, expected, limit) {
        Some(slept) => slept,
        None => {
            nap(word, expected, limit);
            Ok(())
        }
    }
}

/// Wakes at most so many sleepers.
pub(crate) fn wake(word: &AtomicU32, most: u32) {
    fault_point();
    system::wake(word, most);
}

fn nap(word: &AtomicU32, expected: u32, limit: Duration) {
    let mut naps = Naps::within(limit);
    while word.load(Ordering::Relaxed) == expected && naps.again() {}
}

/// Looking again and again, less and less often.
pub(in crate::sys) struct Naps {
    next: Duration,
    deadline: Option<Instant>,
}

impl Naps {
    pub(in crate::sys) fn within(limit: Duration) -> Self {
        Self {
            next: FIRST_NAP,
            deadline: Instant::now().checked_add(limit),
        }
    }

    /// Sleeps for a while; `false` if the time is over.
    pub(in crate::sys) fn again(&mut self) -> bool {
        let left = self.deadline.map_or(LONGEST_NAP, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.next.min(left));
        self.next = longer(self.next);
        true
    }
}

fn longer(nap: Duration) -> Duration {
    (nap * 2).min(LONGEST_NAP)
}

/// What the system has; `None` if it has nothing.
#[cfg(target_os = "freebsd")]
mod system {
    use std::ptr;

    use super::*;

    /// `struct _umtx_time` of <sys/umtx.h>, for a limit instead of a point in time.
    #[repr(C)]
    struct Limit {
        timeout: libc::timespec,
        flags: u32,
        clock: u32,
    }

    pub(super) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> Option<io::Result<()>> {
        let mut limit = Limit {
            timeout: libc::timespec {
                tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: limit.subsec_nanos().into(),
            },
            flags: 0,
            clock: libc::CLOCK_MONOTONIC as u32,
        };
        // SAFETY: the word is mapped while it is borrowed; the fourth argument is the size of what
        // the fifth points to, which lives through the call.
        let slept = unsafe {
            libc::_umtx_op(
                word.as_ptr().cast(),
                libc::UMTX_OP_WAIT_UINT,
                expected.into(),
                ptr::without_provenance_mut(size_of::<Limit>()),
                ptr::from_mut(&mut limit).cast(),
            )
        };
        Some(match slept {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                error if matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EINTR)) => {
                    Ok(())
                }
                error => Err(error),
            },
        })
    }

    pub(super) fn wake(word: &AtomicU32, most: u32) {
        let most = most.min(i32::MAX as u32).into();
        // SAFETY: waking reads and writes nothing at the address.
        unsafe {
            libc::_umtx_op(
                word.as_ptr().cast(),
                libc::UMTX_OP_WAKE,
                most,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
    }
}

/// What the system has; `None` if it has nothing.
#[cfg(target_os = "macos")]
mod system {
    use std::ffi::{CStr, c_int, c_void};
    use std::sync::OnceLock;

    use super::*;

    /// `OS_SYNC_WAIT_ON_ADDRESS_SHARED` and `OS_SYNC_WAKE_BY_ADDRESS_SHARED`.
    const SHARED: u32 = 1;
    /// `OS_CLOCK_MACH_ABSOLUTE_TIME`.
    const ABSOLUTE_TIME: u32 = 32;

    type Wait = unsafe extern "C" fn(*mut c_void, u64, usize, u32, u32, u64) -> c_int;
    type Wake = unsafe extern "C" fn(*mut c_void, usize, u32) -> c_int;

    /// The functions of <os/os_sync_wait_on_address.h>.
    struct Calls {
        wait: Wait,
        wake_any: Wake,
        wake_all: Wake,
    }

    fn calls() -> Option<&'static Calls> {
        static CALLS: OnceLock<Option<Calls>> = OnceLock::new();
        CALLS
            .get_or_init(|| {
                let wait = look_up(c"os_sync_wait_on_address_with_timeout")?;
                let wake_any = look_up(c"os_sync_wake_by_address_any")?;
                let wake_all = look_up(c"os_sync_wake_by_address_all")?;
                // SAFETY: the function of this name has this type.
                let wait = unsafe { std::mem::transmute::<*mut c_void, Wait>(wait) };
                // SAFETY: as above.
                let wake_any = unsafe { std::mem::transmute::<*mut c_void, Wake>(wake_any) };
                // SAFETY: as above.
                let wake_all = unsafe { std::mem::transmute::<*mut c_void, Wake>(wake_all) };
                Some(Calls {
                    wait,
                    wake_any,
                    wake_all,
                })
            })
            .as_ref()
    }

    fn look_up(name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the name ends with a NUL; the handle stands for all that is loaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    }

    pub(super) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> Option<io::Result<()>> {
        let wait = calls()?.wait;
        // A limit of 0 is refused.
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
        // SAFETY: the word is mapped while it is borrowed, and has 4 bytes.
        let slept = unsafe {
            wait(
                word.as_ptr().cast(),
                expected.into(),
                4,
                SHARED,
                ABSOLUTE_TIME,
                limit,
            )
        };
        Some(match slept {
            0.. => Ok(()),
            _ => match io::Error::last_os_error() {
                error
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::ETIMEDOUT | libc::EINTR | libc::EFAULT)
                    ) =>
                {
                    Ok(())
                }
                error => Err(error),
            },
        })
    }

    pub(super) fn wake(word: &AtomicU32, most: u32) {
        let Some(calls) = calls() else { return };
        let address = word.as_ptr().cast();
        // One by one, and all at once where that would take too long; who is woken in vain looks
        // again.
        if most > 16 {
            // SAFETY: waking reads and writes nothing at the address.
            unsafe { (calls.wake_all)(address, 4, SHARED) };
            return;
        }
        for _ in 0..most {
            // SAFETY: as above.
            if unsafe { (calls.wake_any)(address, 4, SHARED) } != 0 {
                return;
            }
        }
    }
}

/// Linux has futexes; here is what macOS has before 14.4, so that the tests can run it.
#[cfg(not(any(target_os = "freebsd", target_os = "macos")))]
mod system {
    use super::*;

    pub(super) fn wait(_: &AtomicU32, _: u32, _: Duration) -> Option<io::Result<()>> {
        None
    }

    pub(super) fn wake(_: &AtomicU32, _: u32) {}
}

/// A word of some address that somebody sleeps on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) address: usize,
    /// The sleep ends when the word is not this.
    pub(crate) expected: u32,
}

/// As many as one thread shall look at.
pub(crate) const MOST_WATCHED: usize = 128;

/// No system here sleeps on several words at once.
pub(crate) fn wait_any(_: &[Watched], _: Duration) -> io::Result<Option<usize>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nobody was woken for another one.
pub(crate) fn wake_one_at(_: Watched) {}

/// Whether a word is no longer as expected; no memory at that address counts as a change.
pub(crate) fn has_changed(word: Watched) -> bool {
    let mut now = [0; 4];
    let address = std::ptr::without_provenance(word.address);
    // SAFETY: the kernel reads there, or says that it cannot; `now` is ours and has 4 bytes.
    let copied = unsafe { crate::sys::checked::copy(address, now.as_mut_ptr(), now.len()) };
    copied.is_ok_and(|copied| copied != 4) || u32::from_ne_bytes(now) != word.expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_grow_up_to_their_limit() {
        let naps = std::iter::successors(Some(FIRST_NAP), |&nap| Some(longer(nap)));
        let naps: Vec<_> = naps.take(20).collect();
        assert!(naps.is_sorted());
        assert_eq!(naps.last(), Some(&LONGEST_NAP));
    }

    #[test]
    fn a_nap_ends_when_the_word_changes_and_at_its_limit() {
        let word = AtomicU32::new(7);
        let begun = Instant::now();
        nap(&word, 7, Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20));
        thread::scope(|scope| {
            scope.spawn(|| word.store(8, Ordering::Relaxed));
            nap(&word, 7, Duration::from_secs(3600));
        });
    }

    #[test]
    fn words_that_changed_are_told_from_those_that_did_not() {
        let word = AtomicU32::new(7);
        let watched = |expected| Watched {
            address: word.as_ptr().expose_provenance(),
            expected,
        };
        assert!(!has_changed(watched(7)));
        assert!(has_changed(watched(6)));
        let nowhere = Watched {
            address: 16,
            expected: 0,
        };
        assert!(has_changed(nowhere));
    }
}
