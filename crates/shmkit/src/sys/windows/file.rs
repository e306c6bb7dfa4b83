//! Files: making them with permissions, naming them, who else has them open, what they lie on.
#![expect(unsafe_code, reason = "calls of the Windows API")]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::windows::io::{AsRawHandle, FromRawHandle as _};
use std::path::{Path, absolute};
use std::ptr;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CREATE_NEW, CreateFileW, DELETE,
    FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TEMPORARY,
    FILE_DISPOSITION_INFO, FILE_FLAG_DELETE_ON_CLOSE, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_RENAME_INFO, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FileDispositionInfo,
    FileRenameInfo, GetDiskFreeSpaceExW, GetDriveTypeW, GetFileInformationByHandle,
    GetVolumeInformationW, GetVolumePathNameW, SetFileInformationByHandle,
};

use super::security::Descriptor;
use crate::mapping::Access;

/// Everybody may read, write and delete it: those who lock something do so otherwise.
const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// What the files have that go with their last user. Both are harmless elsewhere.
const MARK: u32 = FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED;

/// Paths of more units need a prefix.
const LONG: usize = 240;

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    volume: u32,
    index: u64,
}

impl Identity {
    /// A part of a name of an object.
    pub(crate) fn text(self) -> String {
        format!("{:x}-{:x}", self.volume, self.index)
    }
}

/// What becomes of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Kept,
    /// It bears the mark of those that shall go.
    Ephemeral,
    /// The kernel removes it when its maker's handle, and then all others, are closed. Nobody can
    /// open it any more after the first of the two.
    Temporary,
    /// The same, and nobody else can open it at all.
    Unnamed,
}

/// A path as the API wants it.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    if units.len() > LONG && !units.starts_with(&[92, 92]) {
        let whole = absolute(path)?;
        units = r"\\?\".encode_utf16().collect();
        units.extend(whole.as_os_str().encode_wide());
    }
    units.push(0);
    Ok(units)
}

/// Makes an empty file, to read and write.
pub(crate) fn create(path: &Path, mode: u32, fate: Fate) -> io::Result<File> {
    let name = wide(path)?;
    let security = Descriptor::of_file(mode)?;
    let (share, flags) = match fate {
        Fate::Kept => (SHARED, 0),
        Fate::Ephemeral => (SHARED, MARK),
        Fate::Temporary => (SHARED, MARK | FILE_FLAG_DELETE_ON_CLOSE),
        Fate::Unnamed => (0, MARK | FILE_FLAG_DELETE_ON_CLOSE),
    };
    // SAFETY: the descriptor and the name, which ends with a zero, live during the call.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_READ | GENERIC_WRITE | DELETE,
            share,
            security.attributes(),
            CREATE_NEW,
            flags,
            ptr::null_mut(),
        )
    };
    match handle {
        INVALID_HANDLE_VALUE => Err(io::Error::last_os_error()),
        // SAFETY: a new handle, which nobody else closes.
        handle => Ok(unsafe { File::from_raw_handle(handle) }),
    }
}

/// The rights that a handle needs.
pub(crate) fn rights(access: Access) -> u32 {
    match access {
        Access::ReadOnly => GENERIC_READ,
        Access::ReadWrite => GENERIC_READ | GENERIC_WRITE,
    }
}

/// Opens a file, and no link.
pub(crate) fn open(path: &Path, access: Access) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(access == Access::ReadWrite)
        .share_mode(SHARED)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

/// Opens a file to remove it, if nobody has it open: the kernel's word for that. As long as it is
/// open, nobody else can open it.
pub(crate) fn open_alone(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(DELETE)
        .share_mode(0)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}

/// Removes a file that is open, as soon as it is closed.
pub(crate) fn dispose(file: &File) -> io::Result<()> {
    let disposition = FILE_DISPOSITION_INFO { DeleteFile: true };
    // SAFETY: the handle is open, and the struct as long as we say.
    succeeded(unsafe {
        SetFileInformationByHandle(
            file.as_raw_handle(),
            FileDispositionInfo,
            (&raw const disposition).cast(),
            size_of_val(&disposition) as u32,
        )
    })
}

/// Gives a file that is open another name, which must be free.
pub(crate) fn rename(file: &File, to: &Path) -> io::Result<()> {
    let name = wide(&absolute(to)?)?;
    let text = size_of_val(&name[..name.len() - 1]);
    let size = offset_of!(FILE_RENAME_INFO, FileName) + size_of_val(&name[..]);
    // Zeros: nothing is replaced. Aligned for the handle in it.
    let mut info = vec![0_u64; size.div_ceil(8)];
    let at = info.as_mut_ptr().cast::<FILE_RENAME_INFO>();
    // SAFETY: the buffer is as large as the struct with the whole name behind it.
    let length = unsafe { &raw mut (*at).FileNameLength };
    // SAFETY: as above.
    unsafe { length.write(text as u32) };
    // SAFETY: as above.
    let place = unsafe { &raw mut (*at).FileName }.cast::<u16>();
    // SAFETY: as above.
    unsafe { place.copy_from_nonoverlapping(name.as_ptr(), name.len()) };
    let file = file.as_raw_handle();
    // SAFETY: the handle is open, and the struct as long as we say.
    succeeded(unsafe { SetFileInformationByHandle(file, FileRenameInfo, at.cast(), size as u32) })
}

/// Whether a file bears the mark of those that go with their last user.
pub(crate) fn is_marked(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.file_attributes() & MARK == MARK)
}

/// Whether something leads elsewhere.
pub(crate) fn is_link(metadata: &std::fs::Metadata) -> bool {
    metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0
}

/// Which file it is.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    let mut found = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::zeroed();
    // SAFETY: the handle is open, and only `found` is written to.
    succeeded(unsafe { GetFileInformationByHandle(file.as_raw_handle(), found.as_mut_ptr()) })?;
    // SAFETY: a C struct of integers that was zeroed and then filled in.
    let found = unsafe { found.assume_init() };
    Ok(Identity {
        volume: found.dwVolumeSerialNumber,
        index: u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow),
    })
}

/// What files in a directory lie on.
#[derive(Debug)]
pub(crate) struct Volume {
    /// As `GetDriveType` tells: 2 and 3 disks, 4 another machine, 5 a disc, 6 memory.
    pub(crate) drive: u32,
    /// What its file system is called.
    pub(crate) name: String,
    /// How many bytes this user may still write there.
    pub(crate) available: u64,
}

/// Asks about a directory.
pub(crate) fn volume(directory: &Path) -> io::Result<Volume> {
    // A path that is not there leads to the volume that it would be on.
    std::fs::metadata(directory)?;
    let path = wide(directory)?;
    let mut root = [0; 1024];
    let size = root.len() as u32;
    // SAFETY: the path ends with a zero, and `root` is as long as we say.
    succeeded(unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), size) })?;
    // SAFETY: `root` is a text that ends with a zero now.
    let drive = unsafe { GetDriveTypeW(root.as_ptr()) };
    let mut name = [0; 64];
    let none = ptr::null_mut;
    // SAFETY: as above; only `name` is written to, which is as long as we say.
    let named = unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            ptr::null_mut(),
            0,
            none(),
            none(),
            none(),
            name.as_mut_ptr(),
            name.len() as u32,
        )
    };
    let end = name.iter().position(|&unit| unit == 0).unwrap_or(0);
    let name = match named {
        0 => "an unknown file system".to_owned(),
        _ => String::from_utf16_lossy(&name[..end]),
    };
    let mut available = 0;
    // SAFETY: the path ends with a zero, and only `available` is written to.
    succeeded(unsafe {
        GetDiskFreeSpaceExW(
            path.as_ptr(),
            &mut available,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })?;
    Ok(Volume {
        drive,
        name,
        available,
    })
}

fn succeeded(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
