//! The canonical text of a layout, and its hash, both from one walk that the compiler can do.
//!
//! `docs/FORMAT.md` has the grammar. The text is frozen: programs of other versions compare it.

use super::{Kind, Layout};

/// How many types may be nested in one another; readers refuse more.
pub(super) const MAX_DEPTH: usize = 32;

/// How many bytes a text may have; readers refuse more.
pub(super) const MAX_LEN: usize = 1 << 18;

/// How many bytes a name may have; readers refuse more.
pub(super) const MAX_NAME: usize = 255;

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

pub(super) const fn hash(layout: &Layout) -> u64 {
    let mut sink = Sink::new(None);
    sink.layout(layout, 0);
    sink.hash
}

/// The hash of a text that is there already.
pub(super) fn hash_of(text: &str) -> u64 {
    fnv(FNV_OFFSET, text.as_bytes())
}

/// The hash of what `hash` is of and these bytes.
const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(FNV_PRIME);
        i += 1;
    }
    hash
}

pub(super) const fn len(layout: &Layout) -> usize {
    let mut sink = Sink::new(None);
    sink.layout(layout, 0);
    sink.len
}

pub(super) const fn write(layout: &Layout, out: &mut [u8]) -> usize {
    let mut sink = Sink::new(Some(out));
    sink.layout(layout, 0);
    sink.len
}

/// Where the text goes: it is counted and hashed, and kept if somebody wants it.
struct Sink<'a> {
    out: Option<&'a mut [u8]>,
    len: usize,
    hash: u64,
}

impl<'a> Sink<'a> {
    const fn new(out: Option<&'a mut [u8]>) -> Self {
        Self {
            out,
            len: 0,
            hash: FNV_OFFSET,
        }
    }

    const fn layout(&mut self, layout: &Layout, depth: usize) {
        assert!(depth < MAX_DEPTH, "more than 32 types are nested");
        match layout.kind() {
            Kind::Unit => self.str("()"),
            Kind::Scalar(scalar) => self.str(scalar.name()),
            Kind::Atomic(scalar) => {
                self.str("atomic ");
                self.str(scalar.name());
            }
            Kind::Array { element, len } => {
                self.str("[");
                self.layout(element, depth + 1);
                self.str(";");
                self.number(len);
                self.str("]");
            }
            Kind::Enum {
                name,
                version,
                repr,
                variants,
            } => {
                self.head("enum", name, version);
                self.str(repr.name());
                self.str("{");
                let mut i = 0;
                while i < variants.len() {
                    if i > 0 {
                        self.str(";");
                    }
                    self.name(variants[i].name());
                    self.str("=");
                    if variants[i].value() < 0 {
                        self.str("-");
                    }
                    self.number(variants[i].value().unsigned_abs());
                    i += 1;
                }
                self.str("}");
            }
            Kind::Composite {
                role,
                name,
                version,
                fields,
            } => {
                self.head(role.name(), name, version);
                self.number(layout.size());
                self.str("/");
                self.number(layout.align() as u64);
                self.str("{");
                let mut i = 0;
                while i < fields.len() {
                    if i > 0 {
                        self.str(";");
                    }
                    self.name(fields[i].name());
                    self.str("@");
                    self.number(fields[i].offset());
                    self.str(":");
                    self.layout(fields[i].layout(), depth + 1);
                    i += 1;
                }
                self.str("}");
            }
        }
    }

    const fn head(&mut self, word: &str, name: &str, version: u32) {
        self.str(word);
        self.str(" ");
        self.name(name);
        self.str(" v");
        self.number(version as u64);
        self.str(" ");
    }

    /// A name with a character that means something in the grammar would make the text ambiguous.
    const fn name(&mut self, name: &str) {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a name in a layout is empty");
        assert!(
            bytes.len() <= MAX_NAME,
            "a name in a layout is over 255 bytes"
        );
        let mut i = 0;
        while i < bytes.len() {
            assert!(
                bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_' || !bytes[i].is_ascii(),
                "a name in a layout is not an identifier"
            );
            i += 1;
        }
        self.str(name);
    }

    const fn number(&mut self, number: u64) {
        if number > 9 {
            self.number(number / 10);
        }
        self.bytes(&[b'0' + (number % 10) as u8]);
    }

    const fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The compiler warns of constants that take long, so this does little for a byte.
    const fn bytes(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out {
            let room = out.split_at_mut(self.len).1;
            room.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
        }
        self.len += bytes.len();
        assert!(self.len <= MAX_LEN, "the layout's text is over 256 KiB");
        self.hash = fnv(self.hash, bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32};

    use super::super::{Field, Scalar, ShmSafe, Variant};
    use super::*;

    /// FNV-1a as its authors publish it, over the finished text.
    fn fnv(text: &str) -> u64 {
        text.bytes().fold(14_695_981_039_346_656_037, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        })
    }

    const MODE: &Layout = &Layout::enumeration(
        "Mode",
        3,
        Scalar::I8,
        &[Variant::new("Off", 0), Variant::new("Low", -128)],
    );

    const CAMERA: &Layout = &Layout::structure(
        "Camera",
        2,
        24,
        8,
        &[
            Field::new("at", 0, f64::LAYOUT),
            Field::new("mode", 8, MODE),
            Field::new("_pad", 9, <[u8; 3]>::LAYOUT),
            Field::new("hits", 12, <[AtomicU32; 3]>::LAYOUT),
        ],
    );

    #[test]
    fn texts_are_as_specified() {
        for (layout, text) in [
            (<()>::LAYOUT, "()"),
            (u8::LAYOUT, "u8"),
            (AtomicBool::LAYOUT, "atomic bool"),
            (<[[u16; 0]; 10]>::LAYOUT, "[[u16;0];10]"),
            (MODE, "enum Mode v3 i8{Off=0;Low=-128}"),
            (
                CAMERA,
                "struct Camera v2 24/8{at@0:f64;mode@8:enum Mode v3 i8{Off=0;Low=-128};\
                 _pad@9:[u8;3];hits@12:[atomic u32;3]}",
            ),
        ] {
            assert_eq!(layout.text(), text);
            assert_eq!(layout.text_len(), text.len());
            assert_eq!(layout.hash(), fnv(text), "{text}");
        }
    }

    #[test]
    fn the_hash_is_there_at_compile_time() {
        const HASH: u64 = CAMERA.hash();
        assert_eq!(HASH, fnv(&CAMERA.text()));
        assert_eq!(fnv(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(
            fnv("foobar"),
            0x8594_4171_F739_67E8,
            "from the published test vectors"
        );
    }

    #[test]
    fn atomics_are_found_where_a_reader_gets_at_them() {
        const WORDS: &[Field] = &[Field::new("word", 0, AtomicU32::LAYOUT)];
        let lock = Layout::sync("Mutex", 1, 4, 4, WORDS);
        assert!(!lock.has_bare_atomics());
        const AROUND: &[Field] = &[
            Field::new("slots", 0, <[AtomicU32; 2]>::LAYOUT),
            Field::new("value", 8, AtomicU32::LAYOUT),
        ];
        let cell = Layout::sync("OnceCell", 1, 12, 4, AROUND);
        assert!(cell.has_bare_atomics(), "of what it gives out");
        assert!(Layout::structure("Words", 1, 4, 4, WORDS).has_bare_atomics());
        assert!(CAMERA.has_bare_atomics());
        assert!(!MODE.has_bare_atomics());
        const { assert!(<[AtomicU32; 2]>::WRITES_UNCHECKED) };
        const { assert!(!<[AtomicU32; 0]>::WRITES_UNCHECKED) };
        const { assert!(!<[u64; 2]>::WRITES_UNCHECKED) };
    }
}
