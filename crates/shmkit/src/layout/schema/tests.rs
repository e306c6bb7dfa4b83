//! The text there and back, and texts that are none.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{Field, Kind, Layout, Role, Scalar, ShmSafe, Variant};
use super::*;

const SCALARS: [Scalar; 11] = [
    Scalar::U8,
    Scalar::U16,
    Scalar::U32,
    Scalar::U64,
    Scalar::I8,
    Scalar::I16,
    Scalar::I32,
    Scalar::I64,
    Scalar::F32,
    Scalar::F64,
    Scalar::Bool,
];

/// A few bytes that are never given back: layouts live as long as the program.
fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Puts fields where C would, with a gap of that many alignments before each.
fn composite(role: Role, name: &str, version: u32, parts: &[(String, Layout, u64)]) -> Layout {
    let (mut end, mut align, mut filled, mut fields) = (0_u64, 1, 0, Vec::new());
    for (name, layout, gap) in parts {
        let gap = if role == Role::Struct { 0 } else { *gap };
        let offset =
            end.next_multiple_of(u64::from(layout.align())) + gap * u64::from(layout.align());
        if role == Role::Struct && offset != end {
            continue;
        }
        fields.push(Field::new(
            name.clone().leak(),
            offset as usize,
            keep(*layout),
        ));
        end = offset + layout.size();
        filled += layout.size();
        align = align.max(layout.align());
    }
    let size = end.next_multiple_of(u64::from(align));
    let role = if filled == size { role } else { Role::Sync };
    Layout::composite(
        role,
        name.to_owned().leak(),
        version,
        size,
        align,
        fields.leak(),
    )
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_äé変][a-z0-9_ß]{0,6}"
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        3 => Just(Role::Struct),
        1 => Just(Role::Sync),
        1 => Just(Role::List),
        1 => Just(Role::Text),
        1 => Just(Role::Ring),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    let scalar = proptest::sample::select(&SCALARS[..]);
    let variants = vec((name(), any::<i8>()), 0..4);
    let leaf = prop_oneof![
        Just(Layout::UNIT),
        scalar.clone().prop_map(Layout::scalar),
        scalar.prop_map(Layout::atomic),
        (name(), any::<u32>(), variants).prop_map(|(name, version, variants)| {
            let variants = variants.into_iter();
            let variants = variants.map(|(name, value)| Variant::new(name.leak(), value.into()));
            let variants: Vec<_> = variants.collect();
            Layout::enumeration(name.leak(), version, Scalar::I16, variants.leak())
        }),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            (inner.clone(), 0_u64..4).prop_map(|(layout, len)| Layout::array(keep(layout), len)),
            (
                role(),
                name(),
                any::<u32>(),
                vec((field_name(), inner, 0_u64..2), 0..5)
            )
                .prop_map(|(role, name, version, parts)| composite(role, &name, version, &parts)),
        ]
    })
}

fn field_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        1 => Just("len".to_owned()),
        1 => Just("head".to_owned()),
        1 => Just("items".to_owned()),
        1 => Just("bytes".to_owned()),
    ]
}

/// Text made of what real ones are made of, in any order.
fn grammar_soup() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "struct ",
        "sync ",
        "list ",
        "text ",
        "ring ",
        "enum ",
        "atomic ",
        "u8",
        "u32",
        "bool",
        "()",
        "[",
        "]",
        "{",
        "}",
        ";",
        ":",
        "@",
        "=",
        "-",
        "/",
        " v1 ",
        "0",
        "1",
        "4",
        "8",
        "len",
        "head",
        "items",
        "bytes",
        "a",
        "18446744073709551615",
        "ä",
        " ",
    ];
    vec(
        proptest::sample::select(PARTS).prop_map(str::to_owned),
        0..40,
    )
    .prop_map(|parts| parts.concat())
}

/// A good text with some of it replaced.
fn damaged() -> impl Strategy<Value = String> {
    (
        layout(),
        any::<proptest::sample::Index>(),
        0_usize..4,
        "[\\PC]{0,3}",
    )
        .prop_map(|(layout, at, len, new)| {
            let text: Vec<char> = layout.text().chars().collect();
            let at = at.index(text.len() + 1);
            let end = (at + len).min(text.len());
            text[..at]
                .iter()
                .chain(&new.chars().collect::<Vec<_>>())
                .chain(&text[end..])
                .collect()
        })
}

fn withstands(text: &str) {
    let Ok(schema) = Schema::parse(text) else {
        return;
    };
    let other = Schema::of::<[u32; 3]>();
    assert_eq!(other.differences(&schema).is_empty(), schema == other);
    let size = schema.size().min(1 << 16) as usize;
    let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    if let Some(leaves) = schema.decode(&bytes) {
        assert!(leaves.count() <= size, "each value has a byte of its own");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_is_read_as_what_it_was_made_of(layout in layout()) {
        prop_assert_eq!(Schema::parse(&layout.text()), Ok(Schema::from(&layout)));
    }

    #[test]
    fn schemas_without_differences_are_the_same(a in layout(), b in layout()) {
        let (a, b) = (Schema::from(&a), Schema::from(&b));
        prop_assert_eq!(a.differences(&b).is_empty(), a == b);
        prop_assert!(a.differences(&a).is_empty());
    }

    #[test]
    fn damaged_texts_are_errors_or_schemas(text in damaged()) {
        withstands(&text);
    }

    #[test]
    fn texts_of_nonsense_are_errors_or_schemas(text in grammar_soup()) {
        withstands(&text);
    }

    #[test]
    fn one_byte_more_or_less_is_another_text(layout in layout(), at in any::<proptest::sample::Index>()) {
        let text = layout.text();
        let mut shorter = text.clone();
        let chars: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        shorter.remove(chars[at.index(chars.len())]);
        prop_assert_ne!(Schema::parse(&shorter), Ok(Schema::from(&layout)));
        prop_assert!(Schema::parse(&(text + " ")).is_err());
    }

    #[test]
    fn values_decode_to_what_was_written(numbers in any::<(u8, i16, i32, u64, f32, f64, bool)>()) {
        let (a, b, c, d, e, f, g) = numbers;
        let bytes = [
            &d.to_ne_bytes()[..], &f.to_ne_bytes(), &c.to_ne_bytes(), &e.to_ne_bytes(),
            &b.to_ne_bytes(), &[a, g.into()], &[0; 4],
        ].concat();
        let schema = Schema::parse(
            "struct S v1 32/8{d@0:u64;f@8:f64;c@16:i32;e@20:atomic f32;b@24:i16;a@26:u8;g@27:bool;\
             _pad@28:[bool;4]}",
        ).unwrap();
        let values: Vec<_> = schema.decode(&bytes).unwrap().map(|leaf| leaf.value).collect();
        let no = Value::Bool(false);
        let expected = [
            Value::Unsigned(d), Value::F64(f), Value::Signed(c.into()), Value::F32(e),
            Value::Signed(b.into()), Value::Unsigned(a.into()), Value::Bool(g),
            no.clone(), no.clone(), no.clone(), no,
        ];
        prop_assert_eq!(format!("{values:?}"), format!("{expected:?}"), "NaN is not itself");
    }
}

#[test]
fn texts_that_are_not_to_the_letter_are_refused() {
    for (text, why) in [
        ("", "byte 0: expected a name"),
        ("u7", "byte 0: there is no such type"),
        ("u8 ", "byte 2: it should have ended before"),
        ("[u8;01]", "byte 4: the number begins with 0"),
        ("[u8;+1]", "byte 4: expected a number of up to 64 bits"),
        (
            "[u8;18446744073709551616]",
            "byte 4: expected a number of up to 64 bits",
        ),
        (
            "[[u8;4294967296];4294967296]",
            "byte 28: the array is larger than any memory",
        ),
        ("struct A v1 4/4{a@0:u32;}", "byte 24: expected a name"),
        (
            "struct A v1 4/4{a@0:u32}}",
            "byte 24: it should have ended before",
        ),
        (
            "struct A v4294967296 0/1{}",
            "byte 20: the version is too large",
        ),
        (
            "struct A v1 4/3{a@0:u32}",
            "byte 15: the alignment is not a power of two up to 4096",
        ),
        (
            "struct A v1 8192/8192{a@0:[u32;2048]}",
            "byte 21: the alignment is not",
        ),
        (
            "struct A v1 5/4{a@0:u32}",
            "byte 15: the size is not a multiple of the alignment",
        ),
        (
            "struct A v1 8/4{a@0:u32}",
            "byte 24: the fields do not fill the struct",
        ),
        (
            "struct A v1 8/4{a@0:u32;b@0:u32}",
            "byte 31: two fields overlap",
        ),
        (
            "struct A v1 8/4{a@4:u32;b@0:u32}",
            "byte 31: two fields overlap, or are in the wrong",
        ),
        (
            "struct A v1 4/4{a@4:u32}",
            "byte 23: the field ends outside of its type",
        ),
        (
            "sync A v1 8/4{a@2:u32}",
            "byte 21: the field is not aligned",
        ),
        (
            "sync A v1 8/4{a@0:u64}",
            "byte 21: the field is not aligned",
        ),
        (
            "sync A v1 8/4{a@18446744073709551612:u32}",
            "the field ends outside of its type",
        ),
        (
            "enum A v1 f32{}",
            "byte 13: an enum is stored as an integer",
        ),
        (
            "enum A v1 u8{X=256}",
            "byte 18: the enum's integer has no such value",
        ),
        (
            "enum A v1 i8{X=-0}",
            "byte 17: the enum's integer has no such value",
        ),
        (
            "enum A\u{202E}B v1 i8{X=0}",
            "byte 6: expected ` v` and a version",
        ),
    ] {
        let error = Schema::parse(text).expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn texts_without_end_are_refused() {
    let deep = "[".repeat(100_000);
    let error = Schema::parse(&deep).unwrap_err().to_string();
    assert!(error.contains("more than 32 types are nested"), "{error}");
    let nested = format!("{}u8{}", "[".repeat(31), ";1]".repeat(31));
    assert!(
        Schema::parse(&nested).is_ok(),
        "31 arrays and what is in them"
    );
    assert!(Schema::parse(&format!("[{nested};1]")).is_err());
    let long = "a".repeat(256);
    assert!(Schema::parse(&format!("struct {long} v1 0/1{{}}")).is_err());
    let error = Schema::parse(&"()".repeat(1 << 17))
        .unwrap_err()
        .to_string();
    assert!(error.contains("it should have ended before"), "{error}");
    let error = Schema::parse(&"(".repeat((1 << 18) + 1))
        .unwrap_err()
        .to_string();
    assert!(error.contains("over 256 KiB"), "{error}");
}

#[test]
fn the_layout_of_a_type_is_in_its_schema() {
    let schema = Schema::of::<[[u64; 3]; 2]>();
    assert_eq!((schema.size(), schema.align()), (48, 8));
    assert_eq!(schema.to_string(), "[[u64; 3]; 2]");
    assert!(matches!(u8::LAYOUT.kind(), Kind::Scalar(Scalar::U8)));
}
