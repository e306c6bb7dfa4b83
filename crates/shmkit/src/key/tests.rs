//! The golden vectors measured on Qt, properties of the text form, and what errors say.
//!
//! Qt's strings may hold lone surrogates and Rust's cannot, so no such input can be given here.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../testdata/qt-keys.json")).unwrap()
}

fn rows<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn key_type(value: &Value) -> KeyType {
    let number = value.as_u64().unwrap().try_into().unwrap();
    KeyType::from_number(number).unwrap()
}

fn linux() -> KeyRules {
    KeyRules::new(Platform::Linux)
}

/// PyQt, which the Linux vectors came through, drops a U+FEFF at the start of every text it is
/// given. Group W came through C++, where Qt keeps it.
fn as_given_by_pyqt(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[test]
fn names_become_the_keys_that_qt_makes() {
    let types = [KeyType::SYSTEM_V, KeyType::PosixRealtime, KeyType::Windows];
    let roles = [Role::Segment, Role::Semaphore];
    let vectors = vectors();
    let mut count = 0;
    for group in rows(&vectors, "groups") {
        let platform = match text(&group["platform"]) {
            "Linux" => Platform::Linux,
            _ => Platform::Windows,
        };
        let rules = KeyRules::new(platform)
            .temp_dir(text(&group["temp_dir"]))
            .runtime_dir(text(&group["runtime_dir"]));
        assert_eq!(rules.default_type(), key_type(&group["default"]));
        assert_eq!(
            rules.legacy_default_type(),
            key_type(&group["legacy_default"])
        );

        for row in rows(group, "keys") {
            let mut name = text(&row[0]);
            if platform == Platform::Linux {
                name = as_given_by_pyqt(name);
            }
            let kinds = types
                .iter()
                .flat_map(|kind| roles.map(|role| (*kind, role)));
            let keys: Vec<_> = kinds
                .flat_map(|(kind, role)| {
                    [
                        rules.legacy_key(role, name, kind),
                        rules.platform_safe_key(role, name, kind),
                    ]
                })
                .collect();
            let natives = row[1].as_array().unwrap();
            assert_eq!(keys.len(), natives.len());
            for (index, (key, native)) in keys.iter().zip(natives).enumerate() {
                let native = text(native);
                assert_eq!(key.native_key(), native, "{name:?} in {}", group["name"]);
                let legacy = index % 2 == 0 && !native.is_empty();
                assert_eq!(key.legacy_key(), Some(name).filter(|_| legacy));
                let plain = match legacy {
                    true => format!("{}:{native}?legacyKey={name}", key.key_type()),
                    false => format!("{}:{native}", key.key_type()),
                };
                let printed = row[2][index.to_string()].as_str().unwrap_or(&plain);
                assert_eq!(key.to_string(), printed);
                if !name.starts_with('\u{feff}') {
                    assert_eq!(NativeIpcKey::parse(printed).as_ref(), Ok(key));
                }
                count += 1;
            }
        }
    }
    assert_eq!(count, 6360);
}

#[test]
fn keys_are_printed_as_qt_prints_them() {
    let vectors = vectors();
    let vectors = rows(&vectors, "to_string");
    for row in vectors {
        let key = NativeIpcKey::new(as_given_by_pyqt(text(&row[1])), key_type(&row[0]));
        assert_eq!(key.to_string(), text(&row[2]));
        assert_eq!(NativeIpcKey::parse(text(&row[2])), Ok(key));
    }
    assert_eq!(vectors.len(), 579);
}

#[test]
fn texts_are_read_as_qt_reads_them() {
    let vectors = vectors();
    let (mut accepted, mut rejected) = (0, 0);
    for row in rows(&vectors, "from_string")
        .iter()
        .chain(rows(&vectors, "from_string_more"))
    {
        let given = text(&row[0]);
        let read = NativeIpcKey::parse(given);
        if row[1].is_null() {
            assert!(read.is_err(), "{given:?} was read as {read:?}");
            rejected += 1;
            continue;
        }
        let key = read.unwrap();
        assert_eq!(key.key_type(), key_type(&row[1][0]), "{given:?}");
        assert_eq!(key.native_key(), text(&row[1][1]), "{given:?}");
        assert_eq!(key.to_string(), text(&row[1][2]), "{given:?}");
        if let Some(legacy) = row[1][3].as_str() {
            assert_eq!(key.legacy_key().unwrap_or_default(), legacy, "{given:?}");
        }
        accepted += 1;
    }
    assert_eq!((accepted, rejected), (202, 108));
}

/// Not measured: nobody could run Qt on macOS. This is what its documentation and sources say.
#[test]
fn apple_keys_are_short() {
    let open = KeyRules::new(Platform::MacOs { sandboxed: false });
    let boxed = KeyRules::new(Platform::MacOs { sandboxed: true });
    let posix = KeyType::PosixRealtime;
    for role in [Role::Segment, Role::Semaphore] {
        let key = open.legacy_key(role, "key", posix);
        assert_eq!(
            key.to_string(),
            "posix:/a62f2225bf70bfaccbc7f1ef2a397?legacyKey=key"
        );
        let key = boxed.legacy_key(role, "group/key", posix);
        assert_eq!(key.to_string(), "posix:group/key?legacyKey=group/key");
    }
    let long = open.platform_safe_key(Role::Segment, &"é".repeat(40), posix);
    assert_eq!(long.native_key().encode_utf16().count(), 30);
    assert!(
        boxed
            .legacy_key(Role::Segment, "key", KeyType::SYSTEM_V)
            .is_empty()
    );
    assert_eq!(open.legacy_default_type(), KeyType::SYSTEM_V);
    assert_eq!(boxed.legacy_default_type(), posix);
}

#[test]
fn a_cut_splits_no_character() {
    let name = format!("{}😀", "x".repeat(255));
    let windows = KeyRules::new(Platform::Windows);
    let key = windows.platform_safe_key(Role::Segment, &name, KeyType::Windows);
    assert_eq!(key.native_key(), format!("shm_{}", "x".repeat(255)));
}

#[test]
fn android_has_no_keys() {
    let android = KeyRules::new(Platform::Android);
    assert!(
        android
            .legacy_key(Role::Segment, "key", android.legacy_default_type())
            .is_empty()
    );
    assert!(
        android
            .platform_safe_key(Role::Segment, "key", android.default_type())
            .is_empty()
    );
}

#[test]
fn only_a_relative_system_v_key_asks_for_the_runtime_directory() {
    let rules = linux().find_runtime_dir(|_| unreachable!());
    rules.platform_safe_key(Role::Segment, "key", KeyType::PosixRealtime);
    rules.platform_safe_key(Role::Segment, "/key", KeyType::SYSTEM_V);
    rules.legacy_key(Role::Segment, "key", KeyType::SYSTEM_V);

    let rules = linux()
        .temp_dir("/t")
        .find_runtime_dir(|temp_dir| format!("{temp_dir}/run"));
    let key = rules.platform_safe_key(Role::Segment, "key", KeyType::SYSTEM_V);
    assert_eq!(key.native_key(), "/t/run/key");
}

#[test]
fn a_lock_has_the_key_that_qt_gives_it() {
    let windows = KeyRules::new(Platform::Windows);
    let lock = |rules: &KeyRules, text: &str| {
        rules
            .semaphore_key(&NativeIpcKey::parse(text).unwrap())
            .to_string()
    };
    assert_eq!(lock(&linux(), "posix:/cam0"), "posix:/cam0");
    assert_eq!(lock(&linux(), "systemv-84:/tmp/k"), "systemv-84:/tmp/k");
    assert_eq!(lock(&windows, "windows:shm_cam0"), "windows:shm_cam0_sem");
    assert_eq!(lock(&windows, "windows:"), "windows:");
    let long = "x".repeat(300);
    assert_eq!(
        lock(&windows, &format!("windows:{long}")),
        format!("windows:{}_sem", &long[..255])
    );

    // The lock follows the legacy key, whatever the native key says.
    for rules in [linux(), windows] {
        let key_type = rules.legacy_default_type();
        let expected = rules.legacy_key(Role::Semaphore, "cam0", key_type);
        let segment = rules.legacy_key(Role::Segment, "cam0", key_type);
        assert_eq!(rules.semaphore_key(&segment), expected);
        let moved = format!("{key_type}:/elsewhere?legacyKey=cam0");
        assert_eq!(lock(&rules, &moved), expected.to_string());
    }
}

#[test]
fn types_have_qts_numbers_and_order() {
    let types: Vec<_> = (0..=u16::MAX).filter_map(KeyType::from_number).collect();
    assert_eq!(types.len(), 257);
    assert!(types.is_sorted());
    for (number, key_type) in (1..).zip(types) {
        assert_eq!(key_type.number(), number);
        assert_eq!(key_type.to_string().parse(), Ok(key_type));
    }
}

#[test]
fn the_legacy_key_counts_in_comparisons_but_not_in_the_hash() {
    let hasher = std::hash::BuildHasher::hash_one::<&NativeIpcKey>;
    let state = std::hash::RandomState::new();
    let plain = NativeIpcKey::parse("posix:/a").unwrap();
    let legacy = NativeIpcKey::parse("posix:/a?legacyKey=a").unwrap();
    assert_ne!(plain, legacy);
    assert_eq!(hasher(&state, &plain), hasher(&state, &legacy));
    assert_eq!(HashSet::from([plain, legacy]).len(), 2);
}

#[test]
fn errors_say_what_is_wrong_where_and_what_to_write() {
    use ParseKeyErrorKind as Kind;
    let known = "expected posix, systemv, systemv-1 to systemv-255 or windows";
    let number = "expected a decimal number from 1 to 255";
    let slash = "begin the name with one slash";
    let item = "only legacyKey=NAME may follow a question mark; \
                write %3F for one that belongs to the name";
    let table = [
        (
            "",
            Kind::Empty,
            0,
            "the key is empty",
            "write posix:/NAME, or windows:NAME on Windows",
        ),
        (
            "cam0",
            Kind::MissingType,
            0,
            "no key type",
            "write posix:/cam0, or windows:cam0 on Windows",
        ),
        (
            "/cam0",
            Kind::MissingType,
            0,
            "no key type",
            "write posix:/cam0, or windows:cam0 on Windows",
        ),
        (
            "100%",
            Kind::MissingType,
            0,
            "no key type",
            "write posix:/100%25, or windows:100%25 on Windows",
        ),
        (
            "/tmp/cam0",
            Kind::MissingType,
            0,
            "no key type",
            "write systemv:/tmp/cam0",
        ),
        (
            "posix",
            Kind::MissingColon,
            5,
            "no colon after the key type",
            "write posix:/NAME",
        ),
        (
            "windows",
            Kind::MissingColon,
            7,
            "no colon after the key type",
            "write windows:NAME",
        ),
        (
            "posix/cam0",
            Kind::MissingColon,
            5,
            "no colon after the key type",
            "write posix:/cam0",
        ),
        (
            "posx:/cam0",
            Kind::UnknownType,
            0,
            r#"unknown key type "posx""#,
            known,
        ),
        (
            " posix:/a",
            Kind::UnknownType,
            0,
            r#"unknown key type " posix""#,
            known,
        ),
        (
            ":/cam0",
            Kind::UnknownType,
            0,
            r#"unknown key type """#,
            known,
        ),
        (
            "systemv255:/a",
            Kind::UnknownType,
            0,
            r#"unknown key type "systemv255""#,
            known,
        ),
        (
            "systemv-256:/a",
            Kind::BadProjectId,
            8,
            r#"bad System V project id "256""#,
            number,
        ),
        (
            "SystemV-0:/a",
            Kind::BadProjectId,
            8,
            r#"bad System V project id "0""#,
            number,
        ),
        (
            "systemv-+1:/a",
            Kind::BadProjectId,
            8,
            r#"bad System V project id "+1""#,
            number,
        ),
        (
            "posix://cam0/a",
            Kind::UnexpectedHost,
            8,
            r#"unexpected host "cam0""#,
            slash,
        ),
        (
            "posix:/cam?0",
            Kind::UnknownItem,
            11,
            r#"unknown item "0""#,
            item,
        ),
        (
            "posix:/é?legacyKey=a&é=1",
            Kind::UnknownItem,
            22,
            r#"unknown item "é=1""#,
            item,
        ),
        (
            "posix:/a?&",
            Kind::UnknownItem,
            9,
            r#"unknown item """#,
            item,
        ),
    ];
    for (text, kind, offset, problem, advice) in table {
        let error = NativeIpcKey::parse(text).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset(), error.text()),
            (kind, offset, text)
        );
        let place = match text {
            "" => String::new(),
            _ => format!(" at byte {offset} of {text:?}"),
        };
        assert_eq!(error.to_string(), format!("{problem}{place}: {advice}"));
    }
}

#[test]
fn the_error_becomes_the_crates_own() {
    let error = crate::Error::from(NativeIpcKey::parse("posx:/cam\n0").unwrap_err());
    assert_eq!(
        (error.kind(), error.op()),
        (crate::ErrorKind::InvalidKey, crate::Op::MakeKey)
    );
    assert_eq!(error.key(), Some(r"posx:/cam\n0"));
    assert_eq!(
        error.to_string(),
        r#"cannot use key posx:/cam\n0: unknown key type "posx" at byte 0; expected posix, systemv, systemv-1 to systemv-255 or windows"#,
    );
    let error = crate::Error::from(NativeIpcKey::parse("").unwrap_err());
    assert_eq!(
        error.to_string(),
        "cannot use key: the key is empty; write posix:/NAME, or windows:NAME on Windows",
    );
    let error = "systemv-0".parse::<KeyType>().unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (ParseKeyErrorKind::BadProjectId, 8)
    );
}

fn any_type() -> impl Strategy<Value = KeyType> {
    (1..=257_u16).prop_map(|number| KeyType::from_number(number).unwrap())
}

/// Texts that are nearly keys: random ones would all fail at the type.
fn key_like() -> impl Strategy<Value = String> {
    "(posix|SystemV|systemv-[0-9]{0,4}|windows|[a-z]*):?[/@:]{0,3}[^#]{0,6}(%[0-9A-Fa-f]{2}|%)*\
     (\\?(legacyKey)?=?(%[0-9A-F]{2}|\\PC|&){0,6})?(#\\PC{0,3})?"
}

proptest! {
    #[test]
    fn a_printed_key_reads_back_equal(native in any::<String>(), key_type in any_type()) {
        let key = NativeIpcKey::new(native, key_type);
        prop_assert_eq!(NativeIpcKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn a_printed_legacy_key_reads_back_equal(name in any::<String>(), role in any::<bool>()) {
        // Reading drops a byte order mark there, as Qt does.
        prop_assume!(!name.starts_with('\u{feff}'));
        let role = if role { Role::Segment } else { Role::Semaphore };
        let key = linux().legacy_key(role, &name, KeyType::SYSTEM_V);
        prop_assert_eq!(NativeIpcKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn reading_never_panics(text in prop_oneof![any::<String>(), key_like()]) {
        match NativeIpcKey::parse(&text) {
            Ok(key) => {
                let again = NativeIpcKey::parse(&key.to_string()).unwrap();
                prop_assert_eq!(again.native_key(), key.native_key());
            }
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.offset()));
                prop_assert!(!error.to_string().is_empty());
                prop_assert!(!crate::Error::from(error).to_string().is_empty());
            }
        }
    }

    #[test]
    fn every_rule_makes_a_readable_key(name in any::<String>(), key_type in any_type()) {
        let platforms = [
            Platform::Linux,
            Platform::Android,
            Platform::MacOs { sandboxed: false },
            Platform::MacOs { sandboxed: true },
            Platform::FreeBsd,
            Platform::Windows,
        ];
        for platform in platforms {
            let rules = KeyRules::new(platform);
            let key = rules.platform_safe_key(Role::Segment, &name, key_type);
            prop_assert_eq!(key.is_empty(), name.is_empty() || !platform.supports(key_type));
            prop_assert_eq!(NativeIpcKey::parse(&key.to_string()), Ok(key));
        }
    }
}
