//! The text there and back, hostile texts, and what differences and values look like.

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

#[test]
fn differences_are_said_in_words() {
    const HERE: &str = "struct Camera v2 40/8{at@0:u64;gain@8:f32;mode@12:enum Mode v1 u8\
        {Off=0;On=1;Auto=2};_pad@13:[u8;3];name@16:text ArrayString v1 24/4{len@0:u32;bytes@4:[u8;20]}}";
    for (there, differences) in [
        (HERE.to_owned(), ""),
        (
            HERE.replace("Camera v2", "Camera v1"),
            "`Camera` has version 2 here and 1 in the segment",
        ),
        (
            HERE.replace("Camera", "Kamera"),
            "`Camera` is of type `Camera` here and `Kamera` in the segment",
        ),
        (
            HERE.replace("gain", "volume"),
            "`Camera.gain` is called `volume` in the segment",
        ),
        (
            HERE.replace("f32", "i32"),
            "`Camera.gain` is `f32` here and `i32` in the segment",
        ),
        (
            HERE.replace("On=1;Auto=2", "On=2;Manual=3"),
            "`Camera.mode` has `On` as 1 here and 2 in the segment; \
             `Camera.mode` has no `Auto` in the segment; \
             `Camera.mode` has `Manual` = 3 more in the segment",
        ),
        (
            HERE.replace("Mode v1 u8", "Mode v1 i8"),
            "`Camera.mode` is stored as `u8` here and `i8` in the segment",
        ),
        (
            HERE.replace("gain@8:f32", "gain@8:struct Gain v1 4/4{db@0:f32}"),
            "`Camera.gain` is `f32` here and the struct `Gain` in the segment",
        ),
        (
            HERE.replace("40/8", "48/8")
                .replace("24/4", "32/4")
                .replace("20]", "28]"),
            "`Camera.name.bytes` has 20 elements here and 28 in the segment; \
             `Camera.name` has 24 bytes here and 32 in the segment",
        ),
        (
            HERE.replace("gain@8:f32;mode@12", "mode@8")
                .replace("_pad@13:[u8;3]", "_pad@9:[u8;3];gain@12:f32"),
            "`Camera.gain` is at byte 8 here and 12 in the segment; \
             `Camera.mode` is at byte 12 here and 8 in the segment; \
             `Camera._pad` is at byte 13 here and 9 in the segment",
        ),
        (
            HERE.replace("_pad@13:[u8;3]", "fps@13:u8;_pad@14:[u8;2]"),
            "`Camera._pad` is at byte 13 here and 14 in the segment; \
             `Camera._pad` has 3 elements here and 2 in the segment; \
             `Camera` has a field `fps` more in the segment: `u8` at byte 13",
        ),
        (
            "sync Mutex v1 4/4{word@0:atomic u32}".to_owned(),
            "`Camera` is the struct `Camera` here and the primitive `Mutex` in the segment",
        ),
        (
            "[u8;40]".to_owned(),
            "`Camera` is the struct `Camera` here and `[u8; 40]` in the segment",
        ),
    ] {
        let (here, there) = (Schema::parse(HERE).unwrap(), Schema::parse(&there).unwrap());
        assert_eq!(here.differences(&there).to_string(), differences);
    }
}

#[test]
fn many_differences_are_counted() {
    let fields: Vec<_> = (0..20).map(|i| format!("f{i}@{i}:u8")).collect();
    let here = Schema::parse(&format!("struct A v1 20/1{{{}}}", fields.join(";"))).unwrap();
    let there = Schema::parse("struct A v1 0/1{}").unwrap();
    let differences = here.differences(&there);
    assert_eq!(differences.iter().count(), 20);
    assert_eq!(differences.iter().next().unwrap().path(), "A.f0");
    assert!(differences.to_string().ends_with("; and 14 more"));
}

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
fn the_layout_of_a_type_is_in_its_schema() {
    let schema = Schema::of::<[[u64; 3]; 2]>();
    assert_eq!((schema.size(), schema.align()), (48, 8));
    assert_eq!(schema.to_string(), "[[u64; 3]; 2]");
    assert!(matches!(u8::LAYOUT.kind(), Kind::Scalar(Scalar::U8)));
}
