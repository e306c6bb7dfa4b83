//! What made a segment, told by its name, by our mark and by its first bytes. They may hold
//! anything, so all of it is a guess for people and never decides what is removed.

use super::Kind;
use crate::layout::mark;

/// So many of the first bytes are looked at.
pub(super) const START: usize = 256;

/// The hash at the end of Qt's legacy names, in hexadecimal digits.
const QT_HASH: usize = 40;

/// The file name of a POSIX segment, if it tells what made it.
pub(super) fn by_name(name: &[u8]) -> Option<Kind> {
    let qts = |rest: &[u8]| {
        rest.len() >= QT_HASH
            && rest[rest.len() - QT_HASH..]
                .iter()
                .all(u8::is_ascii_hexdigit)
    };
    if name.strip_prefix(b"qipc_sharedmemory_").is_some_and(qts) {
        return Some(Kind::Qt);
    }
    let is_python = [&b"psm_"[..], b"wnsm_"]
        .iter()
        .any(|prefix| name.strip_prefix(*prefix).is_some_and(is_hex))
        || name.strip_prefix(b"pym-").is_some_and(begins_with_pid);
    if is_python {
        return Some(Kind::Python);
    }
    name.starts_with(b"iox2_").then_some(Kind::Iceoryx2)
}

/// Eight bytes in hexadecimal, as `secrets.token_hex` makes them, at least some of them.
fn is_hex(rest: &[u8]) -> bool {
    !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit)
}

/// `pym-77-k3f9x2`: memory that `multiprocessing` shares with the children of 77.
fn begins_with_pid(rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'-')
}

/// What the first bytes of a segment tell. `ours` says that it has our mark.
pub(super) fn by_start(start: &[u8], size: u64, ours: bool) -> Kind {
    if let Some(type_name) = typed(start) {
        return Kind::Typed { type_name };
    }
    match ours {
        true => Kind::Raw,
        false if is_boost(start, size) => Kind::Boost,
        false => Kind::Unknown,
    }
}

/// The name of the type of a typed segment, if it is one and its type has a name.
fn typed(start: &[u8]) -> Option<Option<String>> {
    let name = mark::type_name(start)?;
    Some(Some(name).filter(|name| !name.is_empty()))
}

/// `managed_shared_memory` begins with the word 2, "initialised", and its allocator says soon
/// afterwards how much it has: all but the 16 bytes in front of it (Boost 1.74 and 1.81).
fn is_boost(start: &[u8], size: u64) -> bool {
    let Some((state, rest)) = start.split_first_chunk::<8>() else {
        return false;
    };
    let words = || rest.as_chunks::<8>().0.iter();
    u32::from_le_bytes([state[0], state[1], state[2], state[3]]) == 2
        && size > 16
        && words().any(|word| u64::from_le_bytes(*word) == size - 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_made_them() {
        let qt = format!("qipc_sharedmemory_cam{}", "0a".repeat(20));
        let table = [
            (&*qt, Some(Kind::Qt)),
            ("qipc_sharedmemory_cam", None),
            ("psm_0f3a9c11", Some(Kind::Python)),
            ("psm_", None),
            ("psm_my-frames", None),
            ("wnsm_0f3a9c11", Some(Kind::Python)),
            ("pym-77-k3f9x2", Some(Kind::Python)),
            ("pym-k", None),
            ("iox2_ab12.data", Some(Kind::Iceoryx2)),
            ("cam0", None),
            ("", None),
        ];
        for (name, kind) in table {
            assert_eq!(by_name(name.as_bytes()), kind, "{name}");
        }
    }

    #[test]
    fn the_mark_tells_ours() {
        assert_eq!(by_start(b"anything", 8, true), Kind::Raw);
        assert_eq!(by_start(b"anything", 8, false), Kind::Unknown);
        assert_eq!(by_start(b"", 0, false), Kind::Unknown);
    }

    #[test]
    fn boosts_header_tells_its_size() {
        // What Boost 1.74 wrote for 65536 bytes.
        let mut start = [0; START];
        start[0] = 2;
        start[0x20] = 0x80;
        start[0x68..0x6a].copy_from_slice(&[0xf0, 0xff]);
        assert_eq!(by_start(&start, 65536, false), Kind::Boost);
        assert_eq!(by_start(&start, 65537, false), Kind::Unknown);
        assert_eq!(by_start(&start[..64], 65536, false), Kind::Unknown);
        start[0] = 1;
        assert_eq!(by_start(&start, 65536, false), Kind::Unknown);
    }
}
