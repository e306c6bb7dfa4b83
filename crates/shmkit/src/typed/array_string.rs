//! A text of up to `N` bytes that lies where it stands.
#![expect(unsafe_code, reason = "a text may lie in shared memory")]

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::mem::offset_of;
use std::ops::Deref;
use std::str::{FromStr, Utf8Error};
use std::{fmt, str};

use super::Full;
use crate::layout::{Field, Layout, Role, ShmSafe};

/// A text of up to `N` bytes of UTF-8, with the bytes in it: a `String` for shared memory.
///
/// It has the same bytes in each process: the length as a `u32` at byte 0, the text from byte 4 on.
/// Bytes of zero are an empty text.
///
/// Another process may have been killed while it wrote, or may be wrong. So a length over `N` counts
/// as `N`, and each look at the text checks that it is UTF-8, which is fast, but not free: the text
/// ends before the first bytes that are not. [`try_as_str`](Self::try_as_str) says whether it did.
///
/// ```
/// use shmkit::typed::ArrayString;
/// use std::fmt::Write as _;
///
/// let mut name: ArrayString<16> = "cam".parse().expect("3 bytes");
/// write!(name, "-{}", 7).expect("2 more");
/// assert_eq!(name, "cam-7");
/// assert!(name.starts_with("cam"));
/// assert!(name.try_push_str(" of the north wing").is_err());
/// assert_eq!(ArrayString::<6>::truncated("grün und blau"), "grün ");
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ArrayString<const N: usize> {
    len: u32,
    bytes: [u8; N],
}

// SAFETY: `repr(C)`, and a `u32` is aligned to 4 bytes everywhere. Torn bytes are bytes: that they
// are UTF-8 is checked each time.
#[diagnostic::do_not_recommend]
unsafe impl<const N: usize> ShmSafe for ArrayString<N> {
    const LAYOUT: &'static Layout = &Layout::composite(
        Role::Text,
        "ArrayString",
        1,
        size_of::<Self>() as u64,
        4,
        &[
            Field::new("len", offset_of!(Self, len), u32::LAYOUT),
            Field::new("bytes", offset_of!(Self, bytes), <[u8; N]>::LAYOUT),
        ],
    );
}

// As `docs/FORMAT.md` says, on each processor.
const _: () = {
    Layout::assert_describes::<ArrayString<5>>();
    assert!(offset_of!(ArrayString<5>, bytes) == 4 && size_of::<ArrayString<5>>() == 12);
    assert!(size_of::<ArrayString<28>>() == 32);
};

impl<const N: usize> ArrayString<N> {
    /// An empty text.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= u32::MAX as usize, "the length is a `u32`") };
        Self {
            len: 0,
            bytes: [0; N],
        }
    }

    /// As much of a text as there is room for, with no character cut in two.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut all = Self::new();
        all.push_bytes(&text.as_bytes()[..end]);
        all
    }

    /// How many bytes there may be: `N`.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The text, up to the first bytes that are not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.try_as_str().unwrap_or_else(|error| {
            let good = &self.as_bytes()[..error.valid_up_to()];
            str::from_utf8(good).unwrap_or_default()
        })
    }

    /// The text, if all of it is UTF-8.
    ///
    /// # Errors
    /// If another process wrote something else, or was killed while it wrote.
    pub const fn try_as_str(&self) -> Result<&str, Utf8Error> {
        str::from_utf8(self.as_bytes())
    }

    /// The bytes, which may be no UTF-8 if another process is wrong.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        let len = self.len as usize;
        self.bytes.split_at(if len < N { len } else { N }).0
    }

    /// Adds a text at the end.
    ///
    /// # Panics
    /// If there is no room; see [`try_push_str`](Self::try_push_str).
    #[track_caller]
    pub fn push_str(&mut self, text: &str) {
        if self.try_push_str(text).is_err() {
            panic!(
                "an `ArrayString` of {N} bytes has no room for {}",
                text.len()
            );
        }
    }

    /// Adds a text at the end.
    ///
    /// # Errors
    /// If there is no room for all of it; then nothing is added.
    pub fn try_push_str<'a>(&mut self, text: &'a str) -> Result<(), Full<&'a str>> {
        if text.len() > N - self.as_bytes().len() {
            return Err(Full(text));
        }
        self.push_bytes(text.as_bytes());
        Ok(())
    }

    /// Adds a character at the end.
    ///
    /// # Panics
    /// If there is no room; see [`try_push`](Self::try_push).
    #[track_caller]
    pub fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    /// Adds a character at the end.
    ///
    /// # Errors
    /// If there is no room; the error has the character.
    pub fn try_push(&mut self, c: char) -> Result<(), Full<char>> {
        let mut bytes = [0; 4];
        let pushed = self.try_push_str(c.encode_utf8(&mut bytes));
        pushed.map_err(|_| Full(c))
    }

    /// Takes the last character away.
    pub fn pop(&mut self) -> Option<char> {
        let text = self.as_str();
        let last = text.chars().next_back()?;
        self.len = (text.len() - last.len_utf8()) as u32;
        Some(last)
    }

    /// Keeps the first `len` bytes; does nothing if there are not more.
    ///
    /// # Panics
    /// If a character would be cut in two.
    #[track_caller]
    pub fn truncate(&mut self, len: usize) {
        let text = self.as_str();
        if len <= text.len() {
            assert!(
                text.is_char_boundary(len),
                "byte {len} is within a character"
            );
            self.len = len as u32;
        }
    }

    /// Takes the whole text away.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// There is room for them.
    fn push_bytes(&mut self, bytes: &[u8]) {
        let len = self.as_bytes().len();
        self.bytes[len..][..bytes.len()].copy_from_slice(bytes);
        self.len = (len + bytes.len()) as u32;
    }
}

impl<const N: usize> Default for ArrayString<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for ArrayString<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<str> for ArrayString<N> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl<const N: usize> Borrow<str> for ArrayString<N> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<'a, const N: usize> TryFrom<&'a str> for ArrayString<N> {
    type Error = Full<&'a str>;

    fn try_from(text: &'a str) -> Result<Self, Full<&'a str>> {
        let mut all = Self::new();
        all.try_push_str(text)?;
        Ok(all)
    }
}

impl<const N: usize> FromStr for ArrayString<N> {
    type Err = Full<()>;

    fn from_str(text: &str) -> Result<Self, Full<()>> {
        Self::try_from(text).map_err(|_| Full(()))
    }
}

/// A piece that does not fit is an error, and none of it is added.
impl<const N: usize> fmt::Write for ArrayString<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.try_push_str(text).map_err(|_| fmt::Error)
    }
}

impl<const N: usize> fmt::Display for ArrayString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> fmt::Debug for ArrayString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Equal to whatever is the same text.
impl<S: AsRef<str> + ?Sized, const N: usize> PartialEq<S> for ArrayString<N> {
    fn eq(&self, other: &S) -> bool {
        self.as_str() == other.as_ref()
    }
}

impl<const N: usize> Eq for ArrayString<N> {}

impl<const N: usize> PartialOrd for ArrayString<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for ArrayString<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

impl<const N: usize> Hash for ArrayString<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(char),
        PushStr(String),
        Pop,
        Truncate(usize),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<char>().prop_map(Step::Push),
            2 => ".{0,3}".prop_map(Step::PushStr),
            2 => Just(Step::Pop),
            1 => (0_usize..16).prop_map(Step::Truncate),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: if cfg!(miri) { 8 } else { 256 },
            ..ProptestConfig::default()
        })]

        #[test]
        fn does_what_a_string_does_until_it_is_full(steps in vec(step(), 0..40)) {
            let (mut text, mut model) = (ArrayString::<13>::new(), String::new());
            for step in steps {
                let room = 13 - model.len();
                match step {
                    Step::Push(c) => {
                        let fits = c.len_utf8() <= room;
                        prop_assert_eq!(text.try_push(c), if fits { Ok(()) } else { Err(Full(c)) });
                        model.extend(fits.then_some(c));
                    }
                    Step::PushStr(more) => {
                        let fits = more.len() <= room;
                        prop_assert_eq!(text.try_push_str(&more).is_ok(), fits);
                        model.push_str(if fits { &more } else { "" });
                    }
                    Step::Pop => prop_assert_eq!(text.pop(), model.pop()),
                    Step::Truncate(len) if model.is_char_boundary(len) => {
                        text.truncate(len);
                        model.truncate(len);
                    }
                    Step::Truncate(_) => {}
                    Step::Clear => {
                        text.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!(text, &model);
                prop_assert_eq!(text.to_string(), model.clone());
            }
        }

        #[test]
        fn any_bytes_are_a_text(bytes in any::<[u8; 13]>(), len in any::<u32>(), c in any::<char>()) {
            for len in [len, len % 15] {
                let mut text = ArrayString { len, bytes };
                let whole = &bytes[..(len as usize).min(13)];
                let good = whole.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                prop_assert_eq!(text, good);
                prop_assert_eq!(text.try_as_str().is_ok(), good.len() == whole.len());
                let _ = text.try_push(c);
                prop_assert!(text.starts_with(good));
                text.pop();
                text.truncate(0);
                prop_assert_eq!(text, "");
            }
        }

        #[test]
        fn what_is_truncated_is_the_longest_that_fits(whole in ".{0,8}") {
            let text = ArrayString::<7>::truncated(&whole);
            prop_assert!(whole.starts_with(text.as_str()));
            if let Some(next) = whole[text.len()..].chars().next() {
                prop_assert!(text.len() + next.len_utf8() > 7);
            }
        }
    }

    #[test]
    fn texts_are_found_by_their_text() {
        let names: HashSet<ArrayString<8>> = ["a", "b"].map(|name| name.parse().unwrap()).into();
        assert!(names.contains("b"));
        assert!(!names.contains("c"));
    }

    #[test]
    fn writing_more_than_fits_is_an_error() {
        let mut text = ArrayString::<4>::new();
        let (fits, does_not) = (12, 345);
        assert!(write!(text, "{fits}{does_not}").is_err());
        assert_eq!(text, "12", "the piece that fitted");
        assert_eq!(format!("{text:?} {text:>4}"), "\"12\"   12");
    }

    #[test]
    #[should_panic(expected = "an `ArrayString` of 2 bytes has no room for 3")]
    fn one_too_many_panics() {
        ArrayString::<2>::new().push('€');
    }

    #[test]
    #[should_panic(expected = "byte 1 is within a character")]
    fn half_a_character_panics() {
        ArrayString::<2>::truncated("ä").truncate(1);
    }
}
