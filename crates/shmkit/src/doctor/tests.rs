//! A machine made of a few files, and the whole of an examination.

use std::fs;
use std::os::unix::fs::symlink;

use shmkit_testkit::Scratch;

use super::*;

/// The root directory of a machine.
pub(super) struct Fake(Scratch);

impl Fake {
    pub(super) fn new() -> Self {
        Self(Scratch::new())
    }

    pub(super) fn with(self, path: &str, text: &str) -> Self {
        fs::write(self.place(path), text).unwrap();
        self
    }

    pub(super) fn with_link(self, path: &str, target: &str) -> Self {
        symlink(target, self.place(path)).unwrap();
        self
    }

    fn place(&self, path: &str) -> PathBuf {
        let place = self.0.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    pub(super) fn machine(&self) -> Machine {
        Machine::at(self.0.path()).unwrap()
    }

    fn examine(&self) -> Vec<Finding> {
        Checkup::new().root(self.0.path()).user(1000).run().unwrap()
    }
}

fn worst<'f>(found: &'f [Finding], check: &str) -> &'f Finding {
    found
        .iter()
        .filter(|finding| finding.check == check)
        .max_by_key(|finding| finding.severity)
        .unwrap_or_else(|| panic!("{check} in {found:?}"))
}

#[test]
fn a_machine_that_tells_nothing_is_no_crash() {
    let found = Fake::new().examine();
    assert_eq!(worst(&found, "shm-directory").severity, Severity::Critical);
    assert_eq!(worst(&found, "proc").severity, Severity::Critical);
    assert!(found.iter().all(|finding| !finding.summary.is_empty()));
}

#[test]
fn nonsense_is_no_crash() {
    let mut fake = Fake::new().with("dev/shm/x", "");
    for path in [
        "proc/self/mountinfo",
        "proc/self/cgroup",
        "proc/self/limits",
        "proc/self/maps",
        "proc/sysvipc/shm",
        "proc/sysvipc/sem",
        "proc/sys/kernel/sem",
        "proc/sys/kernel/shmmni",
        "proc/sys/fs/leases-enable",
        "proc/meminfo",
        "sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "etc/systemd/logind.conf",
    ] {
        fake = fake.with(
            path,
            "MemTotal: 0::/ - - [ \\9 -1\n\n:::\n99999999999999999999999\n",
        );
    }
    assert!(fake.examine().len() > 10);
}

#[test]
fn where_the_directory_lies_is_told_from_the_mounts() {
    let with = |line: &str| {
        let fake = Fake::new()
            .with("dev/shm/x", "")
            .with("proc/self/mountinfo", line);
        let found = fake.examine();
        let [kind, options] =
            ["shm-directory", "shm-options"].map(|check| worst(&found, check).severity);
        (kind, options)
    };
    use Severity::{Critical, Good, Note, Warning};
    assert_eq!(
        with("1 0 0:1 / /dev/shm rw,nosuid,nodev - tmpfs t rw\n"),
        (Good, Good)
    );
    assert_eq!(
        with("1 0 0:1 / /dev/shm rw,nosuid,nodev,noexec - tmpfs t rw\n"),
        (Good, Note)
    );
    assert_eq!(with("1 0 0:1 / /dev/shm rw - tmpfs t rw\n"), (Good, Note));
    assert_eq!(
        with("1 0 0:1 / /dev/shm ro - tmpfs t rw\n"),
        (Good, Critical)
    );
    assert_eq!(
        with("1 0 0:1 / /dev/shm rw - ramfs r rw\n"),
        (Warning, Note)
    );
    assert_eq!(
        with("1 0 0:1 / /dev/shm rw - ext4 disk rw\n"),
        (Critical, Note)
    );
    assert_eq!(with("1 0 0:1 / / rw - overlay o rw\n"), (Critical, Note));
}

#[test]
fn this_machine_is_examined() {
    let found = examine().unwrap();
    for check in [
        "shm-directory",
        "shm-use",
        "leases",
        "logind",
        "orphans",
        "limit-file-size",
    ] {
        let finding = worst(&found, check);
        let is_good = finding.severity == Severity::Good;
        assert_eq!(finding.why.is_empty(), is_good, "{finding:?}");
    }
}
