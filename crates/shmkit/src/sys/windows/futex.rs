//! Sleeping on a word that other processes share. Windows has that for one process only, so a word has
//! a named semaphore as long as somebody sleeps for it: a sleeper makes it and then looks at the word
//! again; whoever has changed the word looks whether there is one.
#![expect(
    unsafe_code,
    reason = "a look at a word that only the kernel can take safely"
)]

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::security::Descriptor;
use super::{attachment, object, section, signal};

/// How many are woken if all shall be. One who comes too late for them looks again in vain, and more
/// sleep again in a moment.
const ALL: u32 = 64;

/// Nobody sleeps longer without a look at the word: with more than `ALL` sleepers, some are not woken.
const LONGEST: Duration = Duration::from_millis(20);

fn name_of(word: &AtomicU32) -> io::Result<(String, u32)> {
    let (segment, offset, mode) =
        attachment::place(std::ptr::from_ref(word).addr()).ok_or(io::ErrorKind::Unsupported)?;
    Ok((format!("{segment}word{offset}"), mode))
}

/// Sleeps while `*word == expected`, at most `limit`; `false` if that was over. It may end early:
/// callers look again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, limit: Duration) -> io::Result<bool> {
    let (name, mode) = name_of(word)?;
    let woken = signal::semaphore(&name, 0, &Descriptor::new(mode)?)?.handle;
    let begun = Instant::now();
    while word.load(Ordering::SeqCst) == expected {
        let left = limit.saturating_sub(begun.elapsed());
        if object::wait(&woken, left.min(LONGEST))? {
            break;
        }
        if left <= LONGEST {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Wakes at most so many of those who sleep.
pub(crate) fn wake(word: &AtomicU32, most: u32) {
    // Without a semaphore nobody sleeps. Whatever else goes wrong, sleepers look again soon.
    if let Ok((name, _)) = name_of(word)
        && let Ok(sleepers) = signal::open_semaphore(&name)
    {
        let _ = signal::release(&sleepers, most.min(ALL));
    }
}

/// A word of some address that is looked at.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) struct Watched {
    pub(crate) address: usize,
    pub(crate) expected: u32,
}

/// As many as one thread shall look at.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) const MOST_WATCHED: usize = 128;

/// Only those are woken who have a semaphore for each word.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) fn wait_any(_: &[Watched], _: Duration) -> io::Result<Option<usize>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nobody was woken for another one.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) fn wake_one_at(_: Watched) {}

/// Whether a word is no longer as expected; no memory at that address counts as a change.
#[allow(dead_code, reason = "for the feature `async`")]
pub(crate) fn has_changed(word: Watched) -> bool {
    let mut now = [0; 4];
    let address = std::ptr::without_provenance(word.address);
    // SAFETY: the kernel reads there, or says that it cannot; `now` is ours and has 4 bytes.
    let copied = unsafe { section::copy_checked(address, now.as_mut_ptr(), now.len()) };
    copied.is_ok_and(|copied| copied != 4) || u32::from_ne_bytes(now) != word.expected
}
