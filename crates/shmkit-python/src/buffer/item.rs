//! What a buffer consists of, in the words of its three kinds of reader.

use std::ffi::CStr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The type of one element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) name: &'static str,
    /// As the module `struct` calls it.
    pub(super) format: &'static CStr,
    /// As NumPy's array interface calls it, without the byte order.
    pub(super) kind: char,
    /// As DLPack numbers it.
    pub(super) code: u8,
    pub(super) size: usize,
}

const fn item(
    name: &'static str,
    format: &'static CStr,
    kind: char,
    code: u8,
    size: usize,
) -> Item {
    Item {
        name,
        format,
        kind,
        code,
        size,
    }
}

const INT: u8 = 0;
const UINT: u8 = 1;
const FLOAT: u8 = 2;
const COMPLEX: u8 = 5;
const BOOL: u8 = 6;

const ITEMS: [Item; 14] = [
    item("uint8", c"B", 'u', UINT, 1),
    item("int8", c"b", 'i', INT, 1),
    item("bool", c"?", 'b', BOOL, 1),
    item("int16", c"h", 'i', INT, 2),
    item("uint16", c"H", 'u', UINT, 2),
    item("int32", c"i", 'i', INT, 4),
    item("uint32", c"I", 'u', UINT, 4),
    item("int64", c"q", 'i', INT, 8),
    item("uint64", c"Q", 'u', UINT, 8),
    item("float16", c"e", 'f', FLOAT, 2),
    item("float32", c"f", 'f', FLOAT, 4),
    item("float64", c"d", 'f', FLOAT, 8),
    item("complex64", c"Zf", 'c', COMPLEX, 8),
    item("complex128", c"Zd", 'c', COMPLEX, 16),
];

impl Item {
    pub(super) const BYTE: Self = ITEMS[0];

    pub(super) fn named(name: &str) -> PyResult<Self> {
        let found = ITEMS.iter().find(|item| item.name == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = ITEMS.iter().map(|item| item.name).collect();
            let names = names.join(", ");
            PyValueError::new_err(format!("{name:?} is no type of elements: {names}"))
        })
    }

    /// `<f4`: byte order, kind, size.
    pub(super) fn typestr(self) -> String {
        let order = match (self.size, cfg!(target_endian = "little")) {
            (1, _) => '|',
            (_, true) => '<',
            (_, false) => '>',
        };
        format!("{order}{}{}", self.kind, self.size)
    }
}
