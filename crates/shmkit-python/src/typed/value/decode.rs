//! From bytes, whatever they are, to objects.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyList, PyString};
use shmkit::layout::{Role, Scalar, Schema, Shape};

use super::{field, is_byte, items_of, offset, size};

/// The object for the value in `bytes`.
pub(in crate::typed) fn decode(
    py: Python<'_>,
    schema: &Schema,
    bytes: &[u8],
) -> PyResult<Py<PyAny>> {
    match schema.shape() {
        Shape::Unit => Ok(py.None()),
        Shape::Scalar(scalar) | Shape::Atomic(scalar) => number(py, scalar, bytes),
        Shape::Enum { repr, .. } => number(py, repr, bytes),
        Shape::Array { element, len } => {
            elements(py, element, &bytes[..size(schema)], (0, len), len)
        }
        Shape::Composite {
            role: Role::Text, ..
        } => {
            let (_, len, text) = collection(schema, bytes)?;
            let text = &text[..len as usize];
            let good = std::str::from_utf8(text).unwrap_or_else(|error| {
                let good = &text[..error.valid_up_to()];
                std::str::from_utf8(good).unwrap_or_default()
            });
            Ok(PyString::new(py, good).into_any().unbind())
        }
        Shape::Composite {
            role: Role::List | Role::Ring,
            ..
        } => {
            let (first, len, items) = collection(schema, bytes)?;
            let (element, capacity) = items_of(schema)?;
            elements(py, element, items, (first, len), capacity)
        }
        Shape::Composite {
            role: Role::Struct,
            fields,
            ..
        } => {
            let dict = PyDict::new(py);
            for field in fields {
                // What has a life of its own is no part of a value.
                if has_no_value(field.schema()) {
                    continue;
                }
                let part = &bytes[field.offset() as usize..];
                dict.set_item(field.name(), decode(py, field.schema(), part)?)?;
            }
            Ok(dict.into_any().unbind())
        }
        _ => Err(PyTypeError::new_err(format!(
            "a `{schema}` has no value of its own"
        ))),
    }
}

fn has_no_value(schema: &Schema) -> bool {
    match schema.shape() {
        Shape::Composite {
            role: Role::Sync, ..
        } => true,
        Shape::Array { element, .. } => has_no_value(element),
        _ => false,
    }
}

/// `len` elements of so many, from `first` on and round.
fn elements(
    py: Python<'_>,
    element: &Schema,
    bytes: &[u8],
    (first, len): (u64, u64),
    capacity: u64,
) -> PyResult<Py<PyAny>> {
    let size = size(element);
    let at = |i: u64| ((first + i) % capacity) as usize * size;
    if is_byte(element) {
        let bytes: Vec<u8> = (0..len).map(|i| bytes[at(i)]).collect();
        return Ok(PyBytes::new(py, &bytes).into_any().unbind());
    }
    let list = PyList::empty(py);
    // Of elements without bytes there may be said to be more than anybody can count.
    let len = if size == 0 { 0 } else { len };
    for i in 0..len {
        list.append(decode(py, element, &bytes[at(i)..])?)?;
    }
    Ok(list.into_any().unbind())
}

fn number(py: Python<'_>, scalar: Scalar, bytes: &[u8]) -> PyResult<Py<PyAny>> {
    macro_rules! read {
        ($type:ty) => {{
            let bytes = bytes
                .first_chunk()
                .expect("the layout says that they are there");
            <$type>::from_ne_bytes(*bytes)
        }};
    }
    Ok(match scalar {
        Scalar::U8 => read!(u8).into_pyobject(py)?.into_any().unbind(),
        Scalar::U16 => read!(u16).into_pyobject(py)?.into_any().unbind(),
        Scalar::U32 => read!(u32).into_pyobject(py)?.into_any().unbind(),
        Scalar::U64 => read!(u64).into_pyobject(py)?.into_any().unbind(),
        Scalar::I8 => read!(i8).into_pyobject(py)?.into_any().unbind(),
        Scalar::I16 => read!(i16).into_pyobject(py)?.into_any().unbind(),
        Scalar::I32 => read!(i32).into_pyobject(py)?.into_any().unbind(),
        Scalar::I64 => read!(i64).into_pyobject(py)?.into_any().unbind(),
        Scalar::F32 => PyFloat::new(py, read!(f32).into()).into_any().unbind(),
        Scalar::F64 => PyFloat::new(py, read!(f64)).into_any().unbind(),
        Scalar::Bool => PyBool::new(py, bytes[0] != 0)
            .to_owned()
            .into_any()
            .unbind(),
        _ => {
            return Err(PyTypeError::new_err(format!(
                "unknown number {}",
                scalar.name()
            )));
        }
    })
}

/// Where a collection begins, how many items count, and all of them; whatever its words say.
fn collection<'b>(schema: &Schema, bytes: &'b [u8]) -> PyResult<(u64, u64, &'b [u8])> {
    let word = |name: &str| -> PyResult<u64> {
        let at = offset(schema, name)?;
        let word = bytes[at..].first_chunk().copied().unwrap_or_default();
        Ok(u32::from_ne_bytes(word).into())
    };
    let (_, capacity) = items_of(schema)?;
    let head = match schema.field("head") {
        Some(_) => word("head")?.checked_rem(capacity).unwrap_or(0),
        None => 0,
    };
    let items = field(schema, "items").or_else(|_| field(schema, "bytes"))?;
    let at = items.offset() as usize;
    let end = at + size(items.schema());
    Ok((head, word("len")?.min(capacity), &bytes[at..end]))
}
