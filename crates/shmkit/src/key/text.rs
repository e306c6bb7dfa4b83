//! The text form of keys: `TYPE:NATIVE-KEY`, with `?legacyKey=NAME` where there is one.
//!
//! The form is Qt's, and a little more than a URL: characters beyond ASCII and most punctuation
//! stand for themselves. What a reader must forgive was measured on Qt 6.11, character by
//! character; the comments below name the surprises.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::error::{ParseKeyError, ParseKeyErrorKind};
use super::{KeyType, NativeIpcKey};

/// What is encoded in a native key; `CONTROLS` has U+007F as well.
const IN_NATIVE_KEY: &AsciiSet = &CONTROLS.add(b'%').add(b'#').add(b'?');

/// What is encoded in a legacy key: a `?` is free to stand there, the marks of a query are not.
const IN_LEGACY_KEY: &AsciiSet = &CONTROLS.add(b'%').add(b'#').add(b'&').add(b'=');

/// What may stand between the two slashes and the next one: a host, user or port that is not there.
const EMPTY_AUTHORITIES: [&str; 4] = ["", "@", ":", "@:"];

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text form, as Qt's `toString()` gives it: it parses again into an equal key.
///
/// (One exception, and it is Qt's: reading drops a U+FEFF at the start of a legacy key.)
///
/// ```
/// # use shmkit::key::{KeyType, NativeIpcKey};
/// let key = NativeIpcKey::new("/100% é?", KeyType::PosixRealtime);
/// assert_eq!(key.to_string(), "posix:/100%25 é%3F");
/// ```
impl fmt::Display for NativeIpcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.key_type())?;
        let native = self.native_key();
        match native.strip_prefix("//") {
            // Two plain slashes would introduce a host.
            Some(rest) => {
                f.write_str("/%2F")?;
                encode(f, rest, IN_NATIVE_KEY)?;
            }
            None => encode(f, native, IN_NATIVE_KEY)?,
        }
        if let Some(name) = self.legacy_key() {
            f.write_str("?legacyKey=")?;
            encode(f, name, IN_LEGACY_KEY)?;
        }
        Ok(())
    }
}

fn encode(f: &mut fmt::Formatter<'_>, text: &str, set: &'static AsciiSet) -> fmt::Result {
    text.chars().try_for_each(|char| match char.is_ascii() {
        true => f.write_str(
            percent_encode(&[char as u8], set)
                .next()
                .unwrap_or_default(),
        ),
        // The crate would encode it whatever the set.
        false => f.write_char(char),
    })
}

impl NativeIpcKey {
    /// Reads a key from its text form: exactly the texts that Qt's `fromString()` takes, with the
    /// same result.
    ///
    /// The type may be written in upper or lower case. `%` and two hexadecimal digits stand for a
    /// byte of UTF-8. A `#` and what follows is ignored, and so is an empty host: `posix:///cam0`
    /// is `posix:/cam0`. The native key is taken as it is; nothing about it is checked, not even
    /// against the legacy key.
    ///
    /// # Errors
    /// [`ParseKeyError`] says what is wrong, at which byte, and what to write instead. It turns
    /// into [`shmkit::Error`](crate::Error) with `?`.
    ///
    /// ```
    /// use shmkit::key::{KeyType, NativeIpcKey};
    ///
    /// let key = NativeIpcKey::parse("SystemV:/tmp/a%20b?legacyKey=cam0")?;
    /// assert_eq!(key.key_type(), KeyType::SYSTEM_V);
    /// assert_eq!(key.native_key(), "/tmp/a b");
    /// assert_eq!(key.legacy_key(), Some("cam0"));
    ///
    /// assert!(NativeIpcKey::parse("cam0").is_err());
    /// # Ok::<(), shmkit::key::ParseKeyError>(())
    /// ```
    #[doc(alias = "fromString")]
    pub fn parse(text: &str) -> Result<Self, ParseKeyError> {
        let fail = |wrong: Range<usize>, kind| ParseKeyError::new(text, wrong, kind);

        let Some(colon) = text.find(':') else {
            return Err(no_colon(text));
        };
        let key_type =
            KeyType::named(&text[..colon]).map_err(|(offset, kind)| fail(offset..colon, kind))?;

        let end = text.find('#').unwrap_or(text.len());
        let question = text[..end].find('?').unwrap_or(end);

        let mut path = &text[colon + 1..question];
        if let Some(rest) = path.strip_prefix("//") {
            let slash = rest.find('/').unwrap_or(rest.len());
            let host = &rest[..slash];
            if !EMPTY_AUTHORITIES.contains(&host) {
                let start = colon + "://".len();
                return Err(fail(
                    start..start + host.len(),
                    ParseKeyErrorKind::UnexpectedHost,
                ));
            }
            path = &rest[slash..];
        }

        let query = text[..end].get(question + 1..).unwrap_or_default();
        let legacy = legacy_key(query).map_err(|item| {
            let start = question + 1;
            fail(
                start + item.start..start + item.end,
                ParseKeyErrorKind::UnknownItem,
            )
        })?;
        Ok(Self::with_legacy(decode_path(path), legacy, key_type))
    }
}

impl FromStr for NativeIpcKey {
    type Err = ParseKeyError;

    /// As [`NativeIpcKey::parse`].
    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        Self::parse(text)
    }
}

fn no_colon(text: &str) -> ParseKeyError {
    let head = text.split('/').next().unwrap_or_default();
    let (wrong, kind) = match KeyType::named(head) {
        Ok(_) => (head.len()..head.len(), ParseKeyErrorKind::MissingColon),
        Err(_) if text.is_empty() => (0..0, ParseKeyErrorKind::Empty),
        Err(_) => (0..0, ParseKeyErrorKind::MissingType),
    };
    ParseKeyError::new(text, wrong, kind)
}

/// The legacy key in a query, empty if there is none; or where the item is that is no legacy key.
fn legacy_key(query: &str) -> Result<String, Range<usize>> {
    let mut legacy = String::new();
    if query.is_empty() {
        return Ok(legacy);
    }
    let decode: fn(&str) -> Vec<u8> = match has_stray_percent(query) {
        true => |text| text.as_bytes().to_vec(),
        false => |text| percent_decode_str(text).collect(),
    };
    let mut start = 0;
    // One `&` at the end is forgiven; an empty item elsewhere is not.
    for item in query.strip_suffix('&').unwrap_or(query).split('&') {
        let end = start + item.len();
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        if decode(name) != b"legacyKey" {
            return Err(start..end);
        }
        // Of several the last one wins.
        legacy = lossy_utf8(&decode(value));
        start = end + 1;
    }
    Ok(legacy)
}

fn decode_path(path: &str) -> String {
    if has_stray_percent(path) {
        return path.to_owned();
    }
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        text.push_str(&rest[..percent]);
        let mut end = percent;
        while rest[end..].starts_with('%') {
            end += "%00".len();
        }
        let bytes: Vec<u8> = percent_decode_str(&rest[percent..end]).collect();
        // A noncharacter may stand in a key, but written in percent form it counts as malformed.
        for char in replace_malformed(&bytes).chars() {
            match is_noncharacter(char) {
                true => text.extend([char::REPLACEMENT_CHARACTER].repeat(char.len_utf8())),
                false => text.push(char),
            }
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}

/// Whether there is a `%` without two hexadecimal digits behind it. A single one makes every `%`
/// of the same path or query stand for itself.
fn has_stray_percent(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        let digits = after.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        digits < 2
    })
}

fn is_noncharacter(char: char) -> bool {
    let code = u32::from(char);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// Text of bytes that ought to be UTF-8, as Qt reads them: without a byte order mark at the start,
/// and with one U+FFFD for each malformed byte (`String::from_utf8_lossy` writes fewer).
pub(crate) fn lossy_utf8(bytes: &[u8]) -> String {
    let mut text = replace_malformed(bytes);
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    text
}

fn replace_malformed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
