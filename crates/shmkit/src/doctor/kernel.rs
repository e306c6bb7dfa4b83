//! Settings of the kernel: leases, memfds, who may open whose files, huge pages.

use super::Finding;
use super::mounts::{mount_of, mounts};
use crate::backend::bytes;
use crate::sys::machine::Machine;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    found.push(leases(machine));
    found.push(memfds(machine));
    found.push(protection(machine));
    found.push(huge_page_pools(machine));
    found.push(transparent_huge_pages(machine));
}

fn leases(machine: &Machine) -> Finding {
    let check = "leases";
    match machine.number("/proc/sys/fs/leases-enable") {
        Some(0) => Finding::warning(check, "the kernel grants no leases (fs.leases-enable=0)")
            .why(
                "leases are how shmkit learns from the kernel who leaves last. Without them it asks \
                 /proc, and where that does not show everybody it removes nothing and reclaims \
                 nothing",
            )
            .mend("sysctl -w fs.leases-enable=1"),
        Some(_) => Finding::good(check, "the kernel grants leases"),
        None => Finding::note(check, "it is not told whether the kernel grants leases")
            .why("/proc/sys/fs/leases-enable cannot be read; a sandbox may have none"),
    }
}

fn memfds(machine: &Machine) -> Finding {
    let check = "memfd-policy";
    match machine.number("/proc/sys/vm/memfd_noexec") {
        Some(2) => Finding::warning(
            check,
            "programs may only make memfds that are never executable (vm.memfd_noexec=2)",
        )
        .why(
            "shmkit asks for such; but older programs that do not (and Qt and Python code with \
                 a plain memfd_create) get EACCES",
        )
        .mend("sysctl -w vm.memfd_noexec=1"),
        Some(1) => Finding::note(
            check,
            "memfds are not executable unless asked for (vm.memfd_noexec=1)",
        )
        .why("safer; programs that run code from a memfd without asking for it fail"),
        Some(_) => Finding::good(check, "memfds are as programs ask for (vm.memfd_noexec=0)"),
        None => Finding::good(check, "the kernel has no policy for memfds"),
    }
}

/// `fs.protected_regular`: in a sticky directory that everybody may write to, such as /dev/shm,
/// O_CREAT on somebody else's file is refused.
fn protection(machine: &Machine) -> Finding {
    let check = "protected-files";
    match machine.number("/proc/sys/fs/protected_regular") {
        Some(level @ 1..) => Finding::note(
            check,
            format!("other users' segments cannot be opened with O_CREAT (fs.protected_regular={level})"),
        )
        .why(
            "programs that open a segment of another user with shm_open(O_CREAT) and without O_EXCL \
             get EACCES, root too; shmkit, Qt and Python attach without it and are not affected",
        ),
        _ => Finding::good(check, "other users' segments may be opened with O_CREAT"),
    }
}

fn huge_page_pools(machine: &Machine) -> Finding {
    const DIRECTORY: &str = "/sys/kernel/mm/hugepages";
    let check = "huge-pages";
    let mut pools = Vec::new();
    for name in machine.names(DIRECTORY) {
        let size = name
            .strip_prefix("hugepages-")
            .and_then(|rest| rest.strip_suffix("kB")?.parse::<u64>().ok());
        let number = |file: &str| {
            machine
                .number(&format!("{DIRECTORY}/{name}/{file}"))
                .unwrap_or(0)
        };
        let (total, free, reserved) = (
            number("nr_hugepages"),
            number("free_hugepages"),
            number("resv_hugepages"),
        );
        if let Some(size) = size.filter(|_| total > 0) {
            // Reserved ones are free for those only who have reserved them.
            pools.push((size << 10, total, free.saturating_sub(reserved)));
        }
    }
    if pools.is_empty() {
        return Finding::note(check, "no huge pages are set aside")
            .why("segments that demand huge pages (hugetlb) cannot be made; others need none")
            .mend("sysctl -w vm.nr_hugepages=NUMBER");
    }
    let text: Vec<String> = pools
        .iter()
        .map(|&(size, total, free)| format!("{free} of {total} of {} free", bytes(size)))
        .collect();
    let summary = format!("huge pages: {}", text.join(", "));
    match pools.iter().all(|&(_, _, free)| free == 0) {
        true => Finding::note(check, summary)
            .why("segments that demand huge pages cannot be made until others give some back")
            .mend("sysctl -w vm.nr_hugepages=NUMBER"),
        false => Finding::good(check, summary),
    }
}

fn transparent_huge_pages(machine: &Machine) -> Finding {
    let check = "transparent-huge-pages";
    let file = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let Some(setting) = machine.text(file) else {
        return Finding::good(
            check,
            "the kernel has no transparent huge pages for segments",
        );
    };
    let chosen = chosen(&setting).unwrap_or("?").to_owned();
    let mounts = mounts(machine).unwrap_or_default();
    let of_mount = mount_of(&mounts, "/dev/shm").and_then(|mount| mount.value_of("huge"));
    match (&*chosen, of_mount) {
        ("deny", _) => Finding::note(
            check,
            "huge pages are denied to all segments (shmem_enabled=deny)",
        )
        .why("large segments are slower than they need be: more page faults, more TLB misses")
        .mend(format!("echo advise > {file}")),
        ("force", _) => Finding::note(
            check,
            "huge pages are forced on all segments (shmem_enabled=force)",
        )
        .why("small segments take 2 MiB each; the setting is meant for tests")
        .mend(format!("echo advise > {file}")),
        (_, Some("always" | "within_size" | "advise")) => Finding::good(
            check,
            "segments may have transparent huge pages (/dev/shm is mounted so)",
        ),
        // System V segments and memfds go by the setting, files in /dev/shm by their mount.
        _ => Finding::note(
            check,
            format!(
                "POSIX segments get no transparent huge pages (/dev/shm is mounted without huge=); \
                 for System V segments and memfds it is {chosen:?}"
            ),
        )
        .why("large segments are slower than they could be: more page faults, more TLB misses")
        .mend("mount -o remount,huge=advise /dev/shm"),
    }
}

/// The word in brackets, in files that look like `always [madvise] never`.
fn chosen(setting: &str) -> Option<&str> {
    Some(setting.split_once('[')?.1.split_once(']')?.0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Good, Note, Warning};
    use super::super::tests::Fake;
    use super::*;

    #[test]
    fn leases_are_on_off_or_not_told() {
        let judge = |text: &str| {
            leases(
                &Fake::new()
                    .with("proc/sys/fs/leases-enable", text)
                    .machine(),
            )
        };
        assert_eq!(judge("1\n").severity, Good);
        let off = judge("0\n");
        assert_eq!(off.severity, Warning);
        assert_eq!(off.mend.unwrap(), "sysctl -w fs.leases-enable=1");
        assert_eq!(leases(&Fake::new().machine()).severity, Note);
    }

    #[test]
    fn policies_are_judged_by_their_level() {
        let fake = |path: &str, text: &str| Fake::new().with(path, text);
        let memfd = |text| memfds(&fake("proc/sys/vm/memfd_noexec", text).machine()).severity;
        assert_eq!(["0", "1", "2"].map(memfd), [Good, Note, Warning]);
        let regular =
            |text| protection(&fake("proc/sys/fs/protected_regular", text).machine()).severity;
        assert_eq!(["0", "1", "2"].map(regular), [Good, Note, Note]);
    }

    #[test]
    fn huge_pages_that_others_have_reserved_are_not_free() {
        let pool = |name: &str| format!("sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        let fake = Fake::new()
            .with(&pool("nr_hugepages"), "4\n")
            .with(&pool("free_hugepages"), "2\n")
            .with(&pool("resv_hugepages"), "1\n");
        let found = huge_page_pools(&fake.machine());
        assert_eq!(
            (found.severity, &*found.summary),
            (Good, "huge pages: 1 of 4 of 2 MiB free")
        );
        let fake = fake.with(&pool("free_hugepages"), "1\n");
        assert_eq!(huge_page_pools(&fake.machine()).severity, Note);
        assert_eq!(huge_page_pools(&Fake::new().machine()).severity, Note);
    }

    #[test]
    fn transparent_huge_pages_go_by_mount_unless_denied() {
        let file = "sys/kernel/mm/transparent_hugepage/shmem_enabled";
        let judge = |setting: &str, mount: &str| {
            let mount = format!("1 0 0:1 / /dev/shm rw - tmpfs tmpfs rw{mount}\n");
            let fake = Fake::new()
                .with(file, setting)
                .with("proc/self/mountinfo", &mount);
            transparent_huge_pages(&fake.machine())
        };
        let never = "always within_size advise [never] deny force";
        assert_eq!(judge(never, "").severity, Note);
        assert!(judge(never, "").summary.contains("\"never\""));
        assert_eq!(judge(never, ",huge=within_size").severity, Good);
        assert_eq!(judge("never [deny]", ",huge=within_size").severity, Note);
        assert_eq!(
            transparent_huge_pages(&Fake::new().machine()).severity,
            Good
        );
    }
}
