//! Copies by machine code that the optimiser does not look into: x86-64 and AArch64.
#![expect(
    unsafe_code,
    reason = "inline assembly, and raw copies between memory of two owners"
)]

use std::arch::asm;
use std::ffi::{c_int, c_void};

use words::Vector;

/// Longest range that is copied by single instructions; a call costs more than these do.
const SHORT: usize = 64;

/// Copies `len` bytes out of shared memory.
///
/// # Safety
/// `len` bytes are readable at `src`, writable at `dst`, and nobody else accesses those at `dst`.
#[inline(always)]
pub(in super::super) unsafe fn read(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { copy::<Shared, Own>(src, dst, len) }
}

/// Copies `len` bytes into shared memory.
///
/// # Safety
/// `len` bytes are readable at `src`, writable at `dst`, and nobody else writes those at `src`.
#[inline(always)]
pub(in super::super) unsafe fn write(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe { copy::<Own, Shared>(src, dst, len) }
}

/// Copies `len` bytes within shared memory; the ranges may overlap.
///
/// # Safety
/// `len` bytes are readable at `src` and writable at `dst`.
#[inline]
pub(in super::super) unsafe fn shift(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller's promise. `copy` reads all before it writes, and so does `memmove`.
    unsafe { copy::<Shared, Shared>(src, dst, len) }
}

/// Sets `len` bytes of shared memory.
///
/// # Safety
/// `len` bytes are writable at `dst`.
#[inline]
pub(in super::super) unsafe fn fill(dst: *mut u8, byte: u8, len: usize) {
    let memset = hidden_memset();
    // SAFETY: the caller's promise.
    unsafe { memset(dst.cast(), c_int::from(byte), len) };
}

/// Where the length is a constant, a handful of instructions remain of this.
#[inline(always)]
unsafe fn copy<From: Side, To: Side>(src: *const u8, dst: *mut u8, len: usize) {
    if len > SHORT {
        let memmove = hidden_memmove();
        // SAFETY: the caller's promise.
        unsafe { memmove(dst.cast(), src.cast(), len) };
    } else if len >= 32 {
        // SAFETY: the caller's promise, and the length is one that `ends` asks for; so below.
        unsafe { ends::<[Vector; 2], From, To>(src, dst, len) };
    } else if len >= 16 {
        // SAFETY: as above.
        unsafe { ends::<Vector, From, To>(src, dst, len) };
    } else if len >= 8 {
        // SAFETY: as above.
        unsafe { ends::<u64, From, To>(src, dst, len) };
    } else if len >= 4 {
        // SAFETY: as above.
        unsafe { ends::<u32, From, To>(src, dst, len) };
    } else if len >= 2 {
        // SAFETY: as above.
        unsafe { ends::<u16, From, To>(src, dst, len) };
    } else if len == 1 {
        // SAFETY: as above.
        unsafe { ends::<u8, From, To>(src, dst, len) };
    }
}

/// Copies the first and the last `W` of a range that one or two of them cover.
///
/// # Safety
/// As `copy`, and `len` is at least the size of a `W` and at most two of them.
#[inline(always)]
unsafe fn ends<W: Word, From: Side, To: Side>(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the range has at least one `W`.
    let first = unsafe { From::load::<W>(src) };
    if len == size_of::<W>() {
        // SAFETY: as above.
        return unsafe { To::store(dst, first) };
    }
    let rest = len - size_of::<W>();
    // SAFETY: the range's last `W` begins at `rest`.
    let last = unsafe { From::load::<W>(src.wrapping_add(rest)) };
    // SAFETY: as for the loads.
    unsafe { To::store(dst, first) };
    // SAFETY: as for the loads.
    unsafe { To::store(dst.wrapping_add(rest), last) };
}

/// How one side of a copy is accessed.
trait Side {
    /// # Safety
    /// A `W` is readable at `src`, aligned or not.
    unsafe fn load<W: Word>(src: *const u8) -> W;
    /// # Safety
    /// A `W` is writable at `dst`, aligned or not.
    unsafe fn store<W: Word>(dst: *mut u8, word: W);
}

/// Bytes that other processes may access.
struct Shared;

impl Side for Shared {
    #[inline(always)]
    unsafe fn load<W: Word>(src: *const u8) -> W {
        // SAFETY: the caller's promise.
        unsafe { W::load(src) }
    }

    #[inline(always)]
    unsafe fn store<W: Word>(dst: *mut u8, word: W) {
        // SAFETY: the caller's promise.
        unsafe { word.store(dst) }
    }
}

/// Bytes that are this function's alone: the optimiser may keep them in registers.
struct Own;

impl Side for Own {
    #[inline(always)]
    unsafe fn load<W: Word>(src: *const u8) -> W {
        // SAFETY: the caller's promise.
        unsafe { src.cast::<W>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store<W: Word>(dst: *mut u8, word: W) {
        // SAFETY: the caller's promise.
        unsafe { dst.cast::<W>().write_unaligned(word) }
    }
}

/// What one or two instructions load or store, at any address.
trait Word: Copy {
    /// # Safety
    /// As [`Side::load`].
    unsafe fn load(src: *const u8) -> Self;
    /// # Safety
    /// As [`Side::store`].
    unsafe fn store(self, dst: *mut u8);
}

macro_rules! word {
    ($word:ty, $register:ident, $load:literal, $store:literal) => {
        impl Word for $word {
            #[inline(always)]
            unsafe fn load(src: *const u8) -> Self {
                let word;
                // SAFETY: the caller promised that the bytes are readable; it does nothing else.
                unsafe {
                    asm!(
                        $load, word = out($register) word, at = in(reg) src,
                        options(readonly, nostack, preserves_flags)
                    );
                }
                word
            }

            #[inline(always)]
            unsafe fn store(self, dst: *mut u8) {
                // SAFETY: the caller promised that the bytes are writable; it does nothing else.
                unsafe {
                    asm!(
                        $store, word = in($register) self, at = in(reg) dst,
                        options(nostack, preserves_flags)
                    );
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod words {
    pub(super) use std::arch::x86_64::__m128i as Vector;

    use super::{Word, asm};

    word!(
        u8,
        reg_byte,
        "mov {word}, byte ptr [{at}]",
        "mov byte ptr [{at}], {word}"
    );
    word!(
        u16,
        reg,
        "mov {word:x}, word ptr [{at}]",
        "mov word ptr [{at}], {word:x}"
    );
    word!(
        u32,
        reg,
        "mov {word:e}, dword ptr [{at}]",
        "mov dword ptr [{at}], {word:e}"
    );
    word!(
        u64,
        reg,
        "mov {word}, qword ptr [{at}]",
        "mov qword ptr [{at}], {word}"
    );
    word!(
        Vector,
        xmm_reg,
        "movups {word}, xmmword ptr [{at}]",
        "movups xmmword ptr [{at}], {word}"
    );
}

#[cfg(target_arch = "aarch64")]
mod words {
    pub(super) use std::arch::aarch64::uint8x16_t as Vector;

    use super::{Word, asm};

    word!(u8, reg, "ldrb {word:w}, [{at}]", "strb {word:w}, [{at}]");
    word!(u16, reg, "ldrh {word:w}, [{at}]", "strh {word:w}, [{at}]");
    word!(u32, reg, "ldr {word:w}, [{at}]", "str {word:w}, [{at}]");
    word!(u64, reg, "ldr {word:x}, [{at}]", "str {word:x}, [{at}]");
    word!(Vector, vreg, "ldr {word:q}, [{at}]", "str {word:q}, [{at}]");
}

impl Word for [Vector; 2] {
    #[inline(always)]
    unsafe fn load(src: *const u8) -> Self {
        // SAFETY: the first half of what the caller promised.
        let first = unsafe { <Vector as Word>::load(src) };
        // SAFETY: the second half.
        let second = unsafe { <Vector as Word>::load(src.wrapping_add(size_of::<Vector>())) };
        [first, second]
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut u8) {
        let [first, second] = self;
        // SAFETY: the first half of what the caller promised.
        unsafe { Word::store(first, dst) };
        // SAFETY: the second half.
        unsafe { Word::store(second, dst.wrapping_add(size_of::<Vector>())) };
    }
}

type Memmove = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;
type Memset = unsafe extern "C" fn(*mut c_void, c_int, usize) -> *mut c_void;

unsafe extern "C" {
    fn memmove(dst: *mut c_void, src: *const c_void, len: usize) -> *mut c_void;
    fn memset(dst: *mut c_void, byte: c_int, len: usize) -> *mut c_void;
}

/// `memmove`, but the optimiser has to take it for any function that copies. It is as quick as
/// `memcpy`, and a caller's slice that overlaps its segment does no harm.
#[inline(always)]
fn hidden_memmove() -> Memmove {
    let mut function: Memmove = memmove;
    // SAFETY: no instruction at all; the address comes out as it went in.
    unsafe { asm!("/* {0} */", inout(reg) function, options(nostack, preserves_flags)) };
    function
}

/// `memset`, hidden likewise.
#[inline(always)]
fn hidden_memset() -> Memset {
    let mut function: Memset = memset;
    // SAFETY: as above.
    unsafe { asm!("/* {0} */", inout(reg) function, options(nostack, preserves_flags)) };
    function
}
