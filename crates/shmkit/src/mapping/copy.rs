//! The only functions that touch payload, and why they look as they do.
//!
//! Another process may write the bytes while they are read. For `ptr::copy_nonoverlapping` that
//! would be a data race, which Rust leaves undefined: the optimiser may read a byte twice and
//! count on both values being equal. Two implementations do not have that problem:
//!
//! - `opaque` (x86-64, AArch64) does each access where the optimiser cannot see it: short ranges
//!   by single instructions in inline assembly, long ones by the C library's `memmove` behind an
//!   address that the optimiser does not know. What runs is machine code that copies each byte
//!   some time during the call, which is what a loop of relaxed byte-sized atomics means.
//!   The C library has the quickest copy for each processor already, so nothing here competes with
//!   it; that no branch in it depends on the bytes makes it fit for bytes that change.
//! - `words` (all else; under Miri, loom and `--cfg shmkit_force_fallbacks`) uses relaxed atomics.
//!
//! Of the two sides of a `read` or a `write` one is shared and the other is this program's own;
//! the own side is accessed plainly, so that a value which is read stays in a register.

#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(loom, miri, shmkit_force_fallbacks))
))]
mod opaque;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    not(any(loom, miri, shmkit_force_fallbacks))
))]
pub(super) use opaque::{fill, read, shift, write};

#[cfg(any(
    test,
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    not(target_pointer_width = "64"),
    any(loom, miri, shmkit_force_fallbacks)
))]
mod words;
#[cfg(any(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    not(target_pointer_width = "64"),
    any(loom, miri, shmkit_force_fallbacks)
))]
pub(super) use words::{fill, read, shift, write};

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "the functions under test are unsafe")]

    /// Longest copy tried: past every special case of both implementations.
    const LONGEST: usize = if cfg!(miri) { 40 } else { 300 };
    const ALIGNMENTS: usize = if cfg!(miri) { 9 } else { 32 };
    const GUARD: u8 = 0xA5;

    /// Bytes that tell their place, and never look like the guard.
    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 127) as u8).collect()
    }

    macro_rules! check {
        ($implementation:ident) => {
            mod $implementation {
                use super::super::$implementation::{fill, read, shift, write};
                use super::*;

                /// Both directions: `copy` is `read` or `write`.
                fn copies_exactly_the_range(copy: unsafe fn(*const u8, *mut u8, usize)) {
                    let mut from = pattern(LONGEST + 64);
                    for len in 0..=LONGEST {
                        for one in 0..=ALIGNMENTS {
                            for other in [0, 1, 7, 16, 31] {
                                for (at, to) in [(one, other), (other, one)] {
                                    let mut into = vec![GUARD; LONGEST + 64];
                                    // SAFETY: `at + len` is at most the length of `from`.
                                    let src = unsafe { from.as_mut_ptr().add(at) };
                                    // SAFETY: `to + len` is at most the length of `into`.
                                    let dst = unsafe { into.as_mut_ptr().add(to) };
                                    // SAFETY: `len` bytes lie at both, and the vectors are two.
                                    unsafe { copy(src, dst, len) };
                                    assert_eq!(into[to..to + len], from[at..at + len]);
                                    assert!(into[..to].iter().all(|&byte| byte == GUARD));
                                    assert!(into[to + len..].iter().all(|&byte| byte == GUARD));
                                }
                            }
                        }
                    }
                }

                #[test]
                fn read_copies_exactly_the_range() {
                    copies_exactly_the_range(read);
                }

                #[test]
                fn write_copies_exactly_the_range() {
                    copies_exactly_the_range(write);
                }

                #[test]
                fn shift_copies_overlapping_ranges_as_if_there_were_two() {
                    for len in (0..=LONGEST).chain([1000, 4096]) {
                        for (at, to) in [(0, 0), (0, 1), (1, 0), (8, 24), (24, 8), (3, 40), (40, 3)]
                        {
                            let mut bytes = pattern(len + 64);
                            let mut expected = bytes.clone();
                            expected.copy_within(at..at + len, to);
                            let base = bytes.as_mut_ptr();
                            // SAFETY: both ranges end before `len + 64`.
                            let src = unsafe { base.add(at) };
                            // SAFETY: as above.
                            let dst = unsafe { base.add(to) };
                            // SAFETY: as above, and `shift` allows the overlap.
                            unsafe { shift(src, dst, len) };
                            assert_eq!(bytes, expected, "{len} bytes from {at} to {to}");
                        }
                    }
                }

                #[test]
                fn fill_sets_exactly_the_range() {
                    for len in 0..=LONGEST {
                        for to in 0..=ALIGNMENTS {
                            let mut into = vec![GUARD; LONGEST + 64];
                            // SAFETY: `to + len` is at most the length of `into`.
                            let dst = unsafe { into.as_mut_ptr().add(to) };
                            // SAFETY: as above.
                            unsafe { fill(dst, 0x17, len) };
                            assert!(into[..to].iter().all(|&byte| byte == GUARD));
                            assert!(into[to..to + len].iter().all(|&byte| byte == 0x17));
                            assert!(into[to + len..].iter().all(|&byte| byte == GUARD));
                        }
                    }
                }
            }
        };
    }

    #[cfg(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64",
        not(any(loom, miri, shmkit_force_fallbacks))
    ))]
    check!(opaque);
    check!(words);
}
