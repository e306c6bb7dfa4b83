//! Values, between Python's objects and the bytes that a layout says.
//!
//! Both work on a private copy: while it is made of the segment's bytes, or the other way round, no
//! Python runs.

mod decode;
mod encode;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use shmkit::layout::{Scalar, Schema, SchemaField, Shape};

pub(super) use decode::decode;
pub(super) use encode::{Way, encode};

fn is_byte(schema: &Schema) -> bool {
    matches!(schema.shape(), Shape::Scalar(Scalar::U8))
}

fn size(schema: &Schema) -> usize {
    schema.size() as usize
}

fn field<'s>(schema: &'s Schema, name: &str) -> PyResult<&'s SchemaField> {
    let odd = || PyTypeError::new_err(format!("this `{schema}` has no `{name}`"));
    schema.field(name).ok_or_else(odd)
}

fn offset(schema: &Schema, name: &str) -> PyResult<usize> {
    Ok(field(schema, name)?.offset() as usize)
}

fn items_of(schema: &Schema) -> PyResult<(&Schema, u64)> {
    let items = field(schema, "items").or_else(|_| field(schema, "bytes"))?;
    match items.schema().shape() {
        Shape::Array { element, len } => Ok((element, len)),
        _ => Err(PyTypeError::new_err(format!(
            "this `{schema}` has odd items"
        ))),
    }
}
