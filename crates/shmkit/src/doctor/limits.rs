//! The limits of this process, which its children inherit (`/proc/self/limits`, getrlimit(2)).

use super::Finding;
use crate::backend::bytes;
use crate::sys::machine::Machine;

/// Each segment and its lock take two descriptors each.
const FEW_DESCRIPTORS: u64 = 1024;

/// Old systems gave so much; newer ones give 8 MiB.
const LITTLE_LOCKED: u64 = 64 << 10;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    let Some(table) = machine.text("/proc/self/limits") else {
        found.push(
            Finding::note("limits", "the limits of processes are not told")
                .why("/proc/self/limits cannot be read"),
        );
        return;
    };
    found.push(descriptors(limit(&table, "Max open files")));
    found.push(locked_memory(limit(&table, "Max locked memory")));
    found.push(file_size(limit(&table, "Max file size")));
    found.push(address_space(limit(&table, "Max address space")));
}

/// What holds, and up to what a process may raise it; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    soft: Option<u64>,
    hard: Option<u64>,
}

/// Reads `Max open files            1024                 524288               files`.
fn limit(table: &str, name: &str) -> Limit {
    let line = table.lines().find_map(|line| line.strip_prefix(name));
    let mut words = line.unwrap_or_default().split_ascii_whitespace();
    let mut next = || words.next().and_then(|word| word.parse().ok());
    let (soft, hard) = (next(), next());
    Limit { soft, hard }
}

impl Limit {
    /// What `ulimit` is given to raise it as far as may be.
    fn most(self) -> String {
        self.hard
            .map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string())
    }
}

fn descriptors(limit: Limit) -> Finding {
    let check = "limit-descriptors";
    match limit.soft {
        Some(few) if few <= FEW_DESCRIPTORS => {
            let finding = Finding::note(check, format!("a process may have {few} files open")).why(
                "each attached POSIX segment keeps one open and its lock another; programs with \
                     hundreds of segments run out of them",
            );
            match limit.hard.is_none_or(|hard| hard > few) {
                true => finding.mend(format!("ulimit -Sn {}", limit.most())),
                false => finding,
            }
        }
        Some(many) => Finding::good(check, format!("a process may have {many} files open")),
        None => Finding::good(check, "a process may have any number of files open"),
    }
}

fn locked_memory(limit: Limit) -> Finding {
    let check = "limit-locked-memory";
    match limit.soft {
        Some(little) if little <= LITTLE_LOCKED => Finding::note(
            check,
            format!("a process may lock {} in memory", bytes(little)),
        )
        .why("segments that are to be kept from being swapped out (mlock) cannot be larger")
        .mend("ulimit -l BYTES_IN_KIB    # LimitMEMLOCK= for services, /etc/security/limits.conf"),
        Some(much) => Finding::good(
            check,
            format!("a process may lock {} in memory", bytes(much)),
        ),
        None => Finding::good(check, "a process may lock any amount of memory"),
    }
}

fn file_size(limit: Limit) -> Finding {
    let check = "limit-file-size";
    match limit.soft {
        Some(size) => Finding::warning(check, format!("files may have {} at most", bytes(size)))
            .why(
                "POSIX segments are files: larger ones cannot be made, and programs that try get \
                 SIGXFSZ, which kills them",
            )
            .mend(format!(
                "ulimit -Sf {}",
                limit
                    .hard
                    .map_or_else(|| "unlimited".to_owned(), |hard| (hard / 1024).to_string())
            )),
        None => Finding::good(check, "files may have any size"),
    }
}

fn address_space(limit: Limit) -> Finding {
    let check = "limit-address-space";
    match limit.soft {
        Some(size) => Finding::warning(
            check,
            format!("a process may map {} at most", bytes(size)),
        )
        .why("segments count in full in each process that attaches them, and more is \"out of memory\"")
        .mend(format!("ulimit -Sv {}", limit.hard.map_or_else(|| "unlimited".to_owned(), |hard| (hard / 1024).to_string()))),
        None => Finding::good(check, "a process may map any amount"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Good, Note, Warning};
    use super::*;

    const TABLE: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max file size             unlimited            unlimited            bytes     
Max open files            1024                 524288               files     
Max locked memory         65536                8388608              bytes     
";

    #[test]
    fn the_kernels_table_is_read() {
        let files = limit(TABLE, "Max open files");
        assert_eq!(
            files,
            Limit {
                soft: Some(1024),
                hard: Some(524_288)
            }
        );
        let size = limit(TABLE, "Max file size");
        assert_eq!(
            size,
            Limit {
                soft: None,
                hard: None
            }
        );
    }

    #[test]
    fn limits_are_judged() {
        let files = descriptors(limit(TABLE, "Max open files"));
        assert_eq!(files.severity, Note);
        assert_eq!(files.mend.as_deref(), Some("ulimit -Sn 524288"));
        let many = Limit {
            soft: Some(20_000),
            hard: None,
        };
        assert_eq!(descriptors(many).severity, Good);
        // Nothing that this process could do about it.
        let stuck = Limit {
            soft: Some(64),
            hard: Some(64),
        };
        assert_eq!(descriptors(stuck).mend, None);
        assert_eq!(
            locked_memory(limit(TABLE, "Max locked memory")).severity,
            Note
        );
        assert_eq!(file_size(limit(TABLE, "Max file size")).severity, Good);
        let small = Limit {
            soft: Some(1 << 20),
            hard: None,
        };
        assert_eq!(file_size(small).severity, Warning);
        assert_eq!(
            file_size(small).mend.as_deref(),
            Some("ulimit -Sf unlimited")
        );
        assert_eq!(address_space(small).severity, Warning);
    }
}
