//! From text to schema. Each rule of the grammar in `docs/FORMAT.md` is a function.

use std::borrow::Cow;
use std::fmt;

use super::super::descriptor::MAX_ALIGN;
use super::super::text::{MAX_DEPTH, MAX_LEN, MAX_NAME};
use super::{Field, Node, Role, Scalar, Schema, Variant};

/// Why a text is not the text of a layout, or a layout cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// Where in the text, if there is one.
    at: Option<usize>,
    what: Cow<'static, str>,
}

impl SchemaError {
    /// Of a layout that is being made.
    pub(super) fn new(what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        Self { at: None, what }
    }

    const fn at(at: usize, what: &'static str) -> Self {
        Self {
            at: Some(at),
            what: Cow::Borrowed(what),
        }
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "the layout's text is wrong at byte {at}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for SchemaError {}

type Result<T> = std::result::Result<T, SchemaError>;

pub(super) fn parse(text: &str) -> Result<Schema> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > MAX_LEN {
        return Err(parser.error("it is over 256 KiB"));
    }
    let schema = parser.schema(0)?;
    if parser.at < text.len() {
        return Err(parser.error("it should have ended before"));
    }
    Ok(schema)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn schema(&mut self, depth: usize) -> Result<Schema> {
        if depth >= MAX_DEPTH {
            return Err(self.error("more than 32 types are nested"));
        }
        if self.take("()") {
            return Ok(Schema {
                size: 0,
                align: 1,
                node: Node::Unit,
            });
        }
        if self.take("[") {
            return self.array(depth);
        }
        let word = self.word()?;
        if word == "enum" {
            return self.enumeration();
        }
        if word == "atomic" {
            self.expect(" ", "expected a space")?;
            let scalar = self.scalar()?;
            return Ok(Schema::whole(scalar, Node::Atomic(scalar)));
        }
        if let Some(role) = Role::named(word) {
            return self.composite(role, depth);
        }
        self.at -= word.len();
        let scalar = self.scalar()?;
        Ok(Schema::whole(scalar, Node::Scalar(scalar)))
    }

    fn scalar(&mut self) -> Result<Scalar> {
        let at = self.at;
        Scalar::named(self.word()?).ok_or(SchemaError::at(at, "there is no such type"))
    }

    fn array(&mut self, depth: usize) -> Result<Schema> {
        let element = self.schema(depth + 1)?;
        self.expect(";", "expected `;` and a length")?;
        let len = self.number()?;
        self.expect("]", "expected `]`")?;
        let size = element.size.checked_mul(len);
        Ok(Schema {
            size: size.ok_or_else(|| self.error("the array is larger than any memory"))?,
            align: element.align,
            node: Node::Array {
                element: Box::new(element),
                len,
            },
        })
    }

    fn enumeration(&mut self) -> Result<Schema> {
        let (name, version) = self.head()?;
        let repr = self.scalar()?;
        if matches!(repr, Scalar::F32 | Scalar::F64 | Scalar::Bool) {
            return Err(self.error("an enum is stored as an integer"));
        }
        self.expect("{", "expected `{`")?;
        let variants = self.list(|parser| {
            let name = parser.word()?.to_owned();
            parser.expect("=", "expected `=` and a value")?;
            let negative = parser.take("-");
            let number = i128::from(parser.number()?);
            let value = i64::try_from(if negative { -number } else { number }).ok();
            match value.filter(|value| !negative || *value != 0) {
                Some(value) if repr.holds(value) => Ok(Variant { name, value }),
                _ => Err(parser.error("the enum's integer has no such value")),
            }
        })?;
        let node = Node::Enum {
            name,
            version,
            repr,
            variants,
        };
        Ok(Schema::whole(repr, node))
    }

    fn composite(&mut self, role: Role, depth: usize) -> Result<Schema> {
        let (name, version) = self.head()?;
        let size = self.number()?;
        self.expect("/", "expected `/` and the alignment")?;
        let align = u32::try_from(self.number()?).unwrap_or(0);
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return Err(self.error("the alignment is not a power of two up to 4096"));
        }
        if !size.is_multiple_of(u64::from(align)) {
            return Err(self.error("the size is not a multiple of the alignment"));
        }
        self.expect("{", "expected `{`")?;
        let (mut end, mut filled) = (0, 0);
        let fields = self.list(|parser| {
            let name = parser.word()?.to_owned();
            parser.expect("@", "expected `@` and an offset")?;
            let offset = parser.number()?;
            parser.expect(":", "expected `:` and a type")?;
            let schema = parser.schema(depth + 1)?;
            if offset < end {
                return Err(parser.error("two fields overlap, or are in the wrong order"));
            }
            if !offset.is_multiple_of(u64::from(schema.align)) || schema.align > align {
                return Err(parser.error("the field is not aligned"));
            }
            match offset.checked_add(schema.size) {
                Some(field_end) if field_end <= size => end = field_end,
                _ => return Err(parser.error("the field ends outside of its type")),
            }
            filled += schema.size;
            Ok(Field {
                name,
                offset,
                schema,
            })
        })?;
        if role == Role::Struct && filled != size {
            return Err(self.error("the fields do not fill the struct"));
        }
        Ok(Schema {
            size,
            align,
            node: Node::Composite {
                role,
                name,
                version,
                fields,
            },
        })
    }

    /// The name and the version of a type: ` Camera v2 `.
    fn head(&mut self) -> Result<(String, u32)> {
        self.expect(" ", "expected a space and a name")?;
        let name = self.word()?.to_owned();
        self.expect(" v", "expected ` v` and a version")?;
        let version = u32::try_from(self.number()?);
        let version = version.map_err(|_| self.error("the version is too large"))?;
        self.expect(" ", "expected a space")?;
        Ok((name, version))
    }

    /// What is between `{`, which was taken, and `}`.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        if self.take("}") {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take("}") {
                return Ok(items);
            }
            self.expect(";", "expected `;` or `}`")?;
        }
    }

    fn word(&mut self) -> Result<&'a str> {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.error("expected a name"));
        }
        if len > MAX_NAME {
            return Err(self.error("the name is over 255 bytes"));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    /// There is one way only to write a number.
    fn number(&mut self) -> Result<u64> {
        let rest = &self.text[self.at..];
        let is_digit = |c: char| c.is_ascii_digit();
        let digits = &rest[..rest.find(|c| !is_digit(c)).unwrap_or(rest.len())];
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(self.error("the number begins with 0"));
        }
        let number = digits.parse();
        let number = number.map_err(|_| self.error("expected a number of up to 64 bits"))?;
        self.at += digits.len();
        Ok(number)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.text[self.at..].starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str, what: &'static str) -> Result<()> {
        if self.take(text) {
            return Ok(());
        }
        Err(self.error(what))
    }

    const fn error(&self, what: &'static str) -> SchemaError {
        SchemaError::at(self.at, what)
    }
}

/// Wider than Rust's identifiers, which have letters of all languages, but nothing that would move
/// the cursor or turn the text around where it is printed.
fn is_part_of_name(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    let format = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    !c.is_control() && !c.is_whitespace() && !format
}
