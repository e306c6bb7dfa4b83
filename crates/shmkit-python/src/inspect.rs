//! What there is, who has it, what was left, and what happens: as dictionaries, of which the package
//! makes objects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use shmkit::inspect::{self, Holder, LockInfo, LockUser, SegmentInfo};
use shmkit::reaper::{Leftover, Outcome, Reaper};
use shmkit::watch::{self, Events, Until, Watch};
use shmkit::{Access, Lifetime};

use crate::arguments::{Timeout, one_of, seconds};
use crate::error::Failure;
use crate::key::{Key, KeyArg};
use crate::wait::wait;

type Dict<'py> = Bound<'py, PyDict>;

/// Fills a dictionary: `dict! { py, name: value }`.
macro_rules! dict {
    ($py:expr, $($name:ident: $value:expr),+ $(,)?) => {{
        let dict = PyDict::new($py);
        $(dict.set_item(stringify!($name), $value)?;)+
        Ok(dict)
    }};
}

fn access(access: Option<Access>) -> Option<&'static str> {
    access.map(|access| match access {
        Access::ReadOnly => "read_only",
        Access::ReadWrite => "read_write",
    })
}

fn segment<'py>(py: Python<'py>, info: &SegmentInfo) -> PyResult<Dict<'py>> {
    let holders: PyResult<Vec<_>> = info.holders.iter().map(|one| holder(py, one)).collect();
    dict! { py,
        key: info.key.clone().map(Key),
        place: info.place.name(),
        where_: info.place.to_string(),
        kind: info.kind.to_string(),
        size: info.size,
        resident: info.resident.map(|resident| resident.bytes),
        owner: info.owner,
        owner_name: info.owner_name.as_deref(),
        mode: info.mode,
        created: info.created,
        lifetime: match info.lifetime {
            Lifetime::Ephemeral => "ephemeral",
            Lifetime::Kept => "kept",
        },
        attached: info.attached,
        holders: holders?,
        complete: info.complete,
        state: info.state.to_string(),
        reason: &info.reason,
    }
}

fn holder<'py>(py: Python<'py>, holder: &Holder) -> PyResult<Dict<'py>> {
    dict! { py,
        pid: holder.pid,
        program: &holder.program,
        attached: holder.attached,
        access: access(holder.access),
        descriptors: holder.descriptors,
        user: holder.user,
        user_name: holder.user_name.as_deref(),
        since: holder.since,
        container: holder.container.as_deref(),
    }
}

fn lock<'py>(py: Python<'py>, lock: &LockInfo) -> PyResult<Dict<'py>> {
    let users = |users: &[LockUser]| -> Vec<(u32, String)> {
        let pairs = users.iter().map(|user| (user.pid, user.program.clone()));
        pairs.collect()
    };
    dict! { py,
        key: Key(lock.key.clone()),
        held: lock.held,
        holders: users(&lock.holders),
        held_by_one_of: lock.held_by_one_of,
        owner_died: lock.owner_died,
        waiting: lock.waiting,
        waiters: users(&lock.waiters),
        reason: &lock.reason,
    }
}

/// All segments that this user can see.
#[pyfunction]
pub(crate) fn list_segments(py: Python<'_>) -> PyResult<Vec<Dict<'_>>> {
    let found = py.detach(inspect::list).map_err(Failure::from)?;
    found.iter().map(|info| segment(py, info)).collect()
}

/// One segment.
#[pyfunction]
#[pyo3(signature = (key, /))]
pub(crate) fn segment_info(py: Python<'_>, key: KeyArg) -> PyResult<Dict<'_>> {
    let key = key.key()?;
    let info = py.detach(|| inspect::info(&key)).map_err(Failure::from)?;
    segment(py, &info)
}

/// Who has a segment: the processes, whether these are all, and the lock.
#[pyfunction]
#[pyo3(signature = (key, /))]
pub(crate) fn segment_holders(py: Python<'_>, key: KeyArg) -> PyResult<Dict<'_>> {
    let key = key.key()?;
    let holders = py.detach(|| inspect::holders(&key));
    let holders = holders.map_err(Failure::from)?;
    let processes: PyResult<Vec<_>> = holders
        .processes
        .iter()
        .map(|one| holder(py, one))
        .collect();
    let lock = holders.lock.as_ref().map(|info| lock(py, info));
    dict! { py,
        processes: processes?,
        complete: holders.complete,
        lock: lock.transpose()?,
    }
}

/// The lock of a segment, if there is one.
#[pyfunction]
#[pyo3(signature = (key, /))]
pub(crate) fn lock_info(py: Python<'_>, key: KeyArg) -> PyResult<Option<Dict<'_>>> {
    let key = key.key()?;
    let info = py.detach(|| inspect::lock(&key)).map_err(Failure::from)?;
    info.as_ref().map(|info| lock(py, info)).transpose()
}

/// Looks for what crashed programs left behind, and removes it unless it is only to be shown.
#[pyfunction]
#[pyo3(signature = (names, keys, owners, older_than, preview, /))]
pub(crate) fn reap<'py>(
    py: Python<'py>,
    names: Vec<String>,
    keys: Vec<KeyArg>,
    owners: Vec<u32>,
    older_than: Option<Bound<'py, PyAny>>,
    preview: bool,
) -> PyResult<(Vec<Dict<'py>>, u64)> {
    let mut reaper = Reaper::new();
    for name in names {
        reaper.name(&name).map_err(Failure::from)?;
    }
    for key in keys {
        reaper.key(key.key()?);
    }
    for owner in owners {
        reaper.owner(owner);
    }
    if let Some(age) = older_than {
        reaper.older_than(seconds("older_than", &age)?);
    }
    let report = py.detach(|| match preview {
        true => reaper.preview(),
        false => reaper.reap(),
    });
    let report = report.map_err(Failure::from)?;
    let leftovers: PyResult<Vec<_>> = report
        .leftovers
        .iter()
        .map(|one| leftover(py, one))
        .collect();
    Ok((leftovers?, report.untold))
}

fn leftover<'py>(py: Python<'py>, leftover: &Leftover) -> PyResult<Dict<'py>> {
    dict! { py,
        kind: leftover.kind.to_string(),
        key: leftover.key.clone().map(Key),
        path: leftover.path.as_deref(),
        size: leftover.bytes,
        owner: leftover.owner,
        created: leftover.created,
        reason: &leftover.reason,
        outcome: leftover.outcome.name(),
        error: match &leftover.outcome {
            Outcome::Failed(error) => Some(error.to_string()),
            _ => None,
        },
    }
}

const UNTIL: [(&str, Until); 5] = [
    ("created", Until::Created),
    ("attached", Until::Attached),
    ("unlocked", Until::Unlocked),
    ("released", Until::Released),
    ("removed", Until::Removed),
];

/// Waits until a segment is ``"created"``, ``"attached"`` (somebody uses it), ``"unlocked"``,
/// ``"released"`` (nobody uses it) or ``"removed"``; for ``timeout`` seconds at most.
#[pyfunction]
#[pyo3(signature = (key, until, /, timeout=Timeout::EVER))]
pub(crate) fn wait_for(
    py: Python<'_>,
    key: KeyArg,
    until: &Bound<'_, PyAny>,
    timeout: Timeout,
) -> PyResult<()> {
    let key = key.key()?;
    let until = one_of("until", until, &UNTIL)?;
    wait(py, || watch::wait(&key, until, timeout.limit()))
}

/// What happens to segments, one event after the other.
#[pyclass(module = "shmkit._shmkit", frozen)]
pub(crate) struct EventStream(Arc<Mutex<Events>>);

#[pymethods]
impl EventStream {
    #[new]
    #[pyo3(signature = (keys, existing, interval, /))]
    fn new(
        py: Python<'_>,
        keys: Vec<KeyArg>,
        existing: bool,
        interval: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let mut watch = Watch::new();
        for key in keys {
            watch.key(&key.key()?);
        }
        watch
            .existing(existing)
            .interval(seconds("interval", interval)?);
        let events = py.detach(|| watch.start()).map_err(Failure::from)?;
        Ok(Self(Arc::new(Mutex::new(events))))
    }

    /// The next event, or ``None`` if there is none in time.
    #[pyo3(signature = (timeout, /))]
    fn next_within<'py>(&self, py: Python<'py>, timeout: Timeout) -> PyResult<Option<Dict<'py>>> {
        let events = Arc::clone(&self.0);
        let event = wait(py, move || {
            let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
            events.next_within(timeout.0.min(Duration::from_secs(1 << 30)))
        })?;
        let told = event.map(|event| {
            let holder = event.holder.as_ref().map(|one| holder(py, one));
            dict! { py,
                happening: event.happening.to_string(),
                time: event.time,
                key: event.key.clone().map(Key),
                where_: event.place.to_string(),
                size: event.size,
                holder: holder.transpose()?,
            }
        });
        told.transpose()
    }
}
