//! In which ways two schemas differ, in words.

use std::fmt;

use super::{Field, Node, Role, Schema, Variant};

/// One way in which a segment is not what a program expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    path: String,
    what: String,
}

impl Difference {
    /// What differs: a type's name and fields, as in `Camera.mode`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.what)
    }
}

/// All the ways in which a segment is not what a program expects; none if it is.
///
/// `Display` names the first few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences(Vec<Difference>);

impl Differences {
    /// Are the schemas the same?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after another.
    pub fn iter(&self) -> impl Iterator<Item = &Difference> {
        self.0.iter()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        for (i, difference) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{difference}")?;
        }
        if self.0.len() > SHOWN {
            write!(f, "; and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

pub(super) fn differences(expected: &Schema, found: &Schema) -> Differences {
    let mut search = Search { all: Vec::new() };
    search.schemas(&expected.to_string(), expected, found);
    Differences(search.all)
}

struct Search {
    all: Vec<Difference>,
}

impl Search {
    fn say(&mut self, path: &str, what: String) {
        let path = path.to_owned();
        self.all.push(Difference { path, what });
    }

    fn schemas(&mut self, path: &str, expected: &Schema, found: &Schema) {
        if expected == found {
            return;
        }
        let before = self.all.len();
        match (&expected.node, &found.node) {
            (
                Node::Array { element, len },
                Node::Array {
                    element: found_element,
                    len: found_len,
                },
            ) => {
                if len != found_len {
                    let what = format!("has {len} elements here and {found_len} in the segment");
                    self.say(path, what);
                }
                self.schemas(&format!("{path}[]"), element, found_element);
            }
            (
                Node::Enum {
                    name,
                    version,
                    repr,
                    variants,
                },
                Node::Enum {
                    name: found_name,
                    version: found_version,
                    repr: found_repr,
                    variants: found_variants,
                },
            ) => {
                self.heads(path, (name, *version), (found_name, *found_version));
                if repr != found_repr {
                    let (here, there) = (repr.name(), found_repr.name());
                    let what = format!("is stored as `{here}` here and `{there}` in the segment");
                    self.say(path, what);
                }
                self.variants(path, variants, found_variants);
            }
            (
                Node::Composite {
                    role,
                    name,
                    version,
                    fields,
                },
                Node::Composite {
                    role: found_role,
                    name: found_name,
                    version: found_version,
                    fields: found_fields,
                },
            ) if role == found_role => {
                self.heads(path, (name, *version), (found_name, *found_version));
                self.fields(path, fields, found_fields);
                if self.all.len() == before || *role != Role::Struct {
                    self.sizes(path, expected, found);
                }
            }
            _ => {
                let what = format!(
                    "is {} here and {} in the segment",
                    shown(expected),
                    shown(found)
                );
                self.say(path, what);
            }
        }
        if self.all.len() == before {
            self.say(
                path,
                "has its parts in another order in the segment".to_owned(),
            );
        }
    }

    fn heads(&mut self, path: &str, (name, version): (&str, u32), found: (&str, u32)) {
        if name != found.0 {
            let what = format!("is of type `{name}` here and `{}` in the segment", found.0);
            self.say(path, what);
        }
        if version != found.1 {
            let what = format!("has version {version} here and {} in the segment", found.1);
            self.say(path, what);
        }
    }

    fn sizes(&mut self, path: &str, expected: &Schema, found: &Schema) {
        if expected.size != found.size {
            let (here, there) = (expected.size, found.size);
            self.say(
                path,
                format!("has {here} bytes here and {there} in the segment"),
            );
        }
        if expected.align != found.align {
            let (here, there) = (expected.align, found.align);
            let what = format!("is aligned to {here} bytes here and {there} in the segment");
            self.say(path, what);
        }
    }

    fn fields(&mut self, path: &str, expected: &[Field], found: &[Field]) {
        let mut matched = vec![false; found.len()];
        let mut missing = Vec::new();
        for field in expected {
            let same = found
                .iter()
                .zip(&matched)
                .position(|(found, matched)| !matched && found.name == field.name);
            let Some(i) = same else {
                missing.push(field);
                continue;
            };
            matched[i] = true;
            let (path, found) = (format!("{path}.{}", field.name), &found[i]);
            if field.offset != found.offset {
                let (here, there) = (field.offset, found.offset);
                self.say(
                    &path,
                    format!("is at byte {here} here and {there} in the segment"),
                );
            }
            self.schemas(&path, &field.schema, &found.schema);
        }
        for field in missing {
            let same = found.iter().zip(&matched).position(|(found, matched)| {
                !matched && found.offset == field.offset && found.schema == field.schema
            });
            let path = format!("{path}.{}", field.name);
            match same {
                Some(i) => {
                    matched[i] = true;
                    self.say(
                        &path,
                        format!("is called `{}` in the segment", found[i].name),
                    );
                }
                None => self.say(&path, "is missing in the segment".to_owned()),
            }
        }
        for (field, _) in found.iter().zip(matched).filter(|(_, matched)| !matched) {
            let Field {
                name,
                offset,
                schema,
            } = field;
            let what =
                format!("has a field `{name}` more in the segment: `{schema}` at byte {offset}");
            self.say(path, what);
        }
    }

    fn variants(&mut self, path: &str, expected: &[Variant], found: &[Variant]) {
        let named = |variants: &[Variant], name: &str| {
            let same = variants.iter().find(|variant| variant.name == name);
            same.map(|variant| variant.value)
        };
        for Variant { name, value } in expected {
            match named(found, name) {
                Some(there) if there == *value => {}
                Some(there) => {
                    let what = format!("has `{name}` as {value} here and {there} in the segment");
                    self.say(path, what);
                }
                None => self.say(path, format!("has no `{name}` in the segment")),
            }
        }
        for Variant { name, value } in found {
            if named(expected, name).is_none() {
                self.say(path, format!("has `{name}` = {value} more in the segment"));
            }
        }
    }
}

/// A type with what it is, where the two are of different sorts.
fn shown(schema: &Schema) -> String {
    match &schema.node {
        Node::Enum { .. } => format!("the enum `{schema}`"),
        Node::Composite { role, .. } => match role {
            Role::Struct => format!("the struct `{schema}`"),
            Role::Sync => format!("the primitive `{schema}`"),
            Role::List | Role::Text | Role::Ring => format!("the {} `{schema}`", role.name()),
        },
        _ => format!("`{schema}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
