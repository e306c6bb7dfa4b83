//! The primitives in a schema, and where they are: so that a program without the type can say who
//! holds which lock.

use super::{Node, Role, Schema};

/// A primitive that processes synchronise with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Primitive {
    /// Where it is, in words: `cameras[3].lock`. Empty if the type is the primitive.
    pub path: String,
    /// Where it is, in bytes from the beginning of the value.
    pub offset: u64,
    /// The name of its type: `Mutex`.
    pub name: String,
}

/// As many are found: an array of locks may have more than anybody looks at.
const MOST: usize = 100_000;

impl Schema {
    /// The primitives in a value, in the order of their offsets; the first 100,000 of them.
    ///
    /// ```
    /// use shmkit::layout::Schema;
    /// use shmkit::sync::Mutex;
    ///
    /// let locks = Schema::of::<[Mutex<u64>; 2]>().primitives();
    /// assert_eq!(locks[1].path, "[1]");
    /// assert_eq!((&*locks[1].name, locks[1].offset), ("Mutex", 24));
    /// ```
    #[must_use]
    pub fn primitives(&self) -> Vec<Primitive> {
        let mut found = Vec::new();
        collect(self, "", 0, &mut found);
        found
    }

    /// Whether there is a primitive in it at all.
    fn has_primitives(&self) -> bool {
        match &self.node {
            Node::Array { element, len } => *len > 0 && element.has_primitives(),
            Node::Composite { role, fields, .. } => {
                *role == Role::Sync || fields.iter().any(|field| field.schema.has_primitives())
            }
            _ => false,
        }
    }
}

fn collect(schema: &Schema, path: &str, offset: u64, found: &mut Vec<Primitive>) {
    match &schema.node {
        Node::Array { element, len } if element.has_primitives() => {
            for index in 0..*len {
                if found.len() >= MOST {
                    return;
                }
                let path = format!("{path}[{index}]");
                collect(element, &path, offset + index * element.size, found);
            }
        }
        Node::Composite {
            role, name, fields, ..
        } => {
            if *role == Role::Sync && found.len() < MOST {
                found.push(Primitive {
                    path: path.to_owned(),
                    offset,
                    name: name.clone(),
                });
            }
            for field in fields.iter().filter(|field| field.schema.has_primitives()) {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", field.name);
                collect(&field.schema, &path, offset + field.offset, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitives_inside_primitives_are_found() {
        let text = "sync Outer v1 32/8{word@0:atomic u32;data@16:struct Pair v1 16/8\
                    {a@0:sync Inner v1 8/8{word@0:atomic u32};b@8:[u8;8]}}";
        let found = Schema::parse(text).unwrap().primitives();
        let found: Vec<_> = found
            .iter()
            .map(|it| (&*it.path, &*it.name, it.offset))
            .collect();
        assert_eq!(found, [("", "Outer", 0), ("data.a", "Inner", 16)]);
    }

    #[test]
    fn an_array_of_nothing_is_no_trouble() {
        let text = format!("[sync Empty v1 0/1{{}};{}]", u64::MAX);
        let found = Schema::parse(&text).unwrap().primitives();
        assert_eq!(found.len(), MOST);
        let text = format!("[[u8;0];{}]", u64::MAX);
        assert_eq!(Schema::parse(&text).unwrap().primitives(), []);
    }
}
