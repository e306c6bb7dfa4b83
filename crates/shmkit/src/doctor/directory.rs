//! The directory of POSIX segments: is it there, is it memory, how full is it.

use super::mounts::{Mount, mount_of, mounts};
use super::{BRIMMING, FULL, Finding, percent};
use crate::backend::bytes;
use crate::sys::machine::{Machine, Room};

const PATH: &str = "/dev/shm";

/// What containers get unless they are given more.
const CONTAINERS_DEFAULT: u64 = 64 << 20;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    if !machine.is_directory(PATH) {
        found.push(missing());
        return;
    }
    let mounts = mounts(machine).unwrap_or_default();
    let mount = mount_of(&mounts, PATH);
    found.push(kind(mount));
    if let Some(mount) = mount {
        found.push(options(mount));
    }
    if let Some(mode) = machine.mode(PATH) {
        found.push(permissions(mode));
    }
    if let Ok(room) = machine.room(PATH) {
        found.push(size(room, memory(machine), is_container(machine)));
        found.push(use_of(room));
        found.extend(files(room));
    }
}

fn missing() -> Finding {
    Finding::critical("shm-directory", format!("there is no {PATH}"))
        .why("POSIX segments, and those of Qt and Python, are files in it; none can be made")
        .mend(format!(
            "mkdir -p {PATH} && mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs {PATH}"
        ))
}

fn kind(mount: Option<&Mount>) -> Finding {
    let check = "shm-directory";
    let over_it = format!("mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs {PATH}");
    match mount {
        None => Finding::note(check, format!("it is not told what is mounted at {PATH}"))
            .why("/proc/self/mountinfo cannot be read, so it may be a disk"),
        Some(mount) if mount.point != PATH => Finding::critical(
            check,
            format!("{PATH} lies on {} of {}", mount.kind, mount.point),
        )
        .why(
            "it is no memory file system of its own: segments go to a disk, or fill what \
                     others need",
        )
        .mend(over_it),
        Some(mount) if mount.kind == "tmpfs" => Finding::good(check, format!("{PATH} is a tmpfs")),
        Some(mount) if mount.kind == "ramfs" => {
            Finding::warning(check, format!("{PATH} is a ramfs"))
                .why("it has no limit and is never swapped out: one program can take all memory")
                .mend(over_it)
        }
        Some(mount) => Finding::critical(check, format!("{PATH} is of type {}", mount.kind))
            .why("segments are not memory there: slow, and perhaps not even shared")
            .mend(over_it),
    }
}

fn options(mount: &Mount) -> Finding {
    let check = "shm-options";
    if mount.has("ro") {
        return Finding::critical(check, format!("{PATH} is mounted read-only"))
            .why("no segment can be made")
            .mend(format!("mount -o remount,rw {PATH}"));
    }
    let lacks: Vec<&str> = ["nosuid", "nodev"]
        .into_iter()
        .filter(|option| !mount.has(option))
        .collect();
    if !lacks.is_empty() {
        let lacks = lacks.join(",");
        return Finding::note(check, format!("{PATH} is mounted without {lacks}"))
            .why("everybody may write there, and segments need neither programs nor devices")
            .mend(format!("mount -o remount,{lacks} {PATH}"));
    }
    if mount.has("noexec") {
        return Finding::note(check, format!("{PATH} is mounted noexec"))
            .why("safer, but programs that map segments with PROT_EXEC (some JITs) fail there");
    }
    Finding::good(
        check,
        format!("{PATH} is writable, without programs and devices"),
    )
}

fn permissions(mode: u32) -> Finding {
    let check = "shm-permissions";
    let mend = format!("chmod 1777 {PATH}");
    if mode & 0o002 == 0 {
        return Finding::warning(check, format!("{PATH} has mode {mode:04o}"))
            .why("ordinary users cannot make segments")
            .mend(mend);
    }
    if mode & 0o1000 == 0 {
        return Finding::warning(check, format!("{PATH} has mode {mode:04o}, not sticky"))
            .why("every user may remove the segments of all others, or put others in their place")
            .mend(mend);
    }
    Finding::good(check, format!("{PATH} has mode {mode:04o}"))
}

fn size(room: Room, memory: Option<u64>, is_container: bool) -> Finding {
    let check = "shm-size";
    let size = room.bytes;
    let text = bytes(size);
    if size == 0 {
        return Finding::warning(check, format!("{PATH} has no limit"))
            .why("one program can take all memory, and the kernel then kills others")
            .mend(format!("mount -o remount,size=50% {PATH}"));
    }
    if size <= CONTAINERS_DEFAULT {
        let finding = Finding::warning(check, format!("{PATH} has {text} only"))
            .why("a few pictures or tensors fill it, and then creating segments fails");
        return finding.mend(match is_container {
            true => "docker run --shm-size=1g IMAGE    # Kubernetes: an emptyDir with medium: \
                     Memory at /dev/shm"
                .to_owned(),
            false => format!("mount -o remount,size=50% {PATH}"),
        });
    }
    if let Some(memory) = memory.filter(|&memory| percent(size, memory) >= 90) {
        return Finding::note(
            check,
            format!(
                "{PATH} may grow to {text}, and the machine has {}",
                bytes(memory)
            ),
        )
        .why(
            "segments can take all memory: then the kernel kills programs, where a limit would \
             have been an error when a segment is made",
        )
        .mend(format!("mount -o remount,size=50% {PATH}"));
    }
    Finding::good(check, format!("{PATH} has {text}"))
}

fn use_of(room: Room) -> Finding {
    let check = "shm-use";
    let used = room.bytes.saturating_sub(room.free);
    let full = percent(used, room.bytes);
    let summary = format!(
        "{} of {} are used ({full} %)",
        bytes(used),
        bytes(room.bytes)
    );
    let finding = match full {
        ..FULL => return Finding::good(check, summary),
        FULL..BRIMMING => Finding::warning(check, summary),
        _ => Finding::critical(check, summary),
    };
    finding
        .why(
            "a segment that does not fit cannot be made; programs that do not reserve their memory \
             die with SIGBUS instead",
        )
        .mend("shmkit ls    # what takes the room; `shmkit reap --yes` removes orphans")
}

/// A file system may run out of files before it runs out of bytes.
fn files(room: Room) -> Option<Finding> {
    let check = "shm-files";
    let used = room.files.saturating_sub(room.free_files);
    let full = percent(used, room.files);
    if full < FULL {
        return None;
    }
    let summary = format!("{used} of {} files are used ({full} %)", room.files);
    let finding = match full {
        ..BRIMMING => Finding::warning(check, summary),
        _ => Finding::critical(check, summary),
    };
    Some(
        finding
            .why("each segment and each semaphore is a file, and no more can be made then")
            .mend(format!("mount -o remount,nr_inodes=NUMBER {PATH}")),
    )
}

/// The memory of the machine and its swap space.
fn memory(machine: &Machine) -> Option<u64> {
    let text = machine.text("/proc/meminfo")?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((kib("MemTotal:")? + kib("SwapTotal:").unwrap_or(0)) << 10)
}

/// Whether the machine is a container of one of the usual kinds.
fn is_container(machine: &Machine) -> bool {
    machine.exists("/.dockerenv")
        || machine.exists("/run/.containerenv")
        || machine.exists("/run/systemd/container")
        || machine.exists("/var/run/secrets/kubernetes.io")
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{self, Critical, Good, Note, Warning};
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(bytes: u64, free: u64) -> Room {
        Room {
            bytes,
            free,
            files: 1000,
            free_files: 900,
        }
    }

    #[test]
    fn a_size_is_judged_against_the_memory() {
        let judge = |mib: u64, memory| size(room(mib * MIB, 0), memory, true);
        let of = |mib, memory| judge(mib, Some(memory * MIB)).severity;
        assert_eq!(of(64, 8192), Warning);
        assert_eq!(of(65, 8192), Good);
        assert_eq!(of(4096, 8192), Good);
        assert_eq!(of(8192, 8192), Note);
        assert_eq!(judge(4096, None).severity, Good);
        assert_eq!(judge(0, None).severity, Warning);
        assert!(judge(64, None).mend.unwrap().contains("--shm-size"));
        assert!(
            !size(room(MIB, 0), None, false)
                .mend
                .unwrap()
                .contains("docker")
        );
    }

    #[test]
    fn fullness_is_judged_in_steps() {
        let judge = |free| use_of(room(100 * MIB, free * MIB)).severity;
        assert_eq!(
            [100, 21, 20, 6, 5, 0].map(judge),
            [Good, Good, Warning, Warning, Critical, Critical]
        );
        let files = |free_files| {
            files(Room {
                free_files,
                ..room(1, 1)
            })
            .map(|it| it.severity)
        };
        assert_eq!(files(201), None);
        assert_eq!(files(200), Some(Warning));
        assert_eq!(files(0), Some(Critical));
        // A tmpfs with `nr_inodes=0` counts none.
        assert_eq!(
            super::files(Room {
                files: 0,
                free_files: 0,
                ..room(1, 1)
            }),
            None
        );
    }

    #[test]
    fn permissions_are_for_all_and_sticky() {
        let judge = |mode| -> Severity { permissions(mode).severity };
        assert_eq!([0o1777, 0o755, 0o777].map(judge), [Good, Warning, Warning]);
    }
}
