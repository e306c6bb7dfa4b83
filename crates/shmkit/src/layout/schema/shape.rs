//! What a schema is made of, for programs that go through it themselves.

use std::fmt;

use super::{Field, Node, Role, Scalar, Schema, Variant};

/// What a [`Schema`] is made of: as [`Kind`](crate::layout::Kind) is for a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "as in `Kind`")]
pub enum Shape<'s> {
    Unit,
    Scalar(Scalar),
    Atomic(Scalar),
    Array {
        element: &'s Schema,
        len: u64,
    },
    Enum {
        name: &'s str,
        version: u32,
        repr: Scalar,
        variants: &'s [Variant],
    },
    Composite {
        role: Role,
        name: &'s str,
        version: u32,
        fields: &'s [Field],
    },
}

impl Field {
    /// Its name; the number of a field without one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it begins, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What it is.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

impl Variant {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is stored as.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.value
    }
}

impl Schema {
    /// What it is made of.
    #[must_use]
    pub fn shape(&self) -> Shape<'_> {
        match &self.node {
            Node::Unit => Shape::Unit,
            Node::Scalar(scalar) => Shape::Scalar(*scalar),
            Node::Atomic(scalar) => Shape::Atomic(*scalar),
            Node::Array { element, len } => Shape::Array { element, len: *len },
            Node::Enum {
                name,
                version,
                repr,
                variants,
            } => Shape::Enum {
                name,
                version: *version,
                repr: *repr,
                variants,
            },
            Node::Composite {
                role,
                name,
                version,
                fields,
            } => Shape::Composite {
                role: *role,
                name,
                version: *version,
                fields,
            },
        }
    }

    /// The field of that name, if it has fields.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        match &self.node {
            Node::Composite { fields, .. } => fields.iter().find(|field| field.name == name),
            _ => None,
        }
    }

    /// The text that was read, or would be: see [`Layout::text`](crate::layout::Layout::text).
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("a `String` takes all");
        text
    }

    /// The hash of the [text](Self::text): see [`Layout::hash`](crate::layout::Layout::hash).
    #[must_use]
    pub fn hash(&self) -> u64 {
        super::super::text::hash_of(&self.text())
    }

    fn write_text(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match &self.node {
            Node::Unit => out.write_str("()"),
            Node::Scalar(scalar) => out.write_str(scalar.name()),
            Node::Atomic(scalar) => write!(out, "atomic {}", scalar.name()),
            Node::Array { element, len } => {
                out.write_str("[")?;
                element.write_text(out)?;
                write!(out, ";{len}]")
            }
            Node::Enum {
                name,
                version,
                repr,
                variants,
            } => {
                write!(out, "enum {name} v{version} {}{{", repr.name())?;
                for (i, variant) in variants.iter().enumerate() {
                    let comma = if i > 0 { ";" } else { "" };
                    write!(out, "{comma}{}={}", variant.name, variant.value)?;
                }
                out.write_str("}")
            }
            Node::Composite {
                role,
                name,
                version,
                fields,
            } => {
                let (role, size, align) = (role.name(), self.size, self.align);
                write!(out, "{role} {name} v{version} {size}/{align}{{")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i > 0 { ";" } else { "" };
                    write!(out, "{comma}{}@{}:", field.name, field.offset)?;
                    field.schema.write_text(out)?;
                }
                out.write_str("}")
            }
        }
    }
}
