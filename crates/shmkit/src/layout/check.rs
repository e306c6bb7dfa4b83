//! What `#[derive(ShmSafe)]` has the compiler check. Not for use by hand.
//!
//! The functions panic at compile time; being `track_caller` they do so at the field that is meant.

use super::{Field, Layout, Scalar, ShmSafe, Variant};

/// Checks that there is no padding before a field, `at` being the end of those before. Returns where
/// the field ends.
#[must_use]
#[track_caller]
pub const fn field(name: &str, fields: &[Field], i: usize, at: u64) -> u64 {
    let layout = fields[i].layout();
    let align = layout.align() as u64;
    let padding = at.next_multiple_of(align) - at;
    if padding > 0 {
        let mut text = Message::new();
        text.str("field `")
            .str(fields[i].name())
            .str("` of `")
            .str(name);
        text.str("`: ")
            .bytes(padding)
            .str(" of padding before it; add a field `_pad: [u8; ");
        text.number(padding).str("]` there, or reorder the fields");
        panic!("{}", text.get());
    }
    assert!(
        fields[i].offset() == at,
        "a field lies elsewhere than C puts it"
    );
    at + layout.size()
}

/// Checks what is left when the fields, which end at `at`, are found good.
#[must_use]
#[track_caller]
pub const fn structure<T: ShmSafe>(
    name: &'static str,
    version: u32,
    min_align: u32,
    fields: &'static [Field],
    at: u64,
) -> Layout {
    let mut align = min_align;
    let mut i = 0;
    while i < fields.len() {
        if fields[i].layout().align() > align {
            align = fields[i].layout().align();
        }
        i += 1;
    }
    let padding = at.next_multiple_of(align as u64) - at;
    if padding > 0 {
        let mut text = Message::new();
        text.str("`").str(name).str("`: ").bytes(padding);
        text.str(" of padding at the end; add a field `_pad: [u8; ")
            .number(padding);
        text.str("]` there");
        panic!("{}", text.get());
    }
    no_drop::<T>(name);
    assert!(
        size_of::<T>() as u64 == at && align_of::<T>() <= align as usize,
        "the type's size or alignment is not what C makes of its fields"
    );
    Layout::structure(name, version, at, align, fields)
}

/// Checks that a variant is stored as a value that cannot tear.
#[track_caller]
pub const fn variant(name: &str, variants: &[Variant], i: usize, repr: Scalar) {
    let one_byte = repr.size() == 1;
    // Values that differ in their lowest byte only cannot tear either.
    if !one_byte && (variants[i].value() < 0 || variants[i].value() > 255) {
        let mut text = Message::new();
        text.str("variant `")
            .str(variants[i].name())
            .str("` of `")
            .str(name);
        text.str("` is not within 0 to 255: a process killed while it writes could leave half of ");
        text.str("the value, which may be no variant");
        panic!("{}", text.get());
    }
}

/// Checks what is left when the variants are found good.
#[must_use]
#[track_caller]
pub const fn enumeration<T: ShmSafe>(
    name: &'static str,
    version: u32,
    repr: Scalar,
    variants: &'static [Variant],
) -> Layout {
    let mut i = 0;
    while i < variants.len() && variants[i].value() != 0 {
        i += 1;
    }
    if i == variants.len() {
        let mut text = Message::new();
        text.str("`")
            .str(name)
            .str("` has no variant that is stored as 0, as what was never ");
        text.str("written in shared memory is; give the first one `= 0`");
        panic!("{}", text.get());
    }
    no_drop::<T>(name);
    assert!(
        size_of::<T>() as u64 == repr.size(),
        "the enum's size is not that of its integer"
    );
    Layout::enumeration(name, version, repr, variants)
}

#[track_caller]
const fn no_drop<T>(name: &str) {
    if std::mem::needs_drop::<T>() {
        let mut text = Message::new();
        text.str("`")
            .str(name)
            .str("` implements `Drop`: nobody could say which of the ");
        text.str("processes is to run it");
        panic!("{}", text.get());
    }
}

/// The text of a panic at compile time, where `format!` is not to be had. Cut off if too long.
struct Message {
    text: [u8; 512],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self {
            text: [0; 512],
            len: 0,
        }
    }

    const fn str(&mut self, text: &str) -> &mut Self {
        let mut i = 0;
        while i < text.len() && self.len < self.text.len() {
            self.text[self.len] = text.as_bytes()[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn number(&mut self, number: u64) -> &mut Self {
        if number > 9 {
            self.number(number / 10);
        }
        let digit = [b'0' + (number % 10) as u8];
        match str::from_utf8(&digit) {
            Ok(digit) => self.str(digit),
            Err(_) => self,
        }
    }

    const fn bytes(&mut self, count: u64) -> &mut Self {
        self.number(count)
            .str(if count == 1 { " byte" } else { " bytes" })
    }

    const fn get(&self) -> &str {
        match str::from_utf8(self.text.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "a name is too long",
        }
    }
}
