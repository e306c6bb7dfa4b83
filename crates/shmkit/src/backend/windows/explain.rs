//! From what the system said to what a person can act on.

use std::io;

use crate::error::{Error, ErrorKind, Op};

const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_INVALID_HANDLE: i32 = 6;
const ERROR_NOT_ENOUGH_MEMORY: i32 = 8;
const ERROR_OUTOFMEMORY: i32 = 14;
const ERROR_INVALID_NAME: i32 = 123;
const ERROR_BAD_PATHNAME: i32 = 161;
const ERROR_FILENAME_EXCED_RANGE: i32 = 206;
const ERROR_TOO_MANY_POSTS: i32 = 298;
const ERROR_MAPPED_ALIGNMENT: i32 = 1132;
const ERROR_NO_SYSTEM_RESOURCES: i32 = 1450;
const ERROR_COMMITMENT_LIMIT: i32 = 1455;

/// Says why an object could not be made or opened.
pub(crate) fn explain(cause: io::Error, op: Op) -> Error {
    let code = cause.raw_os_error();
    let error = Error::os(op, cause);
    match code {
        None if error.kind() == ErrorKind::AlreadyExists => error
            .detail("it already exists and is in use")
            .hint("attach to it, or choose another name"),
        Some(ERROR_INVALID_HANDLE) => error
            .with_kind(ErrorKind::NotASegment)
            .detail("the name is taken by an object of another kind"),
        Some(ERROR_INVALID_NAME | ERROR_BAD_PATHNAME | ERROR_FILENAME_EXCED_RANGE) => {
            error.with_kind(ErrorKind::InvalidKey)
        }
        Some(ERROR_COMMITMENT_LIMIT | ERROR_NOT_ENOUGH_MEMORY | ERROR_OUTOFMEMORY) => error
            .with_kind(ErrorKind::OutOfSpace)
            .detail("there is not enough memory")
            .hint("the page file bounds what all programs may have together"),
        Some(ERROR_NO_SYSTEM_RESOURCES | ERROR_TOO_MANY_OPEN_FILES | ERROR_TOO_MANY_POSTS) => {
            error.with_kind(ErrorKind::OutOfResources)
        }
        Some(ERROR_MAPPED_ALIGNMENT) => error
            .with_kind(ErrorKind::OutOfBounds)
            .detail("Windows attaches from multiples of 64 KiB on"),
        Some(ERROR_ACCESS_DENIED) if op == Op::Create => error.hint(
            r"to make names in Global\ needs the right SeCreateGlobalPrivilege; to open them does not",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_make_global_names_is_told_that_opening_them_needs_nothing() {
        let refused = || io::Error::from_raw_os_error(ERROR_ACCESS_DENIED);
        let error = explain(refused(), Op::Create);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let help = error.help().unwrap();
        assert!(help.contains("SeCreateGlobalPrivilege"), "{help}");
        assert!(help.contains("to open them does not"), "{help}");
        assert_eq!(explain(refused(), Op::Attach).help(), None);
    }
}
