//! Names of kernel objects.

use crate::key::rules::hash;

/// Where a name lives: in this session's names, or those of the whole machine.
const SPACES: [&str; 2] = [r"Local\", GLOBAL];

pub(super) const GLOBAL: &str = r"Global\";

/// A name and its space.
fn split(name: &str) -> (&str, &str) {
    let space = SPACES.into_iter().find(|space| name.starts_with(space));
    name.split_at(space.map_or(0, str::len))
}

/// Why an object cannot be called so.
pub(super) fn objection(name: &str) -> Option<&'static str> {
    let (_, name) = split(name);
    if name.is_empty() {
        Some("the name is empty")
    } else if name.contains('\0') {
        Some("the name has a NUL character inside")
    } else if name.contains('\\') {
        Some(r"the name has a backslash that is not that of Local\ or Global\")
    } else {
        None
    }
}

/// The name of an object of ours that belongs to another one, in the same space.
pub(super) fn beside(name: &str, what: &str) -> String {
    let (space, _) = split(name);
    format!("{space}shmkit-{}-{what}", hash(name))
}

/// Whether an object, named without its space, belongs to another one of ours.
pub(super) fn is_beside(name: &str) -> bool {
    let rest = name.strip_prefix("shmkit-");
    let of = rest.and_then(|rest| rest.split_once('-'));
    of.is_some_and(|(of, _)| of.len() == hash("").len() && of.bytes().all(is_hex))
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_object_is_in_its_space() {
        let ours = beside(r"Global\cam0", "birth");
        assert!(
            ours.starts_with(r"Global\shmkit-") && ours.ends_with("-birth"),
            "{ours}"
        );
        assert!(beside("cam0", "birth").starts_with("shmkit-"));
        assert_ne!(beside("cam0", "birth"), beside("cam1", "birth"));
        assert!(is_beside(&beside("cam0", "lease7")));
        for other in ["cam0", "shmkit-cam0", "shmkit-test-1", "shm_cam0"] {
            assert!(!is_beside(other), "{other}");
        }
    }

    #[test]
    fn names_that_cannot_be_are_told() {
        for good in ["cam0", r"Local\cam0", r"Global\cam0", "a/b c", "é"] {
            assert_eq!(objection(good), None, "{good}");
        }
        for bad in ["", r"Local\", r"a\b", r"local\a", "a\0b"] {
            assert!(objection(bad).is_some(), "{bad}");
        }
    }
}
