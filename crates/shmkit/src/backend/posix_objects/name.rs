//! From native keys to names of objects, and to the anchors beside them.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha1::{Digest as _, Sha1};

use crate::error::{Error, ErrorKind, Op, Result};
use crate::key::NativeIpcKey;
use crate::sys::lease;

/// What a system takes as a name.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// In bytes, with the slash.
    longest: usize,
    /// Whether there may be more than one slash: programs in macOS's sandbox call their objects
    /// `GROUP/NAME`.
    takes_slashes: bool,
}

const MACOS: Rules = Rules {
    longest: 30,
    takes_slashes: true,
};

const OTHERS: Rules = Rules {
    longest: 251,
    takes_slashes: false,
};

const HERE: Rules = match cfg!(target_vendor = "apple") {
    true => MACOS,
    false => OTHERS,
};

/// The name of the segment and of the semaphore of a key; one name can be both.
pub(super) fn system_name(key: &NativeIpcKey, op: Op) -> Result<CString> {
    check(key.native_key(), HERE).map_err(|why| {
        Error::new(op, ErrorKind::InvalidKey)
            .on(key)
            .detail(why)
            .hint(format!(
                "a POSIX name is a slash and 1 to {} bytes without another slash",
                HERE.longest - 1
            ))
    })
}

fn check(name: &str, rules: Rules) -> std::result::Result<CString, String> {
    let bare = name.trim_start_matches('/');
    let slashes = bare.contains('/');
    // As Qt does, a name is passed as it is where that means something.
    let full = match slashes && rules.takes_slashes {
        true => name.to_owned(),
        false => format!("/{bare}"),
    };
    match bare {
        "" => Err("the name is empty".into()),
        "." | ".." => Err(format!("`{bare}` is a directory")),
        _ if slashes && !rules.takes_slashes => Err("the name has a slash inside".into()),
        _ if full.len() > rules.longest => Err(format!(
            "the name has {} bytes, and {} are possible",
            full.len(),
            rules.longest
        )),
        _ => CString::new(full).map_err(|_| "the name has a NUL character inside".into()),
    }
}

/// What an anchor stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Segment,
    Semaphore,
}

/// The anchor of an object of this user.
pub(super) fn anchor(beside: Beside, name: &CString, owner: u32) -> io::Result<PathBuf> {
    Ok(lease::directory(owner)?.join(anchor_name(beside, name)))
}

/// What is written as it is in the name of an anchor.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// No name of a file is longer, in bytes.
const LONGEST_FILE_NAME: usize = 255;

/// `shm-HASH-NAME`. The hash is what tells anchors apart, also where the file system takes `Cam` and
/// `cam` for one; the name is for those who list them, and is left out if it is too long.
fn anchor_name(beside: Beside, name: &CString) -> String {
    let hashed = format!("{}-{}", beside.prefix(), hash(name.as_bytes()));
    let readable = utf8_percent_encode(&name.to_string_lossy(), PLAIN).to_string();
    match hashed.len() + 1 + readable.len() {
        ..=LONGEST_FILE_NAME => format!("{hashed}-{readable}"),
        _ => hashed,
    }
}

fn hash(name: &[u8]) -> String {
    let digest = Sha1::digest(name);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the anchor of this file name stands beside, and the object's name, if it has that; `None` if
/// it is no anchor.
pub(super) fn read_anchor_name(file_name: &str) -> Option<(Beside, Option<CString>)> {
    let (prefix, rest) = file_name.split_once('-')?;
    let beside = [Beside::Segment, Beside::Semaphore]
        .into_iter()
        .find(|beside| beside.prefix() == prefix)?;
    let (digits, readable) = rest.split_once('-').unwrap_or((rest, ""));
    if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let name: Vec<u8> = percent_decode_str(readable).collect();
    let name = CString::new(name).ok();
    Some((beside, name.filter(|name| hash(name.as_bytes()) == digits)))
}

impl Beside {
    fn prefix(self) -> &'static str {
        match self {
            Self::Segment => "shm",
            Self::Semaphore => "sem",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macos_takes_thirty_bytes_and_groups() {
        let name = |text: &str| check(text, MACOS).map(|name| name.into_string().unwrap());
        assert_eq!(name("/cam0").unwrap(), "/cam0");
        assert_eq!(name("cam0").unwrap(), "/cam0");
        assert_eq!(name("TEAM.group/cam0").unwrap(), "TEAM.group/cam0");
        let longest = format!("/{}", "x".repeat(29));
        assert_eq!(name(&longest).unwrap(), longest);
        let said = name(&format!("{longest}x")).unwrap_err();
        assert_eq!(said, "the name has 31 bytes, and 30 are possible");
        assert!(name("/").is_err() && name("/a\0b").is_err() && name("/..").is_err());
    }

    #[test]
    fn others_take_one_slash() {
        assert!(check("/a/b", OTHERS).is_err());
        assert!(check(&format!("/{}", "x".repeat(250)), OTHERS).is_ok());
        assert!(check(&format!("/{}", "x".repeat(251)), OTHERS).is_err());
    }

    #[test]
    fn anchors_are_told_apart() {
        let name = CString::new("/cam0").unwrap();
        let segment = anchor_name(Beside::Segment, &name);
        let semaphore = anchor_name(Beside::Semaphore, &name);
        assert!(
            segment.ends_with("-%2Fcam0") && segment.len() == 52,
            "{segment}"
        );
        assert_ne!(segment, semaphore);
        for (beside, anchor) in [(Beside::Segment, segment), (Beside::Semaphore, semaphore)] {
            assert_eq!(
                read_anchor_name(&anchor),
                Some((beside, Some(name.clone())))
            );
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_not_in_that_of_its_anchor() {
        let name = CString::new(format!("/{}", "ä".repeat(120))).unwrap();
        let anchor = anchor_name(Beside::Segment, &name);
        assert_eq!(anchor.len(), 44);
        assert_eq!(read_anchor_name(&anchor), Some((Beside::Segment, None)));
    }

    #[test]
    fn other_files_are_no_anchors() {
        let hash = "0a".repeat(20);
        for name in [
            "",
            "fe00-9a",
            "shm-7",
            &format!("shm{hash}"),
            &format!("x-{hash}"),
        ] {
            assert_eq!(read_anchor_name(name), None, "{name}");
        }
        // A name that is not the hash's tells nothing.
        let other = format!("shm-{hash}-%2Fcam0");
        assert_eq!(read_anchor_name(&other), Some((Beside::Segment, None)));
    }
}
