//! The system's users.
#![expect(unsafe_code, reason = "getpwuid_r(3) and getpwnam_r(3)")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use crate::key::text::lossy_utf8;

/// The name of a user; `None` if the user has none, as in many containers.
pub(crate) fn name(user: u32) -> Option<String> {
    look_up(
        |entry, buffer, length, found| {
            // SAFETY: `look_up` says what the pointers are.
            unsafe { libc::getpwuid_r(user, entry, buffer, length, found) }
        },
        |entry| {
            // SAFETY: the name ends with a NUL and lies in the buffer, which nobody touches
            // before `look_up` returns.
            let name = unsafe { CStr::from_ptr(entry.pw_name) };
            lossy_utf8(name.to_bytes())
        },
    )
}

/// The user of a name.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    look_up(
        |entry, buffer, length, found| {
            // SAFETY: `look_up` says what the pointers are, and `name` lives through the call.
            unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, length, found) }
        },
        |entry| entry.pw_uid,
    )
}

/// Asks with a buffer that is as large as it must be, and reads from the entry that was found.
///
/// `ask` is given an entry and a pointer to write to, and a buffer with its length, all of which
/// live until it returns.
fn look_up<R>(
    ask: impl Fn(*mut libc::passwd, *mut c_char, usize, *mut *mut libc::passwd) -> c_int,
    read: impl FnOnce(&libc::passwd) -> R,
) -> Option<R> {
    let mut buffer = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        let error = ask(
            entry.as_mut_ptr(),
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut found,
        );
        if error == libc::ERANGE && buffer.len() < 1 << 20 {
            buffer.resize(buffer.len() * 2, 0);
            continue;
        }
        if error != 0 || found.is_null() {
            return None;
        }
        // SAFETY: no error and a result: `found` points to `entry`, which is filled in.
        return Some(read(unsafe { &*found }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(number("root"), Some(0));
        assert_eq!(number("no-such-user-of-shmkit"), None);
        assert_eq!(number("a\0b"), None);
        assert_eq!(name(u32::MAX - 7), None);
    }
}
