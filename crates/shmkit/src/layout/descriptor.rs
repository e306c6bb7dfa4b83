//! The description of a type's bytes, built by the compiler.

use super::{Scalar, ShmSafe, text};

/// Describes the bytes of a type: made at compile time, the same in 32-bit and 64-bit programs.
///
/// `#[derive(ShmSafe)]` makes it. By hand it is
///
/// ```
/// use shmkit::layout::{Field, Layout, ShmSafe};
/// use std::mem::offset_of;
///
/// #[repr(C)]
/// struct Position {
///     x: f64,
///     y: f64,
/// }
///
/// // SAFETY: two numbers, no padding; see the duties of `ShmSafe`.
/// unsafe impl ShmSafe for Position {
///     const LAYOUT: &'static Layout = &Layout::structure("Position", 1, 16, 8, &[
///         Field::new("x", offset_of!(Self, x), f64::LAYOUT),
///         Field::new("y", offset_of!(Self, y), f64::LAYOUT),
///     ]);
/// }
///
/// assert_eq!(Position::LAYOUT.text(), "struct Position v1 16/8{x@0:f64;y@8:f64}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
    align: u32,
    kind: Kind,
}

/// What a type is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing: `()` and `PhantomData`.
    Unit,
    /// A number or a truth value.
    Scalar(Scalar),
    /// An atomic one.
    Atomic(Scalar),
    /// So many of the same, one after another.
    Array {
        /// What each of them is.
        element: &'static Layout,
        /// How many.
        len: u64,
    },
    /// An enum without fields.
    Enum {
        /// Its name.
        name: &'static str,
        /// The version that its author gave it.
        version: u32,
        /// The integer that it is stored as.
        repr: Scalar,
        /// Its variants in their order in the source.
        variants: &'static [Variant],
    },
    /// A type with fields.
    Composite {
        /// What it is for.
        role: Role,
        /// Its name.
        name: &'static str,
        /// The version that its author gave it.
        version: u32,
        /// Its fields, in the order of their offsets.
        fields: &'static [Field],
    },
}

/// What a type with fields is for, so that programs without the type can show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A user's type, all of whose bytes are in its fields.
    Struct,
    /// A primitive that synchronises processes: its words, and what it protects, if anything.
    Sync,
    /// `items`, an array of which the first `len` count.
    List,
    /// `bytes`, an array of which the first `len` are UTF-8.
    Text,
    /// `items`, an array of which `len` count, from `head` on, and round.
    Ring,
}

impl Role {
    /// Its word in the layout's text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Struct => "struct",
            Self::Sync => "sync",
            Self::List => "list",
            Self::Text => "text",
            Self::Ring => "ring",
        }
    }

    /// The role of that word.
    pub(super) fn named(word: &str) -> Option<Self> {
        let all = [Self::Struct, Self::Sync, Self::List, Self::Text, Self::Ring];
        all.into_iter().find(|role| role.name() == word)
    }
}

/// A field of a [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    offset: u64,
    layout: &'static Layout,
}

impl Field {
    /// A field that begins `offset` bytes after its type does.
    #[must_use]
    pub const fn new(name: &'static str, offset: usize, layout: &'static Layout) -> Self {
        Self {
            name,
            offset: offset as u64,
            layout,
        }
    }

    /// Its name; the number of a field without one.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where it begins, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What it is.
    #[must_use]
    pub const fn layout(&self) -> &'static Layout {
        self.layout
    }
}

/// A variant of an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    name: &'static str,
    value: i64,
}

impl Variant {
    /// A variant that is stored as `value`.
    #[must_use]
    pub const fn new(name: &'static str, value: i64) -> Self {
        Self { name, value }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it is stored as.
    #[must_use]
    pub const fn value(&self) -> i64 {
        self.value
    }
}

/// The strictest alignment that a type may ask for: segments begin at a page, and pages have at
/// least this many bytes.
pub(super) const MAX_ALIGN: u32 = 4096;

impl Layout {
    /// No bytes.
    pub const UNIT: Self = Self {
        size: 0,
        align: 1,
        kind: Kind::Unit,
    };

    /// A number or a truth value.
    #[must_use]
    pub const fn scalar(scalar: Scalar) -> Self {
        Self {
            size: scalar.size(),
            align: scalar.size() as u32,
            kind: Kind::Scalar(scalar),
        }
    }

    /// An atomic number or truth value.
    #[must_use]
    pub const fn atomic(scalar: Scalar) -> Self {
        Self {
            size: scalar.size(),
            align: scalar.size() as u32,
            kind: Kind::Atomic(scalar),
        }
    }

    /// So many of the same, one after another.
    #[must_use]
    pub const fn array(element: &'static Self, len: u64) -> Self {
        let Some(size) = element.size.checked_mul(len) else {
            panic!("the array is larger than any address space")
        };
        Self {
            size,
            align: element.align,
            kind: Kind::Array { element, len },
        }
    }

    /// An enum without fields that is stored as the integer `repr`.
    #[must_use]
    pub const fn enumeration(
        name: &'static str,
        version: u32,
        repr: Scalar,
        variants: &'static [Variant],
    ) -> Self {
        Self {
            kind: Kind::Enum {
                name,
                version,
                repr,
                variants,
            },
            ..Self::scalar(repr)
        }
    }

    /// A type with fields, all of whose bytes are in them. Alignment is that of 64-bit processors.
    ///
    /// # Panics
    /// At compile time, if the fields overlap, leave gaps, or are not where they could be.
    #[must_use]
    pub const fn structure(
        name: &'static str,
        version: u32,
        size: u64,
        align: u32,
        fields: &'static [Field],
    ) -> Self {
        let layout = Self::composite(Role::Struct, name, version, size, align, fields);
        let mut filled = 0;
        let mut i = 0;
        while i < fields.len() {
            filled += fields[i].layout.size;
            i += 1;
        }
        assert!(filled == size, "the fields do not fill the struct");
        layout
    }

    /// A primitive that synchronises processes, with its words and what it protects, which is the
    /// field called `data` or `value`. What is in no field is not for other programs to know.
    ///
    /// # Panics
    /// As [`structure`](Self::structure), but for gaps, which are allowed.
    #[must_use]
    pub const fn sync(
        name: &'static str,
        version: u32,
        size: u64,
        align: u32,
        fields: &'static [Field],
    ) -> Self {
        Self::composite(Role::Sync, name, version, size, align, fields)
    }

    /// A type with fields.
    ///
    /// # Panics
    /// As [`sync`](Self::sync).
    #[must_use]
    pub const fn composite(
        role: Role,
        name: &'static str,
        version: u32,
        size: u64,
        align: u32,
        fields: &'static [Field],
    ) -> Self {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        assert!(align <= MAX_ALIGN, "no alignment over 4096 can be had");
        assert!(
            size.is_multiple_of(align as u64),
            "a size is a multiple of the alignment"
        );
        let mut end = 0;
        let mut i = 0;
        while i < fields.len() {
            let Field { offset, layout, .. } = fields[i];
            assert!(
                offset >= end,
                "two fields overlap, or are in the wrong order"
            );
            assert!(
                offset.is_multiple_of(layout.align as u64) && layout.align <= align,
                "a field is not aligned"
            );
            end = offset + layout.size;
            i += 1;
        }
        assert!(end <= size, "a field ends outside");
        Self {
            size,
            align,
            kind: Kind::Composite {
                role,
                name,
                version,
                fields,
            },
        }
    }

    /// How many bytes a value has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where a value may begin: at a multiple of this. On 32-bit processors the compiler may be
    /// content with less; this is the same everywhere.
    #[must_use]
    pub const fn align(&self) -> u32 {
        self.align
    }

    /// The name of the type; `None` for numbers, arrays and the like.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Enum { name, .. } | Kind::Composite { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What it is made of.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The hash of the [text](Self::text): FNV-1a with 64 bits.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        text::hash(self)
    }

    /// The layout in one line, as it is in the segment; `docs/FORMAT.md` has the grammar.
    ///
    /// ```
    /// use shmkit::layout::ShmSafe;
    /// assert_eq!(<[u32; 4]>::LAYOUT.text(), "[u32;4]");
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = vec![0; self.text_len()];
        self.write_text(&mut bytes);
        String::from_utf8(bytes).expect("it is made of strings")
    }

    /// How many bytes the [text](Self::text) has.
    #[must_use]
    pub const fn text_len(&self) -> usize {
        text::len(self)
    }

    /// Writes the [text](Self::text) to the beginning of `out`, and returns its length.
    ///
    /// # Panics
    /// If `out` has less than [`text_len`](Self::text_len) bytes.
    pub const fn write_text(&self, out: &mut [u8]) -> usize {
        text::write(self, out)
    }

    /// Are there atomics that a reader of the type gets at? The words of a primitive do not count.
    pub(super) const fn has_bare_atomics(&self) -> bool {
        match self.kind {
            Kind::Unit | Kind::Scalar(_) | Kind::Enum { .. } => false,
            Kind::Atomic(_) => true,
            Kind::Array { element, len } => len > 0 && element.has_bare_atomics(),
            Kind::Composite { role, fields, .. } => {
                let mut i = 0;
                while i < fields.len() {
                    let Field { name, layout, .. } = fields[i];
                    let is_own = matches!(role, Role::Sync)
                        && !matches!(name.as_bytes(), b"data" | b"value");
                    if !is_own && layout.has_bare_atomics() {
                        return true;
                    }
                    i += 1;
                }
                false
            }
        }
    }

    /// Stops the compilation unless `T` is as its layout says; of use where a layout is written by
    /// hand.
    ///
    /// # Panics
    /// At compile time, if size or alignment differ or `T` has `Drop` glue.
    pub const fn assert_describes<T: ShmSafe>() {
        let layout = T::LAYOUT;
        assert!(size_of::<T>() as u64 == layout.size, "not the type's size");
        assert!(
            align_of::<T>() <= layout.align as usize,
            "less than the type's alignment"
        );
        assert!(!std::mem::needs_drop::<T>(), "the type has `Drop` glue");
    }
}
