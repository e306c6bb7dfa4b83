//! Files with names of their own, and what the dead left of them.

use std::path::Path;

use super::reclaim::reclaim;
use crate::sys::file::{TEMPORARY_PREFIX, unique_number};
use crate::sys::{fork, listing};

/// Temporary segments are called so. Unlike files that are being born they are there to be seen.
const PREFIX: &str = "shmkit-tmp-";

/// A name that is most likely free.
pub(crate) fn temporary_name() -> String {
    format!("{PREFIX}{}", unique_number())
}

/// Removes what users of a directory left there when they were killed. What cannot be removed
/// stays.
pub(crate) fn sweep(directory: &Path) {
    let _steady = fork::steady();
    for (name, _) in listing::names_in(directory).unwrap_or_default() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) || name.starts_with(TEMPORARY_PREFIX));
        if is_ours {
            let _ = reclaim(&directory.join(name));
        }
    }
}
