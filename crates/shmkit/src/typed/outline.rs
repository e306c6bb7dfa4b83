//! What a header says of a layout, whether a compiler made it or a program at run time.

use crate::layout::{Layout, Schema};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) text: String,
    pub(super) hash: u64,
    pub(super) size: u64,
    pub(super) align: u32,
    /// The name of the type, empty if it has none.
    pub(super) name: String,
}

impl From<&Layout> for Outline {
    fn from(layout: &Layout) -> Self {
        Self {
            text: layout.text(),
            hash: layout.hash(),
            size: layout.size(),
            align: layout.align(),
            name: layout.name().unwrap_or_default().to_owned(),
        }
    }
}

impl From<&Schema> for Outline {
    fn from(schema: &Schema) -> Self {
        Self {
            text: schema.text(),
            hash: schema.hash(),
            size: schema.size(),
            align: schema.align(),
            name: schema.name().unwrap_or_default().to_owned(),
        }
    }
}
