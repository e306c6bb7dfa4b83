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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, bytes: &[u8]) -> Vec<String> {
        let schema = Schema::parse(text).unwrap();
        let leaves = schema.decode(bytes).unwrap();
        leaves
            .map(|leaf| {
                format!(
                    "{}@{} {} {}",
                    leaf.path, leaf.offset, leaf.type_name, leaf.value
                )
            })
            .collect()
    }

    #[test]
    fn collections_are_shown_as_what_they_hold() {
        let list = "struct S v1 8/4{points@0:list ArrayVec v1 8/4{len@0:u32;items@4:[u16;2]}}";
        let bytes = |len: u32| {
            [
                &len.to_ne_bytes()[..],
                &7_u16.to_ne_bytes(),
                &8_u16.to_ne_bytes(),
            ]
            .concat()
        };
        assert_eq!(shown(list, &bytes(0)), [""; 0]);
        assert_eq!(shown(list, &bytes(1)), ["points[0]@4 u16 7"]);
        let both = ["points[0]@4 u16 7", "points[1]@6 u16 8"];
        assert_eq!(shown(list, &bytes(2)), both);
        assert_eq!(shown(list, &bytes(u32::MAX)), both, "a damaged length");

        let text = "text ArrayString v1 8/4{len@0:u32;bytes@4:[u8;4]}";
        assert_eq!(
            shown(text, &[&2_u32.to_ne_bytes(), &b"a\nxy"[..]].concat()),
            ["@0 ArrayString \"a\\n\""]
        );
        assert_eq!(
            shown(text, &[&9_u32.to_ne_bytes(), &b"a\xFFxy"[..]].concat()),
            ["@0 ArrayString 61ff7879"]
        );

        let ring = "ring RingBuffer v1 12/4{head@0:u32;len@4:u32;items@8:[u8;4]}";
        let bytes = |head: u32, len: u32| {
            [
                &head.to_ne_bytes()[..],
                &len.to_ne_bytes(),
                &[10, 11, 12, 13],
            ]
            .concat()
        };
        assert_eq!(shown(ring, &bytes(3, 2)), ["[0]@11 u8 13", "[1]@8 u8 10"]);
        assert_eq!(shown(ring, &bytes(5, 99)).len(), 4);

        let not_one = "ring Odd v1 8/4{len@0:u32;items@4:[u16;2]}";
        assert_eq!(
            shown(not_one, &bytes(1, 0)),
            ["len@0 u32 1", "items[0]@4 u16 0", "items[1]@6 u16 0"]
        );
    }

    #[test]
    fn primitives_are_shown_as_their_words() {
        let text = "sync S v1 16/8{hits@0:sync Mutex v1 16/8{word@0:atomic u32;value@8:u64}}";
        let bytes = [&1_u32.to_ne_bytes()[..], &[0xAA; 4], &42_u64.to_ne_bytes()].concat();
        assert_eq!(
            shown(text, &bytes),
            ["hits.word@0 atomic u32 1", "hits.value@8 u64 42"]
        );
    }

    #[test]
    fn odd_values_are_shown_as_numbers() {
        assert_eq!(
            shown("[bool;3]", &[0, 1, 2]),
            ["[0]@0 bool false", "[1]@1 bool true", "[2]@2 bool 2"]
        );
        assert_eq!(shown("enum M v1 i8{A=0;B=-1}", &[0xFF]), ["@0 M B"]);
        assert_eq!(
            shown("enum M v1 u8{A=0}", &[0xFF]),
            ["@0 M 255 (no variant)"]
        );
        assert_eq!(shown("[u8;3]", &[1, 2, 0xFF]), ["@0 [u8; 3] 0102ff"]);
        assert_eq!(
            shown("[[i8;1];2]", &[1, 0xFE]),
            ["[0][0]@0 i8 1", "[1][0]@1 i8 -2"]
        );
    }

    #[test]
    fn too_few_bytes_are_not_decoded() {
        let schema = Schema::of::<u64>();
        assert!(schema.decode(&[0; 7]).is_none());
        assert_eq!(schema.decode(&[0; 9]).unwrap().count(), 1);
        assert!(
            Schema::parse("[u8;18446744073709551615]")
                .unwrap()
                .decode(&[])
                .is_none()
        );
    }

    #[test]
    fn elements_without_bytes_take_no_time() {
        for text in [
            "[();18446744073709551615]",
            "list A v1 4/4{len@0:u32;items@4:[();18446744073709551615]}",
            "ring A v1 8/4{head@0:u32;len@4:u32;items@8:[struct B v1 0/1{};18446744073709551615]}",
        ] {
            let schema = Schema::parse(text).unwrap();
            assert_eq!(schema.decode(&[0xFF; 8]).unwrap().count(), 0, "{text}");
        }
    }
}
