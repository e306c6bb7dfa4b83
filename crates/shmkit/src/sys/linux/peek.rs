//! The first bytes of what a process has mapped, of many mappings at once, without opening the
//! files: who opens a file keeps its last user from knowing that it is the last.
#![expect(
    unsafe_code,
    reason = "process_vm_readv(2), which rustix does not have"
)]

use std::io;

/// The most pieces of one call (`IOV_MAX`).
const MOST: usize = 1024;

/// Reads `length` bytes from each of the addresses of a process, one after the other into the
/// answer. It ends early at the first that cannot be read.
///
/// The process may have something else there by now, so the bytes are good for a guess only.
pub(crate) fn peek(pid: u32, addresses: &[u64], length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; addresses.len() * length];
    let mut done = 0;
    for (addresses, piece) in addresses.chunks(MOST).zip(bytes.chunks_mut(MOST * length)) {
        let local = libc::iovec {
            iov_base: piece.as_mut_ptr().cast(),
            iov_len: piece.len(),
        };
        let remote: Vec<libc::iovec> = addresses
            .iter()
            .map(|&address| libc::iovec {
                iov_base: std::ptr::without_provenance_mut(address as usize),
                iov_len: length,
            })
            .collect();
        // SAFETY: the one local vector is `piece`, which is writable and borrowed here alone; the
        // remote ones are another process's, which the kernel checks, and only reads.
        let read = unsafe {
            libc::process_vm_readv(
                pid as libc::pid_t,
                &raw const local,
                1,
                remote.as_ptr(),
                remote.len() as libc::c_ulong,
                0,
            )
        };
        match usize::try_from(read) {
            Ok(read) => done += read,
            Err(_) if done == 0 => return Err(io::Error::last_os_error()),
            Err(_) => break,
        }
        if done % (MOST * length) != 0 {
            break;
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let [one, two] = [[1_u8; 4], [2; 4]];
        let addresses = [one.as_ptr().addr() as u64, two.as_ptr().addr() as u64];
        let me = std::process::id();
        match peek(me, &addresses, 4) {
            Ok(bytes) => assert_eq!(bytes, [1, 1, 1, 1, 2, 2, 2, 2]),
            // Where a sandbox forbids it.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
        // Nothing is mapped at 16.
        if let Ok(bytes) = peek(me, &[addresses[0], 16, addresses[1]], 4) {
            assert_eq!(bytes, [1, 1, 1, 1]);
        }
        assert!(peek(me, &[16], 4).is_err());
        assert!(peek(u32::MAX >> 1, &addresses, 4).is_err());
    }
}
