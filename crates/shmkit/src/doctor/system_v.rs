//! The limits of System V segments and semaphores, and how much of them is used (sysvipc(7)).

use super::{BRIMMING, FULL, Finding, percent};
use crate::backend::bytes;
use crate::sys::machine::{Machine, page_size};

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    let Some(segments) = machine.text("/proc/sysvipc/shm") else {
        found.push(
            Finding::note("systemv", "there are no System V segments here").why(
                "the kernel is built without them, or /proc is not shown: `systemv:` keys fail",
            ),
        );
        return;
    };
    let limit = |name: &str| machine.number(&format!("/proc/sys/kernel/{name}"));
    let sizes: Vec<u64> = column(&segments, 3).collect();
    if let Some(most) = limit("shmmni") {
        found.push(segment_count(sizes.len() as u64, most));
    }
    if let Some(most) = limit("shmmax") {
        found.push(largest(most));
    }
    if let Some(pages) = limit("shmall") {
        let used = sizes.iter().map(|size| size.div_ceil(page_size())).sum();
        found.push(total(used, pages));
    }
    let semaphores = machine.text("/proc/sysvipc/sem").unwrap_or_default();
    let values: Vec<u64> = machine
        .text("/proc/sys/kernel/sem")
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    if let [_per_set, all, _operations, sets] = values[..] {
        let counts: Vec<u64> = column(&semaphores, 3).collect();
        found.push(semaphore_sets(
            [counts.len() as u64, sets],
            [counts.iter().sum(), all],
        ));
    }
    if limit("shm_rmid_forced") == Some(1) {
        found.push(
            Finding::warning(
                "systemv-removal",
                "System V segments go when nobody is attached (kernel.shm_rmid_forced=1)",
            )
            .why("kept ones go as well, with all that is in them, as soon as their maker ends")
            .mend("sysctl -w kernel.shm_rmid_forced=0"),
        );
    }
}

/// The numbers of a column of one of the kernel's tables, without its heading.
fn column(table: &str, index: usize) -> impl Iterator<Item = u64> {
    table
        .lines()
        .skip(1)
        .filter_map(move |line| line.split_ascii_whitespace().nth(index)?.parse().ok())
}

fn segment_count(used: u64, most: u64) -> Finding {
    graded(
        "systemv-segments",
        percent(used, most),
        format!("{used} of {most} System V segments exist"),
    )
    .why_unless_good("no more can be made then: \"no space left on device\"")
    .mend_unless_good(|| {
        format!(
            "sysctl -w kernel.shmmni={}    # or remove some: shmkit ls",
            most.saturating_mul(2)
        )
    })
}

fn total(used: u64, most: u64) -> Finding {
    let size = |pages: u64| bytes(pages.saturating_mul(page_size()));
    let summary = match most.checked_mul(page_size()) {
        // The default is as good as no limit.
        None => format!("System V segments have {}, without limit", size(used)),
        Some(_) => format!(
            "System V segments have {} of {} in all",
            size(used),
            size(most)
        ),
    };
    graded("systemv-memory", percent(used, most), summary)
        .why_unless_good("no more can be made then: \"no space left on device\"")
        .mend_unless_good(|| {
            format!(
                "sysctl -w kernel.shmall={}    # in pages",
                most.saturating_mul(2)
            )
        })
}

fn largest(most: u64) -> Finding {
    let check = "systemv-size";
    // What Linux had for its first twenty years.
    if most <= 32 << 20 {
        return Finding::warning(
            check,
            format!("a System V segment may have {} at most", bytes(most)),
        )
        .why("larger ones cannot be made: \"invalid argument\"")
        .mend("sysctl -w kernel.shmmax=18446744073692774399");
    }
    match most < 1 << 60 {
        true => Finding::good(
            check,
            format!("a System V segment may have {}", bytes(most)),
        ),
        false => Finding::good(check, "a System V segment may have any size"),
    }
}

fn semaphore_sets([sets, most_sets]: [u64; 2], [all, most_all]: [u64; 2]) -> Finding {
    let full = percent(sets, most_sets).max(percent(all, most_all));
    let summary = format!(
        "{sets} of {most_sets} sets of System V semaphores exist, with {all} of {most_all} semaphores"
    );
    graded("systemv-semaphores", full, summary)
        .why_unless_good("each System V segment has a lock, which is such a set")
        .mend_unless_good(|| {
            format!(
                "sysctl -w kernel.sem=\"32000 {} 500 {}\"",
                most_all.saturating_mul(2),
                most_sets.saturating_mul(2)
            )
        })
}

fn graded(check: &'static str, full: u64, summary: String) -> Finding {
    match full {
        ..FULL => Finding::good(check, summary),
        FULL..BRIMMING => Finding::warning(check, summary),
        _ => Finding::critical(check, summary),
    }
}

impl Finding {
    fn why_unless_good(self, why: &str) -> Self {
        match self.severity {
            super::Severity::Good => self,
            _ => self.why(why),
        }
    }

    fn mend_unless_good(self, command: impl FnOnce() -> String) -> Self {
        match self.severity {
            super::Severity::Good => self,
            _ => self.mend(command()),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Critical, Good, Warning};
    use super::super::tests::Fake;
    use super::*;

    #[test]
    fn counts_and_sizes_are_judged_against_their_limits() {
        let row = |size: u64| format!("\n 1 0 600 {size} 1 1 0 0 0 0 0 0 0 0 0 0");
        let table = format!(
            "key shmid perms size{}{}{}{}",
            row(1),
            row(4096),
            row(4097),
            row(1)
        );
        let fake = Fake::new()
            .with("proc/sysvipc/shm", &table)
            .with(
                "proc/sysvipc/sem",
                "key semid perms nsems\n 1 0 600 2 0 0 0 0 0 0",
            )
            .with("proc/sys/kernel/shmmni", "5\n")
            .with("proc/sys/kernel/shmmax", "33554432\n")
            .with(
                "proc/sys/kernel/shmall",
                &format!("{}\n", 5 * 4096 / page_size()),
            )
            .with("proc/sys/kernel/sem", "32000 100 500 10\n")
            .with("proc/sys/kernel/shm_rmid_forced", "1\n");
        let mut found = Vec::new();
        check(&fake.machine(), &mut found);
        let of = |check: &str| {
            let finding = found.iter().find(|finding| finding.check == check);
            finding.unwrap_or_else(|| panic!("{check} in {found:?}"))
        };
        assert_eq!(of("systemv-segments").severity, Warning);
        assert!(
            of("systemv-segments")
                .mend
                .as_ref()
                .unwrap()
                .contains("shmmni=10")
        );
        assert_eq!(of("systemv-size").severity, Warning);
        assert_eq!(of("systemv-memory").severity, Critical);
        assert_eq!(of("systemv-semaphores").severity, Good);
        assert_eq!(of("systemv-semaphores").why, "");
        assert_eq!(of("systemv-removal").severity, Warning);
    }

    #[test]
    fn the_usual_limits_are_none() {
        let none = 18_446_744_073_692_774_399;
        assert_eq!(largest(none).severity, Good);
        let all = total(0, none);
        assert_eq!(
            (all.severity, all.summary.contains("without limit")),
            (Good, true)
        );
    }
}
