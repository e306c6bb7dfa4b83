//! Options as keyword arguments.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shmkit::{Access, HugePages, Lifetime, Nodes, Options, Owners, Seals, Wish};

use crate::arguments::{Bytes, one_of, seconds};

/// The options that somebody gave; those that nobody knows are an error.
pub(crate) fn read(given: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    let mut options = Options::new();
    let Some(given) = given else {
        return Ok(options);
    };
    let (mut start, mut length) = (0, None);
    for (name, value) in given {
        let name: String = name.extract()?;
        match &*name {
            "mode" => _ = options.mode(mode(&value)?),
            "readonly" => _ = options.access(access(value.extract()?)),
            "lifetime" => _ = options.lifetime(lifetime(&value)?),
            "reserve" => _ = options.reserve(value.extract()?),
            "owners" => _ = options.owners(owners(&value)?),
            "lock_timeout" => _ = options.lock_timeout(seconds(&name, &value)?),
            "capacity" => _ = options.growable(value.extract::<Bytes>()?.0),
            "offset" => start = value.extract::<Bytes>()?.0 as u64,
            "length" => length = Some(value.extract::<Bytes>()?.0 as u64),
            "copy_on_write" => _ = options.copy_on_write(value.extract()?),
            "demand_seals" => _ = options.demand_seals(seals(&value)?),
            "ram_backed" => _ = wish(&name, &value)?.map(|wish| options.ram_backed(wish)),
            "populate" => _ = wish(&name, &value)?.map(|wish| options.populate(wish)),
            "lock_in_memory" => {
                _ = wish(&name, &value)?.map(|wish| options.lock_in_memory(wish));
            }
            "huge_pages" => _ = options.huge_pages(huge_pages(&value)?, Wish::Hint),
            "nodes" => _ = options.nodes(Nodes::Only(value.extract()?), Wish::Hint),
            _ => return Err(PyTypeError::new_err(format!("there is no option {name:?}"))),
        }
    }
    match (start, length) {
        (0, None) => {}
        (start, None) => _ = options.range(start..),
        (start, Some(length)) => _ = options.range(start..start.saturating_add(length)),
    }
    Ok(options)
}

pub(crate) fn access(is_read_only: bool) -> Access {
    match is_read_only {
        true => Access::ReadOnly,
        false => Access::ReadWrite,
    }
}

fn mode(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let mode: u32 = value.extract()?;
    match mode & !0o666 {
        0 => Ok(mode),
        _ => Err(PyValueError::new_err(format!(
            "the mode {mode:#o} has other bits than 0o666, reading and writing"
        ))),
    }
}

fn lifetime(value: &Bound<'_, PyAny>) -> PyResult<Lifetime> {
    let words = [("ephemeral", Lifetime::Ephemeral), ("kept", Lifetime::Kept)];
    one_of("lifetime", value, &words)
}

/// Whose segments are accepted: ``"mine"``, ``"anyone"``, or the number of a user.
pub(crate) fn owners(value: &Bound<'_, PyAny>) -> PyResult<Owners> {
    match value.extract::<u32>() {
        Ok(user) => Ok(Owners::User(user)),
        Err(_) => one_of(
            "owners",
            value,
            &[("mine", Owners::Mine), ("anyone", Owners::Anyone)],
        ),
    }
}

/// ``True`` wishes for it, ``"demand"`` demands it.
fn wish(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Wish>> {
    match value.extract::<bool>() {
        Ok(true) => Ok(Some(Wish::Hint)),
        Ok(false) => Ok(None),
        Err(_) => one_of(name, value, &[("demand", Some(Wish::Demand))]),
    }
}

/// ``"transparent"``, ``"reserved"``, or the size of reserved ones in bytes.
fn huge_pages(value: &Bound<'_, PyAny>) -> PyResult<HugePages> {
    match value.extract::<usize>() {
        Ok(bytes) => Ok(HugePages::ReservedOf(bytes)),
        Err(_) => one_of(
            "huge_pages",
            value,
            &[
                ("transparent", HugePages::Transparent),
                ("reserved", HugePages::Reserved),
            ],
        ),
    }
}

const SEALS: [(&str, Seals); 5] = [
    ("seal", Seals::SEAL),
    ("shrink", Seals::SHRINK),
    ("grow", Seals::GROW),
    ("write", Seals::WRITE),
    ("future_write", Seals::FUTURE_WRITE),
];

/// Seals by their names.
pub(crate) fn seals(value: &Bound<'_, PyAny>) -> PyResult<Seals> {
    let mut all = Seals::NONE;
    for name in value.try_iter()? {
        all = all | one_of("a seal", &name?, &SEALS)?;
    }
    Ok(all)
}

/// The names of seals.
pub(crate) fn names_of_seals(seals: Seals) -> Vec<&'static str> {
    let present = SEALS.iter().filter(|(_, seal)| seals.contains(*seal));
    present.map(|(name, _)| *name).collect()
}
