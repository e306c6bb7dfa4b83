//! From native keys to names of objects, and to the anchors beside them.

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

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
#[derive(Debug, Clone, Copy)]
pub(super) enum Beside {
    Segment,
    Semaphore,
}

/// The anchor of an object of this user.
pub(super) fn anchor(beside: Beside, name: &CString, owner: u32) -> io::Result<PathBuf> {
    Ok(lease::directory(owner)?.join(anchor_name(beside, name)))
}

fn anchor_name(beside: Beside, name: &CString) -> String {
    let kind = match beside {
        Beside::Segment => "shm",
        Beside::Semaphore => "sem",
    };
    let digest = Sha1::digest(name.as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}-{digits}")
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
        assert_eq!(segment.len(), 44);
        assert_ne!(segment, anchor_name(Beside::Semaphore, &name));
    }
}
