//! What kind of file system a file lies on (statfs(2)).

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self, StatFs};

use crate::sys::file::Status;
use crate::sys::memory::page_size;

/// What statfs(2) says, in the few words that are needed here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume {
    magic: u64,
    block: u64,
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

/// The numbers are those of linux/magic.h and of the file systems' own headers.
const KNOWN: &[(u64, &str, Kind)] = &[
    (0x0102_1994, "tmpfs", Kind::Memory),
    (0x8584_58f6, "ramfs", Kind::Memory),
    (0x9584_58f6, "hugetlbfs", Kind::Memory),
    (0x0000_ef53, "ext4", Kind::Disk),
    (0x5846_5342, "xfs", Kind::Disk),
    (0x9123_683e, "btrfs", Kind::Disk),
    (0xca45_1a4e, "bcachefs", Kind::Disk),
    (0x2fc1_2fc1, "zfs", Kind::Disk),
    (0xf2f5_2010, "f2fs", Kind::Disk),
    (0x5265_4973, "reiserfs", Kind::Disk),
    (0x3153_464a, "jfs", Kind::Disk),
    (0x0000_4d44, "vfat", Kind::Disk),
    (0x2011_bab0, "exfat", Kind::Disk),
    (0x7366_746e, "ntfs3", Kind::Disk),
    (0x794c_7630, "overlayfs", Kind::Disk),
    (0x0000_6969, "nfs", Kind::Network),
    (0xff53_4d42, "cifs", Kind::Network),
    (0xfe53_4d42, "smb2", Kind::Network),
    (0x0102_1997, "9p", Kind::Network),
    (0x00c3_6400, "ceph", Kind::Network),
    (0x5346_414f, "afs", Kind::Network),
    (0x0116_1970, "gfs2", Kind::Network),
    (0x7461_636f, "ocfs2", Kind::Network),
    (0x0bd0_0bd0, "lustre", Kind::Network),
    // Anything may be behind it.
    (0x6573_5546, "fuse", Kind::Unknown),
];

/// The file system of an open file.
pub(crate) fn of(fd: impl AsFd) -> io::Result<Volume> {
    Ok(fs::fstatfs(fd)?.into())
}

/// The file system of what a path leads to.
pub(crate) fn of_path(path: &Path) -> io::Result<Volume> {
    Ok(fs::statfs(path)?.into())
}

/// The size of the pages of an open file.
pub(crate) fn page_size_of(fd: impl AsFd, status: &Status) -> io::Result<usize> {
    let usual = page_size();
    if status.block <= usual as u64 {
        return Ok(usual);
    }
    Ok(of(fd)?.huge_page().unwrap_or(usual))
}

impl Volume {
    pub(crate) fn kind(&self) -> Kind {
        self.known().map_or(Kind::Unknown, |&(_, _, kind)| kind)
    }

    pub(crate) fn name(&self) -> String {
        match self.known() {
            Some((_, name, _)) => (*name).to_owned(),
            None => format!("{:#x}", self.magic),
        }
    }

    /// The size of the pages of a hugetlbfs; `None` for everything else.
    fn huge_page(&self) -> Option<usize> {
        match self.name().as_str() {
            "hugetlbfs" => usize::try_from(self.block).ok(),
            _ => None,
        }
    }

    fn known(&self) -> Option<&'static (u64, &'static str, Kind)> {
        KNOWN.iter().find(|(magic, _, _)| *magic == self.magic)
    }
}

impl From<StatFs> for Volume {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the types differ between machines; a number may come with its sign"
    )]
    fn from(stat: StatFs) -> Self {
        Self {
            magic: stat.f_type as u64 & 0xffff_ffff,
            block: stat.f_bsize as u64,
            available: (stat.f_bavail as u64).saturating_mul(stat.f_bsize as u64),
        }
    }
}
