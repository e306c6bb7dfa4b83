//! The memory limit of the container: segments count as memory of who touches them first, and over
//! the limit the kernel kills.

use super::mounts::{Mount, mounts};
use super::{BRIMMING, FULL, Finding, percent};
use crate::backend::bytes;
use crate::sys::machine::Machine;

const CHECK: &str = "memory-limit";

/// Version 1 writes "no limit" as the greatest number of pages.
const NO_LIMIT: u64 = 1 << 62;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    let Some(limit) = tightest(machine) else {
        found.push(Finding::good(CHECK, "no control group limits the memory"));
        return;
    };
    let directory = machine.room("/dev/shm").map_or(0, |room| room.bytes);
    found.extend(judge(&limit, directory));
}

/// A limit that holds for this process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limit {
    bytes: u64,
    used: u64,
    /// The directory of the control group.
    place: String,
    /// The file in it that holds the limit.
    file: &'static str,
}

fn judge(limit: &Limit, directory: u64) -> Vec<Finding> {
    let Limit {
        bytes: max,
        used,
        place,
        file,
    } = limit;
    let full = percent(*used, *max);
    let raise = format!("echo BYTES > {place}/{file}    # docker update --memory=SIZE CONTAINER");
    let summary = format!(
        "{} of the {} that the control group may have are used ({full} %)",
        bytes(*used),
        bytes(*max)
    );
    let mut found = vec![match full {
        ..FULL => Finding::good(CHECK, summary),
        // Files that were read count as well, and go when the memory is needed.
        FULL..BRIMMING => Finding::note(CHECK, summary)
            .why("segments count; over the limit the kernel kills a process of the group")
            .mend(raise.clone()),
        _ => Finding::warning(CHECK, summary)
            .why("segments count; over the limit the kernel kills a process of the group")
            .mend(raise.clone()),
    }];
    if directory > *max {
        found.push(
            Finding::warning(
                "memory-limit-shm",
                format!(
                    "/dev/shm may grow to {}, and the control group may have {}",
                    bytes(directory),
                    bytes(*max)
                ),
            )
            .why(
                "who fills /dev/shm is killed before it is full: what should be an error when a \
                 segment is made is the death of a process",
            )
            .mend(format!("mount -o remount,size={} /dev/shm", max / 2)),
        );
    }
    found
}

/// The smallest limit of the control groups that this process is in, by both versions.
fn tightest(machine: &Machine) -> Option<Limit> {
    let groups = machine.text("/proc/self/cgroup")?;
    let mounts = mounts(machine)?;
    let version_2 = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let version_1 = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|name| name == "memory")
            .then_some(path)
    });
    let is_2 = |mount: &&Mount| mount.kind == "cgroup2";
    let is_1 = |mount: &&Mount| mount.kind == "cgroup" && mount.has("memory");
    let limits_2 = limits(
        machine,
        mounts.iter().find(is_2),
        version_2,
        ["memory.max", "memory.current"],
    );
    let limits_1 = limits(
        machine,
        mounts.iter().find(is_1),
        version_1,
        ["memory.limit_in_bytes", "memory.usage_in_bytes"],
    );
    limits_2
        .into_iter()
        .chain(limits_1)
        .min_by_key(|limit| limit.bytes)
}

/// The limits of a control group and of all above it.
fn limits(
    machine: &Machine,
    mount: Option<&Mount>,
    group: Option<&str>,
    [max, used]: [&'static str; 2],
) -> Vec<Limit> {
    let (Some(mount), Some(group)) = (mount, group) else {
        return Vec::new();
    };
    // In a container the group may be mounted as if it were the uppermost.
    let below = group
        .strip_prefix(mount.root.trim_end_matches('/'))
        .unwrap_or_default();
    let mut place = format!("{}{below}", mount.point)
        .trim_end_matches('/')
        .to_owned();
    let mut found = Vec::new();
    loop {
        let limit = machine.number(&format!("{place}/{max}"));
        if let Some(bytes) = limit.filter(|&bytes| bytes < NO_LIMIT) {
            found.push(Limit {
                bytes,
                used: machine.number(&format!("{place}/{used}")).unwrap_or(0),
                place: place.clone(),
                file: max,
            });
        }
        if place.len() <= mount.point.len() {
            return found;
        }
        let end = place.rfind('/').unwrap_or(0);
        place.truncate(end);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Good, Note, Warning};
    use super::super::tests::Fake;
    use super::*;

    #[test]
    fn the_tightest_limit_of_all_groups_above_holds() {
        let fake = Fake::new()
            .with("proc/self/cgroup", "0::/a/b\n")
            .with(
                "proc/self/mountinfo",
                "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            )
            .with("sys/fs/cgroup/a/b/memory.max", "max\n")
            .with("sys/fs/cgroup/a/memory.max", "1048576\n")
            .with("sys/fs/cgroup/a/memory.current", "524288\n");
        let limit = tightest(&fake.machine()).unwrap();
        assert_eq!((limit.bytes, limit.used), (1 << 20, 1 << 19));
        assert_eq!(limit.place, "/sys/fs/cgroup/a");
    }

    #[test]
    fn version_1_is_read_too_also_where_it_is_mounted_as_uppermost() {
        let mount = "1 0 0:1 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let fake = Fake::new()
            .with("proc/self/cgroup", "5:cpu,memory:/docker/x\n0::/\n")
            .with("proc/self/mountinfo", mount)
            .with("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n")
            .with("sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n");
        let limit = tightest(&fake.machine()).unwrap();
        assert_eq!((limit.bytes, limit.used), (4096, 4000));
        let without = fake.with(
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        assert_eq!(tightest(&without.machine()), None);
    }

    #[test]
    fn limits_are_judged_against_their_use_and_the_directory() {
        let limit = |used| Limit {
            bytes: 1000,
            used,
            place: "/sys/fs/cgroup".into(),
            file: "memory.max",
        };
        let judge = |used, directory| -> Vec<_> {
            let found = judge(&limit(used), directory);
            found.into_iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(judge(100, 1000), [Good]);
        assert_eq!(judge(800, 1000), [Note]);
        assert_eq!(judge(950, 0), [Warning]);
        assert_eq!(judge(100, 1001), [Good, Warning]);
    }
}
