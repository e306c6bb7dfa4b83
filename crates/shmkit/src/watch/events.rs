//! A stream of what happens to segments.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::iter::FusedIterator;
use std::time::{Duration, Instant, SystemTime};

use super::pace::Pace;
use crate::backend;
use crate::error::{Error, ErrorKind, Op, Result};
use crate::inspect::{Holder, Place, SegmentInfo};
use crate::interrupt;
use crate::key::NativeIpcKey;
use crate::sys::Change;

/// Something that happened to a segment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub happening: Happening,
    /// When it was noticed.
    pub time: SystemTime,
    /// The key that leads to the segment, if that can be told; see [`SegmentInfo::key`].
    pub key: Option<NativeIpcKey>,
    /// Where the operating system has it, or had it.
    pub place: Place,
    /// The size in bytes, as far as it was known by then: many programs set it after they have made
    /// the segment.
    pub size: Option<u64>,
    /// Who attached or detached.
    pub holder: Option<Holder>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Happening {
    /// It was there already when the watch began.
    Existing,
    /// It was made.
    Created,
    /// A process attached to it; also for those that were attached when the watch began.
    Attached,
    /// A process detached from it, or ended.
    Detached,
    /// It was removed. Those who were attached are told as detached just before, even if they keep
    /// the memory to themselves.
    Removed,
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Existing => "existing",
            Self::Created => "created",
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::Removed => "removed",
        })
    }
}

/// What to watch, and how closely.
#[derive(Debug, Clone)]
pub struct Watch {
    keys: Vec<NativeIpcKey>,
    interval: Duration,
    existing: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            interval: Duration::from_millis(500),
            existing: false,
        }
    }
}

/// Looks are so far apart even if the kernel tells of changes all the time.
const SHORTEST: Duration = Duration::from_millis(20);

impl Watch {
    /// All POSIX and System V segments, or on Windows all that [`list`](crate::inspect::list) tells
    /// of; there who attaches and detaches is not told.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the segment of this key, and those of other calls.
    pub fn key(&mut self, key: &NativeIpcKey) -> &mut Self {
        self.keys.push(key.clone());
        self
    }

    /// How often to look for what the kernel does not tell; every 500 milliseconds unless set, and
    /// not more often than every 20. Where a look takes long they are further apart.
    pub fn interval(&mut self, interval: Duration) -> &mut Self {
        self.interval = interval;
        self
    }

    /// Whether to begin with what is there already; no unless set.
    pub fn existing(&mut self, tell: bool) -> &mut Self {
        self.existing = tell;
        self
    }

    /// Begins to watch.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where segments cannot be listed.
    pub fn start(&self) -> Result<Events> {
        let mut events = Events {
            pace: Pace::new(true, SHORTEST, self.interval),
            watch: self.clone(),
            known: HashMap::new(),
            queue: VecDeque::new(),
            changed: false,
        };
        events.look(Happening::Existing)?;
        if !self.existing {
            events.queue.retain(|event| {
                !matches!(event.happening, Happening::Existing | Happening::Attached)
            });
        }
        Ok(events)
    }
}

/// What happens, one after the other; made by [`Watch::start`]. The iterator waits for the next
/// event and never ends.
///
/// Events of one segment come in their order. Between a segment's creation and its removal come
/// the processes that attached and detached, each once however often it is attached.
///
/// ```
/// use std::time::Duration;
/// use shmkit::{SharedMemory, key::NativeIpcKey, watch::{Happening, Watch}};
///
/// # fn main() -> shmkit::Result<()> {
/// # let name = format!("shmkit-doc-events-{}", std::process::id());
/// # let key = NativeIpcKey::platform_safe(&name);
/// # if cfg!(target_os = "linux") {
/// let mut events = Watch::new().key(&key).start()?;
/// let segment = SharedMemory::create(&key, 4096)?;
/// let created = events.next().expect("it never ends")?;
/// assert_eq!(created.happening, Happening::Created);
/// assert_eq!(created.key.as_ref(), segment.key());
/// # }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Events {
    watch: Watch,
    pace: Pace,
    known: HashMap<Id, Known>,
    queue: VecDeque<Event>,
    /// Something has changed that only a look can tell.
    changed: bool,
}

impl Events {
    /// The next event, waited for at most `limit`; `None` if there was none by then.
    ///
    /// # Errors
    /// If the segments cannot be listed any more. It may be called again.
    pub fn next_within(&mut self, limit: Duration) -> Result<Option<Event>> {
        let end = Instant::now().checked_add(limit);
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            let (now, due) = (Instant::now(), self.pace.due(self.changed));
            if now >= due {
                self.look(Happening::Created)?;
                continue;
            }
            if end.is_some_and(|end| now >= end) {
                return Ok(None);
            }
            if interrupt::is_wanted() {
                return Err(Error::new(Op::Wait, ErrorKind::Interrupted));
            }
            let changes = self.pace.changes_until(end.map_or(due, |end| end.min(due)));
            self.apply(changes);
        }
    }

    /// Compares what is there with what is known.
    fn look(&mut self, new: Happening) -> Result<()> {
        self.changed = false;
        let (seen, news) = self.pace.look(backend::list);
        let keys = SystemVKeys::of(&self.watch.keys);
        let mut seen: HashMap<Id, SegmentInfo> = seen?
            .into_iter()
            .filter_map(|mut info| {
                let id = Id::of(&info.place)?;
                if let Some(key) = keys.lead_to(&info.place) {
                    info.key = Some(key.clone());
                }
                // Its key file may have gone before it.
                let is_known = self.known.contains_key(&id);
                (is_known || self.watch.wants(info.key.as_ref())).then_some((id, info))
            })
            .collect();
        let gone: Vec<Id> = self
            .known
            .iter()
            .filter(|(id, known)| seen.get(id).is_none_or(|info| known.is_another(info)))
            .map(|(id, _)| id.clone())
            .collect();
        gone.iter().for_each(|id| self.remove(id));
        for (id, info) in seen.drain() {
            self.update(id, info, new);
        }
        self.apply(news);
        Ok(())
    }

    fn update(&mut self, id: Id, info: SegmentInfo, new: Happening) {
        let known = self.known.entry(id).or_insert_with(|| {
            let known = Known::new(info.key, info.place, info.created);
            self.queue.push_back(known.tell(new, Some(info.size), None));
            known
        });
        known.created = info.created;
        let now: BTreeMap<u32, Holder> = info
            .holders
            .into_iter()
            .filter(|holder| holder.attached > 0)
            .map(|holder| (holder.pid, holder))
            .collect();
        for (pid, holder) in &known.holders {
            if !now.contains_key(pid) {
                let event = known.tell(Happening::Detached, Some(info.size), Some(holder));
                self.queue.push_back(event);
            }
        }
        for (pid, holder) in &now {
            if !known.holders.contains_key(pid) {
                let event = known.tell(Happening::Attached, Some(info.size), Some(holder));
                self.queue.push_back(event);
            }
        }
        known.holders = now;
    }

    fn remove(&mut self, id: &Id) {
        if let Some(known) = self.known.remove(id) {
            let leave = |holder| known.tell(Happening::Detached, None, Some(holder));
            self.queue.extend(known.holders.values().map(leave));
            let event = known.tell(Happening::Removed, None, None);
            self.queue.push_back(event);
        }
    }

    /// Takes note of what the kernel told. A look may have been faster; then it is no news.
    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Appeared(name) => self.appear(name),
                Change::Vanished(name) => self.remove(&Id::Name(name)),
                Change::Used(name) => self.changed |= self.known.contains_key(&Id::Name(name)),
                Change::Lost | Change::Blind => self.changed = true,
            }
        }
    }

    fn appear(&mut self, name: OsString) {
        let Some((key, place, size)) = backend::named(&name) else {
            return;
        };
        if !self.watch.wants(key.as_ref()) {
            return;
        }
        // Who has it is for a look to tell.
        self.changed = true;
        self.known.entry(Id::Name(name)).or_insert_with(|| {
            let known = Known::new(key, place, None);
            self.queue
                .push_back(known.tell(Happening::Created, size, None));
            known
        });
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_within(Duration::MAX) {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Events {}

impl Watch {
    fn wants(&self, key: Option<&NativeIpcKey>) -> bool {
        // The same segment may have a key with another way to its lock.
        let is_same = |wanted: &NativeIpcKey| {
            key.is_some_and(|key| {
                (key.key_type(), key.native_key()) == (wanted.key_type(), wanted.native_key())
            })
        };
        self.keys.is_empty() || self.keys.iter().any(is_same)
    }
}

/// Where the System V keys that are watched lead now. Their key files may lie where a look at all
/// segments does not search, and need not exist yet.
struct SystemVKeys<'k>(Vec<(u32, &'k NativeIpcKey)>);

impl<'k> SystemVKeys<'k> {
    fn of(keys: &'k [NativeIpcKey]) -> Self {
        let with_number = |key| Some((backend::system_v_key(key)?, key));
        Self(keys.iter().filter_map(with_number).collect())
    }

    fn lead_to(&self, place: &Place) -> Option<&'k NativeIpcKey> {
        let Place::SystemV { ipc_key, .. } = place else {
            return None;
        };
        let found = self.0.iter().find(|(number, _)| number == ipc_key);
        found.map(|(_, key)| *key)
    }
}

/// What tells one segment from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Id {
    /// Of a file in the directory of POSIX segments, or of a section of Windows'.
    Name(OsString),
    SystemV(i32),
}

impl Id {
    /// `None` if it has no name to be watched by.
    fn of(place: &Place) -> Option<Self> {
        match place {
            Place::Posix {
                path,
                removed: false,
            } => backend::name_of(path).map(OsStr::to_owned).map(Self::Name),
            Place::SystemV {
                id,
                namespace: None,
                ..
            } => Some(Self::SystemV(*id)),
            Place::Windows { name } => Some(Self::Name(name.into())),
            _ => None,
        }
    }
}

/// A segment that has been told of.
#[derive(Debug)]
struct Known {
    key: Option<NativeIpcKey>,
    place: Place,
    /// `None` until it was looked at.
    created: Option<SystemTime>,
    holders: BTreeMap<u32, Holder>,
}

impl Known {
    fn new(key: Option<NativeIpcKey>, place: Place, created: Option<SystemTime>) -> Self {
        Self {
            key,
            place,
            created,
            holders: BTreeMap::new(),
        }
    }

    /// Whether there is another segment in its place. System V has a new id for each, and may change
    /// the time.
    fn is_another(&self, info: &SegmentInfo) -> bool {
        let is_posix = matches!(self.place, Place::Posix { .. });
        let times = self.created.zip(info.created);
        is_posix && times.is_some_and(|(then, now)| then != now)
    }

    fn tell(&self, happening: Happening, size: Option<u64>, holder: Option<&Holder>) -> Event {
        Event {
            happening,
            time: SystemTime::now(),
            key: self.key.clone(),
            place: self.place.clone(),
            size,
            holder: holder.cloned(),
        }
    }
}
