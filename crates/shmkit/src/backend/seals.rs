//! What can no longer be done to a memfd.

use std::fmt;
use std::ops::BitOr;

/// A set of seals: each forbids something for ever, to everybody (fcntl(2), "File Sealing"). Linux
/// and FreeBSD have them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seals(u32);

impl Seals {
    /// No seal at all.
    pub const NONE: Self = Self(0);
    /// No more seals.
    #[doc(alias = "F_SEAL_SEAL")]
    pub const SEAL: Self = Self(0x1);
    /// It does not get shorter: nobody is ended by touching what was there.
    #[doc(alias = "F_SEAL_SHRINK")]
    pub const SHRINK: Self = Self(0x2);
    /// It does not get longer.
    #[doc(alias = "F_SEAL_GROW")]
    pub const GROW: Self = Self(0x4);
    /// Nobody writes to it.
    #[doc(alias = "F_SEAL_WRITE")]
    pub const WRITE: Self = Self(0x8);
    /// Nobody writes to it but through mappings that were there before: weaker than
    /// [`WRITE`](Self::WRITE), for one who keeps writing what others only read. Only on Linux, since
    /// 5.1.
    #[doc(alias = "F_SEAL_FUTURE_WRITE")]
    pub const FUTURE_WRITE: Self = Self(0x10);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::SEAL, "SEAL"),
        (Self::SHRINK, "SHRINK"),
        (Self::GROW, "GROW"),
        (Self::WRITE, "WRITE"),
        (Self::FUTURE_WRITE, "FUTURE_WRITE"),
    ];

    /// Whether all of `others` are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are not among `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// As the kernel's bits.
    #[allow(dead_code, reason = "unused where there are no memfds")]
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// From the kernel's bits; those that have no name here are left out.
    #[allow(dead_code, reason = "unused where there are no memfds")]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & 0x1f)
    }
}

impl BitOr for Seals {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl fmt::Display for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Self::NAMES
            .iter()
            .filter(|(seal, _)| self.contains(*seal))
            .map(|(_, name)| *name)
            .collect();
        match names.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&names.join("|")),
        }
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({self})")
    }
}
