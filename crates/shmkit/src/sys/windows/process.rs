//! Other processes.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};

use super::object;

/// The name of a process's program without its folder; `None` if it ended or may not be asked.
pub(crate) fn program(pid: u32) -> Option<String> {
    let rights = PROCESS_QUERY_LIMITED_INFORMATION;
    // SAFETY: it takes numbers.
    let process = object::open(|| unsafe { OpenProcess(rights, 0, pid) }).ok()?;
    let mut path = [0; 1024];
    let mut length = path.len() as u32;
    // SAFETY: the handle is open, and `path` is as long as `length` says.
    let found = unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            PROCESS_NAME_WIN32,
            path.as_mut_ptr(),
            &mut length,
        )
    };
    if found == 0 {
        return None;
    }
    let path = String::from_utf16_lossy(&path[..length as usize]);
    Some(path.rsplit('\\').next().unwrap_or(&path).to_owned())
}
