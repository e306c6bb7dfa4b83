//! Bytes in hexadecimal and as text, as `hexdump -C` shows them.

use std::fmt::Write as _;

/// So many bytes are in a line.
pub(crate) const WIDTH: usize = 16;

/// One line of at most [`WIDTH`] bytes: `00000000  68 65 6c ...  |hel...|`.
pub(crate) fn line(offset: u64, bytes: &[u8]) -> String {
    let mut line = format!("{offset:08x} ");
    for (index, byte) in bytes.iter().enumerate() {
        let gap = if index == WIDTH / 2 { "  " } else { " " };
        let _ = write!(line, "{gap}{byte:02x}");
    }
    // A text column that stands where it does in full lines.
    let missing = full(offset) - line.len();
    let _ = write!(line, "{:missing$}  |", "");
    line.extend(bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }));
    line.push('|');
    line
}

/// The length of a full line up to its text.
fn full(offset: u64) -> usize {
    format!("{offset:08x} ").len() + WIDTH * 3 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_hexdump_shows_them() {
        let bytes: Vec<u8> = (0x3a..0x4a).collect();
        assert_eq!(
            line(0, &bytes),
            "00000000  3a 3b 3c 3d 3e 3f 40 41  42 43 44 45 46 47 48 49  |:;<=>?@ABCDEFGHI|"
        );
        assert_eq!(
            line(0x20, b"hi\x1b"),
            "00000020  68 69 1b                                          |hi.|"
        );
        assert!(line(0x1_0000_0000, &bytes).starts_with("100000000  3a"));
        assert!(line(0, b"").ends_with("||"));
    }
}
