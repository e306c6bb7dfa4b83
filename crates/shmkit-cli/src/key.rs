//! Keys on the command line: Qt's text form, or a bare name.

use std::ffi::OsStr;

use anyhow::{Result, bail};
use shmkit::key::NativeIpcKey;

/// The key that somebody wrote: `posix:/cam0`, `systemv:/path`, or `cam0` for the platform-safe key
/// of that name.
pub(crate) fn parse(text: &OsStr) -> Result<NativeIpcKey> {
    let Some(utf8) = text.to_str() else {
        let valid = text.as_encoded_bytes().utf8_chunks().next();
        let at = valid.map_or(0, |chunk| chunk.valid().len());
        bail!("cannot use key {text:?}: it is not UTF-8 at byte {at}");
    };
    Ok(NativeIpcKey::parse_or_name(utf8).map_err(shmkit::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_the_platform_safe_key() {
        let key = |text: &str| parse(text.as_ref());
        assert_eq!(key("cam0").unwrap(), NativeIpcKey::platform_safe("cam0"));
        assert_eq!(key("posix:/cam0").unwrap().native_key(), "/cam0");
        assert_eq!(key("systemv:/tmp/k").unwrap().native_key(), "/tmp/k");
        for wrong in ["", "/cam0", "/tmp/k", "posix", "posx:/cam0", "posix:/cam?0"] {
            let error = key(wrong).unwrap_err().to_string();
            assert!(error.starts_with("cannot use key"), "{wrong}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_is_utf_8() {
        use std::os::unix::ffi::OsStrExt as _;
        let error = parse(OsStr::from_bytes(b"cam\xff")).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"cannot use key "cam\xFF": it is not UTF-8 at byte 3"#
        );
    }
}
