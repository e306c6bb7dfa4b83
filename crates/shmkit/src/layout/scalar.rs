//! The types that have no parts.
#![expect(unsafe_code, reason = "integers may lie in shared memory")]

use std::marker::PhantomData;

use super::{Layout, ShmSafe};

/// A type without parts: its name, size and alignment are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the Rust type of that name")]
pub enum Scalar {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    Bool,
}

impl Scalar {
    /// Its name in Rust, and in the layout's text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bool => "bool",
        }
    }

    /// How many bytes it has, which is its alignment as well.
    #[must_use]
    pub const fn size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The scalar of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::U8,
            Self::U16,
            Self::U32,
            Self::U64,
            Self::I8,
            Self::I16,
            Self::I32,
            Self::I64,
            Self::F32,
            Self::F64,
            Self::Bool,
        ];
        all.into_iter().find(|scalar| scalar.name() == name)
    }

    /// Is that a value of an integer type, as far as an `i64` can say it?
    pub(super) fn holds(self, value: i64) -> bool {
        match self {
            Self::U8 => u8::try_from(value).is_ok(),
            Self::U16 => u16::try_from(value).is_ok(),
            Self::U32 => u32::try_from(value).is_ok(),
            Self::U64 => value >= 0,
            Self::I8 => i8::try_from(value).is_ok(),
            Self::I16 => i16::try_from(value).is_ok(),
            Self::I32 => i32::try_from(value).is_ok(),
            Self::I64 => true,
            Self::F32 | Self::F64 | Self::Bool => false,
        }
    }
}

macro_rules! scalars {
    ($($type:ident $scalar:ident),*) => {$(
        // SAFETY: all its bytes are values, whichever they are, and of fixed size.
        #[diagnostic::do_not_recommend]
        unsafe impl ShmSafe for $type {
            const LAYOUT: &'static Layout = &Layout::scalar(Scalar::$scalar);
        }
    )*};
}

scalars!(u8 U8, u16 U16, u32 U32, u64 U64, i8 I8, i16 I16, i32 I32, i64 I64, f32 F32, f64 F64);

// SAFETY: one byte, 0 or 1, which cannot tear.
#[diagnostic::do_not_recommend]
unsafe impl ShmSafe for bool {
    const LAYOUT: &'static Layout = &Layout::scalar(Scalar::Bool);
}

// SAFETY: no bytes at all.
#[diagnostic::do_not_recommend]
unsafe impl ShmSafe for () {
    const LAYOUT: &'static Layout = &Layout::UNIT;
}

// SAFETY: no bytes at all.
#[diagnostic::do_not_recommend]
unsafe impl<T: ?Sized + Send + Sync + 'static> ShmSafe for PhantomData<T> {
    const LAYOUT: &'static Layout = &Layout::UNIT;
}

// SAFETY: elements follow one another without padding, as those who wrote `T`'s layout promised that
// its size is a multiple of its alignment.
#[diagnostic::do_not_recommend]
unsafe impl<T: ShmSafe, const N: usize> ShmSafe for [T; N] {
    const LAYOUT: &'static Layout = &Layout::array(T::LAYOUT, N as u64);
    const WRITES_UNCHECKED: bool = N > 0 && T::WRITES_UNCHECKED;
}
