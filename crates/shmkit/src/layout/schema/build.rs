//! Layouts that are made at run time, by programs whose types no Rust compiler sees.
//!
//! What comes out is what `#[derive(ShmSafe)]` makes of the same type, to the letter, and what that
//! refuses is refused here.

use std::fmt;

use super::super::descriptor::MAX_ALIGN;
use super::{Field, Node, Role, Scalar, Schema, SchemaError, Variant};

type Result<T> = std::result::Result<T, SchemaError>;

impl Schema {
    /// No bytes: `()`.
    pub const UNIT: Self = Self {
        size: 0,
        align: 1,
        node: Node::Unit,
    };

    /// A number or a truth value.
    #[must_use]
    pub const fn scalar(scalar: Scalar) -> Self {
        Self::whole(scalar, Node::Scalar(scalar))
    }

    /// An atomic number or truth value.
    #[must_use]
    pub const fn atomic(scalar: Scalar) -> Self {
        Self::whole(scalar, Node::Atomic(scalar))
    }

    /// So many of the same, one after another.
    ///
    /// # Errors
    /// If no memory is so large, or the types are nested too deep.
    pub fn array(element: Self, len: u64) -> Result<Self> {
        let Some(size) = element.size.checked_mul(len) else {
            return Err(SchemaError::new("the array is larger than any memory"));
        };
        let align = element.align;
        let element = Box::new(element);
        let node = Node::Array { element, len };
        Self { size, align, node }.checked()
    }

    /// An enum without fields that is stored as the integer `repr`.
    ///
    /// # Errors
    /// If `repr` is no integer or cannot hold a variant, no variant is stored as 0, or a value could
    /// tear: of more than one byte, only values up to 255 cannot.
    pub fn enumeration<N: Into<String>>(
        name: &str,
        version: u32,
        repr: Scalar,
        variants: impl IntoIterator<Item = (N, i64)>,
    ) -> Result<Self> {
        let variants = variants.into_iter().map(|(name, value)| Variant {
            name: name.into(),
            value,
        });
        let variants: Vec<Variant> = variants.collect();
        let can_tear = |it: &&Variant| repr.size() > 1 && !(0..=255).contains(&it.value);
        if let Some(torn) = variants.iter().find(can_tear) {
            return Err(SchemaError::new(format!(
                "variant `{}` of `{name}` is not within 0 to 255: a process killed while it writes \
                 could leave half of the value, which may be no variant",
                torn.name
            )));
        }
        if variants.iter().all(|variant| variant.value != 0) {
            return Err(SchemaError::new(format!(
                "`{name}` has no variant that is stored as 0, as what was never written in shared \
                 memory is"
            )));
        }
        let node = Node::Enum {
            name: name.to_owned(),
            version,
            repr,
            variants,
        };
        Self::whole(repr, node).checked()
    }

    /// A type with these fields in this order, as `#[repr(C)]` puts them.
    ///
    /// ```
    /// use shmkit::layout::{Scalar, Schema};
    ///
    /// let [frames, gain] = [Scalar::U64, Scalar::F32].map(Schema::scalar);
    /// let error = Schema::structure("Camera", 1, [("frames", frames), ("gain", gain)]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "`Camera`: 4 bytes of padding at the end; add a field `_pad: [u8; 4]` there"
    /// );
    /// ```
    ///
    /// # Errors
    /// If there would be padding, whose bytes would mean nothing and show others what this process
    /// had there; if a name is none.
    pub fn structure<N: Into<String>>(
        name: &str,
        version: u32,
        fields: impl IntoIterator<Item = (N, Self)>,
    ) -> Result<Self> {
        let mut end = 0_u64;
        let mut placed = Vec::new();
        for (field, schema) in fields {
            let field = field.into();
            let padding = size_of(end, schema.align)? - end;
            if padding > 0 {
                return Err(SchemaError::new(format!(
                    "field `{field}` of `{name}`: {} of padding before it; add a field `_pad: \
                     [u8; {padding}]` there, or reorder the fields",
                    bytes(padding)
                )));
            }
            placed.push(Field {
                name: field,
                offset: end,
                schema,
            });
            end = end_of(&placed)?;
        }
        let align = align_of(&placed);
        let padding = size_of(end, align)? - end;
        if padding > 0 {
            return Err(SchemaError::new(format!(
                "`{name}`: {} of padding at the end; add a field `_pad: [u8; {padding}]` there",
                bytes(padding)
            )));
        }
        Self::composite(Role::Struct, name, version, (end, align), placed).checked()
    }

    /// One of ours, with padding where C puts it: at least `align` strict. What has no name is padding,
    /// too.
    pub(crate) fn ours<const N: usize>(
        role: Role,
        name: &str,
        align: u32,
        fields: [(&str, Self); N],
    ) -> Result<Self> {
        let mut placed: Vec<Field> = Vec::with_capacity(N);
        let mut end = 0_u64;
        for (name, schema) in fields {
            push(&mut placed, &mut end, name, schema)?;
        }
        placed.retain(|field| !field.name.is_empty());
        let align = align.max(align_of(&placed));
        let size = size_of(end, align)?;
        Self::composite(role, name, 1, (size, align), placed).checked()
    }

    /// The same primitive around other data than nothing, which are its last field.
    pub(crate) fn around(mut self, field: &str, data: Self) -> Result<Self> {
        if let Node::Composite { fields, .. } = &mut self.node {
            let last = fields.pop().filter(|last| last.name == field);
            let mut end = last.expect("a primitive of ours has data").offset;
            push(fields, &mut end, field, data)?;
            self.align = self.align.max(align_of(fields));
            self.size = size_of(end, self.align)?;
        }
        self.checked()
    }

    fn composite(
        role: Role,
        name: &str,
        version: u32,
        (size, align): (u64, u32),
        fields: Vec<Field>,
    ) -> Self {
        let node = Node::Composite {
            role,
            name: name.to_owned(),
            version,
            fields,
        };
        Self { size, align, node }
    }

    /// The same if others can read its text; that has all the other rules.
    fn checked(self) -> Result<Self> {
        match Self::parse(&self.text()) {
            Ok(read) if read == self => Ok(self),
            Ok(_) => Err(SchemaError::new("a name is none")),
            Err(error) => Err(error),
        }
    }
}

/// Puts a field where C puts it.
fn push(fields: &mut Vec<Field>, end: &mut u64, name: &str, schema: Schema) -> Result<()> {
    let offset = end.checked_next_multiple_of(schema.align.into());
    fields.push(Field {
        name: name.to_owned(),
        offset: offset.ok_or_else(too_large)?,
        schema,
    });
    *end = end_of(fields)?;
    Ok(())
}

fn size_of(end: u64, align: u32) -> Result<u64> {
    end.checked_next_multiple_of(align.into())
        .ok_or_else(too_large)
}

fn end_of(fields: &[Field]) -> Result<u64> {
    let last = fields
        .last()
        .map(|it| it.offset.checked_add(it.schema.size));
    last.unwrap_or(Some(0)).ok_or_else(too_large)
}

fn align_of(fields: &[Field]) -> u32 {
    let aligns = fields.iter().map(|field| field.schema.align);
    aligns.max().unwrap_or(1).min(MAX_ALIGN)
}

fn too_large() -> SchemaError {
    SchemaError::new("the type is larger than any memory")
}

fn bytes(count: u64) -> impl fmt::Display {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}
