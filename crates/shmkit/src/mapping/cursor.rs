//! A view as a stream: `Read`, `Write` and `Seek` of `std::io`.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{Mode, Ro, Rw, View};

/// A place in a [`View`] from which to read on and, with [`Rw`], to write on.
///
/// It works as `std::io::Cursor` over a slice does: reading stops at the end, writing what does not
/// fit is an error of the kind `WriteZero` from `write_all`, and the place may be set past the end.
///
/// ```
/// # use shmkit::mapping::{Rw, View};
/// # let mut memory = [0_u8; 64];
/// # // SAFETY: nothing else touches `memory` while the view is in use.
/// # let view: View<'_, Rw> = unsafe { View::from_raw_parts(memory.as_mut_ptr(), 64) };
/// use std::io::{Read, Seek, Write};
///
/// let mut cursor = view.cursor();
/// write!(cursor, "{} x {}", 1920, 1080)?;
///
/// let mut text = String::new();
/// cursor.rewind()?;
/// cursor.take(11).read_to_string(&mut text)?;
/// assert_eq!(text, "1920 x 1080");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'s, A: Mode = Ro> {
    view: View<'s, A>,
    position: u64,
}

impl<'s, A: Mode> Cursor<'s, A> {
    pub(super) const fn new(view: View<'s, A>) -> Self {
        Self { view, position: 0 }
    }

    /// The whole view, wherever the cursor stands.
    #[must_use]
    pub const fn view(&self) -> View<'s, A> {
        self.view
    }

    /// Where the next byte is read or written, in bytes from the view's beginning.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Goes to that place, which may be past the end.
    pub const fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    /// Where the next `wanted` bytes begin, and how many of them there are.
    fn next(&self, wanted: usize) -> (usize, usize) {
        let len = self.view.len();
        let begin = usize::try_from(self.position).unwrap_or(len).min(len);
        (begin, wanted.min(len - begin))
    }
}

impl<A: Mode> Read for Cursor<'_, A> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (begin, len) = self.next(buffer.len());
        self.view.copy_to(begin, &mut buffer[..len])?;
        self.position += len as u64;
        Ok(len)
    }
}

impl Write for Cursor<'_, Rw> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (begin, len) = self.next(bytes.len());
        self.view.copy_from(begin, &bytes[..len])?;
        self.position += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<A: Mode> Seek for Cursor<'_, A> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => (self.view.len() as u64).checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before_start =
            || io::Error::new(io::ErrorKind::InvalidInput, "seek to before the start");
        self.position = position.ok_or_else(before_start)?;
        Ok(self.position)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::Memory;
    use super::*;

    #[test]
    fn reading_stops_at_the_end() {
        let memory = Memory::of(b"0123456789");
        let mut cursor = memory.view().read_only().cursor();
        let mut bytes = [0; 8];
        assert_eq!(cursor.read(&mut bytes).unwrap(), 8);
        assert_eq!(cursor.read(&mut bytes).unwrap(), 2);
        assert_eq!(cursor.read(&mut bytes).unwrap(), 0);
        assert_eq!(&bytes, b"89234567");
        assert_eq!(cursor.position(), 10);
    }

    #[test]
    fn writing_what_does_not_fit_is_an_error() {
        let memory = Memory::new(10);
        let mut cursor = memory.view().cursor();
        cursor.write_all(b"01234567").unwrap();
        let error = cursor.write_all(b"89a").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(cursor.view().to_vec(), b"0123456789");
    }

    #[test]
    fn seeking_goes_anywhere_but_before_the_start() {
        let memory = Memory::of(b"0123456789");
        let mut cursor = memory.view().cursor();
        assert_eq!(cursor.seek(SeekFrom::End(-3)).unwrap(), 7);
        assert_eq!(cursor.seek(SeekFrom::Current(-2)).unwrap(), 5);
        assert_eq!(io::read_to_string(&mut cursor).unwrap(), "56789");
        assert!(cursor.seek(SeekFrom::Current(-11)).is_err());
        assert_eq!(
            cursor.stream_position().unwrap(),
            10,
            "a failed seek goes nowhere"
        );
        assert_eq!(cursor.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert!(cursor.seek(SeekFrom::Current(1)).is_err());
    }

    #[test]
    fn past_the_end_there_is_nothing_to_read_and_no_room() {
        let memory = Memory::new(10);
        let mut cursor = memory.view().cursor();
        for position in [10, 11, u64::MAX] {
            cursor.set_position(position);
            assert_eq!(cursor.read(&mut [0; 4]).unwrap(), 0);
            assert_eq!(cursor.write(&[1; 4]).unwrap(), 0);
            assert_eq!(cursor.position(), position);
        }
    }
}
