//! The values in a copy of a segment's bytes, one after another.

use std::fmt::{self, Write as _};

use super::{Field, Node, Role, Scalar, Schema};

/// A value in a segment; see [`Schema::decode`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Leaf {
    /// Where it is, in words: `cameras[3].gain`. Empty if the type has no parts.
    pub path: String,
    /// Where it is, in bytes from the beginning.
    pub offset: u64,
    /// What its type is called.
    pub type_name: String,
    /// What was there.
    pub value: Value,
}

/// What was found in a segment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An unsigned integer; also a `bool` that is neither 0 nor 1.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A `bool`.
    Bool(bool),
    /// A variant of an enum.
    Variant {
        /// What is stored.
        value: i64,
        /// Its name, if there is such a variant.
        name: Option<String>,
    },
    /// A text.
    Text(String),
    /// The bytes of an array of `u8`, or of a text that is not UTF-8.
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Variant {
                name: Some(name), ..
            } => name.fmt(f),
            Self::Variant { value, name: None } => write!(f, "{value} (no variant)"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// The values in a segment; see [`Schema::decode`].
#[derive(Debug)]
pub struct Leaves<'a> {
    bytes: &'a [u8],
    /// What is being gone through, outermost first.
    open: Vec<Open<'a>>,
    /// The path of the last of them.
    path: String,
}

/// A type with parts, and how many of them are done.
#[derive(Debug)]
struct Open<'a> {
    parts: Parts<'a>,
    offset: u64,
    path_len: usize,
    done: u64,
}

#[derive(Debug)]
enum Parts<'a> {
    /// A value alone.
    Whole(&'a Schema),
    Fields(&'a [Field]),
    /// `count` elements of an array of `capacity`, from `first` on, and round.
    Elements {
        element: &'a Schema,
        first: u64,
        count: u64,
        capacity: u64,
    },
}

impl<'a> Leaves<'a> {
    pub(super) fn new(schema: &'a Schema, bytes: &'a [u8]) -> Option<Self> {
        let size = usize::try_from(schema.size).ok()?;
        let mut leaves = Self {
            bytes: bytes.get(..size)?,
            open: Vec::new(),
            path: String::new(),
        };
        leaves.open(Parts::Whole(schema), 0);
        Some(leaves)
    }

    fn open(&mut self, parts: Parts<'a>, offset: u64) {
        self.open.push(Open {
            parts,
            offset,
            path_len: self.path.len(),
            done: 0,
        });
    }

    /// The next part of what was opened last: what it is and where. The path is that of the part.
    fn part(&mut self) -> Option<(&'a Schema, u64)> {
        loop {
            let open = self.open.last_mut()?;
            self.path.truncate(open.path_len);
            let i = open.done;
            open.done += 1;
            match &open.parts {
                Parts::Whole(schema) if i == 0 => return Some((schema, open.offset)),
                Parts::Fields(fields) if i < fields.len() as u64 => {
                    let field = &fields[i as usize];
                    if !self.path.is_empty() {
                        self.path.push('.');
                    }
                    self.path.push_str(&field.name);
                    return Some((&field.schema, open.offset + field.offset));
                }
                Parts::Elements {
                    element,
                    first,
                    count,
                    capacity,
                } if i < *count => {
                    write!(self.path, "[{i}]").expect("a `String` takes all");
                    let slot = (first + i) % capacity;
                    return Some((element, open.offset + slot * element.size));
                }
                _ => {
                    self.open.pop();
                }
            }
        }
    }

    fn leaf(&self, schema: &Schema, offset: u64, value: Value) -> Leaf {
        Leaf {
            path: self.path.clone(),
            offset,
            type_name: schema.to_string(),
            value,
        }
    }

    /// Opens `count` elements of an array of `capacity` that begins at `offset`.
    fn elements(
        &mut self,
        (element, capacity, offset): (&'a Schema, u64, u64),
        first: u64,
        count: u64,
    ) {
        let elements = Parts::Elements {
            element,
            first: first.checked_rem(capacity).unwrap_or(0),
            // Nothing comes of elements without bytes, however many there are.
            count: if element.size == 0 {
                0
            } else {
                count.min(capacity)
            },
            capacity,
        };
        self.open(elements, offset);
    }

    /// A list, a ring or a text, if the schema is what that role calls for; fields otherwise.
    fn collection(
        &mut self,
        role: Role,
        schema: &'a Schema,
        fields: &'a [Field],
        offset: u64,
    ) -> Option<Leaf> {
        let word = |name| {
            let field = fields.iter().find(|field| field.name == name)?;
            let number = matches!(field.schema.node, Node::Scalar(Scalar::U32));
            number.then(|| self.unsigned(offset + field.offset, 4))
        };
        let array = |name| {
            let field = fields.iter().find(|field| field.name == name)?;
            match &field.schema.node {
                Node::Array { element, len } => Some((&**element, *len, offset + field.offset)),
                _ => None,
            }
        };
        match (
            role,
            word("len"),
            word("head"),
            array("bytes"),
            array("items"),
        ) {
            (Role::Text, Some(len), _, Some((element, capacity, at)), _) if is_u8(element) => {
                let bytes = self.slice(at, len.min(capacity)).to_vec();
                let value = String::from_utf8(bytes)
                    .map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text);
                return Some(self.leaf(schema, offset, value));
            }
            (Role::List, Some(len), _, _, Some((element, capacity, at))) if is_u8(element) => {
                let value = Value::Bytes(self.slice(at, len.min(capacity)).to_vec());
                return Some(self.leaf(schema, offset, value));
            }
            (Role::List, Some(len), _, _, Some(items)) => self.elements(items, 0, len),
            (Role::Ring, Some(len), Some(head), _, Some(items)) => self.elements(items, head, len),
            _ => self.open(Parts::Fields(fields), offset),
        }
        None
    }

    /// Within the bytes, because each part lies within its whole, as `parse` checked.
    fn slice(&self, offset: u64, len: u64) -> &[u8] {
        &self.bytes[offset as usize..][..len as usize]
    }

    fn unsigned(&self, offset: u64, len: usize) -> u64 {
        let bytes = self.slice(offset, len as u64);
        let mut whole = [0; 8];
        if cfg!(target_endian = "little") {
            whole[..len].copy_from_slice(bytes);
        } else {
            whole[8 - len..].copy_from_slice(bytes);
        }
        u64::from_ne_bytes(whole)
    }

    fn scalar(&self, scalar: Scalar, offset: u64) -> Value {
        let size = scalar.size() as usize;
        let bits = self.unsigned(offset, size);
        let signed = || ((bits << (64 - 8 * size)) as i64) >> (64 - 8 * size);
        match scalar {
            Scalar::U8 | Scalar::U16 | Scalar::U32 | Scalar::U64 => Value::Unsigned(bits),
            Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64 => Value::Signed(signed()),
            Scalar::F32 => Value::F32(f32::from_bits(bits as u32)),
            Scalar::F64 => Value::F64(f64::from_bits(bits)),
            Scalar::Bool => match bits {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => Value::Unsigned(bits),
            },
        }
    }
}

fn is_u8(schema: &Schema) -> bool {
    matches!(schema.node, Node::Scalar(Scalar::U8))
}

impl Iterator for Leaves<'_> {
    type Item = Leaf;

    fn next(&mut self) -> Option<Leaf> {
        loop {
            let (schema, offset) = self.part()?;
            if schema.size == 0 {
                continue;
            }
            match &schema.node {
                Node::Unit => {}
                Node::Scalar(scalar) | Node::Atomic(scalar) => {
                    return Some(self.leaf(schema, offset, self.scalar(*scalar, offset)));
                }
                Node::Enum { repr, variants, .. } => {
                    let value = match self.scalar(*repr, offset) {
                        Value::Signed(value) => value,
                        _ => self.unsigned(offset, repr.size() as usize) as i64,
                    };
                    let variant = variants.iter().find(|variant| variant.value == value);
                    let name = variant.map(|variant| variant.name.clone());
                    return Some(self.leaf(schema, offset, Value::Variant { value, name }));
                }
                Node::Array { element, len } => {
                    if is_u8(element) {
                        let value = Value::Bytes(self.slice(offset, *len).to_vec());
                        return Some(self.leaf(schema, offset, value));
                    }
                    self.elements((element, *len, offset), 0, *len);
                }
                Node::Composite { role, fields, .. } => {
                    if let Some(leaf) = self.collection(*role, schema, fields, offset) {
                        return Some(leaf);
                    }
                }
            }
        }
    }
}
