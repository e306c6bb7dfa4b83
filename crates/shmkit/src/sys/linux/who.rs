//! A closer look at a process: whose it is, since when it runs, in which namespace and container,
//! and what its threads wait for (proc(5)).

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::sys::Who;

pub(crate) fn who(pid: u32) -> Who {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let status = read("status");
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let number = |word: &str| word.parse().ok();
    let namespace = fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    Who {
        // Real, effective, saved, file system.
        user: line("Uid:").and_then(|ids| ids.split_ascii_whitespace().nth(1).and_then(number)),
        began: began(&read("stat")),
        pid_namespace: namespace.and_then(|link| {
            let (_, number) = link.to_str()?.split_once(":[")?;
            number.strip_suffix(']')?.parse().ok()
        }),
        // From the outermost to its own.
        pid_inside: line("NSpid:").and_then(|pids| {
            let mut pids = pids.split_ascii_whitespace();
            pids.next()?;
            pids.next_back().and_then(number)
        }),
        container: container(&read("cgroup")),
    }
}

/// When the process of a `stat` file began: field 22, in clock ticks since the machine was started.
fn began(stat: &str) -> Option<SystemTime> {
    // The name, field 2, may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let since_boot =
        Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec as u32);
    SystemTime::now().checked_sub(now.checked_sub(since_boot)?)
}

/// The container that a control group belongs to, as Docker, Podman, containerd, CRI-O and LXC
/// name them: 12 digits of its id, or its name.
fn container(cgroup: &str) -> Option<String> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.rsplit('/')).find_map(|part| {
        if let Some(name) = part.strip_prefix("lxc.payload.") {
            return Some(name.to_owned());
        }
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit_once(['-', ':']).map_or(part, |(_, id)| id);
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| id[..12].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let before = SystemTime::now();
        let who = who(std::process::id());
        assert_eq!(who.user, Some(crate::sys::file::user()));
        assert!(who.began.unwrap() <= before + Duration::from_secs(1));
        assert!(who.pid_namespace.is_some());
        assert_eq!(super::who(u32::MAX), Who::default());
    }

    #[test]
    fn containers_are_told_by_their_control_group() {
        let id = "0123456789ab".to_owned() + &"c".repeat(52);
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/kubepods.slice/pod7.slice/cri-containerd-{id}.scope"),
            format!("/kubepods/besteffort/pod7/{id}"),
            format!("/machine.slice/libpod-{id}.scope/container"),
        ] {
            let told = container(&format!("0::{path}\n"));
            assert_eq!(told.as_deref(), Some("0123456789ab"), "{path}");
        }
        assert_eq!(
            container("0::/lxc.payload.web/init.scope\n").as_deref(),
            Some("web")
        );
        assert_eq!(container("0::/user.slice/session-3.scope\n"), None);
        assert_eq!(container("12:cpu:/\n0::/\n"), None);
        assert_eq!(container(""), None);
    }
}
