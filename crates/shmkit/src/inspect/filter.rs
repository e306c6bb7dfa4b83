//! Some of the segments, in some order.

use std::cmp::Ordering;
use std::time::Duration;

use glob::Pattern;

use super::{SegmentInfo, State};
use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;

/// Which segments are wanted; all of them until something is set. What is set must all hold.
///
/// ```
/// use std::time::Duration;
/// use shmkit::inspect::{Filter, SortBy, State};
///
/// # fn main() -> shmkit::Result<()> {
/// # if cfg!(target_os = "linux") {
/// let mut found = Filter::new()
///     .name("camera-*")?
///     .state(State::Orphan)
///     .older_than(Duration::from_secs(3600))
///     .list()?;
/// SortBy::Size.sort(&mut found);
/// # }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Filter {
    names: Vec<Pattern>,
    places: Vec<String>,
    kinds: Vec<String>,
    states: Vec<State>,
    owners: Vec<u32>,
    pids: Vec<u32>,
    larger_than: Option<u64>,
    older_than: Option<Duration>,
}

impl Filter {
    /// All segments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those whose name is like this, with `*`, `?` and `[a-z]` as in a shell, `*` also for
    /// slashes. The name is the key's text form, the native key in it, that without its leading
    /// slash, or the [place](SegmentInfo::place). Said more than once, any of them will do.
    ///
    /// # Errors
    /// [`InvalidKey`](ErrorKind::InvalidKey) for what is no pattern.
    pub fn name(&mut self, pattern: &str) -> Result<&mut Self> {
        self.names.push(pattern_of(pattern)?);
        Ok(self)
    }

    /// Those in a place of this [name](super::Place::name); more than once, of any of these.
    pub fn place(&mut self, name: impl Into<String>) -> &mut Self {
        self.places.push(name.into());
        self
    }

    /// Those of a kind of this [name](super::Kind::name); more than once, of any of these.
    pub fn kind(&mut self, name: impl Into<String>) -> &mut Self {
        self.kinds.push(name.into());
        self
    }

    /// Those in this state; more than once, in any of these.
    pub fn state(&mut self, state: State) -> &mut Self {
        self.states.push(state);
        self
    }

    /// Those of this user; more than once, of any of these.
    pub fn owner(&mut self, user: u32) -> &mut Self {
        self.owners.push(user);
        self
    }

    /// Those that this process uses; more than once, any of these.
    pub fn used_by(&mut self, pid: u32) -> &mut Self {
        self.pids.push(pid);
        self
    }

    /// Those of at least so many bytes.
    pub fn larger_than(&mut self, bytes: u64) -> &mut Self {
        self.larger_than = Some(bytes);
        self
    }

    /// Those that were made at least so long ago. Of unknown age none is.
    pub fn older_than(&mut self, age: Duration) -> &mut Self {
        self.older_than = Some(age);
        self
    }

    /// Whether a segment is wanted.
    pub fn admits(&self, segment: &SegmentInfo) -> bool {
        fn any<T>(wanted: &[T], is: impl FnMut(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(is)
        }
        let age = || segment.created.and_then(|created| created.elapsed().ok());
        any(&self.places, |name| name == segment.place.name())
            && any(&self.kinds, |name| name == segment.kind.name())
            && any(&self.states, |&state| state == segment.state)
            && any(&self.owners, |&owner| owner == segment.owner)
            && any(&self.pids, |&pid| {
                segment.holders.iter().any(|holder| holder.pid == pid)
            })
            && self.larger_than.is_none_or(|bytes| segment.size >= bytes)
            && self
                .older_than
                .is_none_or(|wanted| age().is_some_and(|age| age >= wanted))
            && any(&self.names, |pattern| has_name(segment, pattern))
    }

    /// All [segments](super::list) that are wanted.
    ///
    /// # Errors
    /// As [`list`](super::list).
    pub fn list(&self) -> Result<Vec<SegmentInfo>> {
        let mut found = super::list()?;
        found.retain(|segment| self.admits(segment));
        Ok(found)
    }
}

fn has_name(segment: &SegmentInfo, pattern: &Pattern) -> bool {
    let by_key = |key| key_has_name(key, pattern);
    segment.key.as_ref().is_some_and(by_key) || pattern.matches(&segment.place.to_string())
}

pub(crate) fn pattern_of(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| {
        Error::new(Op::Inspect, ErrorKind::InvalidKey)
            .on(text)
            .detail(format!("it is no pattern: {} at {}", error.msg, error.pos))
            .hint("*, ? and [a-z] stand for parts of a name, [*] for a star")
    })
}

pub(crate) fn key_has_name(key: &NativeIpcKey, pattern: &Pattern) -> bool {
    let native = key.native_key();
    pattern.matches(&key.to_string())
        || pattern.matches(native)
        || pattern.matches(native.trim_start_matches('/'))
        || key.legacy_key().is_some_and(|name| pattern.matches(name))
}

/// An order of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SortBy {
    /// By type and name.
    #[default]
    Name,
    /// The largest first.
    Size,
    /// The one that takes most memory first; those of which that is not known last.
    Resident,
    /// The newest first; those of which that is not known last.
    Age,
    /// The one that is attached most often first.
    Attached,
    /// By the owner's number.
    Owner,
    /// By kind, and by the type's name.
    Kind,
    /// Live ones first, then orphans, kept and unknown ones.
    State,
}

impl SortBy {
    /// Sorts; what is equal goes by name.
    pub fn sort(self, segments: &mut [SegmentInfo]) {
        segments.sort_by_cached_key(name);
        let by = |a: &SegmentInfo, b: &SegmentInfo| match self {
            Self::Name => Ordering::Equal,
            Self::Size => b.size.cmp(&a.size),
            Self::Resident => resident(b).cmp(&resident(a)),
            Self::Age => b.created.cmp(&a.created),
            Self::Attached => b.attached.cmp(&a.attached),
            Self::Owner => a.owner.cmp(&b.owner),
            Self::Kind => {
                (a.kind.name(), a.kind.to_string()).cmp(&(b.kind.name(), b.kind.to_string()))
            }
            Self::State => (a.state as u8).cmp(&(b.state as u8)),
        };
        // A stable sort keeps the order of names.
        segments.sort_by(by);
    }
}

fn name(segment: &SegmentInfo) -> (&'static str, String) {
    let text = match &segment.key {
        Some(key) => key.to_string(),
        None => segment.place.to_string(),
    };
    (segment.place.name(), text)
}

fn resident(segment: &SegmentInfo) -> Option<u64> {
    segment.resident.map(|resident| resident.bytes)
}
