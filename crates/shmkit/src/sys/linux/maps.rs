//! The lines of `/proc/PID/maps` (proc(5)), read where they lie: nothing is copied or allocated.

use std::io::BufRead as _;

use crate::sys::file::FileId;

/// What the kernel puts after the path of a file that has no name any more.
pub(crate) const DELETED: &[u8] = b" (deleted)";

/// So the kernel calls System V segments, with the key behind it.
const SYSTEM_V: &[u8] = b"/SYSV";

/// A mapping of a file, or of what the kernel shows as one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mapping<'m> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) offset: u64,
    pub(crate) file: FileId,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    /// Others see what is written (`MAP_SHARED`).
    pub(crate) is_shared: bool,
    /// As the kernel shows it: `\012` for a line feed, and [`DELETED`] at its end.
    pub(crate) path: &'m [u8],
}

/// The lines of a text, without their ends.
pub(crate) struct Lines<'m>(&'m [u8]);

pub(crate) fn lines(text: &[u8]) -> Lines<'_> {
    Lines(text)
}

impl<'m> Iterator for Lines<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let all = self.0;
        // Reading from memory cannot fail; this finds the end faster than a loop over bytes.
        let length = self.0.skip_until(b'\n').unwrap_or(all.len());
        let line = all.get(..length).filter(|line| !line.is_empty())?;
        Some(line.strip_suffix(b"\n").unwrap_or(line))
    }
}

/// Whether a line is of a shared mapping; looks at few of its bytes.
pub(crate) fn is_shared(line: &[u8]) -> bool {
    let space = line.iter().position(|&byte| byte == b' ');
    space.is_some_and(|space| line.get(space + 4) == Some(&b's'))
}

impl<'m> Mapping<'m> {
    /// Reads `7f00-7f01 rw-s 00000000 00:1a 12  /dev/shm/cam0`; `None` if no file lies behind it.
    pub(crate) fn parse(line: &'m [u8]) -> Option<Self> {
        let rest = &mut &*line;
        let start = number(rest, 16, b'-')?;
        let end = number(rest, 16, b' ')?;
        let (permissions, after) = rest.split_at_checked(5)?;
        *rest = after;
        let offset = number(rest, 16, b' ')?;
        let major = number(rest, 16, b':')?;
        let minor = number(rest, 16, b' ')?;
        let inode = number(rest, 10, b' ')?;
        let path = rest.trim_ascii_start();
        // The first System V segment has the id 0, and nothing else that number.
        if inode == 0 && !path.starts_with(SYSTEM_V) {
            return None;
        }
        Some(Self {
            start,
            end,
            offset,
            file: FileId {
                device: rustix::fs::makedev(major as u32, minor as u32),
                inode,
            },
            reads: permissions[0] == b'r',
            writes: permissions[1] == b'w',
            is_shared: permissions[3] == b's',
            path,
        })
    }

    /// The kernel shows a System V segment as a removed file, `/SYSV` and its key, whose inode is
    /// the segment's id.
    pub(crate) fn system_v(&self) -> Option<SystemVName> {
        let digits = self.path.strip_prefix(SYSTEM_V)?.strip_suffix(DELETED)?;
        let key = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        let id = i32::try_from(self.file.inode).ok()?;
        Some(SystemVName { key, id })
    }
}

/// How a mapping calls a System V segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SystemVName {
    pub(crate) key: u32,
    pub(crate) id: i32,
}

/// Reads digits up to `end`, or to the end of the text, and goes past it.
fn number(text: &mut &[u8], radix: u32, end: u8) -> Option<u64> {
    let mut value = 0_u64;
    let mut read = 0;
    for &byte in text.iter() {
        read += 1;
        if byte == end {
            break;
        }
        let digit = char::from(byte).to_digit(radix)?;
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
    }
    *text = &text[read..];
    (read > 0).then_some(value)
}

/// The path as it is, without the mark of a removed file, and whether there was one.
pub(crate) fn plain_path(path: &[u8]) -> (Vec<u8>, bool) {
    let (path, removed) = match path.strip_suffix(DELETED) {
        Some(path) => (path, true),
        None => (path, false),
    };
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match rest.strip_prefix(b"\\012") {
            Some(after) => {
                plain.push(b'\n');
                after
            }
            None => {
                plain.push(byte);
                after
            }
        };
    }
    (plain, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(minor: u32, inode: u64) -> FileId {
        FileId {
            device: rustix::fs::makedev(0, minor),
            inode,
        }
    }

    #[test]
    fn mappings_are_read() {
        let line = b"7f0c6a000000-7f0c6a001000 rw-s 00002000 00:1a 12          /dev/shm/a b";
        assert!(is_shared(line));
        assert_eq!(
            Mapping::parse(line),
            Some(Mapping {
                start: 0x7f0c_6a00_0000,
                end: 0x7f0c_6a00_1000,
                offset: 0x2000,
                file: file(0x1a, 12),
                reads: true,
                writes: true,
                is_shared: true,
                path: b"/dev/shm/a b",
            })
        );
        let private = b"7f00-7f01 r--p 00000000 fe:00 7 /usr/lib/libc.so.6";
        assert!(!is_shared(private));
        assert!(!Mapping::parse(private).unwrap().writes);
    }

    #[test]
    fn what_is_no_file_is_none() {
        for line in [
            &b"7ffc-7ffd rw-p 00000000 00:00 0        [stack]"[..],
            b"7ffc-7ffd rw-p 00000000 00:00 0 ",
            b"7ffc-7ffd rw",
            b"-",
            b"",
            b"zz-7f01 rw-s 00000000 00:1a 12 /dev/shm/a",
            b"11111111111111111-2 rw-s 00000000 00:1a 12 /dev/shm/a",
        ] {
            assert_eq!(Mapping::parse(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn system_v_segments_are_told_from_memfds() {
        let read = |line: &'static [u8]| Mapping::parse(line).unwrap().system_v();
        assert_eq!(
            read(b"7f00-7f01 r--s 00000000 00:01 32769       /SYSV5101a2b3 (deleted)"),
            Some(SystemVName {
                key: 0x5101_a2b3,
                id: 32769
            })
        );
        assert_eq!(
            read(b"7f00-7f01 rw-s 00000000 00:01 0           /SYSV00000000 (deleted)"),
            Some(SystemVName { key: 0, id: 0 })
        );
        assert_eq!(
            read(b"7f00-7f01 rw-s 00000000 00:01 32769       /memfd:x (deleted)"),
            None
        );
    }

    #[test]
    fn paths_are_as_the_file_system_has_them() {
        assert_eq!(
            plain_path(b"/dev/shm/a\\012b (deleted)"),
            (b"/dev/shm/a\nb".to_vec(), true)
        );
        assert_eq!(plain_path(b"/dev/shm/a"), (b"/dev/shm/a".to_vec(), false));
        assert_eq!(plain_path(b""), (Vec::new(), false));
    }

    #[test]
    fn lines_have_no_ends() {
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
        assert_eq!(lines(b"").count(), 0);
    }
}
