//! The mark with which a typed segment begins, and the name of its type: what is looked at in many
//! segments at once. The rest of the header is for those who open one.

/// The first bytes: not ASCII, so that no text begins so, and with a line feed, so that a transfer
/// as text shows.
pub(crate) const MAGIC: [u8; 8] = *b"\x89SHMKIT\n";

/// Where the name of the type is.
pub(crate) const TYPE_NAME: usize = 88;

/// How long it can be, in bytes.
#[allow(dead_code, reason = "for systems where segments can be looked at")]
const LONGEST: usize = 40;

/// The name of the type of a typed segment that begins so, empty if the type has none; `None` if it
/// is no typed segment.
#[allow(dead_code, reason = "for systems where segments can be looked at")]
pub(crate) fn type_name(start: &[u8]) -> Option<String> {
    let name = start.get(TYPE_NAME..TYPE_NAME + LONGEST)?;
    start.starts_with(&MAGIC).then(|| text(name))
}

/// As much of a text as there is room for, filled up with zeros.
pub(crate) fn cut<const N: usize>(text: &str) -> [u8; N] {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = [0; N];
    bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
    bytes
}

/// What [`cut`] made, by whomever.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(text(&cut::<5>("aäöü")), "aäö");
        assert_eq!(text(&cut::<6>("aäöü")), "aäö");
        assert_eq!(cut::<4>(""), [0; 4]);
        assert_eq!(text(&[0xFF, b'a', 0, b'b']), "\u{FFFD}a");
    }

    #[test]
    fn only_the_mark_announces_a_type() {
        let mut start = [0; 128];
        assert_eq!(type_name(&start), None);
        start[..8].copy_from_slice(&MAGIC);
        assert_eq!(type_name(&start), Some(String::new()));
        start[TYPE_NAME..][..5].copy_from_slice(b"State");
        assert_eq!(type_name(&start), Some("State".to_owned()));
        assert_eq!(type_name(&start[..100]), None);
    }
}
