//! Calls that must not even be tried: Android filters the system calls of programs, and ends one
//! that makes a call which its list does not have. Linux would only answer `ENOSYS`.
//!
//! The list has what Android's C library can call, and a few more; so it is the level of the API
//! that says what may be tried.
#![cfg_attr(
    target_os = "android",
    expect(
        unsafe_code,
        reason = "properties of the system, which rustix does not have"
    )
)]

/// Whether calls may be tried that the C library has not: futex_waitv(2), cachestat(2), mbind(2).
#[cfg_attr(sys = "portable", allow(dead_code, reason = "nobody tries them"))]
pub(crate) const TAKES_ANY_CALL: bool = !cfg!(target_os = "android");

/// The first level with memfd_create(2) in the C library: Android 11. Some lists before have the
/// call, some have not, and some old kernels crash the program instead of refusing it.
#[cfg(any(target_os = "android", test))]
const MEMFD: u32 = 30;

/// Why this system must not be asked for memory without a name, if it must not.
#[cfg(target_os = "android")]
pub(crate) fn no_memfd() -> Option<String> {
    no_memfd_in(
        &property(c"ro.build.version.release"),
        &property(c"ro.build.version.sdk"),
    )
}

/// Why this system must not be asked for memory without a name, if it must not: other systems
/// answer.
#[cfg(not(target_os = "android"))]
pub(crate) fn no_memfd() -> Option<String> {
    None
}

/// The same of an Android that calls itself `release`. `level` is what it says that its API is.
#[cfg(any(target_os = "android", test))]
fn no_memfd_in(release: &str, level: &str) -> Option<String> {
    let this = match level.parse::<u32>() {
        Ok(MEMFD..) => return None,
        Ok(level) => format!("this is Android {release} (API level {level})"),
        Err(_) => "this system does not say which one it is".to_owned(),
    };
    Some(format!(
        "memory without a name needs Android 11 (API level {MEMFD}), and {this}"
    ))
}

/// What the system says of itself; nothing if it does not.
#[cfg(target_os = "android")]
fn property(name: &std::ffi::CStr) -> String {
    let mut value = [0_u8; libc::PROP_VALUE_MAX as usize];
    // SAFETY: the name ends with a NUL, and the call writes at most `PROP_VALUE_MAX` bytes with
    // the NUL after the value.
    let length = unsafe { libc::__system_property_get(name.as_ptr(), value.as_mut_ptr().cast()) };
    let length = usize::try_from(length).unwrap_or(0).min(value.len());
    String::from_utf8_lossy(&value[..length]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn android_11_and_later_are_asked_for_memory() {
        for (release, level) in [("11", "30"), ("12", "31"), ("16", "36")] {
            assert_eq!(no_memfd_in(release, level), None, "{release}");
        }
    }

    #[test]
    fn before_android_11_nobody_is_asked_who_would_end_the_program() {
        let why = no_memfd_in("10", "29").unwrap();
        assert_eq!(
            why,
            "memory without a name needs Android 11 (API level 30), and this is Android 10 (API \
             level 29)"
        );
        assert!(no_memfd_in("8.0.0", "26").is_some());
        assert!(no_memfd_in("4.4", "19").is_some());
    }

    #[test]
    fn a_level_that_is_not_told_is_none_to_rely_on() {
        for level in ["", "R", "-1", "99999999999"] {
            let why = no_memfd_in("", level).unwrap();
            assert!(why.ends_with("this system does not say which one it is"));
        }
    }
}
