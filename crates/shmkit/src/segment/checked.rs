//! Copies for peers that are not trusted.
#![expect(unsafe_code, reason = "hands addresses to copies by the kernel")]

use super::SharedMemory;
use crate::backend;
use crate::error::{Error, ErrorKind, Op, Result};

impl SharedMemory {
    /// Copies bytes from the segment into `buffer`, all of it or an error. For segments that
    /// others may shrink: where a plain copy would end this process (SIGBUS), this one says
    /// [`Truncated`](ErrorKind::Truncated). The kernel does it, so it costs a system call.
    ///
    /// What was copied is this process's own: look at it there, and never read twice what must not
    /// change in between.
    ///
    /// ```
    /// # fn main() -> shmkit::Result<()> {
    /// # if cfg!(target_os = "linux") {
    /// # let path = std::env::temp_dir().join(format!("shmkit-doc-copy-{}", std::process::id()));
    /// std::fs::write(&path, vec![1; 10_000]).unwrap();
    /// let segment = shmkit::SharedMemory::options().attach_file(&path)?;
    /// let mut bytes = [0; 100];
    /// segment.try_copy_to(9000, &mut bytes)?;
    ///
    /// std::fs::write(&path, "").unwrap(); // somebody truncates it
    /// let error = segment.try_copy_to(9000, &mut bytes).unwrap_err();
    /// assert_eq!(error.kind(), shmkit::ErrorKind::Truncated);
    /// # std::fs::remove_file(&path).unwrap();
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds); [`Truncated`](ErrorKind::Truncated), and then some
    /// of `buffer` may be written.
    pub fn try_copy_to(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let part = self
            .view()
            .get(offset..offset.saturating_add(buffer.len()))
            .map_err(|error| error.on(&self.target))?;
        // SAFETY: the view stays mapped for the call and is only read; the buffer is this call's.
        let done =
            unsafe { backend::copy_checked(part.as_ptr(), buffer.as_mut_ptr(), buffer.len()) };
        self.complete(Op::Read, offset, buffer.len(), done)
    }

    /// Copies `bytes` into the segment, all of them or an error; as
    /// [`try_copy_to`](Self::try_copy_to).
    ///
    /// # Errors
    /// [`OutOfBounds`](ErrorKind::OutOfBounds); [`ReadOnly`](ErrorKind::ReadOnly);
    /// [`Truncated`](ErrorKind::Truncated), and then some of them may be written.
    pub fn try_copy_from(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let part = self
            .view_mut()?
            .get(offset..offset.saturating_add(bytes.len()))
            .map_err(|error| error.on(&self.target))?;
        // SAFETY: the view stays mapped for the call and nothing makes references into it; the
        // bytes are only read.
        let done = unsafe { backend::copy_checked(bytes.as_ptr(), part.as_mut_ptr(), bytes.len()) };
        self.complete(Op::Write, offset, bytes.len(), done)
    }

    fn complete(
        &self,
        op: Op,
        offset: usize,
        asked: usize,
        done: std::io::Result<usize>,
    ) -> Result<()> {
        match done {
            Ok(done) if done == asked => Ok(()),
            Ok(done) => Err(Error::new(op, ErrorKind::Truncated)
                .on(&self.target)
                .detail(format!(
                    "only {done} of {asked} bytes at offset {offset} were there: somebody has cut it"
                ))
                .hint("look at its size with `refresh`; a sealed memfd cannot be cut")),
            Err(error) => Err(Error::os(op, error).on(&self.target)),
        }
    }
}
