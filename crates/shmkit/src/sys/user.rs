//! The names of users (getpwuid_r(3)).
#![expect(unsafe_code, reason = "getpwuid_r")]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use crate::key::text::lossy_utf8;

/// The name of a user; `None` if the user has none, as in many containers.
pub(crate) fn name(user: u32) -> Option<String> {
    let mut buffer = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: `entry` and `found` are written to, and `buffer` up to its length, all of
        // which live until the end of this turn.
        let error = unsafe {
            libc::getpwuid_r(
                user,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &mut found,
            )
        };
        if error == libc::ERANGE && buffer.len() < 1 << 20 {
            buffer.resize(buffer.len() * 2, 0);
            continue;
        }
        if error != 0 || found.is_null() {
            return None;
        }
        // SAFETY: no error and a result: `found` points to `entry`, which is filled in.
        let name: *const c_char = unsafe { (*found).pw_name };
        // SAFETY: the name ends with a NUL and lies in `buffer`, which nobody has touched since.
        return Some(lossy_utf8(unsafe { CStr::from_ptr(name) }.to_bytes()));
    }
}
