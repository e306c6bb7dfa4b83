//! A layout as it is found in a segment: read from its text, compared, used to show the bytes.
//!
//! The text was written by another process, so it is input: whatever is in it, reading it ends
//! soon and with a value or an error.
//!
//! Programs without Rust's types make one at run time, and compare it just so.

mod build;
mod decode;
mod diff;
mod parse;
mod primitives;
mod shape;
#[cfg(test)]
mod tests;

use std::fmt;

pub use decode::{Leaf, Leaves, Value};
pub use diff::{Difference, Differences};
pub use parse::SchemaError;
pub use primitives::Primitive;
pub use shape::Shape;

use super::{Kind, Layout, Role, Scalar, ShmSafe};

/// A [`Layout`] that was read from its [text](Layout::text).
///
/// ```
/// use shmkit::layout::{Schema, ShmSafe};
///
/// #[derive(ShmSafe)]
/// #[repr(C)]
/// struct Camera {
///     frames: u64,
///     gain: f64,
/// }
///
/// let here = Schema::of::<Camera>();
/// let there = Schema::parse("struct Camera v1 16/8{frames@0:u64;gain@8:f32;_pad@12:[u8;4]}")?;
/// assert_eq!(
///     here.differences(&there).to_string(),
///     "`Camera.gain` is `f64` here and `f32` in the segment; \
///      `Camera` has a field `_pad` more in the segment: `[u8; 4]` at byte 12"
/// );
/// # Ok::<(), shmkit::layout::SchemaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    size: u64,
    align: u32,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Unit,
    Scalar(Scalar),
    Atomic(Scalar),
    Array {
        element: Box<Schema>,
        len: u64,
    },
    Enum {
        name: String,
        version: u32,
        repr: Scalar,
        variants: Vec<Variant>,
    },
    Composite {
        role: Role,
        name: String,
        version: u32,
        fields: Vec<Field>,
    },
}

/// A variant of an enum in a [`Schema`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    name: String,
    value: i64,
}

/// A field in a [`Schema`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    offset: u64,
    schema: Schema,
}

impl Schema {
    /// The schema of a type.
    #[must_use]
    pub fn of<T: ShmSafe>() -> Self {
        Self::from(T::LAYOUT)
    }

    /// Reads the text of a layout.
    ///
    /// # Errors
    /// If it is not such a text to the letter, or describes what cannot be: fields that overlap, a
    /// type that is larger than any memory, more than 32 types in one another.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        parse::parse(text)
    }

    /// The name of the type; `None` for numbers, arrays and the like.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.node {
            Node::Enum { name, .. } | Node::Composite { name, .. } => Some(name),
            _ => None,
        }
    }

    /// How many bytes a value has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where a value may begin: at a multiple of this.
    #[must_use]
    pub const fn align(&self) -> u32 {
        self.align
    }

    /// Where a program that has this schema and a segment that has the `found` one disagree.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Differences {
        diff::differences(self, found)
    }

    /// The values in `bytes`, a private copy of what such a value consists of.
    ///
    /// Numbers are in the byte order of this machine, as they are in its memory. Parts without bytes
    /// yield nothing; the bytes in an array of `u8`, and a text, are one value each; of a list or a
    /// ring there are as many elements as it says that it has.
    ///
    /// ```
    /// use shmkit::layout::Schema;
    ///
    /// let schema = Schema::parse("struct Point v1 4/2{x@0:u16;y@2:[i16;1]}")?;
    /// let bytes = [1_u16.to_ne_bytes(), (-2_i16).to_ne_bytes()].concat();
    /// let shown: Vec<_> = schema
    ///     .decode(&bytes)
    ///     .expect("four bytes")
    ///     .map(|leaf| format!("{}: {} = {}", leaf.path, leaf.type_name, leaf.value))
    ///     .collect();
    /// assert_eq!(shown, ["x: u16 = 1", "y[0]: i16 = -2"]);
    /// # Ok::<(), shmkit::layout::SchemaError>(())
    /// ```
    ///
    /// `None` if there are fewer bytes than the schema says; more do not matter.
    #[must_use]
    pub fn decode<'a>(&'a self, bytes: &'a [u8]) -> Option<Leaves<'a>> {
        Leaves::new(self, bytes)
    }

    const fn whole(scalar: Scalar, node: Node) -> Self {
        Self {
            size: scalar.size(),
            align: scalar.size() as u32,
            node,
        }
    }
}

impl From<&Layout> for Schema {
    fn from(layout: &Layout) -> Self {
        let node = match layout.kind() {
            Kind::Unit => Node::Unit,
            Kind::Scalar(scalar) => Node::Scalar(scalar),
            Kind::Atomic(scalar) => Node::Atomic(scalar),
            Kind::Array { element, len } => Node::Array {
                element: Box::new(element.into()),
                len,
            },
            Kind::Enum {
                name,
                version,
                repr,
                variants,
            } => {
                let variants = variants.iter().map(|variant| Variant {
                    name: variant.name().to_owned(),
                    value: variant.value(),
                });
                Node::Enum {
                    name: name.to_owned(),
                    version,
                    repr,
                    variants: variants.collect(),
                }
            }
            Kind::Composite {
                role,
                name,
                version,
                fields,
            } => {
                let fields = fields.iter().map(|field| Field {
                    name: field.name().to_owned(),
                    offset: field.offset(),
                    schema: field.layout().into(),
                });
                Node::Composite {
                    role,
                    name: name.to_owned(),
                    version,
                    fields: fields.collect(),
                }
            }
        };
        Self {
            size: layout.size(),
            align: layout.align(),
            node,
        }
    }
}

/// What the type is called: `[Camera; 4]`.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Unit => f.write_str("()"),
            Node::Scalar(scalar) => f.write_str(scalar.name()),
            Node::Atomic(scalar) => write!(f, "atomic {}", scalar.name()),
            Node::Array { element, len } => write!(f, "[{element}; {len}]"),
            Node::Enum { name, .. } | Node::Composite { name, .. } => f.write_str(name),
        }
    }
}
