//! What is said with the descriptors: one message, of bounded length, that may come from anybody.
//!
//! ```text
//! 0   8  "shmkitfd"
//! 8   2  version, 1
//! 10  2  how many segments follow, 1 to 253
//! 12  4  how many bytes the whole message has
//! then for each segment:
//! 0   1  what it is called by: 0 nothing but a name, 1 a key, 2 a path
//! 1   1  what the descriptor allows: 0 reading, 1 reading and writing
//! 2   2  how many bytes the name has, at most 4096
//! 4   4  its seals, as the kernel's bits
//! 8   8  its size in bytes
//! 16  n  the name, in UTF-8
//! ```
//! All numbers are little-endian. A message that is not exactly so is refused as a whole. What it
//! says is the sender's word: who attaches looks at the descriptor itself.

use crate::backend::Seals;
use crate::mapping::Access;

/// The most descriptors that every kernel takes at once (`SCM_MAX_FD` of Linux).
pub const MOST: usize = 253;

pub(super) const HEADER: usize = 16;
const ENTRY: usize = 16;
const LONGEST_NAME: usize = 4096;
pub(super) const LONGEST: usize = HEADER + MOST * (ENTRY + LONGEST_NAME);
const MAGIC: [u8; 8] = *b"shmkitfd";
const VERSION: u16 = 1;

/// What the sender says about a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// What it is called by.
    pub called: Called,
    /// What the descriptor allows.
    pub access: Access,
    /// Its size in bytes.
    pub size: u64,
    /// The seals that it has.
    pub seals: Seals,
}

/// What a segment is called by, in the sender's world: in another container a key or a path may
/// lead elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Called {
    /// A name for people.
    Name(String),
    /// A key, in its text form.
    Key(String),
    /// The path of a file.
    Path(String),
}

impl Called {
    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Name(name) => (0, name),
            Self::Key(key) => (1, key),
            Self::Path(path) => (2, path),
        }
    }

    fn text(&self) -> &str {
        self.parts().1
    }
}

impl std::fmt::Display for Called {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever sent it chose the text.
        match self {
            Self::Name(name) => write!(f, "memfd:{}", name.escape_debug()),
            Self::Key(key) => write!(f, "{}", key.escape_debug()),
            Self::Path(path) => write!(f, "file:{}", path.escape_debug()),
        }
    }
}

/// Why a message is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

/// How long the message is that begins so.
pub(super) fn length(header: &[u8; HEADER]) -> Result<usize, Refused> {
    let mut rest = &header[..];
    check_header(&mut rest).map(|(_, length)| length)
}

fn check_header(rest: &mut &[u8]) -> Result<(usize, usize), Refused> {
    if take::<8>(rest)? != MAGIC {
        return Err(Refused("it does not begin as one"));
    }
    if u16::from_le_bytes(take(rest)?) != VERSION {
        return Err(Refused("it is of a version that is not known here"));
    }
    let count = usize::from(u16::from_le_bytes(take(rest)?));
    let length = u32::from_le_bytes(take(rest)?) as usize;
    match (count, length) {
        (0, _) => Err(Refused("it has no segments")),
        (count, _) if count > MOST => Err(Refused("it has more segments than can be sent")),
        (_, length) if length > LONGEST => Err(Refused("it is too long")),
        (count, length) if length < HEADER + count * ENTRY => Err(Refused("it is too short")),
        found => Ok(found),
    }
}

/// Reads a whole message.
pub(super) fn decode(message: &[u8]) -> Result<Vec<Description>, Refused> {
    let mut rest = message;
    let (count, length) = check_header(&mut rest)?;
    if length != message.len() {
        return Err(Refused("its length is not what it says"));
    }
    let descriptions = (0..count)
        .map(|_| decode_entry(&mut rest))
        .collect::<Result<_, _>>()?;
    match rest {
        [] => Ok(descriptions),
        _ => Err(Refused("something follows its end")),
    }
}

fn decode_entry(rest: &mut &[u8]) -> Result<Description, Refused> {
    let [kind, access] = take(rest)?;
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let seals = u32::from_le_bytes(take(rest)?);
    let size = u64::from_le_bytes(take(rest)?);
    if length > LONGEST_NAME {
        return Err(Refused("a name is too long"));
    }
    let (name, after) = rest
        .split_at_checked(length)
        .ok_or(Refused("it ends inside a name"))?;
    *rest = after;
    let name = str::from_utf8(name)
        .map_err(|_| Refused("a name is not UTF-8"))?
        .to_owned();
    Ok(Description {
        called: match kind {
            0 => Called::Name(name),
            1 => Called::Key(name),
            2 => Called::Path(name),
            _ => return Err(Refused("a segment is of a kind that is not known here")),
        },
        access: match access {
            0 => Access::ReadOnly,
            1 => Access::ReadWrite,
            _ => return Err(Refused("an access is not known here")),
        },
        size,
        seals: Seals::from_bits(seals),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Refused> {
    let (taken, after) = rest
        .split_first_chunk::<N>()
        .ok_or(Refused("it ends too early"))?;
    *rest = after;
    Ok(*taken)
}

/// Writes a message. Names that are too long are cut.
pub(super) fn encode(descriptions: &[Description]) -> Vec<u8> {
    let mut message = MAGIC.to_vec();
    message.extend(VERSION.to_le_bytes());
    message.extend((descriptions.len() as u16).to_le_bytes());
    message.extend([0; 4]);
    for description in descriptions {
        let (kind, _) = description.called.parts();
        let name = shortened(description.called.text());
        message.push(kind);
        message.push(match description.access {
            Access::ReadOnly => 0,
            Access::ReadWrite => 1,
        });
        message.extend((name.len() as u16).to_le_bytes());
        message.extend(description.seals.bits().to_le_bytes());
        message.extend(description.size.to_le_bytes());
        message.extend(name.as_bytes());
    }
    let length = message.len() as u32;
    message[12..HEADER].copy_from_slice(&length.to_le_bytes());
    message
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn description() -> impl Strategy<Value = Description> {
        let called = (0..3, "\\PC{0,40}").prop_map(|(kind, name)| match kind {
            0 => Called::Name(name),
            1 => Called::Key(name),
            _ => Called::Path(name),
        });
        (called, any::<bool>(), any::<u64>(), 0..32_u32).prop_map(
            |(called, writes, size, seals)| Description {
                called,
                access: match writes {
                    true => Access::ReadWrite,
                    false => Access::ReadOnly,
                },
                size,
                seals: Seals::from_bits(seals),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sent in prop::collection::vec(description(), 1..20)) {
            let message = encode(&sent);
            prop_assert_eq!(decode(&message).unwrap(), sent);
            let header = message.first_chunk().unwrap();
            prop_assert_eq!(length(header).unwrap(), message.len());
        }

        #[test]
        fn a_message_that_was_cut_or_continued_is_refused(
            sent in prop::collection::vec(description(), 1..5),
            cut in any::<prop::sample::Index>(),
            more in any::<u8>(),
        ) {
            let mut message = encode(&sent);
            decode(&message[..cut.index(message.len())]).unwrap_err();
            message.push(more);
            decode(&message).unwrap_err();
        }

        #[test]
        fn no_bytes_do_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            // Past the header, too.
            if let Some(header) = bytes.first_chunk_mut::<HEADER>() {
                header[..8].copy_from_slice(&MAGIC);
                header[8..10].copy_from_slice(&VERSION.to_le_bytes());
                let _ = length(header);
            }
            let length = bytes.len() as u32;
            if let Some(said) = bytes.get_mut(12..HEADER) {
                said.copy_from_slice(&length.to_le_bytes());
            }
            if let Ok(read) = decode(&bytes) {
                // Seals that are not known are dropped; everything else is said again.
                prop_assert_eq!(encode(&read).len(), bytes.len());
            }
        }
    }

    #[test]
    fn a_message_looks_so_for_ever() {
        let message = encode(&[Description {
            called: Called::Key("posix:/cam0".to_owned()),
            access: Access::ReadOnly,
            size: 0x0102_0304,
            seals: Seals::WRITE | Seals::SHRINK,
        }]);
        let golden = b"shmkitfd\x01\0\x01\0\x2b\0\0\0\
            \x01\0\x0b\0\x0a\0\0\0\x04\x03\x02\x01\0\0\0\0posix:/cam0";
        assert_eq!(message, golden);
    }

    #[test]
    fn names_that_are_too_long_are_cut_between_characters() {
        let long = Description {
            called: Called::Name("ä".repeat(3000)),
            access: Access::ReadWrite,
            size: 1,
            seals: Seals::NONE,
        };
        let read = decode(&encode(&[long])).unwrap();
        assert_eq!(read[0].called, Called::Name("ä".repeat(2048)));
    }
}
