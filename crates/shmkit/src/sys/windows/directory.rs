//! The names of kernel objects: the kernel has directories of them, as of files.
#![expect(unsafe_code, reason = "calls of the kernel's own interface")]

use std::collections::BTreeSet;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{NtOpenDirectoryObject, NtQueryDirectoryObject};
use windows_sys::Win32::Foundation::{
    OBJ_CASE_INSENSITIVE, STATUS_NO_MORE_ENTRIES, UNICODE_STRING,
};

use super::object::{self, failed, text, wide};
use super::security::Descriptor;
use super::signal;

const DIRECTORY_QUERY: u32 = 1;

/// What the kernel tells of an object in a directory.
#[repr(C)]
struct Entry {
    name: UNICODE_STRING,
    kind: UNICODE_STRING,
}

/// The names of all sections in the directory in which names with this beginning (`Global\\`, or
/// nothing) are, without it, and the kernel's name of that directory.
pub(crate) fn sections(beginning: &str) -> io::Result<(BTreeSet<String>, String)> {
    let path = path_of(beginning)?;
    let directory = open(&path)?;
    let mut names = BTreeSet::new();
    // Room for the longest name there can be.
    let mut buffer = vec![0_u64; 8192 + 8];
    let size = size_of_val(&buffer[..]) as u32;
    let mut place = 0;
    loop {
        let (one_by_one, from_the_start) = (true, place == 0);
        // SAFETY: the handle is open, the buffer as long as we say, and `place` a local.
        let status = unsafe {
            NtQueryDirectoryObject(
                directory.as_raw_handle(),
                buffer.as_mut_ptr().cast(),
                size,
                one_by_one,
                from_the_start,
                &mut place,
                ptr::null_mut(),
            )
        };
        match status {
            STATUS_NO_MORE_ENTRIES => return Ok((names, path)),
            ..0 => return Err(failed(status)),
            _ => {}
        }
        // SAFETY: the kernel has written one of these there, and the buffer is aligned to 8 bytes.
        let entry = unsafe { &*buffer.as_ptr().cast::<Entry>() };
        // SAFETY: the text lies in the buffer, behind the entry.
        if unsafe { text(&entry.kind) } == "Section" {
            // SAFETY: as above.
            names.insert(unsafe { text(&entry.name) });
        }
    }
}

/// The directory of names with this beginning: that of the session, of a sandbox, of the machine. It
/// is part of the full name of whatever is made there.
fn path_of(beginning: &str) -> io::Result<String> {
    let name = format!("shmkit-here-{}", std::process::id());
    let made = signal::event(&format!("{beginning}{name}"), &Descriptor::new(0o600)?)?;
    let full = object::name(&made.handle)?;
    let path = full
        .strip_suffix(&name)
        .map(|path| path.trim_end_matches('\\'));
    Ok(path.unwrap_or_default().to_owned())
}

fn open(path: &str) -> io::Result<OwnedHandle> {
    let mut wide = wide(path)?;
    let bytes = u16::try_from((wide.len() - 1) * 2).unwrap_or(u16::MAX);
    let name = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: wide.as_mut_ptr(),
    };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: ptr::null_mut(),
        ObjectName: &name,
        Attributes: OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: ptr::null(),
        SecurityQualityOfService: ptr::null(),
    };
    let mut directory = ptr::null_mut();
    // SAFETY: the attributes and the name that they point to live during the call.
    let status = unsafe { NtOpenDirectoryObject(&mut directory, DIRECTORY_QUERY, &attributes) };
    match status {
        // SAFETY: a new handle, which nobody else closes.
        0.. => Ok(unsafe { OwnedHandle::from_raw_handle(directory) }),
        _ => Err(failed(status)),
    }
}
