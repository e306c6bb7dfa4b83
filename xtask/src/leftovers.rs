//! What tests leave behind: segments, semaphores, files.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What the names have in them.
const NAMES: [&str; 3] = [
    TEST,
    // A legacy key keeps only the letters.
    "shmkittest",
    // What was a key file, when its remover was killed.
    ".shmkit.gone-",
];

/// Every test names its things so.
const TEST: &str = "shmkit-test-";

/// What was there at one moment.
pub(crate) struct Leftovers(BTreeSet<String>);

impl Leftovers {
    /// Takes stock.
    pub(crate) fn now() -> Self {
        let mut found = BTreeSet::new();
        for folder in [PathBuf::from("/dev/shm"), env::temp_dir()] {
            found.extend(names_in(&folder));
        }
        for kind in ["shm", "sem"] {
            let list = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
            found.extend(objects_in(&list).map(|object| format!("System V {kind} {object}")));
        }
        Self(found)
    }

    /// Says what has come since; what is about to go gets a moment to do so.
    pub(crate) fn none_since(&self) -> Result<String> {
        let start = Instant::now();
        loop {
            let new = self.arrivals();
            if new.is_empty() {
                return Ok(String::new());
            }
            if start.elapsed() > Duration::from_secs(3) {
                bail!("the tests left behind: {}", new.join(", "));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn arrivals(&self) -> Vec<String> {
        Self::now().0.difference(&self.0).cloned().collect()
    }
}

/// The paths in `folder` that tests of dead processes made.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| NAMES.iter().any(|mark| name.contains(mark)) && !is_of_the_living(name))
        .map(|name| folder.join(name).display().to_string())
        .collect()
}

/// True for `shmkit-test-PID-...` if that process runs: another run of the tests, not ours.
fn is_of_the_living(name: &str) -> bool {
    let pid = name
        .split_once(TEST)
        .and_then(|(_, rest)| rest.split('-').next());
    pid.is_some_and(runs)
}

/// The keys and ids in a list of System V objects whose creators do not run.
fn objects_in(list: &str) -> impl Iterator<Item = String> {
    let creator = list
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .position(|it| it == "cpid");
    list.lines().skip(1).filter_map(move |line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [key, id, ..] = columns[..] else {
            return None;
        };
        let living = creator
            .and_then(|column| columns.get(column))
            .is_some_and(|pid| runs(pid));
        (!living).then(|| format!("{id} (key {key})"))
    })
}

fn runs(pid: &str) -> bool {
    pid.parse::<u32>()
        .is_ok_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    #[test]
    fn a_new_name_of_a_dead_process_is_a_leftover() {
        let before = Leftovers::now();
        let path = env::temp_dir().join("shmkit-test-99999999-0-0badcafe");
        fs::write(&path, "").unwrap();
        let new = before.arrivals();
        fs::remove_file(&path).unwrap();
        assert!(new.contains(&path.display().to_string()), "{new:?}");
    }

    #[test]
    fn a_name_of_a_living_process_is_not() {
        assert!(is_of_the_living(&format!(
            "sem.shmkit-test-{}-0-1",
            process::id()
        )));
        assert!(!is_of_the_living("qipc_sharedmemory_shmkittest0123"));
    }

    #[test]
    fn system_v_objects_of_the_dead_are_listed() {
        let list = format!(
            " key shmid perms size cpid\n 5 1 1600 4096 99999999\n 6 2 1600 4096 {}\n",
            process::id()
        );
        assert_eq!(objects_in(&list).collect::<Vec<_>>(), ["1 (key 5)"]);
        assert_eq!(
            objects_in(" key semid\n 7 3\n").collect::<Vec<_>>(),
            ["3 (key 7)"]
        );
    }
}
