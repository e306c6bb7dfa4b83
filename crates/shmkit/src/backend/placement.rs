//! What can be asked for the pages of a segment.

use std::fmt;

/// How the bytes will be used, so that the kernel reads and keeps the right ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "madvise")]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// From the beginning to the end.
    Sequential,
    /// Here and there: nothing is read in advance.
    Random,
    /// Soon: it is read in advance.
    WillNeed,
    /// Not soon: its memory is the first to be taken when memory is short. No byte is lost.
    Cold,
    /// It is left out of core dumps.
    NotInDumps,
    /// It is in core dumps.
    InDumps,
}

/// Which huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HugePages {
    /// Those that the kernel makes where it can. For everything that is in memory, where the system
    /// allows them for shared memory.
    Transparent,
    /// Those that root has reserved, of the system's usual size. For memfds.
    #[doc(alias = "hugetlb")]
    Reserved,
    /// Those that root has reserved, of this size in bytes. For memfds.
    ReservedOf(usize),
}

/// Which nodes of a machine that has several (NUMA).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "mbind")]
pub enum Nodes {
    /// Only on these.
    Only(Vec<u32>),
    /// On these in turn, page by page.
    Interleaved(Vec<u32>),
    /// On this one as long as it has room.
    Preferred(u32),
}

impl Nodes {
    pub(crate) fn list(&self) -> &[u32] {
        match self {
            Self::Only(nodes) | Self::Interleaved(nodes) => nodes,
            Self::Preferred(node) => std::slice::from_ref(node),
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<String> = self.list().iter().map(u32::to_string).collect();
        f.write_str(&list.join(", "))
    }
}
