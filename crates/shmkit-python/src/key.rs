//! Keys, as Python has them: text.

use shmkit::key::NativeIpcKey;

use crate::error::Result;

/// The key that a text stands for: a key in its text form (`posix:/cam0`), or a name, which makes
/// the same key as Qt makes of it.
pub(crate) fn parse(text: &str) -> Result<NativeIpcKey> {
    match text.contains(':') {
        true => Ok(NativeIpcKey::parse(text).map_err(shmkit::Error::from)?),
        false => Ok(NativeIpcKey::platform_safe(text)),
    }
}
