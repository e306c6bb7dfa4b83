//! Who may use an object: permission bits as in `chmod`, as an access control list.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, HLOCAL, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_FILE_OBJECT, SE_KERNEL_OBJECT, SE_OBJECT_TYPE,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, OWNER_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES, TOKEN_INFORMATION_CLASS, TOKEN_OWNER,
    TOKEN_PRIMARY_GROUP, TOKEN_QUERY, TOKEN_USER, TokenOwner, TokenPrimaryGroup, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// The owner's part of the usual permissions, for which Windows needs to be told nothing: what a
/// process makes is its user's own.
const OWNER_ONLY: u32 = 0o600;

/// In a list, everybody.
const EVERYBODY: &str = "WD";

/// Memory that the API gave.
#[derive(Debug)]
struct Local(HLOCAL);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the API gave it to be freed so.
        unsafe { LocalFree(self.0) };
    }
}

/// What a new object's permissions are.
pub(crate) struct Descriptor {
    /// None: the defaults of this process, as Qt has them.
    list: Option<(Local, Box<SECURITY_ATTRIBUTES>)>,
}

impl Descriptor {
    /// The permissions of a mode. This user and the system may do anything.
    pub(crate) fn new(mode: u32) -> io::Result<Self> {
        match mode & !OWNER_ONLY {
            0 => Ok(Self { list: None }),
            _ => Self::listing("D:", mode),
        }
    }

    /// The same for a file, for which the directory has other defaults.
    pub(crate) fn of_file(mode: u32) -> io::Result<Self> {
        Self::listing("D:P", mode)
    }

    fn listing(list: &str, mode: u32) -> io::Result<Self> {
        let user = own_sid(TokenUser)?;
        let mut text = format!("{list}(A;;GA;;;SY)(A;;GA;;;{user})");
        if let Some(rights) = rights(mode >> 3) {
            text += &format!("(A;;{rights};;;{})", own_sid(TokenPrimaryGroup)?);
        }
        if let Some(rights) = rights(mode) {
            text += &format!("(A;;{rights};;;{EVERYBODY})");
        }
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends with a zero, and `descriptor` is written to.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                ptr::null_mut(),
            )
        };
        if made == 0 {
            return Err(io::Error::last_os_error());
        }
        let attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: descriptor,
            bInheritHandle: 0,
        };
        Ok(Self {
            list: Some((Local(descriptor), Box::new(attributes))),
        })
    }

    /// What the API takes, for as long as `self` lives.
    pub(super) fn attributes(&self) -> *const SECURITY_ATTRIBUTES {
        match &self.list {
            Some((_, attributes)) => &raw const **attributes,
            None => ptr::null(),
        }
    }
}

/// A class's rights in a list.
fn rights(class: u32) -> Option<&'static str> {
    match class & 0o6 {
        0o6 => Some("GA"),
        0o4 => Some("GR"),
        0o2 => Some("GW"),
        _ => None,
    }
}

/// What an object says of itself.
#[derive(Debug)]
pub(crate) struct Rights {
    /// The user that it belongs to, as text (`S-1-5-...`), or an abbreviation of it.
    pub(crate) owner: String,
    /// Its permissions, as far as permission bits can say.
    pub(crate) mode: u32,
}

/// Asks about an object without a file.
pub(crate) fn of(object: &OwnedHandle) -> io::Result<Rights> {
    ask(object, SE_KERNEL_OBJECT, 0x4)
}

/// Asks about a file.
pub(crate) fn of_file(file: &File) -> io::Result<Rights> {
    ask(file, SE_FILE_OBJECT, 0x1)
}

/// `reading`: the bit of the right to read in objects of this kind.
fn ask(object: &impl AsRawHandle, kind: SE_OBJECT_TYPE, reading: u32) -> io::Result<Rights> {
    let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
    // SAFETY: the handle is open; only `descriptor` is written to.
    let error = unsafe {
        GetSecurityInfo(
            object.as_raw_handle(),
            kind,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &mut descriptor,
        )
    };
    if error != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    let descriptor = Local(descriptor);
    let mut text = ptr::null_mut();
    // SAFETY: the descriptor is one, and `text` is written to.
    let made = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &mut text,
            ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(read(&take(text), &own_sid(TokenPrimaryGroup)?, reading))
}

/// Reads `O:OWNERG:GROUPD:FLAGS(A;;RIGHTS;;;WHO)...`.
fn read(text: &str, group: &str, reading: u32) -> Rights {
    let (owner, list) = text.split_once("D:").unwrap_or((text, ""));
    let owner = owner.trim_start_matches("O:");
    let owner = owner.split("G:").next().unwrap_or(owner);
    let mut mode = OWNER_ONLY;
    for entry in list.split(['(', ')']) {
        let fields: Vec<&str> = entry.split(';').collect();
        let &["A", _, rights, _, _, who] = &fields[..] else {
            continue;
        };
        if who == EVERYBODY {
            mode |= bits(rights, reading);
        } else if who == group {
            mode |= bits(rights, reading) << 3;
        }
    }
    Rights {
        owner: owner.to_owned(),
        mode,
    }
}

/// Rights as permission bits: by letters, or as a number whose lowest bits are those of the object:
/// 2 to write, and `reading`.
fn bits(rights: &str, reading: u32) -> u32 {
    let number = rights
        .strip_prefix("0x")
        .map(|digits| u32::from_str_radix(digits, 16));
    match number {
        Some(Ok(number)) => {
            let reads = number & (reading | 0x8000_0000 | 0x1000_0000) != 0;
            let writes = number & (0x2 | 0x4000_0000 | 0x1000_0000) != 0;
            u32::from(reads) << 2 | u32::from(writes) << 1
        }
        _ if rights.contains("GA") || rights.contains("FA") => 0o6,
        _ => {
            let has = |letters: [&str; 2]| letters.iter().any(|two| rights.contains(two));
            u32::from(has(["GR", "FR"])) << 2 | u32::from(has(["GW", "FW"])) << 1
        }
    }
}

/// Whether an object of this owner may be trusted as one's own: this user's, or the system's. Windows
/// always names an owner; Wine does not where the maker asked for the defaults.
pub(crate) fn is_own(owner: &str) -> bool {
    let own = [TokenUser, TokenOwner];
    matches!(owner, "" | "SY" | "BA" | "S-1-5-18" | "S-1-5-32-544")
        || own
            .iter()
            .any(|&class| own_sid(class).is_ok_and(|sid| sid == owner))
}

/// One of the names of this process's user.
fn own_sid(class: TOKEN_INFORMATION_CLASS) -> io::Result<String> {
    let mut token = ptr::null_mut();
    // SAFETY: it gives a number that needs no closing.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: `token` is written to.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new handle, which nobody else closes.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // Aligned for the pointers in it.
    let mut buffer = [0_u64; 64];
    let mut length = 0;
    // SAFETY: the handle is open, and the buffer as long as we say.
    let found = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            class,
            buffer.as_mut_ptr().cast(),
            size_of_val(&buffer) as u32,
            &mut length,
        )
    };
    if found == 0 {
        return Err(io::Error::last_os_error());
    }
    let at = buffer.as_ptr();
    let sid = if class == TokenUser {
        // SAFETY: the API has written this struct there.
        unsafe { (*at.cast::<TOKEN_USER>()).User.Sid }
    } else if class == TokenOwner {
        // SAFETY: the API has written this struct there.
        unsafe { (*at.cast::<TOKEN_OWNER>()).Owner }
    } else {
        // SAFETY: the API has written this struct there.
        unsafe { (*at.cast::<TOKEN_PRIMARY_GROUP>()).PrimaryGroup }
    };
    let mut text = ptr::null_mut();
    // SAFETY: `sid` points into the buffer, and `text` is written to.
    match unsafe { ConvertSidToStringSidW(sid, &mut text) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(take(text)),
    }
}

/// A text that the API gave.
fn take(text: *mut u16) -> String {
    let _freed = Local(text.cast());
    let mut length = 0;
    loop {
        // SAFETY: the text ends with a zero, and this is not after it.
        let at = unsafe { text.add(length) };
        // SAFETY: as above.
        if unsafe { *at } == 0 {
            break;
        }
        length += 1;
    }
    // SAFETY: so many units lie there until `_freed` goes.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}

#[cfg(test)]
mod tests {
    use super::read as read_text;

    #[test]
    fn lists_are_read_as_permission_bits() {
        let group = "S-1-5-21-513";
        let read = |list: &str| read_text(&format!("O:BAD:{list}"), group, 4).mode;
        assert_eq!(read("(A;;GA;;;SY)"), 0o600);
        assert_eq!(read("(A;;GA;;;SY)(A;;GR;;;WD)"), 0o604);
        assert_eq!(read("(A;;0xf001f;;;WD)"), 0o606);
        assert_eq!(read("AI(A;;0x20004;;;S-1-5-21-513)(D;;GA;;;WD)"), 0o640);
        let of_file = |list: &str| read_text(&format!("O:BAD:P{list}"), group, 1).mode;
        assert_eq!(of_file("(A;;FA;;;SY)(A;;FR;;;WD)"), 0o604);
        assert_eq!(of_file("(A;;0x1200a9;;;WD)"), 0o604);
        let rights = read_text("O:S-1-5-21-7G:S-1-5-21-513D:(A;;GA;;;SY)", "", 4);
        assert_eq!(rights.owner, "S-1-5-21-7");
    }
}
