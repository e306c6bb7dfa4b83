//! `doctor`, in situations that are made for real.

use std::fs;
use std::io::{self, Write as _};
use std::process::Command;

use serde_json::Value;
use shmkit_testkit::{Scratch, unique_name};

use crate::support::{Holding, Key, on_terminal, run, shmkit};

/// Runs shell commands in namespaces of their own and then the doctor there; `None`, and why, if
/// this user may not do that.
fn examined(namespaces: &[&str], script: &str) -> Option<(i32, Vec<Value>)> {
    let doctor = format!("exec {} doctor --json", env!("CARGO_BIN_EXE_shmkit"));
    let mut unshare = Command::new("unshare");
    unshare
        .args(namespaces)
        .args(["--", "sh", "-euc", &format!("{script}\n{doctor}")]);
    let output = unshare.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("not permitted") || said.contains("ermission denied") {
        let _ = writeln!(io::stderr(), "skipped: {said}");
        return None;
    }
    let found = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    Some((output.status.code().unwrap(), found))
}

/// What a check says.
#[track_caller]
fn of<'v>(found: &'v [Value], check: &str) -> &'v Value {
    let finding = found.iter().find(|finding| finding["check"] == check);
    finding.unwrap_or_else(|| panic!("{check} in {found:?}"))
}

#[track_caller]
fn assert_severity(found: &[Value], check: &str, severity: &str) {
    let finding = of(found, check);
    assert_eq!(finding["severity"], severity, "{finding}");
    // What is not good has a reason.
    assert_eq!(finding["why"].is_string(), severity != "good", "{finding}");
}

/// How an ordinary user runs the command; `None`, and why, if it may not read it.
fn ordinary_user_can_run() -> Option<String> {
    let command = format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {}",
        env!("CARGO_BIN_EXE_shmkit")
    );
    let words: Vec<&str> = command.split(' ').collect();
    let tried = Command::new(words[0])
        .args(&words[1..])
        .arg("--version")
        .output();
    if tried.is_ok_and(|tried| tried.status.success()) {
        return Some(command);
    }
    let _ = writeln!(io::stderr(), "skipped: {command} cannot be run");
    None
}

const MOUNT: &[&str] = &["--mount"];

#[test]
fn a_small_and_full_directory_is_told() {
    let script = "mount -t tmpfs -o size=1M,nosuid,nodev tmpfs /dev/shm; head -c 1M /dev/zero > /dev/shm/full";
    let Some((code, found)) = examined(MOUNT, script) else {
        return;
    };
    assert_eq!(code, 1);
    assert_severity(&found, "shm-directory", "good");
    assert_severity(&found, "shm-options", "good");
    assert_severity(&found, "shm-size", "warning");
    assert_severity(&found, "shm-use", "critical");
    assert!(
        of(&found, "shm-use")["summary"]
            .as_str()
            .unwrap()
            .contains("1 MiB of 1 MiB")
    );
}

#[test]
fn too_few_files_are_told() {
    let script =
        "mount -t tmpfs -o nr_inodes=10 tmpfs /dev/shm; cd /dev/shm; touch 1 2 3 4 5 6 7 8";
    let Some((_, found)) = examined(MOUNT, script) else {
        return;
    };
    assert_severity(&found, "shm-files", "warning");
    assert_severity(&found, "half-made", "warning");
}

#[test]
fn a_directory_that_is_no_memory_or_not_there_is_told() {
    let disk = Scratch::new();
    let script = format!("mount --bind {} /dev/shm", disk.path().display());
    let Some((code, found)) = examined(MOUNT, &script) else {
        return;
    };
    // The temporary directory may be a tmpfs itself.
    let kind = Command::new("stat")
        .args(["-fc", "%T", "/tmp"])
        .output()
        .unwrap();
    if kind.stdout != b"tmpfs\n" {
        assert_eq!(code, 1);
        assert_severity(&found, "shm-directory", "critical");
    }
    let (code, found) = examined(MOUNT, "mount -t tmpfs tmpfs /dev").unwrap();
    assert_eq!(code, 1);
    assert_severity(&found, "shm-directory", "critical");
    assert!(
        of(&found, "shm-directory")["mend"]
            .as_str()
            .unwrap()
            .contains("mkdir")
    );
    let (_, found) = examined(MOUNT, "mount -t ramfs ramfs /dev/shm").unwrap();
    assert_severity(&found, "shm-directory", "warning");
}

#[test]
fn mount_options_and_permissions_are_told() {
    let script = "mount -t tmpfs -o ro,size=65M,mode=755 tmpfs /dev/shm";
    let Some((code, found)) = examined(MOUNT, script) else {
        return;
    };
    assert_eq!(code, 1);
    assert_severity(&found, "shm-options", "critical");
    assert_severity(&found, "shm-permissions", "warning");
    assert_severity(&found, "shm-size", "good");
    let script = "mount -t tmpfs -o noexec,nosuid,nodev,size=65M,mode=777 tmpfs /dev/shm";
    let (_, found) = examined(MOUNT, script).unwrap();
    assert_severity(&found, "shm-options", "note");
    assert_severity(&found, "shm-permissions", "warning");
}

#[test]
fn missing_leases_are_told() {
    // The setting is the whole machine's, so only its file is another.
    let scratch = Scratch::new();
    let file = scratch.join("leases").display().to_string();
    fs::write(&file, "0\n").unwrap();
    let script = format!("mount --bind {file} /proc/sys/fs/leases-enable");
    let Some((code, found)) = examined(MOUNT, &script) else {
        return;
    };
    assert_eq!(code, 1);
    assert_severity(&found, "leases", "warning");
    assert_eq!(of(&found, "leases")["mend"], "sysctl -w fs.leases-enable=1");
}

#[test]
fn a_process_namespace_and_hidden_processes_are_told() {
    let namespaces = &["--mount", "--pid", "--fork", "--mount-proc"];
    let Some((_, found)) = examined(namespaces, "mount -o remount,hidepid=2 /proc") else {
        return;
    };
    assert_severity(&found, "pid-namespace", "note");
    // Root sees all the same.
    assert_severity(&found, "proc", "note");
    let (_, found) = examined(namespaces, "mount -t tmpfs tmpfs /proc").unwrap();
    assert_severity(&found, "proc", "critical");
    // Who is not root is hidden from others.
    let Some(others) = ordinary_user_can_run() else {
        return;
    };
    let script = format!("mount -o remount,hidepid=2 /proc; exec {others} doctor --json");
    let (code, found) = examined(namespaces, &script).unwrap();
    assert_eq!(code, 1);
    assert_severity(&found, "proc", "warning");
}

#[test]
fn used_up_system_v_segments_are_told() {
    let script = "echo 2 > /proc/sys/kernel/shmmni; echo 1 > /proc/sys/kernel/shm_rmid_forced
        for each in 1 2; do ipcmk -M 4096 > /dev/null & done; wait
        echo 0 > /proc/sys/kernel/shm_rmid_forced
        for each in 1 2; do ipcmk -M 4096 > /dev/null; done
        echo 1048576 > /proc/sys/kernel/shmmax";
    let Some((code, found)) = examined(&["--ipc"], script) else {
        return;
    };
    assert_eq!(code, 1);
    assert_severity(&found, "ipc-namespace", "note");
    assert_severity(&found, "systemv-segments", "critical");
    assert_severity(&found, "systemv-size", "warning");
}

#[test]
fn limits_of_processes_are_told() {
    let script = "ulimit -Sf 1024; ulimit -Sn 100; ulimit -Sv 4000000; ulimit -l 64";
    let Some((code, found)) = examined(&[], script) else {
        return;
    };
    assert_eq!(code, 1);
    assert_severity(&found, "limit-file-size", "warning");
    assert_severity(&found, "limit-address-space", "warning");
    assert_severity(&found, "limit-descriptors", "note");
    assert_severity(&found, "limit-locked-memory", "note");
    assert!(
        of(&found, "limit-descriptors")["mend"]
            .as_str()
            .unwrap()
            .starts_with("ulimit -Sn")
    );
}

#[test]
fn a_containers_memory_limit_is_told() {
    let (version_2, version_1) = ("/sys/fs/cgroup", "/sys/fs/cgroup/memory");
    let (parent, file) = match fs::exists(format!("{version_1}/memory.limit_in_bytes")).unwrap() {
        true => (version_1, "memory.limit_in_bytes"),
        false => (version_2, "memory.max"),
    };
    let group = Group(format!("{parent}/{}", unique_name()));
    if let Err(error) =
        fs::create_dir(&group.0).and_then(|()| fs::write(format!("{}/{file}", group.0), "67108864"))
    {
        let _ = writeln!(
            io::stderr(),
            "skipped: no control group with memory: {error}"
        );
        return;
    }
    let script = format!(
        "echo $$ > {}/cgroup.procs; mount -t tmpfs -o size=65M tmpfs /dev/shm",
        group.0
    );
    let Some((code, found)) = examined(MOUNT, &script) else {
        return;
    };
    assert_eq!(code, 1);
    let summary = of(&found, "memory-limit")["summary"].as_str().unwrap();
    assert!(summary.contains("of the 64 MiB"), "{summary}");
    assert_severity(&found, "memory-limit-shm", "warning");
}

/// A control group, removed when dropped.
struct Group(String);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn orphans_are_told_with_the_command_that_removes_them() {
    let key = Key::posix();
    let (mut holder, _) = Holding::start(shmkit(&["create", &key.text, "4096", "--hold"]));
    holder.kill();
    let said = run(&["doctor", "--json"]);
    assert_eq!(said.code, 1);
    let found = said.json();
    assert_severity(found.as_array().unwrap(), "orphans", "warning");
    assert_eq!(
        of(found.as_array().unwrap(), "orphans")["mend"],
        "shmkit reap --yes"
    );
    let ignored = run(&["doctor", "--ignore", "orphans,shm-size"]);
    assert!(!ignored.text().contains("orphan"), "{ignored:?}");
}

#[test]
fn a_healthy_machine_is_fine_for_scripts() {
    let root = Scratch::new();
    let file = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("dev/shm/x", "x");
    let set_mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o1777);
    fs::set_permissions(root.join("dev/shm"), set_mode).unwrap();
    file("proc/self/maps", "");
    file(
        "proc/self/mountinfo",
        "1 0 0:1 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw,huge=advise\n",
    );
    let said = run(&[
        "doctor",
        "--root",
        root.path().to_str().unwrap(),
        "--ignore",
        "shm-use",
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stderr.contains("nothing gets in the way"), "{said:?}");
    assert!(!said.text().contains("good"), "{said:?}");
    let all = run(&["doctor", "--all", "--root", root.path().to_str().unwrap()]);
    assert!(all.text().contains("/dev/shm is a tmpfs"), "{all:?}");
}

#[test]
fn findings_are_wrapped_and_coloured_on_a_terminal() {
    let shown = on_terminal(80, &["doctor", "--all"], &[("NO_COLOR", "1")]);
    let lines = shown.lines().filter(|line| !line.starts_with("shmkit:"));
    assert!(
        lines.clone().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert!(
        !shown.contains('…') && shown.contains("shm-directory"),
        "{shown}"
    );
    assert!(on_terminal(80, &["doctor", "--all"], &[]).contains("\x1b["));
}

#[test]
fn what_cannot_be_examined_is_an_error() {
    run(&["doctor", "--root", "/missing/root"]).failed(2, &["/missing/root cannot be read"]);
    run(&["doctor", "--ignore", "everything"]).failed(2, &["no check everything"]);
}
