//! Waiting for a state of one segment.

use std::fmt;
use std::time::{Duration, Instant};

use super::pace::Pace;
use crate::backend;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::inspect::{SegmentInfo, State};
use crate::interrupt;
use crate::key::{KeyType, NativeIpcKey};
use crate::sys::Change;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Until {
    /// The segment exists, complete: one that another program has only begun to make does not
    /// count.
    Created,
    /// Somebody has it attached.
    Attached,
    /// Nobody has its lock: it is free, or whoever had it died.
    Unlocked,
    /// Nobody has it attached, or it is gone.
    Released,
    /// It does not exist.
    Removed,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Attached => "attached",
            Self::Unlocked => "unlocked",
            Self::Released => "released",
            Self::Removed => "removed",
        })
    }
}

/// How far looks are apart at least, and at most if nobody tells of a change. Where looking takes
/// long they are further apart.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(100);

/// Nobody tells of a lock.
const LONGEST_OF_LOCKS: Duration = Duration::from_millis(10);

/// Waits for a segment to come into a state, at most `limit`, or for ever if that is `None`. Returns
/// at once if it is in that state already.
///
/// What was true a moment ago may be true no longer when this returns: whoever must be sure creates
/// or attaches and sees whether that works.
///
/// ```
/// use std::time::Duration;
/// use shmkit::{ErrorKind, SharedMemory, key::NativeIpcKey, watch::{self, Until}};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-wait-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// # if cfg!(target_os = "linux") {
/// let limit = Some(Duration::from_millis(20));
/// let error = watch::wait(&key, Until::Created, limit).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
///
/// let segment = SharedMemory::create(&key, 4096)?;
/// watch::wait(&key, Until::Attached, limit)?;
/// drop(segment);
/// watch::wait(&key, Until::Removed, None)?;
/// # }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`TimedOut`](ErrorKind::TimedOut), with what is the case instead; an error of the look that
/// waiting does not help against: a key that cannot be used, a name that is taken by something else,
/// a refusal.
///
/// # Platform-specific behavior
/// POSIX keys: the kernel tells of a change, so this returns within a few milliseconds. System V
/// keys: it is looked for every 100 milliseconds. Locks are looked at every 10. On machines with so
/// many processes that looking takes long it is less often.
pub fn wait(key: &NativeIpcKey, until: Until, limit: Option<Duration>) -> Result<()> {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    let notices = key.key_type() == KeyType::PosixRealtime;
    // Watched before the first look, so that nothing falls between.
    let longest = match until {
        Until::Unlocked => LONGEST_OF_LOCKS,
        _ => LONGEST,
    };
    let mut pace = Pace::new(notices, SHORTEST, longest);
    loop {
        let (seen, news) = pace.look(|| look(key, until));
        let Seen::NotYet(what) = seen? else {
            return Ok(());
        };
        let mut is_new = concerns(&news, key);
        loop {
            let due = pace.due(is_new);
            let until_then = end.map_or(due, |end| end.min(due));
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) || interrupt::is_wanted() {
                return Err(timed_out(key, until, limit, &what));
            }
            if now >= due {
                break;
            }
            is_new |= concerns(&pace.changes_until(until_then), key);
        }
    }
}

enum Seen {
    /// What was waited for.
    It,
    /// And what is the case instead.
    NotYet(String),
}

fn look(key: &NativeIpcKey, until: Until) -> Result<Seen> {
    if until == Until::Unlocked {
        return look_at_lock(key);
    }
    let info = match backend::find(key) {
        Ok(info) => info,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(match until {
                Until::Released | Until::Removed => Seen::It,
                Until::Created | Until::Attached | Until::Unlocked => {
                    Seen::NotYet("there is no such segment".into())
                }
            });
        }
        Err(error) => return Err(error),
    };
    let is_it = match until {
        Until::Created => info.size > 0,
        Until::Attached => is_attached(&info),
        Until::Released => is_released(&info),
        Until::Removed | Until::Unlocked => false,
    };
    Ok(match is_it {
        true => Seen::It,
        false if info.size == 0 => {
            Seen::NotYet("it is empty: its creator is at work, or died half-way".into())
        }
        false => Seen::NotYet(format!("it is {}: {}", info.state, info.reason)),
    })
}

fn look_at_lock(key: &NativeIpcKey) -> Result<Seen> {
    // Without a lock nobody can have it.
    let Some(lock) = backend::lock_info(key)? else {
        return Ok(Seen::It);
    };
    match lock.held {
        Some(false) => Ok(Seen::It),
        Some(true) => {
            let holders = lock.holders.iter();
            let holders: Vec<String> = holders
                .map(|holder| format!("process {} ({})", holder.pid, holder.program))
                .collect();
            Ok(Seen::NotYet(match holders.is_empty() {
                true => lock.reason,
                false => format!("{}: {}", lock.reason, holders.join(", ")),
            }))
        }
        None => Err(Error::new(Op::Wait, ErrorKind::PermissionDenied)
            .on(key)
            .detail("this user may not look at its lock")),
    }
}

/// Whether somebody has it mapped, and not only open.
fn is_attached(info: &SegmentInfo) -> bool {
    match info.attached {
        Some(times) if info.complete => times > 0,
        Some(times) => times > 0 || info.state == State::Live,
        None => info.state == State::Live,
    }
}

/// By the kernel's word, or, where it gives none, because nobody was seen and nobody overlooked.
fn is_released(info: &SegmentInfo) -> bool {
    match info.state {
        State::Orphan | State::Kept => true,
        State::Live => false,
        State::Unknown => info.complete && info.holders.is_empty() && info.attached == Some(0),
    }
}

fn concerns(changes: &[Change], key: &NativeIpcKey) -> bool {
    let mine = key.native_key().trim_start_matches('/');
    changes.iter().any(|change| match change {
        Change::Appeared(name) | Change::Vanished(name) | Change::Used(name) => name == mine,
        Change::Lost | Change::Blind => true,
    })
}

fn timed_out(key: &NativeIpcKey, until: Until, limit: Option<Duration>, what: &str) -> Error {
    let limit = limit.unwrap_or(Duration::MAX);
    interrupt::over(Op::Wait, || format!("not {until} within {limit:?}: {what}")).on(key)
}
