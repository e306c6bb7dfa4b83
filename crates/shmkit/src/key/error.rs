//! Why a text is not a key.

use std::fmt;
use std::ops::Range;

use super::{KeyType, NativeIpcKey};
use crate::{Error, ErrorKind, Op};

/// A text that is not a key: what is wrong, where, and what to write instead.
///
/// ```
/// use shmkit::key::NativeIpcKey;
///
/// let error = NativeIpcKey::parse("posx:/cam0").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"unknown key type "posx" at byte 0 of "posx:/cam0": expected posix, systemv, systemv-1 to systemv-255 or windows"#,
/// );
/// assert_eq!(error.offset(), 0);
///
/// let error = NativeIpcKey::parse("cam0").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"no key type at byte 0 of "cam0": write posix:/cam0, or windows:cam0 on Windows"#,
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseKeyError {
    kind: ParseKeyErrorKind,
    text: String,
    wrong: Range<usize>,
}

/// What is wrong with the text of a key, for `match`.
///
/// ```
/// use shmkit::key::{NativeIpcKey, ParseKeyErrorKind};
///
/// let error = NativeIpcKey::parse("systemv-256:/tmp/k").unwrap_err();
/// assert_eq!(error.kind(), ParseKeyErrorKind::BadProjectId);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseKeyErrorKind {
    /// The text is empty.
    Empty,
    /// There is no colon, and so no type: `cam0`.
    MissingType,
    /// There is a type but no colon after it: `posix/cam0`.
    MissingColon,
    /// No type has the name before the colon: `posx:/cam0`.
    UnknownType,
    /// What follows `systemv-` is not a number from 1 to 255.
    BadProjectId,
    /// Two slashes are followed by something that reads as a host: `posix://cam0`.
    UnexpectedHost,
    /// After the question mark stands something else than a legacy key: `posix:/cam?0`.
    UnknownItem,
}

impl ParseKeyError {
    pub(super) fn new(text: &str, wrong: Range<usize>, kind: ParseKeyErrorKind) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            wrong,
        }
    }

    /// What is wrong, for `match`.
    ///
    /// ```
    /// # use shmkit::key::{NativeIpcKey, ParseKeyErrorKind};
    /// let error = NativeIpcKey::parse("").unwrap_err();
    /// assert_eq!(error.kind(), ParseKeyErrorKind::Empty);
    /// ```
    pub fn kind(&self) -> ParseKeyErrorKind {
        self.kind
    }

    /// The text that was to be read.
    ///
    /// ```
    /// # use shmkit::key::NativeIpcKey;
    /// assert_eq!(NativeIpcKey::parse("cam0").unwrap_err().text(), "cam0");
    /// ```
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The byte of the text at which it goes wrong.
    ///
    /// ```
    /// # use shmkit::key::NativeIpcKey;
    /// assert_eq!(NativeIpcKey::parse("posix:/cam?0").unwrap_err().offset(), 11);
    /// ```
    pub fn offset(&self) -> usize {
        self.wrong.start
    }

    fn problem(&self) -> String {
        let wrong = &self.text[self.wrong.clone()];
        match self.kind {
            ParseKeyErrorKind::Empty => "the key is empty".into(),
            ParseKeyErrorKind::MissingType => "no key type".into(),
            ParseKeyErrorKind::MissingColon => "no colon after the key type".into(),
            ParseKeyErrorKind::UnknownType => format!("unknown key type {wrong:?}"),
            ParseKeyErrorKind::BadProjectId => format!("bad System V project id {wrong:?}"),
            ParseKeyErrorKind::UnexpectedHost => format!("unexpected host {wrong:?}"),
            ParseKeyErrorKind::UnknownItem => format!("unknown item {wrong:?}"),
        }
    }

    fn advice(&self) -> String {
        let (before, after) = (&self.text[..self.wrong.start], &self.text[self.wrong.end..]);
        match self.kind {
            ParseKeyErrorKind::Empty => "write posix:/NAME, or windows:NAME on Windows".into(),
            ParseKeyErrorKind::MissingType => suggestion(&self.text),
            ParseKeyErrorKind::MissingColon if !after.is_empty() => {
                format!("write {before}:{after}")
            }
            ParseKeyErrorKind::MissingColon if before.eq_ignore_ascii_case("windows") => {
                format!("write {before}:NAME")
            }
            ParseKeyErrorKind::MissingColon => format!("write {before}:/NAME"),
            ParseKeyErrorKind::UnknownType => {
                "expected posix, systemv, systemv-1 to systemv-255 or windows".into()
            }
            ParseKeyErrorKind::BadProjectId => "expected a decimal number from 1 to 255".into(),
            ParseKeyErrorKind::UnexpectedHost => "begin the name with one slash".into(),
            ParseKeyErrorKind::UnknownItem => "only legacyKey=NAME may follow a question mark; \
                 write %3F for one that belongs to the name"
                .into(),
        }
    }
}

/// What somebody meant who gave a name instead of a key.
fn suggestion(name: &str) -> String {
    let bare = name.trim_start_matches('/');
    // A POSIX name has no slash inside, so this one is the path of a System V key.
    if name.starts_with('/') && bare.contains('/') {
        return format!("write {}", NativeIpcKey::new(name, KeyType::SYSTEM_V));
    }
    let posix = NativeIpcKey::new(format!("/{bare}"), KeyType::PosixRealtime);
    let windows = NativeIpcKey::new(bare, KeyType::Windows);
    format!("write {posix}, or {windows} on Windows")
}

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        if self.kind != ParseKeyErrorKind::Empty {
            write!(f, " at byte {} of {:?}", self.offset(), self.text)?;
        }
        write!(f, ": {}", self.advice())
    }
}

impl std::error::Error for ParseKeyError {}

impl From<ParseKeyError> for Error {
    fn from(error: ParseKeyError) -> Self {
        let new = Self::new(Op::MakeKey, ErrorKind::InvalidKey).hint(error.advice());
        if error.text.is_empty() {
            return new.detail(error.problem());
        }
        let detail = format!("{} at byte {}", error.problem(), error.offset());
        new.on(error.text.escape_debug()).detail(detail)
    }
}
