//! The data under the locks: they show when they were written half.

use shmkit::typed::ShmSafe;

use crate::chance::mixed;

const WORDS: usize = 16;

/// A numbered record with a checksum, whose words follow from the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ShmSafe)]
#[repr(C)]
struct Copy {
    number: u64,
    words: [u64; WORDS],
    checksum: u32,
    reserved: u32,
}

impl Copy {
    const fn zero() -> Self {
        Self {
            number: 0,
            words: [0; WORDS],
            checksum: 0,
            reserved: 0,
        }
    }

    fn word(number: u64, place: usize) -> u64 {
        mixed(number.wrapping_mul(WORDS as u64).wrapping_add(place as u64))
    }

    fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.number.to_le_bytes());
        for word in self.words {
            hasher.update(&word.to_le_bytes());
        }
        hasher.finalize()
    }

    /// Word by word, as a program does that may be killed between any two of them.
    fn write(&mut self, number: u64, mut pause: impl FnMut()) {
        self.number = number;
        for place in 0..WORDS {
            self.words[place] = Self::word(number, place);
            if place == WORDS / 2 {
                pause();
            }
        }
        self.checksum = self.checksum();
    }

    fn is_whole(&self) -> bool {
        let mut words = self.words.iter().enumerate();
        self.checksum == self.checksum()
            && words.all(|(place, &word)| word == Self::word(self.number, place))
    }
}

/// A record in two copies, written one after the other: whenever the writer dies, one of them is
/// whole.
#[derive(Debug, ShmSafe)]
#[repr(C)]
pub(crate) struct Record {
    first: Copy,
    second: Copy,
}

impl Record {
    pub(crate) fn new() -> Self {
        let mut record = Self {
            first: Copy::zero(),
            second: Copy::zero(),
        };
        record.write(0, || {});
        record
    }

    fn write(&mut self, number: u64, mut pause: impl FnMut()) {
        self.first.write(number, &mut pause);
        self.second.write(number, pause);
    }

    /// Writes the next record; its number.
    pub(crate) fn write_next(&mut self, pause: impl FnMut()) -> u64 {
        let number = self.first.number + 1;
        self.write(number, pause);
        number
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.first.is_whole() && self.first == self.second
    }

    /// Of one that is whole.
    pub(crate) fn number(&self) -> u64 {
        self.first.number
    }

    /// Makes it whole from the copy that is; whether there was one.
    pub(crate) fn mend(&mut self) -> bool {
        match (self.first.is_whole(), self.second.is_whole()) {
            (true, _) => self.second = self.first,
            (false, true) => self.first = self.second,
            (false, false) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_shows_where_its_writer_died_and_can_be_mended() {
        let mut record = Record::new();
        assert!(record.is_whole());
        assert_eq!(record.write_next(|| {}), 1);
        assert!(record.is_whole());
        // In the first copy: the old record is what is left.
        record.first.number = 2;
        assert!(!record.is_whole());
        assert!(record.mend() && record.is_whole());
        assert_eq!(record.number(), 1);
        // In the second one: the new record is there.
        record.first.write(2, || {});
        assert!(!record.is_whole());
        assert!(record.mend() && record.is_whole());
        assert_eq!(record.number(), 2);
        record.first.words[3] ^= 1;
        record.second.words[5] ^= 1;
        assert!(!record.mend());
    }
}
