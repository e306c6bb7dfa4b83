//! The kernel's tables of System V objects (proc(5)).

use std::fs;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use crate::sys::system_v_entry::{SystemVSegment, SystemVSet};

/// All System V segments of this IPC namespace, also those that this user may not look into.
pub(crate) fn system_v_segments() -> io::Result<Vec<SystemVSegment>> {
    match fs::read_to_string("/proc/sysvipc/shm") {
        Ok(table) => Ok(table.lines().skip(1).filter_map(parse).collect()),
        // A kernel without System V segments has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// All sets of System V semaphores of this IPC namespace.
pub(crate) fn system_v_sets() -> io::Result<Vec<SystemVSet>> {
    match fs::read_to_string("/proc/sysvipc/sem") {
        Ok(table) => Ok(table.lines().skip(1).filter_map(parse_set).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The columns: key, id, perms, nsems, uid, gid, cuid, cgid, otime, ctime
fn parse_set(line: &str) -> Option<SystemVSet> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |column: usize| words.get(column)?.parse::<u64>().ok();
    Some(SystemVSet {
        ipc_key: words.first()?.parse().ok()?,
        count: number(3)?,
        owner: number(4)?.try_into().ok()?,
        changed: number(9).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    })
}

/// The IPC keys of all System V segments and sets of semaphores of this namespace.
pub(crate) fn system_v_keys() -> io::Result<Vec<i32>> {
    let segments = system_v_segments()?.into_iter();
    let sets = system_v_sets()?.into_iter();
    Ok(segments
        .map(|segment| segment.ipc_key)
        .chain(sets.map(|set| set.ipc_key))
        .collect())
}

/// The columns: key, id, perms, size, cpid, lpid, nattch, uid, gid, cuid, cgid, atime, dtime,
/// ctime, rss, swap
fn parse(line: &str) -> Option<SystemVSegment> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |column: usize| words.get(column)?.parse::<u64>().ok();
    let changed = number(13).filter(|&seconds| seconds != 0);
    Some(SystemVSegment {
        ipc_key: words.first()?.parse().ok()?,
        id: words.get(1)?.parse().ok()?,
        mode: u32::from_str_radix(words.get(2)?, 8).ok()?,
        size: number(3)?,
        resident: number(14).zip(number(15)),
        attached: number(6)?,
        owner: number(7)?.try_into().ok()?,
        changed: changed.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line = "1359020211      32769  1600                  4096    77    78      2  1000  1000     0     0 1700000001          0 1700000000                  4096                     0";
        assert_eq!(
            parse(line),
            Some(SystemVSegment {
                ipc_key: 1359020211,
                id: 32769,
                mode: 0o1600,
                size: 4096,
                resident: Some((4096, 0)),
                attached: 2,
                owner: 1000,
                changed: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            })
        );
        assert_eq!(
            parse(" -2147483648 1 600 4096").map(|s| s.id),
            None,
            "short"
        );
        assert!(system_v_segments().is_ok());
    }

    #[test]
    fn the_kernels_table_of_semaphores_is_read() {
        let line =
            "1359020211          3   600          2     7     0     7     0          0 1700000000";
        assert_eq!(
            parse_set(line),
            Some(SystemVSet {
                ipc_key: 1_359_020_211,
                count: 2,
                owner: 7,
                changed: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            })
        );
        assert_eq!(parse_set(" 1 2 600"), None);
        assert!(system_v_sets().is_ok());
    }
}
