//! What is mounted where (`/proc/self/mountinfo`, proc(5)).

use crate::sys::machine::Machine;

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The directory of its file system that is mounted.
    pub(super) root: String,
    pub(super) point: String,
    /// Options of this mount.
    pub(super) options: String,
    pub(super) kind: String,
    /// Options of its file system.
    pub(super) super_options: String,
}

/// All mounts, later ones over earlier ones; `None` if they are not told.
pub(super) fn mounts(machine: &Machine) -> Option<Vec<Mount>> {
    let text = machine.text("/proc/self/mountinfo")?;
    Some(text.lines().filter_map(Mount::parse).collect())
}

/// The mount in which a path lies.
pub(super) fn mount_of<'m>(mounts: &'m [Mount], path: &str) -> Option<&'m Mount> {
    mounts
        .iter()
        .filter(|mount| is_below(path, &mount.point))
        // Of two at the same place, `max_by_key` takes the later one, which hides the other.
        .max_by_key(|mount| mount.point.len())
}

fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Mount {
    /// Reads `25 24 0:23 / /dev/shm rw,relatime shared:4 - tmpfs tmpfs rw,size=65536k`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        Some(Self {
            root: unescaped(mount.next()?),
            point: unescaped(mount.next()?),
            options: mount.next()?.to_owned(),
            kind: file_system.next()?.to_owned(),
            super_options: file_system.nth(1).unwrap_or_default().to_owned(),
        })
    }

    /// Whether it was mounted with this option.
    pub(super) fn has(&self, option: &str) -> bool {
        self.all_options().any(|found| found == option)
    }

    /// The value of an option `name=value`.
    pub(super) fn value_of(&self, name: &str) -> Option<&str> {
        self.all_options()
            .find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn all_options(&self) -> impl Iterator<Item = &str> {
        self.options.split(',').chain(self.super_options.split(','))
    }
}

/// White space and backslashes are written as three octal digits.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(code.into());
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let line = "25 24 0:23 /a /dev/my\\040shm rw,noexec shared:4 master:1 - tmpfs tm\\040pfs rw,size=64k,huge=advise";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(
            (&*mount.point, &*mount.root, &*mount.kind),
            ("/dev/my shm", "/a", "tmpfs")
        );
        assert!(mount.has("noexec") && !mount.has("exec"));
        assert_eq!(mount.value_of("size"), Some("64k"));
        assert_eq!(mount.value_of("siz"), None);
        assert_eq!(Mount::parse("25 24 0:23 / /dev/shm rw"), None);
    }

    #[test]
    fn a_path_lies_in_the_last_mount_above_it() {
        let mounts: Vec<_> = [
            "1 0 8:1 / / rw - ext4 disk rw",
            "2 1 0:2 / /dev rw - devtmpfs dev rw",
            "3 2 0:3 / /dev/shm rw - tmpfs first rw,size=1k",
            "4 3 0:4 / /dev/shm rw - tmpfs second rw,size=2k",
            "5 2 0:5 / /dev/sh rw - ramfs other rw",
        ]
        .iter()
        .filter_map(|line| Mount::parse(line))
        .collect();
        let of = |path| mount_of(&mounts, path).unwrap();
        assert_eq!(of("/dev/shm").value_of("size"), Some("2k"));
        assert_eq!(of("/dev/shm/x").kind, "tmpfs");
        assert_eq!(of("/dev/shmoo").kind, "devtmpfs");
        assert_eq!(of("/tmp").kind, "ext4");
    }
}
