//! What kind of file system a file lies on (statfs(2), which tells the name here).
#![allow(unsafe_code, reason = "the name is a C string, where there is one")]

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self, StatFs};

use crate::sys::file::Status;
use crate::sys::memory::page_size;

/// What statfs(2) says, in the few words that are needed here.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    name: String,
    pub(crate) available: u64,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Disk,
    Network,
    Unknown,
}

/// The file system of an open file.
pub(crate) fn of(fd: impl AsFd) -> io::Result<Volume> {
    Ok(fs::fstatfs(fd)?.into())
}

/// The file system of what a path leads to.
pub(crate) fn of_path(path: &Path) -> io::Result<Volume> {
    Ok(fs::statfs(path)?.into())
}

/// The size of the pages of an open file.
pub(crate) fn page_size_of(_: impl AsFd, _: &Status) -> io::Result<usize> {
    Ok(page_size())
}

impl Volume {
    pub(crate) fn kind(&self) -> Kind {
        kind_of(&self.name)
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "tmpfs" | "mfs" => Kind::Memory,
        "apfs" | "hfs" | "ufs" | "zfs" | "ext2fs" | "msdos" | "msdosfs" | "exfat" => Kind::Disk,
        "nfs" | "smbfs" | "afpfs" | "webdav" => Kind::Network,
        _ => Kind::Unknown,
    }
}

impl From<StatFs> for Volume {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    fn from(stat: StatFs) -> Self {
        Self {
            name: name_in(&stat),
            available: (stat.f_bavail as u64).saturating_mul(stat.f_bsize as u64),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn name_in(stat: &StatFs) -> String {
    // SAFETY: the kernel ends the name with a NUL inside the array.
    let name = unsafe { CStr::from_ptr(stat.f_fstypename.as_ptr()) };
    name.to_string_lossy().into_owned()
}

/// Linux tells a number; these are what the tests use.
#[cfg(target_os = "linux")]
fn name_in(stat: &StatFs) -> String {
    match stat.f_type as u64 & 0xffff_ffff {
        0x0102_1994 => "tmpfs".to_owned(),
        0x0000_ef53 => "ext2fs".to_owned(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_known_by_name() {
        assert_eq!(kind_of("tmpfs"), Kind::Memory);
        assert_eq!(kind_of("apfs"), Kind::Disk);
        assert_eq!(kind_of("nfs"), Kind::Network);
        assert_eq!(kind_of("fusefs"), Kind::Unknown);
    }
}
