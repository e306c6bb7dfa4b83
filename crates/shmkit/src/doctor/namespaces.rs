//! What of the machine can be seen from here: PID and IPC namespaces, and /proc itself.

use super::Finding;
use super::mounts::{mount_of, mounts};
use crate::sys::machine::Machine;

pub(super) fn check(machine: &Machine, found: &mut Vec<Finding>) {
    found.push(process_files(machine));
    found.push(pid_namespace(machine));
    found.push(ipc_namespace(machine));
}

fn process_files(machine: &Machine) -> Finding {
    let check = "proc";
    if !machine.exists("/proc/self/maps") {
        return Finding::critical(check, "/proc is not mounted")
            .why(
                "who uses a segment cannot be told, and segments are made by a slower way that can \
                 leave hidden files behind",
            )
            .mend("mount -t proc proc /proc");
    }
    let mounts = mounts(machine).unwrap_or_default();
    let mount = mount_of(&mounts, "/proc").filter(|mount| mount.kind == "proc");
    let hides = mount.and_then(|mount| mount.value_of("hidepid"));
    match hides {
        None | Some("0" | "off") => Finding::good(check, "/proc shows all processes"),
        Some(level) => {
            let summary = format!("/proc hides other users' processes (hidepid={level})");
            let why = "users of a segment cannot be named unless they are your own, and where the \
                       kernel grants no leases nothing is reclaimed; what the kernel says itself \
                       stays right";
            match machine.user {
                0 => Finding::note(check, summary).why(why),
                _ => Finding::warning(check, summary)
                    .why(why)
                    .mend("mount -o remount,hidepid=0 /proc    # or gid=GROUP for those who look"),
            }
        }
    }
}

/// The inodes of the first namespaces are the same on every Linux (`linux/proc_ns.h`).
const FIRST_PID: &str = "pid:[4026531836]";
const FIRST_IPC: &str = "ipc:[4026531839]";

fn pid_namespace(machine: &Machine) -> Finding {
    let check = "pid-namespace";
    match machine.link("/proc/self/ns/pid") {
        Some(link) if link == FIRST_PID => {
            Finding::good(check, "all processes of the machine can be seen from here")
        }
        Some(_) => Finding::note(
            check,
            "this is a PID namespace of its own, as containers have",
        )
        .why(
            "users of a segment outside cannot be named and are not counted by `ls`; the kernel \
                 still counts them, so nothing of theirs is removed",
        )
        .mend("docker run --pid=host IMAGE    # or --pid=container:NAME, to see them"),
        None => Finding::note(
            check,
            "it is not told which processes can be seen from here",
        )
        .why("/proc/self/ns/pid cannot be read"),
    }
}

fn ipc_namespace(machine: &Machine) -> Finding {
    let check = "ipc-namespace";
    match machine.link("/proc/self/ns/ipc") {
        Some(link) if link == FIRST_IPC => {
            Finding::good(check, "this is the machine's own IPC namespace")
        }
        Some(_) => Finding::note(
            check,
            "this is an IPC namespace of its own, as containers have",
        )
        .why(
            "System V segments of the host and of other containers cannot be attached, and \
                 /dev/shm is another unless it is shared",
        )
        .mend("docker run --ipc=host IMAGE    # or --ipc=container:NAME, to share them"),
        None => Finding::note(
            check,
            "it is not told which System V segments can be seen from here",
        )
        .why("/proc/self/ns/ipc cannot be read"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::Severity::{Critical, Good, Note, Warning};
    use super::super::tests::Fake;
    use super::*;

    #[test]
    fn hidden_processes_matter_to_those_who_are_not_root() {
        let judge = |options: &str, user| {
            let mount = format!("1 0 0:1 / /proc rw - proc proc rw{options}\n");
            let fake = Fake::new()
                .with("proc/self/maps", "")
                .with("proc/self/mountinfo", &mount);
            let mut machine = fake.machine();
            machine.user = user;
            process_files(&machine).severity
        };
        assert_eq!(judge("", 1000), Good);
        assert_eq!(judge(",hidepid=off", 1000), Good);
        assert_eq!(judge(",hidepid=2", 1000), Warning);
        assert_eq!(judge(",hidepid=invisible", 0), Note);
        assert_eq!(process_files(&Fake::new().machine()).severity, Critical);
    }

    #[test]
    fn namespaces_are_known_by_their_numbers() {
        let first = Fake::new()
            .with_link("proc/self/ns/pid", FIRST_PID)
            .with_link("proc/self/ns/ipc", FIRST_IPC);
        assert_eq!(pid_namespace(&first.machine()).severity, Good);
        assert_eq!(ipc_namespace(&first.machine()).severity, Good);
        let own = Fake::new()
            .with_link("proc/self/ns/pid", "pid:[4026532001]")
            .with_link("proc/self/ns/ipc", "ipc:[4026532002]");
        assert_eq!(pid_namespace(&own.machine()).severity, Note);
        assert_eq!(ipc_namespace(&own.machine()).severity, Note);
    }
}
